#!/bin/bash
# SPDX-License-Identifier: MIT
# Bad input under a real collectd: each wrong thing is one clear line, and the daemon lives.

. "$SRC/tests/lib.sh"
. "$SRC/tests/plugin/daemon.sh"
daemon_prepare

ONE_TO="use a whole number from 1 to"

# bad NAME TEXT LINE: with TEXT in the block, LINE is logged once and collectd runs.
bad() {
	daemon_conf "$2"
	daemon_start
	daemon_ready
	is "$(daemon_log "flowtop plugin: <Plugin flowtop>: $3")" 1 "$1: one line says what is wrong"
	# Through the first read and the second.
	sleep 1.2
	if daemon_alive; then
		ok "$1: the daemon is alive"
	else
		not_ok "$1: the daemon is alive" "$(cat "$DAEMON_DIR/log")"
	fi
	daemon_stop
}

bad "unknown option" 'Colour "red"' \
	'unknown option Colour "red": allowed are Probe, MaxFlows, Top and a <Filter> block'
bad "Top 0" 'Top 0' "Top 0 is not allowed: $ONE_TO 1000\. Top stays 10"
bad "Top -1" 'Top -1' "Top -1 is not allowed: $ONE_TO 1000\. Top stays 10"
bad "Top 1000000" 'Top 1000000' "Top 1000000 is not allowed: $ONE_TO 1000\. Top stays 10"
bad "Probe foo" 'Probe "foo"' \
	'Probe "foo" is not allowed: use "auto", "fentry", "kprobe" or "cgroup"\. Probe stays "auto"'
bad "MaxFlows 0" 'MaxFlows 0' "MaxFlows 0 is not allowed: $ONE_TO 4194304\. MaxFlows stays 65536"

# A wrong filter is not left out: the daemon lives, and nothing is measured.
refused() {
	bad "$1" "$2" "$3"
	is "$(daemon_log 'flowtop plugin: nothing is measured, because the <Filter> block is wrong')" 1 \
		"$1: one line says that nothing is measured"
	is "$(daemon_log 'flowtop plugin: probe ')" 0 "$1: no probe is opened"
	is "$DAEMON_STATUS" 1 "$1: the daemon's status tells at the end"
}

refused "Pid abc" '<Filter>
Pid "abc"
</Filter>' '<Filter>: Pid "abc" is not allowed: a process id'
refused "Pid outside of the block" 'Pid 5' '<Filter>: Pid outside of the block is not allowed'
# Without quotes the daemon reads a range as two numbers.
refused "port range without quotes" '<Filter>
LocalPort 8000-8080
</Filter>' '<Filter>: LocalPort -8080 is not allowed'
refused "Process yes" '<Filter>
Process yes
</Filter>' '<Filter>: Process true is not allowed: write the command in quotes'

# A block without its end is refused by the daemon's own parser, which says where.
daemon_conf '<Filter>
Pid 1'
daemon_start
if until_true "$PATIENCE" daemon_gone; then
	ok "unclosed block: the daemon does not start"
else
	not_ok "unclosed block: the daemon does not start"
fi
daemon_stop
like "$(cat "$DAEMON_DIR/log")" 'Parse error in file .*, line [0-9]+' \
	"unclosed block: its line is named"

# The file that is installed: as it is, and with all that it shows in comments.
example() {
	{
		daemon_base | grep -v '^LoadPlugin flowtop'
		cat
	} >"$DAEMON_DIR/conf"
	daemon_start
	daemon_ready
	is "$(daemon_log 'flowtop plugin: .*(not allowed|unknown|exactly one)|[Pp]arse error')" 0 \
		"conf/flowtop.conf, $1: nothing is wrong with it"
	if daemon_alive; then
		ok "conf/flowtop.conf, $1: the daemon is alive"
	else
		not_ok "conf/flowtop.conf, $1: the daemon is alive" "$(cat "$DAEMON_DIR/log")"
	fi
	daemon_stop
}

example "as it is" <"$SRC/conf/flowtop.conf"
# Prose begins with "# ", what can be switched on with "#" alone.
sed 's/^\([[:space:]]*\)#\([^[:space:]]\|\t\)/\1\2/' "$SRC/conf/flowtop.conf" >"$DAEMON_DIR/all"
every='Probe|MaxFlows|Top|<Filter>|Pid|Tid|Process|Protocol|LocalPort|RemotePort|Loopback'
is "$(grep -Ec "^[[:space:]]*($every)" "$DAEMON_DIR/all")" 11 "conf/flowtop.conf shows each option"
example "all of it" <"$DAEMON_DIR/all"

done_testing
