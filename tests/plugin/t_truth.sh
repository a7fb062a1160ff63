#!/bin/bash
# SPDX-License-Identifier: MIT
# What a real collectd dispatches, against the truth of a sender that knows what it sent: each byte
# and datagram of TCP and UDP flows over IPv4 and IPv6, both ways, between two network namespaces;
# then 200 flows of different sizes, of which the ten largest must be named, in order.
#
# The exact integers are in each value's meta data, which collectd's JSON keeps.

. "$SRC/tests/lib.sh"
. "$SRC/tests/plugin/daemon.sh"
need_root
need_command jq jq
daemon_prepare

NS1=fta$$
NS2=ftb$$
A4=10.78.32.1
B4=10.78.32.2
A6=fd78:32::1
B6=fd78:32::2
TRAFFIC=$BUILD/tests/traffic/traffic

truth_clean() {
	ip netns del $NS1 2>/dev/null
	ip netns del $NS2 2>/dev/null
	daemon_clean
}

net() {
	ip netns add $NS1 && ip netns add $NS2 &&
		ip link add veth0 netns $NS1 type veth peer name veth0 netns $NS2 &&
		ip -n $NS1 addr add $A4/24 dev veth0 && ip -n $NS2 addr add $B4/24 dev veth0 &&
		ip -n $NS1 addr add $A6/64 dev veth0 nodad &&
		ip -n $NS2 addr add $B6/64 dev veth0 nodad &&
		ip -n $NS1 link set veth0 up && ip -n $NS2 link set veth0 up
}

# The same configuration, with every value also as a line of JSON, and a filter for the test's nets.
json_conf() {
	daemon_conf "$1"
	cp "${COLLECTD_PLUGINS:-/usr/lib/collectd}/write_log.so" "$DAEMON_DIR/plugins/"
	cat >>"$DAEMON_DIR/conf" <<-END
		LoadPlugin write_log
		<Plugin write_log>
			Format "JSON"
		</Plugin>
	END
}

# Lines of: DIRECTION NAME BYTES PACKETS TIME, from what collectd wrote.
dispatched() {
	sed -n 's/^.*write_log values:$//; s/^[^[]*\(\[{.*}\]\).*$/\1/p' "$DAEMON_DIR/log" |
		jq -r '.[] | select(.plugin == "flowtop" and .plugin_instance != "health") |
			[.plugin_instance, .type_instance, .meta["flowtop:bytes"],
			 .meta["flowtop:packets"], .time] | @tsv'
}

# sum DIRECTION NAME COLUMN
sum() {
	awk -F'\t' -v d="flow-$1" -v n="$2" -v c="$3" '
		$1 == d && $2 == n { sum += $c; seen = 1 }
		END { print seen ? sum : "absent" }' "$DAEMON_DIR/values"
}

# Until the log shows two more intervals than now.
settle() {
	rows=$(csv_count flowtop-flow-egress/bytes-total)
	until_true "$PATIENCE" csv_at_least flowtop-flow-egress/bytes-total $((rows + 2))
}

# start CONFIG: a daemon that measures.
start() {
	json_conf "$1"
	daemon_start
	daemon_ready
	until_true "$PATIENCE" csv_at_least flowtop-flow-egress/bytes-total 1
}

trap truth_clean EXIT
net || exit 1

# --- Every flow to the byte ---------------------------------------------------------------------
start 'Top 100'
"$TRAFFIC" $NS1 $A4 $A6 $NS2 $B4 $B6 >"$DAEMON_DIR/truth" || exit 1
settle
daemon_stop
dispatched >"$DAEMON_DIR/values"

# The truth has two lines for a flow, one for each end: each gets what the other end sent again.
awk '{ line[NR] = $0; again[NR] = $10 }
	END { for (i = 1; i <= NR; i++) print line[i], again[i % 2 ? i + 1 : i - 1] }' \
	"$DAEMON_DIR/truth" >"$DAEMON_DIR/ends"
while read -r protocol local local_port remote remote_port out out_packets in in_packets again \
	peer_again; do
	# The client's ephemeral port is not part of the name.
	if [ "$remote_port" -lt 10000 ]; then
		name=$protocol-$local-$remote-$remote_port
	else
		name=$protocol-$local-$local_port-$remote
	fi
	# The cgroup probe sees packets: what was sent again crosses IP again, and veth loses nothing.
	if [ "$(daemon_log 'probe cgroup')" -gt 0 ]; then
		out=$((out + again))
		in=$((in + peer_again))
	fi
	is "$(sum egress "$name" 3)" "$out" "$name: egress bytes"
	is "$(sum ingress "$name" 3)" "$in" "$name: ingress bytes"
	if [ "$protocol" = udp ]; then
		is "$(sum egress "$name" 4)" "$out_packets" "$name: datagrams sent"
		is "$(sum ingress "$name" 4)" "$in_packets" "$name: datagrams received"
	fi
done <"$DAEMON_DIR/ends"

# --- The ten largest of 200, in order -----------------------------------------------------------
start '<Filter>
	Protocol "udp"
	RemotePort "7001-7200"
</Filter>'
"$TRAFFIC" $NS1 $A4 $A6 $NS2 $B4 $B6 200 4 >"$DAEMON_DIR/truth" || exit 1
settle
daemon_stop
dispatched >"$DAEMON_DIR/values"

is "$(grep -c . "$DAEMON_DIR/truth")" 400 "200 flows, both ends"
# The ten largest senders of the truth, largest first.
awk '$5 >= 7001 && $5 <= 7200 { print $6, "udp-" $2 "-" $4 "-" $5 }' "$DAEMON_DIR/truth" |
	sort -k1,1nr | head -10 | cut -d' ' -f2 >"$DAEMON_DIR/want"
# The same from each interval in which all rounds' traffic came: collectd's own order of size.
awk -F'\t' '$1 == "flow-egress" && $2 != "other" && $2 != "total" {
		bytes[$2] += $3; if ($3 > 0) rows[$5]++
	}
	END {
		for (time in rows)
			if (rows[time] > 10) { print "more than ten at " time > "/dev/stderr" }
		for (name in bytes) print bytes[name], name
	}' "$DAEMON_DIR/values" | sort -k1,1nr -k2,2 | head -10 | cut -d' ' -f2 >"$DAEMON_DIR/got"
is "$(cat "$DAEMON_DIR/got")" "$(cat "$DAEMON_DIR/want")" "the ten largest, in the right order"

for direction in egress ingress; do
	# In each interval: what was dispatched under a name of its own and other make total, exactly.
	awk -F'\t' -v d="flow-$direction" '
		$1 != d { next }
		$2 == "total" { total[$5] = $3; next }
		{ sum[$5] += $3 }
		END {
			for (t in total) { n++; if (sum[t] != total[t]) bad++ }
			print (n && !bad ? "equal" : bad + 0 " of " n " intervals differ")
		}' "$DAEMON_DIR/values" >"$DAEMON_DIR/sums"
	is "$(cat "$DAEMON_DIR/sums")" equal "$direction: top and other make total, to the byte"
done
sent=$(awk '{ sum += $6 } END { print sum }' "$DAEMON_DIR/truth")
is "$(sum egress total 3)" "$sent" "total is all that was sent"

done_testing
