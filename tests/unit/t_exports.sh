#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The module shows module_register and nothing else: the daemon and all its plugins share one space
# of names. What it asks for, somebody must have: a symbol that the daemon does not export would
# keep the daemon from starting.
set -u
module=${1:-.libs/flowtop.so}
nm=${NM:-nm}

if [ ! -f "$module" ]; then
	echo "$module: not built"
	exit 1
fi

# Word splitting is meant: libtool's NM has options.
shown=$($nm -D --defined-only "$module") || exit 99
shown=$(printf '%s\n' "$shown" | awk '{ print $NF }' | sed 's/@.*//' | sort)
if [ "$shown" != module_register ]; then
	echo "$module exports more, or less, than module_register:"
	printf '%s\n' "$shown"
	exit 1
fi

# In the daemon's headers, but not among its exports.
unknown=$($nm -D --undefined-only "$module" | awk '{ print $NF }' |
	grep -E '^(ignorelist_|latency_counter_|format_json_|fbh_)')
if [ -n "$unknown" ]; then
	echo "$module needs what collectd does not export:"
	printf '%s\n' "$unknown"
	exit 1
fi

# Nothing of the engine may be left undefined.
missing=$($nm -D --undefined-only "$module" | awk '{ print $NF }' |
	grep -E '^(ft_|flowtop_|module_)')
if [ -n "$missing" ]; then
	echo "$module lacks parts of its own:"
	printf '%s\n' "$missing"
	exit 1
fi
