#!/bin/bash
# SPDX-License-Identifier: MIT
# However the daemon ends, nothing of ours stays in the kernel, and it can start again.

. "$SRC/tests/lib.sh"
. "$SRC/tests/plugin/daemon.sh"
need_root
daemon_prepare

# Packets without end, to nobody: it is enough that they are sent.
traffic() {
	while :; do
		for port in 20001 20002 20003 20004; do
			echo "some bytes" >"/dev/udp/127.0.0.1/$port"
		done
	done
}

# started NAME: the daemon measures, and holds programs and links; they are in $DAEMON_DIR/held.
started() {
	daemon_start
	daemon_ready
	if until_true "$PATIENCE" csv_at_least flowtop-flow-egress/bytes-total 2; then
		ok "$1: it measures"
	else
		not_ok "$1: it measures" "$(cat "$DAEMON_DIR/log")"
	fi
	bpf_held "$DAEMON_PID" >"$DAEMON_DIR/held"
	isnt "$(grep -c '^prog' "$DAEMON_DIR/held")" 0 "$1: it holds programs"
	isnt "$(grep -c '^link' "$DAEMON_DIR/held")" 0 "$1: it holds links"
}

nothing_left() {
	[ -z "$(bpf_left <"$DAEMON_DIR/held")" ]
}

# The kernel frees them a moment after the process has gone.
ended() {
	until_true "$PATIENCE" nothing_left
	is "$(bpf_left <"$DAEMON_DIR/held")" "" "$1: no program, link or map is left"
}

daemon_conf ''
traffic 2>/dev/null &
cleanup kill $!

started "first start"
kill -KILL "$DAEMON_PID"
daemon_wait
ended "kill -9"
started "restart after kill -9"
daemon_stop
is "$DAEMON_STATUS" 0 "SIGTERM: the daemon's status"
ended "SIGTERM"

# So short an interval that it is nearly always inside of a read.
# shellcheck disable=SC2034 # daemon.sh reads it
DAEMON_INTERVAL=0.02
daemon_conf 'MaxFlows 1000000'
started "SIGTERM while it reads"
before=$(date +%s%N)
daemon_stop
took=$((($(date +%s%N) - before) / 1000000))
is "$DAEMON_STATUS" 0 "SIGTERM while it reads: the daemon's status"
if [ "$took" -lt 10000 ]; then
	ok "SIGTERM while it reads: out after $took ms"
else
	not_ok "SIGTERM while it reads: out after $took ms"
fi
ended "SIGTERM while it reads"

done_testing
