/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_KERNEL_H
#define FLOWTOP_KERNEL_H

/*
 * The kernel's own types, by hand: only the fields that we read. preserve_access_index makes the
 * loader find each field's place in the running kernel's BTF, so order and offsets here mean
 * nothing, and no vmlinux.h and no BTF of the building host is needed.
 */

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
};

struct net_device {
	unsigned int flags;
};

struct task_struct;

struct dst_entry {
	struct net_device *dev;
};

struct sock {
	struct sock_common __sk_common;
	struct dst_entry *sk_dst_cache;
	__u16 sk_type;	   /* 16 bits of their own since 5.6 */
	__u16 sk_protocol; /* the same */
};

struct inet_sock {
	__be16 inet_sport; /* stays when tcp_done() has given the port back, unlike skc_num */
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 write_seq;
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u32 snd_una;
	__u32 packets_out;
	__u64 bytes_received;
	__u32 data_segs_out;
	__u32 data_segs_in;
};

struct sk_buff {
	struct sock *sk;
	unsigned long _skb_refdst;
	unsigned int len;
	int skb_iif;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
	unsigned char *data;
	unsigned int end; /* an offset from head on every 64 bit kernel */
};

struct skb_shared_info {
	unsigned short gso_size;
	unsigned short gso_segs;
};

struct inode {
	__u16 i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data; /* of a socket's file: its struct socket */
};

struct socket {
	struct sock *sk;
};

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *group_leader;
	char comm[16];
};

#pragma clang attribute pop

/* Headers as they stand on the wire: fixed for ever, so without relocation. */
struct ft_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 tot_len; /* 0 for packets past 64 KiB (BIG TCP): never used */
	__be16 id;
	__be16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__be16 check;
	__be32 saddr;
	__be32 daddr;
};

struct ft_ipv6 {
	__u8 version_class;
	__u8 class_flow[3];
	__be16 payload_len; /* 0 for packets past 64 KiB: never used */
	__u8 nexthdr;
	__u8 hop_limit;
	__u8 saddr[16];
	__u8 daddr[16];
};

struct ft_ports {
	__be16 source;
	__be16 dest;
};

enum {
	FT_AF_INET = 2,
	FT_AF_INET6 = 10,
	FT_SOCK_STREAM = 1,
	FT_SOCK_DGRAM = 2,
	FT_IPPROTO_TCP = 6,
	FT_IPPROTO_UDP = 17,
	FT_ETH_P_IP = 0x0800,
	FT_ETH_P_IPV6 = 0x86DD,
	FT_IFF_LOOPBACK = 1 << 3,
	FT_S_IFMT = 0170000,
	FT_S_IFSOCK = 0140000,
	/* Bits of sk_flags: enum sock_flags, the same from 5.10 to 7.2. */
	FT_SOCK_DEAD = 0,	 /* set by sock_orphan(): no application has it any more */
	FT_SOCK_DONE = 1,	 /* set by tcp_fin() */
	FT_LOOPBACK_IFINDEX = 1, /* lo is the first device of every network namespace */
};

/* include/net/tcp_states.h */
enum {
	FT_TCP_ESTABLISHED = 1,
	FT_TCP_SYN_SENT = 2,
	FT_TCP_SYN_RECV = 3,
	FT_TCP_FIN_WAIT1 = 4,
	FT_TCP_FIN_WAIT2 = 5,
	FT_TCP_TIME_WAIT = 6,
	FT_TCP_CLOSE = 7,
	FT_TCP_CLOSE_WAIT = 8,
	FT_TCP_LAST_ACK = 9,
	FT_TCP_LISTEN = 10,
	FT_TCP_CLOSING = 11,
	FT_TCP_NEW_SYN_RECV = 12,
};

#endif /* FLOWTOP_KERNEL_H */
