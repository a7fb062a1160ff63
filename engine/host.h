/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_HOST_H
#define FLOWTOP_HOST_H

/*
 * Host: what this kernel and this process may do, looked at once, as plain facts. Reads only files;
 * what only a try can tell (does a program load?) is the loader's.
 */

#include <stdbool.h>
#include <stddef.h>

#include "../include/abi.h"

struct ft_host {
	bool btf;	    /* /sys/kernel/btf/vmlinux can be read */
	bool lockdown;	    /* lockdown=confidentiality: tracing programs are refused */
	bool kprobes;	    /* the kernel has kprobes (tracefs or the perf PMU shows them) */
	bool cap_bpf;	    /* CAP_BPF or CAP_SYS_ADMIN is effective */
	bool cap_perfmon;   /* CAP_PERFMON or CAP_SYS_ADMIN */
	bool cap_net_admin; /* CAP_NET_ADMIN */
	bool own_cgroup_ns; /* in a cgroup namespace that is not the host's first: a container */
	char cgroup2[256];  /* where cgroup v2 is mounted (hybrid hierarchies too), or "" */
	char release[65];   /* uname's */
};

/* ft_host_look - fill in @host; what cannot be found out counts as not there. */
void ft_host_look(struct ft_host *host);

/*
 * ft_host_cgroup2 - find the cgroup v2 mount in a mountinfo file.
 * @mountinfo: path, "/proc/self/mountinfo" in production.
 * @out, @size: receive the mount point; of several the one that shows the hierarchy's root wins.
 * Returns 0, -ENOENT when there is none, -errno when the file cannot be read.
 */
int ft_host_cgroup2(const char *mountinfo, char *out, size_t size);

#endif /* FLOWTOP_HOST_H */
