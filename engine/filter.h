/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_FILTER_H
#define FLOWTOP_FILTER_H

/*
 * Filter: from the words of a configuration to the struct ft_filter that the programs read. The
 * same words serve the plugin's <Filter> block and the terminal.
 */

#include <stddef.h>

#include "../include/abi.h"

/*
 * ft_filter_add - add one value of one option.
 * @filter: changed only on success; start from all zeros.
 * @option: "Pid", "Tid", "Process", "Protocol", "LocalPort", "RemotePort" or "Loopback"; case does
 *	not matter.
 * @value: as written, without blanks: a number from 1 ("443"), a port range ("8000-8080"), a command
 *	of 1 to 15 bytes, "tcp" or "udp". For Loopback "false", "no" and "off" mean
 *	FT_LOOPBACK_NONE, "true", "yes" and "on" FT_LOOPBACK_ANY, "only" FT_LOOPBACK_ONLY.
 * @why, @size: on failure receives what is allowed, e.g. "a process id, 1 to 4194304"; untouched on
 *	success.
 *
 * Several values of one option: one of them must match. Several options: each must match. Protocol
 * takes one value (both are no condition); of several values of Loopback the last counts.
 * Returns 0; -ENOENT for an unknown option; -EINVAL for a value that is not allowed; -E2BIG for
 * more than FT_FILTER_VALUES values.
 */
int ft_filter_add(struct ft_filter *filter, const char *option, const char *value, char *why,
		  size_t size);

#endif /* FLOWTOP_FILTER_H */
