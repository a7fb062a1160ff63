/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_ABI_H
#define FLOWTOP_ABI_H

/*
 * What the kernel side (bpf/) and the user side (engine/) both know: the flow record, the control
 * block, the filter. Every structure is laid out by hand, without implicit padding, and its size is
 * asserted, so that both compilers agree.
 *
 * Words used here as everywhere (README, "Words"):
 *   flow          a 5-tuple seen from the local socket, within one network namespace
 *   egress, tx    what the local socket sends
 *   ingress, rx   what the local socket receives
 *   unattributed  counted, but without a flow of its own (the table was full)
 *
 * Addresses are 16 bytes in network order; IPv4 is ::ffff/96, so that a v4-mapped IPv6 socket and
 * an IPv4 socket that speak with the same peer share one form. Ports are in host order. Bytes are
 * payload: what the application hands to, or gets from, TCP or UDP, without any header.
 */

#include <linux/types.h>

#define FT_COMM_LEN 16 /* the kernel's TASK_COMM_LEN */

enum ft_direction {
	FT_EGRESS = 0,
	FT_INGRESS = 1,
	FT_DIRECTIONS = 2,
};

/* One flow's identity. 48 bytes, compared as six words. */
struct ft_key {
	union {
		struct {
			__u8 local_addr[16];  /* network order, IPv4 as ::ffff/96 */
			__u8 remote_addr[16]; /* network order, IPv4 as ::ffff/96 */
			__u16 local_port;     /* host order */
			__u16 remote_port;    /* host order */
			__u8 protocol;	      /* IPPROTO_TCP or IPPROTO_UDP */
			__u8 reserved[3];     /* 0 */
			/*
			 * Network namespace: equal for two sockets of one namespace within one
			 * probe. The cgroup probe has the namespace's cookie, the tracing probes
			 * its inode number. 0: unknown (a socket older than the probe, on a kernel
			 * that does not tell).
			 */
			__u64 netns;
		};
		__u64 words[6];
	};
};
_Static_assert(sizeof(struct ft_key) == 48, "ft_key is 48 bytes on both sides");

struct ft_counters {
	__u64 bytes;   /* payload bytes */
	__u64 packets; /* data segments of TCP, datagrams of UDP */
};

/* The process that last acted on the socket; pid 0: unknown. */
struct ft_owner {
	__u32 pid;		/* thread group id, as in the initial pid namespace */
	__u32 tid;		/* thread id; 0: unknown, as always with the cgroup probe */
	__u64 cgroup;		/* cgroup v2 id; 0: unknown */
	char comm[FT_COMM_LEN]; /* the process's command; bytes from outside: not to be trusted */
};
_Static_assert(sizeof(struct ft_owner) == 32, "ft_owner is 32 bytes on both sides");

/* Who opened the connection, as far as the probe saw it. */
enum ft_flow_flags {
	FT_FLOW_CLIENT = 1 << 0,   /* the local socket connected */
	FT_FLOW_SERVER = 1 << 1,   /* the local socket was accepted from a listener */
	FT_FLOW_LOOPBACK = 1 << 2, /* both ends are on this host */
};

/*
 * One flow in one interval: two cache lines. A record is written by the kernel side with atomic
 * adds while its half of the table is active, read and zeroed by the user side while it is quiet.
 */
struct ft_record {
	struct ft_counters count[FT_DIRECTIONS];
	struct ft_key key;
	struct ft_owner owner;
	__u32 flags; /* enum ft_flow_flags */
	__u32 reserved[3];
};
_Static_assert(sizeof(struct ft_record) == 128, "ft_record is two cache lines");

/* The record of each table that takes what has no flow of its own. */
#define FT_SLOT_UNATTRIBUTED 0
/* The largest table: a slot number must fit in the 24 bits that the index has for it. */
#define FT_MAX_FLOWS_LIMIT 4194304
#define FT_MAX_FLOWS_DEFAULT 65536

/* What went wrong on the slow path, counted since the probe was opened; see control. */
enum ft_event {
	FT_EVENT_TABLE_FULL,   /* a transfer found no free record */
	FT_EVENT_INDEX_FULL,   /* a flow found no cell in the index: its bytes are unattributed */
	FT_EVENT_NO_STORAGE,   /* the kernel refused socket storage: the transfer went by tuple */
	FT_EVENT_NO_STATE,     /* a TCP socket without room for its sequence state: not counted */
	FT_EVENT_MALFORMED,    /* headers that do not parse: not counted */
	FT_EVENT_STEPPED_BACK, /* a TCP position went backwards: taken as no traffic */
	FT_EVENT_NESTED,       /* tests only (widen): a program ran on top of another on one CPU */
	FT_EVENT_COUNT = 8,    /* room to grow without changing the layout */
};

/*
 * The control block: one mapped page, shared. Each of its lines is 64 bytes, because every program
 * run reads the epoch and a new flow writes the counter of its table.
 */
struct ft_control {
	/* Even: the first half of the table is active; odd: the second. Never 0. */
	__u32 epoch;
	/*
	 * 1 once sockets that are older than the probe have been noted: from then on a TCP socket
	 * that is new to us and untouched was accepted just now.
	 */
	__u32 settled;
	__u8 pad0[56];
	struct {
		/* Slots handed out, the unattributed one included. May pass the last by the
		 * number of CPUs that raced for the last one: the reader clamps it.
		 */
		__u64 used;
		__u8 pad[56];
	} table[2];
	__u64 event[FT_EVENT_COUNT];
};
_Static_assert(sizeof(struct ft_control) == 256, "ft_control is four cache lines");

/*
 * The index: where a tuple's record is, for a transfer whose socket does not know. An open-addressed
 * array of words {epoch:24, tag:16, slot:24}, eight to a bucket (one cache line), each tuple allowed
 * in two buckets. A word of another epoch is free, so a flip empties the index for nothing; a word
 * is believed only when the record that it points to carries the tuple. See bpf/table.bpf.h.
 */
#define FT_INDEX_WAYS 8

struct ft_index_bucket {
	__u64 word[FT_INDEX_WAYS];
};

/* At most this many values of one filter option. */
#define FT_FILTER_VALUES 16

struct ft_port_range {
	__u16 first; /* host order */
	__u16 last;  /* inclusive */
};

enum ft_loopback {
	FT_LOOPBACK_ANY = 0,  /* no condition */
	FT_LOOPBACK_ONLY = 1, /* only traffic between two addresses of this host */
	FT_LOOPBACK_NONE = 2, /* only traffic with other hosts */
};

/*
 * The filter: a transfer counts when, for each option with values, one of them matches. It is read
 * by the programs as a constant, so an option without values costs nothing.
 */
struct ft_filter {
	__u32 pids, tids, comms, local_ports, remote_ports; /* how many values of each */
	__u8 protocol;					    /* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	__u8 loopback;					    /* enum ft_loopback */
	__u8 reserved[2];
	__u32 pid[FT_FILTER_VALUES];
	__u32 tid[FT_FILTER_VALUES];
	struct ft_port_range local_port[FT_FILTER_VALUES];
	struct ft_port_range remote_port[FT_FILTER_VALUES];
	char comm[FT_FILTER_VALUES][FT_COMM_LEN]; /* NUL padded */
};

/* What the programs are told once, before they are loaded (their read-only data). */
struct ft_config {
	__u32 slots; /* records in each half of the table: max_flows and the unattributed one */
	__u32 index_mask; /* buckets in the index - 1; a power of two less one */
	__u64 seed;	  /* of the tuple's hash, random per start: nobody can aim at a bucket */
	__u32 widen;	 /* tests only: turns of an idle loop inside the race windows, at most 64 */
	__u8 skb_cookie; /* the kernel has bpf_get_netns_cookie for cgroup_skb (6.15) */
	__u8 sock_cookie;  /* ... and for cgroup/sock_create (5.7) */
	__u8 current_sock; /* current pid and command are known in cgroup/sock_create */
	__u8 current_addr; /* ... and in cgroup/connect and sendmsg */
	__u8 reserved[4];
	/* Byte offsets in struct task_struct, for the cgroup probe; 0: not usable. */
	__u32 task_leader; /* of group_leader */
	__u32 task_comm;   /* of comm */
	struct ft_filter filter;
};

#endif /* FLOWTOP_ABI_H */
