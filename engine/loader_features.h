/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_LOADER_FEATURES_H
#define FLOWTOP_LOADER_FEATURES_H

/*
 * What the running kernel's BPF can do, found by trying, never by its version: distributions
 * backport, and hardening takes away.
 */

#include <stdbool.h>
#include <stdint.h>

struct ft_features {
	bool fetch_add;	      /* atomics that return a value (5.12) */
	bool skb_cookie;      /* bpf_get_netns_cookie in cgroup_skb */
	bool sock_cookie;     /* ... in cgroup/sock */
	bool current_sock;    /* current pid, command and cgroup in cgroup/sock */
	bool current_addr;    /* ... in cgroup/sock_addr */
	bool missed;	      /* program runs that kprobes miss are counted (6.7) */
	uint32_t task_leader; /* byte offset of task_struct.group_leader; 0: not usable */
	uint32_t task_comm;   /* ... of comm */
};

/* Only what every probe needs: cheap. */
void ft_features_common(struct ft_features *features);

/* Also what the cgroup probe asks; loads a few tiny programs. */
void ft_features_cgroup(struct ft_features *features);

/* Also what the kprobe probe asks: reads the kernel's BTF. */
void ft_features_kprobe(struct ft_features *features);

#endif /* FLOWTOP_LOADER_FEATURES_H */
