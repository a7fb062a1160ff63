# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# Sourced by the tests of this folder: a collectd of our own, in the foreground, in a folder of its
# own, with the plugin from $BUILD, the csv writer at one second and its log in a file. Nothing of
# the system's collectd is used but the binary, its plugins and its types.
#
#	daemon_prepare		makes $DAEMON_DIR; to be called once
#	daemon_conf TEXT	a new configuration, TEXT being what stands in <Plugin flowtop>;
#				DAEMON_INTERVAL seconds, 1 when unset
#	daemon_start [COMMAND...]	starts collectd, by COMMAND when given; pid in $DAEMON_PID
#	daemon_ready		waits until it has finished its start; false when it ended instead
#	daemon_alive
#	daemon_stop		SIGTERM; waits for the end; its status in $DAEMON_STATUS
#	daemon_log PATTERN	how many log lines match that extended regular expression
#	csv_sum FOLDER/NAME	the bytes of that value: its rates by the intervals' measured seconds

COLLECTD=${COLLECTD:-/usr/sbin/collectd}
COLLECTD_PLUGINS=${COLLECTD_PLUGINS:-/usr/lib/collectd}
# How long to wait for what must come: to find a hang, not to measure.
PATIENCE=${PATIENCE:-30}

DAEMON_DIR=
DAEMON_PID=
DAEMON_STATUS=

daemon_prepare() {
	DAEMON_DIR=$(mktemp -d "${TMPDIR:-/tmp}/flowtop-test.XXXXXX") || exit 1
	cleanup daemon_clean
	mkdir "$DAEMON_DIR/plugins" || exit 1
	# collectd refuses a module that is a symbolic link.
	cp "$COLLECTD_PLUGINS/csv.so" "$BUILD/.libs/flowtop.so" "$DAEMON_DIR/plugins/" || exit 1
}

daemon_clean() {
	if [ -n "$DAEMON_PID" ]; then
		kill -KILL "$DAEMON_PID" 2>/dev/null
		wait "$DAEMON_PID" 2>/dev/null
	fi
	rm -rf "$DAEMON_DIR"
}

# The part of the configuration that all tests share.
daemon_base() {
	cat <<-END
		Hostname "test"
		FQDNLookup false
		BaseDir "$DAEMON_DIR"
		PIDFile "$DAEMON_DIR/pid"
		PluginDir "$DAEMON_DIR/plugins"
		TypesDB "${COLLECTD_TYPES:-/usr/share/collectd/types.db}"
		Interval ${DAEMON_INTERVAL:-1}
		LoadPlugin csv
		<Plugin csv>
			DataDir "$DAEMON_DIR/csv"
		</Plugin>
		LoadPlugin flowtop
	END
}

daemon_conf() {
	{
		daemon_base
		printf '<Plugin flowtop>\n%s\n</Plugin>\n' "$1"
	} >"$DAEMON_DIR/conf"
}

daemon_start() {
	rm -rf "$DAEMON_DIR/csv"
	: >"$DAEMON_DIR/log"
	"$@" "$COLLECTD" -f -C "$DAEMON_DIR/conf" >>"$DAEMON_DIR/log" 2>&1 &
	DAEMON_PID=$!
}

daemon_alive() {
	# A zombie, which kill -0 would find too, is not alive.
	[ -n "$DAEMON_PID" ] && grep -q '^State:[[:space:]]*[^Z[:space:]]' \
		"/proc/$DAEMON_PID/status" 2>/dev/null
}

# until_true SECONDS COMMAND...
until_true() {
	until_tries=$(($1 * 20))
	shift
	while [ "$until_tries" -gt 0 ]; do
		"$@" && return 0
		until_tries=$((until_tries - 1))
		sleep 0.05
	done
	return 1
}

daemon_started_or_gone() {
	grep -q 'Initialization complete' "$DAEMON_DIR/log" || ! daemon_alive
}

daemon_ready() {
	until_true "$PATIENCE" daemon_started_or_gone
	daemon_alive
}

daemon_gone() {
	! daemon_alive
}

daemon_wait() {
	# The shell says on its standard error when it notices that a signal ended the daemon.
	until_true "$PATIENCE" daemon_gone 2>/dev/null || kill -KILL "$DAEMON_PID"
	wait "$DAEMON_PID" 2>/dev/null
	DAEMON_STATUS=$?
	DAEMON_PID=
}

daemon_stop() {
	kill -TERM "$DAEMON_PID" 2>/dev/null
	daemon_wait
}

daemon_log() {
	grep -Ec "$1" "$DAEMON_DIR/log"
}

# The rows of one value; the date at the end of the file name may change while a test runs.
csv_rows() {
	for csv_file in "$DAEMON_DIR/csv/test/$1"-????-??-??; do
		[ ! -f "$csv_file" ] || grep -v '^epoch' "$csv_file"
	done
}

# Each rate times the seconds that its interval had, added up and rounded to a whole number.
csv_sum() {
	csv_rows flowtop-health/gauge-interval >"$DAEMON_DIR/intervals"
	csv_rows "$1" | awk -F, -v intervals="$DAEMON_DIR/intervals" '
		BEGIN { while ((getline <intervals) > 0) seconds[$1] = $2 }
		!($1 in seconds) { print "no interval at " $1; bad = 1; exit }
		{ sum += $2 * seconds[$1] }
		END { if (!bad) printf "%.0f\n", sum }'
}

csv_count() {
	csv_rows "$1" | wc -l
}

# csv_at_least NAME ROWS
csv_at_least() {
	[ "$(csv_count "$1")" -ge "$2" ]
}

# BPF objects that a process holds, as "link 12": exact where names could be anybody's.
bpf_held() {
	cat "/proc/$1/fdinfo/"* 2>/dev/null |
		sed -n 's/^\(link\|prog\|map\)_id:[[:space:]]*\([0-9]*\)$/\1 \2/p' | sort -u
}

# Those of the listed objects that the kernel still has.
bpf_left() {
	while read -r bpf_kind bpf_id; do
		! "${BPFTOOL:-/usr/sbin/bpftool}" "$bpf_kind" show id "$bpf_id" >/dev/null 2>&1 ||
			echo "$bpf_kind $bpf_id"
	done
}
