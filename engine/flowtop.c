/* SPDX-License-Identifier: MIT */
#include "flowtop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "loader.h"
#include "probe.h"
#include "table.h"

struct flowtop {
	enum ft_probe probe;
	struct ft_settings settings;
	struct ft_loader *loader;
	struct ft_table table;
	uint64_t turns;
	uint64_t lost; /* as it stood at the last turn */
};

/* One probe: ruled out by what is known, or tried. */
static int try_probe(struct flowtop *handle, enum ft_probe probe, const struct ft_host *host,
		     struct ft_report *report)
{
	char *why = report->why_not[probe];
	size_t size = sizeof(report->why_not[probe]);
	int err = ft_probe_why_not(probe, &handle->settings, host, why, size);

	if (!err)
		err = ft_loader_open(&handle->loader, probe, &handle->settings, host,
				     &handle->table, why, size);
	if (err)
		return err;
	handle->probe = probe;
	report->chosen = probe;
	return 0;
}

/* What every probe says is said once. */
static void say_failure(const struct ft_settings *settings, struct ft_report *report)
{
	size_t used = 0;
	int length;

	if (settings->probe != FT_PROBE_AUTO) {
		snprintf(report->error, sizeof(report->error), "cannot open probe %s: %s",
			 ft_probe_name(settings->probe), report->why_not[settings->probe]);
		return;
	}
	length = snprintf(report->error, sizeof(report->error), "cannot open any probe");
	for (enum ft_probe i = FT_PROBE_FENTRY; i < FT_PROBES && length > 0; i++) {
		used += (size_t)length;
		if (used >= sizeof(report->error))
			return;
		length = snprintf(report->error + used, sizeof(report->error) - used, "%s %s: %s",
				  i == FT_PROBE_FENTRY ? ":" : ";", ft_probe_name(i),
				  report->why_not[i]);
	}
}

int flowtop_open(struct flowtop **out, const struct ft_settings *settings, struct ft_report *report)
{
	struct flowtop *handle;
	struct ft_host host;
	int err = -EINVAL;

	*out = NULL;
	memset(report, 0, sizeof(*report));
	if (settings->probe >= FT_PROBES || settings->max_flows > FT_MAX_FLOWS_LIMIT) {
		snprintf(report->error, sizeof(report->error), "settings are out of range");
		return -EINVAL;
	}
	handle = calloc(1, sizeof(*handle));
	if (!handle) {
		snprintf(report->error, sizeof(report->error), "memory is short");
		return -ENOMEM;
	}
	handle->settings = *settings;
	if (!handle->settings.max_flows)
		handle->settings.max_flows = FT_MAX_FLOWS_DEFAULT;
	ft_host_look(&host);
	if (settings->probe != FT_PROBE_AUTO) {
		err = try_probe(handle, settings->probe, &host, report);
	} else {
		for (enum ft_probe i = FT_PROBE_FENTRY; i < FT_PROBES && err; i++)
			err = try_probe(handle, i, &host, report);
	}
	if (err) {
		say_failure(&handle->settings, report);
		free(handle);
		return err;
	}
	if (handle->probe == FT_PROBE_CGROUP && host.own_cgroup_ns)
		snprintf(report->notice, sizeof(report->notice),
			 "this process is in a cgroup namespace of its own, as in a container: only "
			 "sockets of that part of the host are seen; start it in the host's (docker "
			 "run --cgroupns=host) to see all");
	*out = handle;
	return 0;
}

int flowtop_turn(struct flowtop *handle, struct ft_interval *interval)
{
	struct ft_quiet quiet;
	uint64_t lost = 0;
	int err;

	err = ft_table_turn(&handle->table, &quiet);
	if (err)
		return err;
	memset(interval, 0, sizeof(*interval));
	interval->number = ++handle->turns;
	interval->nanoseconds = quiet.interval_ns;
	interval->grace_ns = quiet.grace_ns;
	interval->records = quiet.records;
	interval->used = quiet.used;
	interval->table_full = quiet.full;
	memcpy(interval->event, quiet.event, sizeof(interval->event));
	if (ft_loader_lost(handle->loader, &lost) == 0) {
		interval->lost_known = true;
		interval->lost = lost - handle->lost;
		handle->lost = lost;
	}
	return 0;
}

uint64_t flowtop_age(const struct flowtop *handle)
{
	return ft_monotonic_ns() - handle->table.flip_ns;
}

enum ft_probe flowtop_probe(const struct flowtop *handle)
{
	return handle->probe;
}

void flowtop_close(struct flowtop *handle)
{
	if (!handle)
		return;
	ft_loader_close(handle->loader);
	free(handle);
}
