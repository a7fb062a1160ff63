// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The fentry probe: the hooks of tracing_tcp.bpf.h and tracing_udp.bpf.h by BPF trampolines, the
 * cheapest way into a kernel function. Pointers are typed: fields are read by plain loads that the
 * kernel guards, and a TCP socket's state lies in its own storage.
 */

#include "kernel.h"

#ifdef FLOWTOP_LEGACY
/* Before 5.11 tracing programs have no socket storage, and so no use for typed pointers. */
#define FIELD(pointer, path) BPF_CORE_READ(pointer, path)
#else
#define FLOWTOP_TYPED
#define FIELD(pointer, path) ((pointer)->path)
#endif

#include "tracing_tcp.bpf.h"
#include "tracing_udp.bpf.h"

char _license[] SEC("license") = "Dual MIT/GPL";

SEC("fentry/release_sock")
int BPF_PROG(flowtop_release, struct sock *sk)
{
	tcp_released(sk);
	return 0;
}

SEC("fentry/ip_send_skb")
int BPF_PROG(flowtop_send, struct net *net, struct sk_buff *skb)
{
	udp_sent(skb);
	return 0;
}

SEC("fentry/ip6_send_skb")
int BPF_PROG(flowtop_send6, struct sk_buff *skb)
{
	udp_sent(skb);
	return 0;
}

SEC("fentry/skb_consume_udp")
int BPF_PROG(flowtop_consume, struct sock *sk, struct sk_buff *skb, int len)
{
	udp_received(sk, skb, len);
	return 0;
}

/* Each TCP socket's end, whoever closes it. */
SEC("fentry/inet_csk_destroy_sock")
int BPF_PROG(flowtop_destroy, struct sock *sk)
{
	tcp_destroyed(sk);
	return 0;
}
