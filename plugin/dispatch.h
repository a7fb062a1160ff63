/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_PLUGIN_DISPATCH_H
#define FLOWTOP_PLUGIN_DISPATCH_H

/*
 * Dispatch: from one interval to the daemon's values.
 *
 *	HOST/flowtop-flow-egress/bytes-tcp-10.0.0.5-443-10.0.0.9	bytes per second
 *	HOST/flowtop-flow-egress/bytes-other		total less the flows above
 *	HOST/flowtop-flow-egress/bytes-total		all that was counted
 *	HOST/flowtop-health/...				how well it was counted
 *
 * and the same for ingress. All values of a read carry one time stamp, and each identity occurs
 * once: the daemon writes with several threads and does not keep the order within a read.
 */

#include <stddef.h>
#include <stdint.h>

#include "../engine/flowtop.h"
#include "../engine/fold.h"
#include "daemon.h"

struct dispatch_source {
	const struct ft_interval *interval;
	const struct ft_fold *fold; /* of this interval, by FT_FOLD_FLOW */
	enum ft_probe probe;
	uint64_t turn_ns; /* how long flowtop_turn() took */

	const struct ft_talker **room; /* for @top pointers, used as scratch */
	size_t top;		       /* flows per direction */
};

/*
 * dispatch_interval - hand everything to the daemon.
 * @time: the time stamp of all values.
 * Returns how many values the daemon did not take (it is out of memory then).
 */
unsigned int dispatch_interval(const struct dispatch_source *source, cdtime_t time);

#endif /* FLOWTOP_PLUGIN_DISPATCH_H */
