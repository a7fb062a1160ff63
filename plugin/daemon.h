/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_PLUGIN_DAEMON_H
#define FLOWTOP_PLUGIN_DAEMON_H

/*
 * collectd's headers, in the order in which they compile. collectd.h comes first: it sets what the
 * others depend on. Everything used from here must be a symbol that the daemon exports, or the
 * module does not load and the daemon does not start.
 */

#include <collectd/core/daemon/collectd.h>

#include <collectd/core/daemon/plugin.h>
#include <collectd/core/daemon/utils_complain.h>
#include <collectd/core/utils/common/common.h>
#include <collectd/core/utils/metadata/meta_data.h>

#endif /* FLOWTOP_PLUGIN_DAEMON_H */
