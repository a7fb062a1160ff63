/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_CGROUP_SOCKET_BPF_H
#define FLOWTOP_CGROUP_SOCKET_BPF_H

/*
 * What the cgroup probe keeps with each socket, and the hooks in which it learns who owns it: those
 * where a process itself acts on a socket. Packets say nothing of that, most arrive and many leave
 * in softirq, on top of whatever ran there.
 */

#include "flow.bpf.h"

enum socket_flags {
	/* sendto() was called with an address: a connected UDP socket's peer is not always it. */
	SOCKET_ADDRESSED = 1 << 16,
};

struct ft_socket {
	__u64 word;  /* {epoch:32, slot:32} */
	__u64 netns; /* cookie; 0: unknown */
	struct ft_owner owner;
	__u32 flags; /* enum ft_flow_flags, enum socket_flags */
	__u32 reserved;
};

/* BPF_F_CLONE: an accepted socket starts with what its listener knew. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct ft_socket);
} sockets SEC(".maps");

/*
 * The command of the process: its first thread's, for a thread may have a name of its own. The
 * places come from the loader, which reads the kernel's BTF where there is one, instead of from
 * CO-RE relocations: with those this object could not be loaded on a kernel without BTF.
 */
static __always_inline void leader_comm(char comm[FT_COMM_LEN])
{
	if (config.task_leader && config.task_comm) {
		const char *task = (const char *)bpf_get_current_task_btf();
		const char *leader = *(const char **)(task + config.task_leader);

#pragma unroll
		for (int i = 0; i < FT_COMM_LEN; i++)
			comm[i] = leader[config.task_comm + i];
	} else {
		bpf_get_current_comm(comm, FT_COMM_LEN);
	}
}

/*
 * The current process acts on the socket: it is the owner from now on. Its command may have changed
 * since (execve() keeps sockets), but to look at each datagram would cost more than that is worth.
 */
static __always_inline void learn_owner(struct ft_socket *socket, bool afresh)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct ft_owner owner = {};

	if (socket->owner.pid == pid && !afresh)
		return;
	owner.pid = pid;
	owner.cgroup = bpf_get_current_cgroup_id();
	leader_comm(owner.comm);
	socket->owner = owner;
}

SEC("cgroup/sock_create")
int flowtop_create(struct bpf_sock *sk)
{
	struct ft_socket *socket;

	if ((sk->type != FT_SOCK_STREAM && sk->type != FT_SOCK_DGRAM) ||
	    (sk->family != FT_AF_INET && sk->family != FT_AF_INET6))
		return 1;
	socket = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return 1;
	if (config.sock_cookie)
		socket->netns = bpf_get_netns_cookie(sk);
	if (config.current_sock)
		learn_owner(socket, true);
	return 1;
}

static __always_inline int addressed(struct bpf_sock_addr *ctx, __u32 flags, bool connects)
{
	struct bpf_sock *sk = ctx->sk;
	struct ft_socket *socket;

	if (!sk)
		return 1;
	socket = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return 1;
	if ((socket->flags & flags) != flags)
		socket->flags |= flags;
	if (config.current_addr)
		learn_owner(socket, connects);
	return 1;
}

/* Connecting makes a client of TCP only: a UDP server may connect to whom it answers. */
static __always_inline __u32 connects_as(const struct bpf_sock_addr *ctx)
{
	return ctx->type == FT_SOCK_STREAM ? FT_FLOW_CLIENT : 0;
}

SEC("cgroup/connect4")
int flowtop_connect4(struct bpf_sock_addr *ctx)
{
	return addressed(ctx, connects_as(ctx), true);
}

SEC("cgroup/connect6")
int flowtop_connect6(struct bpf_sock_addr *ctx)
{
	return addressed(ctx, connects_as(ctx), true);
}

/* These two run for every sendto() with an address, on connected sockets too. */
SEC("cgroup/sendmsg4")
int flowtop_sendmsg4(struct bpf_sock_addr *ctx)
{
	return addressed(ctx, SOCKET_ADDRESSED, false);
}

SEC("cgroup/sendmsg6")
int flowtop_sendmsg6(struct bpf_sock_addr *ctx)
{
	return addressed(ctx, SOCKET_ADDRESSED, false);
}

#endif /* FLOWTOP_CGROUP_SOCKET_BPF_H */
