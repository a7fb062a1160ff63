/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_PLUGIN_CONFIG_H
#define FLOWTOP_PLUGIN_CONFIG_H

/*
 * Config: from the daemon's parsed configuration to settings. It only parses: the daemon calls it
 * before it forks, when neither threads nor BPF may be started.
 *
 * What is wrong is logged with block, option, value and what is allowed. A wrong option of the
 * <Plugin> block leaves the option as it was. A wrong filter cannot be left out, because the
 * numbers would then be about other traffic than what was asked for: it sets @refused.
 */

#include <stdbool.h>
#include <stddef.h>

#include "../engine/flowtop.h"
#include "daemon.h"

#define PLUGIN_TOP_DEFAULT 10
#define PLUGIN_TOP_LIMIT 1000

struct plugin_settings {
	struct ft_settings engine;
	size_t top;	 /* flows dispatched per direction, 1 to PLUGIN_TOP_LIMIT */
	bool has_filter; /* a <Filter> block was seen */
	bool refused;	 /* a <Filter> block is wrong: do not measure */
};

/* The defaults: what a plain LoadPlugin line gives. */
void plugin_settings_default(struct plugin_settings *settings);

/*
 * plugin_settings_parse - take over one <Plugin flowtop> block.
 * @settings: from plugin_settings_default(), or from an earlier block: several blocks add up, and
 *	the last value of an option counts.
 * @block: the daemon's; nothing of it is kept.
 */
void plugin_settings_parse(struct plugin_settings *settings, const oconfig_item_t *block);

#endif /* FLOWTOP_PLUGIN_CONFIG_H */
