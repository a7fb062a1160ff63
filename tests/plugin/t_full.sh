#!/bin/bash
# SPDX-License-Identifier: MIT
# More flows than the table holds: totals stay exact, what has no flow is told, and once.

. "$SRC/tests/lib.sh"
. "$SRC/tests/plugin/daemon.sh"
need_root
daemon_prepare

ROUNDS=4
FLOWS=200
EGRESS=flowtop-flow-egress/bytes

daemon_conf 'MaxFlows 64
<Filter>
	Protocol "udp"
	RemotePort "20001-20200"
</Filter>'
daemon_start
daemon_ready
# From now on each byte is in an interval.
until_true "$PATIENCE" csv_at_least $EGRESS-total 1

# One datagram per socket; flow N of round R sends 100 + 10 N bytes.
sent=0
for ((round = 1; round <= ROUNDS; round++)); do
	for ((flow = 1; flow <= FLOWS; flow++)); do
		printf '%*s' $((100 + 10 * flow)) '' >"/dev/udp/127.0.0.1/$((20000 + flow))"
		sent=$((sent + 100 + 10 * flow))
	done
	sleep 1.1
done
rows=$(csv_count $EGRESS-total)
until_true "$PATIENCE" csv_at_least $EGRESS-total $((rows + 2))
daemon_stop

is "$(csv_sum $EGRESS-total)" "$sent" "total is exact, to the byte"
unattributed=$(csv_sum flowtop-health/bytes-unattributed-egress)
isnt "$unattributed" 0 "unattributed bytes are reported: $unattributed of $sent"
records=$(csv_rows flowtop-health/count-records |
	awk -F, '$2 > most { most = $2 } END { print most + 0 }')
is "$records" 64 "the table was full"
is "$(daemon_log 'flowtop plugin: MaxFlows 64 is too small')" 1 \
	"one warning names MaxFlows, in several full intervals"

# In each interval: the flows of that time stamp and other make total.
for file in "$DAEMON_DIR/csv/test/$EGRESS"-*; do
	name=${file##*/bytes-}
	grep -v '^epoch' "$file" | sed "s/^/${name%-????-??-??},/"
done | awk -F, '
	$1 == "total" { total[$2] = $3; next }
	{ sum[$2] += $3; if ($1 != "other" && $3 > 0) flows[$2]++ }
	END {
		for (t in total) {
			intervals++
			full += flows[t] == 10
			off = sum[t] - total[t]
			if (off > 1e-6 * total[t] + 1e-9 || off < -1e-6 * total[t] - 1e-9)
				print "at " t ": " sum[t] " is not " total[t]
		}
		print (full ? "some" : "no") " intervals with ten flows of " intervals > "/dev/stderr"
		exit !full
	}' >"$DAEMON_DIR/sums" 2>"$DAEMON_DIR/sums.note"
is "$?" 0 "$(cat "$DAEMON_DIR/sums.note")"
is "$(cat "$DAEMON_DIR/sums")" "" "top and other make total in each interval"

done_testing
