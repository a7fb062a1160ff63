/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_TRACING_BPF_H
#define FLOWTOP_TRACING_BPF_H

/*
 * What the fentry and kprobe probes share: everything but the way in. The file that includes this
 * defines FIELD(pointer, path), a read of kernel memory, and FLOWTOP_TYPED where its pointers are
 * typed: then a socket's state is in its own storage, else in a hash keyed by its address.
 *
 * TCP is counted by the socket's own sequence numbers, at the entry of release_sock(): every
 * send, receive, splice and sendfile ends there, and one that blocks passes there each time that
 * it goes to sleep, so a call of a minute shows its progress. What write_seq and copied_seq moved
 * since the last look is exactly what the application handed over or took. No return value is
 * needed, so nothing can run out of return slots; the arguments of tcp_sendmsg() and tcp_recvmsg(),
 * which changed from release to release, do not matter; and an event that the kernel skipped is
 * made good by the next one. The entry is before the backlog is worked off, so what arrives
 * meanwhile is the next event's.
 *
 * UDP is counted by the packet: at the entry of ip_send_skb() and ip6_send_skb(), before NAT, and
 * at skb_consume_udp(), which runs for what a reader really took, and says how much.
 */

#include <linux/ptrace.h>

#include "table.bpf.h"
#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* The rest of the caller, beyond its ids: its first thread's command, for threads have their own. */
static __always_inline void owner_complete(struct ft_owner *owner)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	owner->cgroup = bpf_get_current_cgroup_id();
	BPF_CORE_READ_INTO(&owner->comm, task, group_leader, comm);
}

#include "flow.bpf.h"

/* BPF_PROG() and BPF_KPROBE() make a parameter of every argument, used or not. */
#pragma clang diagnostic ignored "-Wunused-parameter"

/*
 * A TCP socket's state: a delta is taken from it, so it must outlive a flip, and must not be
 * evicted. It goes when the socket goes.
 */
struct ft_stream {
	__u64 word;	/* {epoch:32, slot:32} */
	__u32 written;	/* write_seq up to which we have counted, FIN left out */
	__u32 consumed; /* copied_seq up to which we have counted, FIN left out */
	__u32 segs_out;
	__u32 segs_in;
	__u32 flags; /* enum ft_flow_flags, enum stream_flags */
	__u32 ports; /* {local:16, remote:16}: whose state this is */
};

enum stream_flags {
	STREAM_FIN_SENT = 1 << 16,
	STREAM_CONSUMED = 1 << 17, /* consumed is known: not yet while the socket connects */
	STREAM_FILTERED = 1 << 18, /* the filter let the last caller's transfer go */
};

#ifdef FLOWTOP_TYPED
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct ft_stream);
} streams SEC(".maps");
#else
/*
 * kprobes have no typed pointers, and before 5.11 no tracing program could use socket storage.
 * Preallocated: an allocation inside a kprobe may deadlock on old kernels. Sized by the loader.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct ft_stream);
} streams SEC(".maps");
#endif

static __always_inline struct ft_stream *stream_find(struct sock *sk)
{
#ifdef FLOWTOP_TYPED
	return bpf_sk_storage_get(&streams, sk, 0, 0);
#else
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&streams, &key);
#endif
}

/*
 * Published whole: on another CPU somebody may look for it at the same time. Who is there already
 * stays, and is returned.
 */
static __always_inline struct ft_stream *stream_create(struct sock *sk, struct ft_stream *begin)
{
	struct ft_stream *stream;
#ifdef FLOWTOP_TYPED
	stream = bpf_sk_storage_get(&streams, sk, begin, BPF_SK_STORAGE_GET_F_CREATE);
#else
	__u64 key = (__u64)sk;

	bpf_map_update_elem(&streams, &key, begin, BPF_NOEXIST);
	stream = bpf_map_lookup_elem(&streams, &key);
#endif
	if (!stream)
		count_event(FT_EVENT_NO_STATE);
	return stream;
}

static __always_inline void stream_forget(struct sock *sk)
{
#ifdef FLOWTOP_TYPED
	bpf_sk_storage_delete(&streams, sk);
#else
	__u64 key = (__u64)sk;

	bpf_map_delete_elem(&streams, &key);
#endif
}

/* What of a TCP socket matters, read at once. */
struct tcp_view {
	__u32 state;
	__u32 write_seq, copied_seq, rcv_nxt, snd_una, segs_out, segs_in;
	__u32 in_flight;      /* segments sent and not acknowledged, a SYN too */
	__u32 bytes_received; /* its lower half is enough: only differences matter */
	bool fin_received;
	bool orphaned; /* the last file of it is closed */
	__u16 local_port;
	__u16 remote_port;
};

static __always_inline bool tcp_look(struct sock *sk, struct tcp_view *view)
{
	struct tcp_sock *tp;
	unsigned long flags;

#ifdef FLOWTOP_TYPED
	tp = bpf_skc_to_tcp_sock(sk); /* NULL for what is no TCP socket */
	if (!tp)
		return false;
#else
	if (FIELD(sk, sk_protocol) != FT_IPPROTO_TCP || FIELD(sk, sk_type) != FT_SOCK_STREAM)
		return false;
	tp = (struct tcp_sock *)sk;
#endif
	view->state = FIELD(sk, __sk_common.skc_state);
	view->local_port = bpf_ntohs(FIELD(tp, inet_conn.icsk_inet.inet_sport));
	view->remote_port = bpf_ntohs(FIELD(sk, __sk_common.skc_dport));
	flags = FIELD(sk, __sk_common.skc_flags);
	view->fin_received = flags >> FT_SOCK_DONE & 1;
	view->orphaned = flags >> FT_SOCK_DEAD & 1;
	view->write_seq = FIELD(tp, write_seq);
	view->copied_seq = FIELD(tp, copied_seq);
	view->rcv_nxt = FIELD(tp, rcv_nxt);
	view->snd_una = FIELD(tp, snd_una);
	view->in_flight = FIELD(tp, packets_out);
	view->segs_out = FIELD(tp, data_segs_out);
	view->segs_in = FIELD(tp, data_segs_in);
	view->bytes_received = FIELD(tp, bytes_received);
	return true;
}

static __always_inline __u32 ports_of(const struct tcp_view *view)
{
	return (__u32)view->local_port << 16 | view->remote_port;
}

/* Where the application's own data ends in what was written: a FIN takes one number too. */
static __always_inline __u32 position_written(const struct tcp_view *view, struct ft_stream *stream)
{
	switch (view->state) {
	case FT_TCP_FIN_WAIT1:
	case FT_TCP_FIN_WAIT2:
	case FT_TCP_CLOSING:
	case FT_TCP_LAST_ACK:
		stream->flags |= STREAM_FIN_SENT;
	}
	return view->write_seq - (stream->flags & STREAM_FIN_SENT ? 1 : 0);
}

/* The same for what was read. A FIN is the last number that there is: rcv_nxt is behind it. */
static __always_inline __u32 position_consumed(const struct tcp_view *view)
{
	return view->copied_seq - (view->fin_received && view->copied_seq == view->rcv_nxt ? 1 : 0);
}

/*
 * What moved between two positions. No call moves 2 GiB without releasing the socket in between, so
 * what looks like more is less than nothing: a position that the kernel took back, as when it has
 * no memory for a FIN. That is no traffic, and it is said.
 */
static __always_inline __u32 moved(__u32 now, __u32 before)
{
	__u32 by = now - before;

	if ((__s32)by >= 0)
		return by;
	count_event(FT_EVENT_STEPPED_BACK);
	return 0;
}

/*
 * First sight of a socket: counted from here on. For a connection that is accepted that is its first
 * byte, because it passes here in accept(), before its application can read or write. For one that
 * connects it is the number behind the SYN, which for data in a Fast Open SYN is not where write_seq
 * stands: snd_una is the SYN's own number while it is unanswered; what it receives begins where
 * rcv_nxt - bytes_received will be, once it is connected.
 *
 * Nothing else may be taken for a beginning: flowtop_settle notes what processes have open, but
 * there are older sockets that it cannot see, as the kernel's own, and their past is not ours.
 *
 * Returns false while a connect is put off until the first write (TCP_FASTOPEN_CONNECT): the
 * numbers are not those of the connection yet.
 */
static __always_inline bool stream_begin(struct ft_stream *stream, const struct tcp_view *view)
{
	stream->ports = ports_of(view);
	if (view->state == FT_TCP_SYN_SENT) {
		stream->flags = FT_FLOW_CLIENT;
		stream->written = view->snd_una + 1;
		return view->in_flight > 0;
	}
	stream->flags = STREAM_CONSUMED;
	stream->written = position_written(view, stream);
	stream->consumed = position_consumed(view);
	if (READ_ONCE(control.settled) && !view->segs_out &&
	    view->copied_seq == view->rcv_nxt - view->bytes_received) {
		/* Untouched: accepted just now. Segments may have come before. */
		stream->flags |= FT_FLOW_SERVER;
	} else {
		stream->segs_out = view->segs_out;
		stream->segs_in = view->segs_in;
	}
	return true;
}

static __always_inline __u64 netns_of(struct sock *sk)
{
	struct net *net = FIELD(sk, __sk_common.skc_net.net);

	return FIELD(net, ns.inum);
}

static __always_inline void key_from_sock(struct sock *sk, const struct tcp_view *view,
					  struct ft_key *key)
{
	key->local_port = view->local_port;
	key->remote_port = view->remote_port;
	key->protocol = FT_IPPROTO_TCP;
	key->netns = netns_of(sk);
	if (FIELD(sk, __sk_common.skc_family) == FT_AF_INET) {
		ipv4_mapped(key->local_addr, FIELD(sk, __sk_common.skc_rcv_saddr));
		ipv4_mapped(key->remote_addr, FIELD(sk, __sk_common.skc_daddr));
	} else {
		/* A v4-mapped socket has the mapped form here: the same as above. */
		BPF_CORE_READ_INTO(&key->local_addr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&key->remote_addr, sk, __sk_common.skc_v6_daddr);
	}
}

static __always_inline void caller(struct ft_owner *owner)
{
	__u64 id = bpf_get_current_pid_tgid();

	owner->pid = id >> 32;
	owner->tid = (__u32)id;
	if (config.filter.comms)
		owner_complete(owner);
}

/* A route through the loopback device: both ends are on this host. */
static __always_inline bool is_loopback_route(const struct dst_entry *dst)
{
	const struct net_device *dev = dst ? BPF_CORE_READ(dst, dev) : 0;

	return dev && (BPF_CORE_READ(dev, flags) & FT_IFF_LOOPBACK);
}

static __always_inline void stream_count(struct sock *sk, const struct tcp_view *view,
					 struct ft_stream *stream, struct ft_owner *owner,
					 __u64 bytes, __u64 packets, enum ft_direction direction)
{
	struct ft_transfer t = {
		.owner = owner,
		.word = &stream->word,
		.bytes = bytes,
		.packets = packets,
		.flags = stream->flags & (FT_FLOW_CLIENT | FT_FLOW_SERVER),
		.exclusive = true,
		.claim = true,
	};

	key_from_sock(sk, view, &t.key);
	if (config.filter.loopback && is_loopback_route(FIELD(sk, sk_dst_cache)))
		t.flags |= FT_FLOW_LOOPBACK;
	record_transfer(&t, direction);
}

/* The same on behalf of the process that runs. */
static __always_inline void stream_called(struct sock *sk, const struct tcp_view *view,
					  struct ft_stream *stream, __u64 bytes, __u64 packets,
					  enum ft_direction direction)
{
	struct ft_owner owner = {};

	caller(&owner);
	if (!filter_owner(&owner)) {
		stream->flags |= STREAM_FILTERED;
		return;
	}
	stream->flags &= ~STREAM_FILTERED;
	stream_count(sk, view, stream, &owner, bytes, packets, direction);
}

static __always_inline struct ft_stream *stream_of(struct sock *sk, const struct tcp_view *view)
{
	struct ft_stream *stream = stream_find(sk), begin = {};

	/*
	 * Without its socket's storage, state may outlive the socket, when the kernel skipped the
	 * program at its end; the next socket at that address has other ports.
	 */
	if (stream && stream->ports != ports_of(view)) {
		stream_forget(sk);
		stream = 0;
	}
	if (stream)
		return stream;
	/* tcp_close() releases once more after the socket's end: nobody can use it now. */
	if (view->orphaned || !stream_begin(&begin, view))
		return 0;
	return stream_create(sk, &begin);
}

/* The socket's lock is about to be released: count what moved while it was held. */
static __always_inline void tcp_released(struct sock *sk)
{
	__u32 position, bytes, segs;
	struct tcp_view view = {};
	struct ft_stream *stream;

	if (!tcp_look(sk, &view) || view.state == FT_TCP_LISTEN)
		return;
	if (view.state == FT_TCP_CLOSE && !view.remote_port) {
		/* Not connected, or no longer (tcp_disconnect()): its numbers mean nothing. */
		stream_forget(sk);
		return;
	}
	stream = stream_of(sk, &view);
	if (!stream)
		return;

	position = position_written(&view, stream);
	bytes = moved(position, stream->written);
	segs = moved(view.segs_out, stream->segs_out);
	stream->written = position;
	stream->segs_out = view.segs_out;
	if (bytes || segs)
		stream_called(sk, &view, stream, bytes, segs, FT_EGRESS);

	if (view.state == FT_TCP_SYN_SENT)
		return; /* nothing is received yet, and copied_seq is not set */
	if (!(stream->flags & STREAM_CONSUMED)) {
		stream->flags |= STREAM_CONSUMED;
		stream->consumed = view.rcv_nxt - view.bytes_received;
	}
	position = position_consumed(&view);
	bytes = moved(position, stream->consumed);
	segs = moved(view.segs_in, stream->segs_in);
	stream->consumed = position;
	stream->segs_in = view.segs_in;
	if (bytes || segs)
		stream_called(sk, &view, stream, bytes, segs, FT_INGRESS);
}

/*
 * The socket's end, wherever it comes, mostly in softirq: what runs there is not the owner. Segments
 * that left after the last call are still to be counted, and what was read without a call, by the
 * kernel itself (a socket map, MPTCP). Nothing can have been written since.
 */
static __always_inline void tcp_destroyed(struct sock *sk)
{
	struct ft_stream *stream = stream_find(sk);
	struct ft_owner unknown = {};
	struct tcp_view view = {};
	__u32 bytes = 0, segs;

	if (!stream || !tcp_look(sk, &view))
		return;
	if (stream->ports == ports_of(&view) && !(stream->flags & STREAM_FILTERED)) {
		segs = moved(view.segs_out, stream->segs_out);
		if (segs)
			stream_count(sk, &view, stream, &unknown, 0, segs, FT_EGRESS);
		if (stream->flags & STREAM_CONSUMED)
			bytes = moved(position_consumed(&view), stream->consumed);
		segs = moved(view.segs_in, stream->segs_in);
		if (bytes || segs)
			stream_count(sk, &view, stream, &unknown, bytes, segs, FT_INGRESS);
	}
	stream_forget(sk);
}

/*
 * Sockets that are open when we attach: without this pass, what their first call moves would not be
 * counted, for that is when we would begin. It runs once, over the files of all processes, so it
 * sees every network namespace.
 */
SEC("iter/task_file")
int flowtop_settle(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct ft_stream begin = {};
	struct tcp_view view = {};
	struct socket *socket;
	struct sock *sk;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & FT_S_IFMT) != FT_S_IFSOCK)
		return 0;
#ifdef FLOWTOP_TYPED
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : 0;
#else
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
#endif
	if (!sk || !tcp_look(sk, &view) || view.state == FT_TCP_LISTEN ||
	    (view.state == FT_TCP_CLOSE && !view.remote_port))
		return 0;
	if (!stream_find(sk) && stream_begin(&begin, &view))
		stream_create(sk, &begin);
	return 0;
}

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

#endif /* FLOWTOP_TRACING_BPF_H */
