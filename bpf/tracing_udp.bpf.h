/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_TRACING_UDP_BPF_H
#define FLOWTOP_TRACING_UDP_BPF_H

/*
 * UDP is counted by the packet: at the entry of ip_send_skb() and ip6_send_skb(), before NAT, and
 * at skb_consume_udp(), which runs for what a reader really took, and says how much.
 */

#include "tracing.bpf.h"

/*
 * Pointers to packet bytes as plain numbers, to calculate with: since 6.17 a typed read makes
 * memory of them, and the verifier then allows little.
 */
static __always_inline unsigned char *packet_head(struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, head);
}

/* Addresses and ports from a UDP packet's headers, wherever its data pointer stands. */
static __always_inline bool key_from_skb(struct sk_buff *skb, struct ft_key *key, bool egress)
{
	__u8 *source = egress ? key->local_addr : key->remote_addr;
	__u8 *dest = egress ? key->remote_addr : key->local_addr;
	unsigned char *head = packet_head(skb);
	unsigned char *network = head + FIELD(skb, network_header);
	struct ft_ports ports;
	__u8 version;

	if (bpf_probe_read_kernel(&version, 1, network) ||
	    bpf_probe_read_kernel(&ports, sizeof(ports), head + FIELD(skb, transport_header)))
		return false;
	if (version >> 4 == 4) {
		__be32 addr[2];

		if (bpf_probe_read_kernel(addr, sizeof(addr),
					  network + __builtin_offsetof(struct ft_ipv4, saddr)))
			return false;
		ipv4_mapped(source, addr[0]);
		ipv4_mapped(dest, addr[1]);
	} else if (bpf_probe_read_kernel(source, 16,
					 network + __builtin_offsetof(struct ft_ipv6, saddr)) ||
		   bpf_probe_read_kernel(dest, 16,
					 network + __builtin_offsetof(struct ft_ipv6, daddr))) {
		return false;
	}
	key->local_port = bpf_ntohs(egress ? ports.source : ports.dest);
	key->remote_port = bpf_ntohs(egress ? ports.dest : ports.source);
	key->protocol = FT_IPPROTO_UDP;
	return true;
}

/* Datagrams in it: a GSO packet leaves as many, a GRO packet came as many. */
static __always_inline __u32 datagrams(struct sk_buff *skb)
{
	struct skb_shared_info *info;
	__u32 segs;

	info = (struct skb_shared_info *)(packet_head(skb) + FIELD(skb, end));
	segs = BPF_CORE_READ(info, gso_segs);
	return segs ? segs : 1;
}

static __always_inline void udp_count(struct sock *sk, struct sk_buff *skb, __u32 bytes,
				      enum ft_direction direction)
{
	struct ft_owner owner = {};
	struct ft_transfer t = { .owner = &owner };

	caller(&owner);
	if (!filter_owner(&owner) || !key_from_skb(skb, &t.key, direction == FT_EGRESS))
		return;
	t.key.netns = netns_of(sk);
	t.bytes = bytes;
	t.packets = datagrams(skb);
	t.claim = bytes > 0;
	if (config.filter.loopback) {
		/* The lowest bit of the reference says who holds it: SKB_DST_NOREF. */
		unsigned long dst = FIELD(skb, _skb_refdst) & ~1UL;

		if (direction == FT_EGRESS ? is_loopback_route((struct dst_entry *)dst) :
					     FIELD(skb, skb_iif) == FT_LOOPBACK_IFINDEX)
			t.flags |= FT_FLOW_LOOPBACK;
	}
	record_transfer(&t, direction);
}

/* ip_send_skb() also sends ICMP and raw sockets' packets. */
static __always_inline void udp_sent(struct sk_buff *skb)
{
	struct sock *sk = FIELD(skb, sk);
	unsigned char *data;
	__u32 header;

	if (!sk || FIELD(sk, sk_protocol) != FT_IPPROTO_UDP || FIELD(sk, sk_type) != FT_SOCK_DGRAM)
		return;
	data = BPF_CORE_READ(skb, data);
	header = packet_head(skb) + FIELD(skb, transport_header) + 8 - data;
	udp_count(sk, skb, FIELD(skb, len) - header, FT_EGRESS);
}

/* @len is what the reader got; a peek passes 0 or less. */
static __always_inline void udp_received(struct sock *sk, struct sk_buff *skb, int len)
{
	if (len > 0 && FIELD(sk, sk_protocol) == FT_IPPROTO_UDP)
		udp_count(sk, skb, len, FT_INGRESS);
}

#endif /* FLOWTOP_TRACING_UDP_BPF_H */
