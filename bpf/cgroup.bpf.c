// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The cgroup probe: packets of local sockets, seen at the root of the cgroup v2 hierarchy.
 *
 * cgroup_skb runs for each packet that a local socket sends (in ip_finish_output(), after netfilter
 * and before fragmentation; GSO packets whole) or receives (in the socket's filter, after
 * reassembly and GRO). It needs neither tracing nor reading of kernel memory, so it also loads
 * under lockdown=confidentiality. It sees packets: payload is what is left of a packet after its
 * headers, and a retransmitted segment counts each time that it is sent.
 */

#include "table.bpf.h"

static __always_inline void owner_complete(struct ft_owner *owner)
{
	(void)owner; /* a socket's owner is complete when it is learned */
}

#include "cgroup_socket.bpf.h"

char _license[] SEC("license") = "Dual MIT/GPL";

/* A packet, as far as its headers are needed. */
struct packet {
	__u32 payload;	 /* bytes */
	__u8 protocol;	 /* IPPROTO_TCP or IPPROTO_UDP */
	bool ipv4;	 /* the packet's own version, whatever the socket's family */
	__u16 source;	 /* host order */
	__u16 dest;	 /* host order */
	__u32 addresses; /* offset of the source address; the destination's follows it */
};

/* Copy from the packet, in one piece or not. */
static __always_inline bool load_any(struct __sk_buff *skb, __u32 offset, void *to,
				     const __u32 size)
{
	return bpf_skb_load_bytes(skb, offset, to, size) == 0;
}

/*
 * The same by plain loads where it lies in one piece, as headers nearly always do: a quarter of the
 * whole cost of a packet less. Not in the legacy variant, whose slow path is verified in each state
 * that there is, and these are too many with it.
 */
static __always_inline bool load(struct __sk_buff *skb, __u32 offset, void *to, const __u32 size)
{
#ifndef FLOWTOP_LEGACY
	const char *data = (const char *)(long)skb->data;
	const char *end = (const char *)(long)skb->data_end;

	if (data + offset + size <= end) {
		__builtin_memcpy(to, data + offset, size);
		return true;
	}
#endif
	return load_any(skb, offset, to, size);
}

/*
 * Step over IPv6 extension headers. Returns the transport header's offset, 0 when there is none
 * that we count.
 */
static __always_inline __u32 skip_extensions(struct __sk_buff *skb, __u8 *nexthdr)
{
	__u32 offset = sizeof(struct ft_ipv6);

	/* Ten is more than the kernel accepts of each kind on input; egress sets far fewer. */
	for (int i = 0; i < 10; i++) {
		struct {
			__u8 next, len;
		} ext;

		switch (*nexthdr) {
		case FT_IPPROTO_TCP:
		case FT_IPPROTO_UDP:
			return offset;
		case 0:	  /* hop-by-hop, a BIG TCP packet's jumbo option too */
		case 43:  /* routing */
		case 60:  /* destination options */
		case 135: /* mobility */
		case 44:  /* fragment: only of a packet that the stack has reassembled */
		case 51:  /* authentication */
			break;
		default:
			return 0;
		}
		if (!load_any(skb, offset, &ext, sizeof(ext)))
			return 0;
		if (*nexthdr == 44)
			offset += 8;
		else if (*nexthdr == 51)
			offset += (ext.len + 2U) * 4;
		else
			offset += (ext.len + 1U) * 8;
		*nexthdr = ext.next;
	}
	return 0;
}

/*
 * Payload, ports and where the addresses are. The payload comes from skb->len, never from the IP
 * header's length: that is 0 in packets past 64 KiB.
 */
static __always_inline bool parse(struct __sk_buff *skb, struct packet *p)
{
	__u32 transport, header = 8, len = skb->len;
	struct ft_ports ports;
	__u8 byte;

	if (skb->protocol == bpf_htons(FT_ETH_P_IP)) {
		struct ft_ipv4 ip;

		if (!load(skb, 0, &ip, sizeof(ip)))
			return false;
		transport = (ip.version_ihl & 0xf) * 4U;
		p->protocol = ip.protocol;
		p->ipv4 = true;
		p->addresses = __builtin_offsetof(struct ft_ipv4, saddr);
		if (p->protocol != FT_IPPROTO_TCP && p->protocol != FT_IPPROTO_UDP)
			return false;
	} else if (skb->protocol == bpf_htons(FT_ETH_P_IPV6)) {
		if (!load(skb, __builtin_offsetof(struct ft_ipv6, nexthdr), &p->protocol, 1))
			return false;
		p->ipv4 = false;
		p->addresses = __builtin_offsetof(struct ft_ipv6, saddr);
		transport = skip_extensions(skb, &p->protocol);
		if (!transport)
			return false;
	} else {
		return false;
	}
	if (!load(skb, transport, &ports, sizeof(ports)))
		return false;
	p->source = bpf_ntohs(ports.source);
	p->dest = bpf_ntohs(ports.dest);
	if (p->protocol == FT_IPPROTO_TCP) {
		if (!load(skb, transport + 12, &byte, 1))
			return false;
		header = (byte >> 4) * 4U;
	}
	if (len < transport + header) {
		count_event(FT_EVENT_MALFORMED);
		return false;
	}
	p->payload = len - transport - header;
	return true;
}

/* Segments that this packet is, or becomes, on the wire. */
static __always_inline __u32 segments(struct __sk_buff *skb, __u32 payload)
{
	__u32 segs = skb->gso_segs, size = skb->gso_size;

	if (segs)
		return segs;
	/* Packets from a virtual machine may carry a size without a count. */
	return size ? (payload + size - 1) / size : 1;
}

static __always_inline void key_from_packet(struct __sk_buff *skb, const struct packet *p,
					    struct ft_key *key, bool egress)
{
	__u8 *source = egress ? key->local_addr : key->remote_addr;
	__u8 *dest = egress ? key->remote_addr : key->local_addr;

	if (p->ipv4) {
		__be32 addr[2] = {};

		load(skb, __builtin_offsetof(struct ft_ipv4, saddr), addr, sizeof(addr));
		ipv4_mapped(source, addr[0]);
		ipv4_mapped(dest, addr[1]);
	} else {
		load(skb, __builtin_offsetof(struct ft_ipv6, saddr), source, 16);
		load(skb, __builtin_offsetof(struct ft_ipv6, daddr), dest, 16);
	}
	key->local_port = egress ? p->source : p->dest;
	key->remote_port = egress ? p->dest : p->source;
}

/* False: the socket has no peer of its own. */
static __always_inline bool key_from_socket(struct bpf_sock *sk, bool ipv4, struct ft_key *key)
{
	__u32 *local = (__u32 *)key->local_addr, *remote = (__u32 *)key->remote_addr;

	key->local_port = sk->src_port;
	key->remote_port = bpf_ntohs(sk->dst_port);
	if (!key->remote_port)
		return false;
	if (ipv4) {
		/* A v4-mapped socket has these too (sk_daddr_set(), sk_rcv_saddr_set()). */
		__be32 src = sk->src_ip4, dst = sk->dst_ip4;

		ipv4_mapped(key->local_addr, src);
		ipv4_mapped(key->remote_addr, dst);
		return src && dst;
	}
	local[0] = sk->src_ip6[0];
	local[1] = sk->src_ip6[1];
	local[2] = sk->src_ip6[2];
	local[3] = sk->src_ip6[3];
	remote[0] = sk->dst_ip6[0];
	remote[1] = sk->dst_ip6[1];
	remote[2] = sk->dst_ip6[2];
	remote[3] = sk->dst_ip6[3];
	return (local[0] | local[1] | local[2] | local[3]) != 0;
}

/*
 * Whose packet is it? A connected socket's key comes from the socket, for at this hook NAT has
 * already rewritten what leaves. The rest goes by the packet: an unconnected UDP socket, a
 * listener (a SYN-ACK, or the data on a third ACK, that belong to a socket still to be), and a
 * connected UDP socket's sendto() elsewhere. *exclusive says that the first was the case.
 */
static __always_inline void make_key(struct __sk_buff *skb, struct bpf_sock *sk,
				     const struct packet *p, struct ft_socket *socket, bool egress,
				     struct ft_key *key, bool *exclusive)
{
	__u32 state = sk->state;

	*exclusive = p->protocol == FT_IPPROTO_TCP ?
			     state != FT_TCP_LISTEN && state != FT_TCP_NEW_SYN_RECV :
			     state == FT_TCP_ESTABLISHED &&
				     !(socket && (socket->flags & SOCKET_ADDRESSED) && egress);
	if (*exclusive && !key_from_socket(sk, p->ipv4, key))
		*exclusive = false;
	if (!*exclusive)
		key_from_packet(skb, p, key, egress);
	key->protocol = p->protocol;
	if (socket && socket->netns)
		key->netns = socket->netns;
	else if (config.skb_cookie)
		key->netns = bpf_get_netns_cookie(skb);
}

static __always_inline void packet(struct __sk_buff *skb, enum ft_direction direction)
{
	const bool egress = direction == FT_EGRESS;
	struct bpf_sock *sk = skb->sk;
	struct ft_owner unknown = {};
	struct ft_transfer t = {};
	struct ft_socket *socket;
	struct packet p = {};

	if (!sk)
		return;
	sk = bpf_sk_fullsock(sk);
	if (!sk || !parse(skb, &p))
		return;
	/* A raw socket's packets are not ours, even when they look like UDP. */
	if (sk->type != (p.protocol == FT_IPPROTO_TCP ? FT_SOCK_STREAM : FT_SOCK_DGRAM))
		return;
	if (!p.payload && p.protocol == FT_IPPROTO_TCP) {
		/*
		 * A SYN arrives at its listener: whom that accepts will be a server. (The SYN-ACK
		 * would tell as well, but IPv6's does not pass here before 6.13.)
		 */
		if (!egress && sk->state == FT_TCP_LISTEN) {
			socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
			if (socket && !(socket->flags & FT_FLOW_SERVER))
				socket->flags |= FT_FLOW_SERVER;
		}
		return;
	}
	socket = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		count_event(FT_EVENT_NO_STORAGE);
	make_key(skb, sk, &p, socket, egress, &t.key, &t.exclusive);
	t.owner = &unknown;
	if (socket) {
		t.owner = &socket->owner;
		t.flags = socket->flags & (FT_FLOW_CLIENT | FT_FLOW_SERVER);
		if (t.exclusive || p.protocol == FT_IPPROTO_UDP)
			t.word = &socket->word;
	}
	if (skb->ifindex == FT_LOOPBACK_IFINDEX)
		t.flags |= FT_FLOW_LOOPBACK;
	t.bytes = p.payload;
	t.packets = segments(skb, p.payload);
	t.claim = p.payload > 0;
	record_transfer(&t, direction);
}

SEC("cgroup_skb/egress")
int flowtop_egress(struct __sk_buff *skb)
{
	packet(skb, FT_EGRESS);
	return 1;
}

SEC("cgroup_skb/ingress")
int flowtop_ingress(struct __sk_buff *skb)
{
	packet(skb, FT_INGRESS);
	return 1;
}
