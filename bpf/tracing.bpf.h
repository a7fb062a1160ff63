/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_TRACING_BPF_H
#define FLOWTOP_TRACING_BPF_H

/*
 * What the fentry and kprobe probes share: everything but the way in. The file that includes this
 * defines FIELD(pointer, path), a read of kernel memory, and FLOWTOP_TYPED where its pointers are
 * typed: then a socket's state is in its own storage, else in a hash keyed by its address.
 *
 * TCP is in tracing_stream.bpf.h (a socket's state) and tracing_tcp.bpf.h (what moves it), UDP in
 * tracing_udp.bpf.h.
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

static __always_inline __u64 netns_of(struct sock *sk)
{
	struct net *net = FIELD(sk, __sk_common.skc_net.net);

	return FIELD(net, ns.inum);
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

#endif /* FLOWTOP_TRACING_BPF_H */
