// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The kprobe probe: the hooks of tracing_tcp.bpf.h and tracing_udp.bpf.h by kprobes at function
 * entry, for kernels without BPF trampolines. No return probe: those have a fixed number of slots,
 * and calls that block keep them. Pointers are plain numbers here, so each field is read through a
 * helper.
 */

#include "kernel.h"

#define FIELD(pointer, path) BPF_CORE_READ(pointer, path)

#include "tracing_tcp.bpf.h"
#include "tracing_udp.bpf.h"

char _license[] SEC("license") = "Dual MIT/GPL";

SEC("kprobe/release_sock")
int BPF_KPROBE(flowtop_release, struct sock *sk)
{
	tcp_released(sk);
	return 0;
}

SEC("kprobe/ip_send_skb")
int BPF_KPROBE(flowtop_send, struct net *net, struct sk_buff *skb)
{
	udp_sent(skb);
	return 0;
}

SEC("kprobe/ip6_send_skb")
int BPF_KPROBE(flowtop_send6, struct sk_buff *skb)
{
	udp_sent(skb);
	return 0;
}

SEC("kprobe/skb_consume_udp")
int BPF_KPROBE(flowtop_consume, struct sock *sk, struct sk_buff *skb, int len)
{
	udp_received(sk, skb, len);
	return 0;
}

/* Each TCP socket's end, whoever closes it: its address may be another socket's next. */
SEC("kprobe/inet_csk_destroy_sock")
int BPF_KPROBE(flowtop_destroy, struct sock *sk)
{
	tcp_destroyed(sk);
	return 0;
}
