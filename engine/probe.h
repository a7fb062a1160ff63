/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_PROBE_H
#define FLOWTOP_PROBE_H

/*
 * The probes by name, and what rules one out before it is tried. Trying is the loader's.
 */

#include <stddef.h>

#include "flowtop.h"
#include "host.h"

/*
 * ft_probe_why_not - a reason, known without trying, why @probe cannot work here.
 * @settings: for the filter: not every probe can enforce each option.
 * @why, @size: receive the reason and its cure, or "".
 * Returns 0 when there is none, else a negative errno.
 */
int ft_probe_why_not(enum ft_probe probe, const struct ft_settings *settings,
		     const struct ft_host *host, char *why, size_t size);

#endif /* FLOWTOP_PROBE_H */
