/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_FILTER_BPF_H
#define FLOWTOP_FILTER_BPF_H

/*
 * The filter, decided in the kernel. Two parts, because they change at different times: what is a
 * property of the flow (its tuple, loopback) and what is one of the process that acts. Every list
 * is read-only data, so the verifier removes the ones that are empty.
 */

#include "table.bpf.h"

static __always_inline bool port_listed(const volatile struct ft_port_range *range, __u32 count,
					__u16 port)
{
	for (__u32 i = 0; i < FT_FILTER_VALUES; i++) {
		if (i >= count)
			break;
		if (port >= range[i].first && port <= range[i].last)
			return true;
	}
	return false;
}

static __always_inline bool number_listed(const volatile __u32 *list, __u32 count, __u32 number)
{
	for (__u32 i = 0; i < FT_FILTER_VALUES; i++) {
		if (i >= count)
			break;
		if (list[i] == number)
			return true;
	}
	return false;
}

static __always_inline bool comm_listed(const char *comm)
{
	const __u64 *words = (const __u64 *)comm;

	for (__u32 i = 0; i < FT_FILTER_VALUES; i++) {
		const volatile __u64 *listed = (const volatile __u64 *)config.filter.comm[i];

		if (i >= config.filter.comms)
			break;
		if (listed[0] == words[0] && listed[1] == words[1])
			return true;
	}
	return false;
}

/* True: a property of the flow lets it pass. */
static __always_inline bool filter_flow(const struct ft_key *key, __u32 flags)
{
	if (config.filter.protocol && config.filter.protocol != key->protocol)
		return false;
	if (config.filter.loopback == FT_LOOPBACK_NONE && (flags & FT_FLOW_LOOPBACK))
		return false;
	if (config.filter.loopback == FT_LOOPBACK_ONLY && !(flags & FT_FLOW_LOOPBACK))
		return false;
	if (config.filter.local_ports &&
	    !port_listed(config.filter.local_port, config.filter.local_ports, key->local_port))
		return false;
	if (config.filter.remote_ports &&
	    !port_listed(config.filter.remote_port, config.filter.remote_ports, key->remote_port))
		return false;
	return true;
}

/* True: the process lets it pass. An unknown one (pid 0) is never the one asked for. */
static __always_inline bool filter_owner(const struct ft_owner *owner)
{
	if (config.filter.pids && !number_listed(config.filter.pid, config.filter.pids, owner->pid))
		return false;
	if (config.filter.tids && !number_listed(config.filter.tid, config.filter.tids, owner->tid))
		return false;
	if (config.filter.comms && !comm_listed(owner->comm))
		return false;
	return true;
}

#endif /* FLOWTOP_FILTER_BPF_H */
