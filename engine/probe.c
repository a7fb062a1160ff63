/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

static const char *const probe_names[FT_PROBES] = {
	[FT_PROBE_AUTO] = "auto",
	[FT_PROBE_FENTRY] = "fentry",
	[FT_PROBE_KPROBE] = "kprobe",
	[FT_PROBE_CGROUP] = "cgroup",
};

const char *ft_probe_name(enum ft_probe probe)
{
	return probe < FT_PROBES ? probe_names[probe] : "unknown";
}

int ft_probe_parse(const char *name, enum ft_probe *probe)
{
	for (enum ft_probe i = FT_PROBE_AUTO; i < FT_PROBES; i++) {
		if (strcasecmp(name, probe_names[i]) == 0) {
			*probe = i;
			return 0;
		}
	}
	return -EINVAL;
}

int ft_probe_why_not(enum ft_probe probe, const struct ft_settings *settings,
		     const struct ft_host *host, char *why, size_t size)
{
	bool tracing = probe != FT_PROBE_CGROUP;

	why[0] = '\0';
	if (!tracing && settings->filter.tids) {
		snprintf(why, size,
			 "Tid cannot be filtered with it: packets do not know the thread that sent "
			 "them; use Pid, or Probe \"fentry\" or \"kprobe\"");
		return -EINVAL;
	}
	if (!host->cap_bpf) {
		snprintf(why, size,
			 "CAP_BPF is missing; run as root, or give the service CAP_BPF and %s "
			 "(AmbientCapabilities= and CapabilityBoundingSet= in its systemd unit)",
			 tracing ? "CAP_PERFMON" : "CAP_NET_ADMIN");
		return -EPERM;
	}
	if (tracing && !host->cap_perfmon) {
		snprintf(why, size,
			 "CAP_PERFMON is missing; run as root, or give the service CAP_PERFMON");
		return -EPERM;
	}
	if (!tracing && !host->cap_net_admin) {
		snprintf(why, size,
			 "CAP_NET_ADMIN is missing; run as root, or give the service CAP_NET_ADMIN");
		return -EPERM;
	}
	if (!tracing && !host->cgroup2[0]) {
		snprintf(why, size,
			 "no cgroup v2 hierarchy is mounted; mount one (mount -t cgroup2 none "
			 "/sys/fs/cgroup/unified), or boot with systemd.unified_cgroup_hierarchy=1");
		return -ENOENT;
	}
	if (tracing && host->lockdown) {
		snprintf(why, size,
			 "the kernel is in lockdown=confidentiality, which forbids tracing; use "
			 "Probe \"cgroup\", or boot with lockdown=integrity or none");
		return -EPERM;
	}
	if (tracing && !host->btf) {
		snprintf(why, size,
			 "the kernel has no BTF (/sys/kernel/btf/vmlinux); use Probe \"cgroup\", or "
			 "a kernel built with CONFIG_DEBUG_INFO_BTF");
		return -ENOENT;
	}
	if (probe == FT_PROBE_KPROBE && !host->kprobes) {
		snprintf(why, size,
			 "the kernel has no kprobes; use Probe \"cgroup\", or a kernel built with "
			 "CONFIG_KPROBE_EVENTS");
		return -ENOENT;
	}
	return 0;
}
