#!/bin/bash
# SPDX-License-Identifier: MIT
# iperf3 between two network namespaces, seen from the host: what the csv writer wrote, summed over
# its measured intervals, against iperf3's own account. IPERF_SECONDS sets the length.

. "$SRC/tests/lib.sh"
. "$SRC/tests/plugin/daemon.sh"
need_root
need_command iperf3 iperf3
need_command jq jq
daemon_prepare

SECONDS_LONG=${IPERF_SECONDS:-4}
PORT=5201
CLIENT=10.77.31.1
SERVER=10.77.31.2
NS1=ftc$$
NS2=fts$$

net() {
	ip netns add $NS1 && cleanup ip netns del $NS1 &&
		ip netns add $NS2 && cleanup ip netns del $NS2 &&
		ip link add veth0 netns $NS1 type veth peer name veth0 netns $NS2 &&
		ip -n $NS1 addr add $CLIENT/24 dev veth0 && ip -n $NS2 addr add $SERVER/24 dev veth0 &&
		ip -n $NS1 link set veth0 up && ip -n $NS2 link set veth0 up
}

listening() {
	ip netns exec $NS2 ss -Hltn "sport = :$PORT" | grep -q .
}

# within NAME COUNTED LEAST MOST: at most 0.5 % outside of the two.
within() {
	if awk -v n="$2" -v least="$3" -v most="$4" \
		'BEGIN { exit !(least > 0 && n >= 0.995 * least && n <= 1.005 * most) }'; then
		ok "$1: $2 counted, $3 by iperf3"
	else
		not_ok "$1: $2 counted, $3 by iperf3"
	fi
}

reported() {
	jq ".end.$1.bytes // .end.sum.bytes" "$DAEMON_DIR/iperf"
}

net || skip_all "network namespaces cannot be made here (iproute2, CONFIG_NET_NS, CONFIG_VETH)"
ip netns exec $NS2 iperf3 -s -p $PORT >/dev/null 2>&1 &
cleanup kill $!
until_true "$PATIENCE" listening

daemon_conf ''
daemon_start
daemon_ready
until_true "$PATIENCE" csv_at_least flowtop-flow-egress/bytes-total 1

# run NAME PREFIX IPERF-OPTIONS...: the flow's names begin with PREFIX.
run() {
	name=$1
	prefix=$2
	shift 2
	ip netns exec $NS1 iperf3 -J -c $SERVER -p $PORT -t "$SECONDS_LONG" "$@" >"$DAEMON_DIR/iperf"
	rows=$(csv_count flowtop-flow-egress/bytes-total)
	until_true "$PATIENCE" csv_at_least flowtop-flow-egress/bytes-total $((rows + 2))
	sent=$(reported sum_sent)
	received=$(reported sum_received)
	within "$name, egress" "$(csv_sum "flowtop-flow-egress/bytes-$prefix-$CLIENT-$SERVER-$PORT")" \
		"$sent" "$sent"
	# A datagram that a full receive buffer turns away has reached the socket, and counts there
	# with the cgroup probe; iperf3 never sees it. TCP has no such thing.
	[ "$prefix" = udp ] && most=$sent || most=$received
	within "$name, ingress" \
		"$(csv_sum "flowtop-flow-ingress/bytes-$prefix-$SERVER-$PORT-$CLIENT")" \
		"$received" "$most"
}

run "TCP" tcp
run "UDP" udp -u -b 20M -l 1400
daemon_stop

done_testing
