/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_TRACING_STREAM_BPF_H
#define FLOWTOP_TRACING_STREAM_BPF_H

/*
 * What is kept for each TCP socket while it lives: up to which of its own sequence numbers we have
 * counted. Here is where such state begins and ends and how positions are read; tracing_tcp.bpf.h
 * takes the differences.
 */

#include "tracing.bpf.h"

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

#endif /* FLOWTOP_TRACING_STREAM_BPF_H */
