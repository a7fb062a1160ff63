/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_TRACING_TCP_BPF_H
#define FLOWTOP_TRACING_TCP_BPF_H

/*
 * TCP is counted by the socket's own sequence numbers, at the entry of release_sock(): every
 * send, receive, splice and sendfile ends there, and one that blocks passes there each time that
 * it goes to sleep, so a call of a minute shows its progress. What write_seq and copied_seq moved
 * since the last look is exactly what the application handed over or took. No return value is
 * needed, so nothing can run out of return slots; the arguments of tcp_sendmsg() and tcp_recvmsg(),
 * which changed from release to release, do not matter; and an event that the kernel skipped is
 * made good by the next one. The entry is before the backlog is worked off, so what arrives
 * meanwhile is the next event's.
 */

#include "tracing_stream.bpf.h"

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

#endif /* FLOWTOP_TRACING_TCP_BPF_H */
