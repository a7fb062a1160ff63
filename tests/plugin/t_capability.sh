#!/bin/bash
# SPDX-License-Identifier: MIT
# What is missing is named with its cure, in one line; the daemon lives on without flowtop.

. "$SRC/tests/lib.sh"
. "$SRC/tests/plugin/daemon.sh"
need_root
daemon_prepare

# missing NAME PROBE PATTERN COMMAND...: started by COMMAND, that probe fails with that line.
missing() {
	missing_name=$1
	missing_line="flowtop plugin: cannot open .*$3"
	daemon_conf "Probe \"$2\""
	shift 3
	daemon_start "$@"
	daemon_ready
	is "$(daemon_log "$missing_line")" 1 "$missing_name: named, with its cure"
	if daemon_alive; then
		ok "$missing_name: the daemon is alive"
	else
		not_ok "$missing_name: the daemon is alive"
	fi
	sed 's/^/# /' "$DAEMON_DIR/log" | grep 'flowtop plugin'
	is "$(bpf_held "$DAEMON_PID")" "" "$missing_name: nothing is left attached"
	daemon_stop
	is "$DAEMON_STATUS" 1 "$missing_name: the daemon's status tells at the end"
}

# Root without some capabilities: a root process gets all that its bounding set leaves.
without() {
	printf -- '-%s,' "$@" | sed 's/,$//'
}

missing "no CAP_BPF, cgroup" cgroup 'CAP_BPF is missing; .*CAP_NET_ADMIN' \
	setpriv --bounding-set "$(without bpf sys_admin)"
missing "no CAP_BPF, fentry" fentry 'CAP_BPF is missing; .*CAP_PERFMON' \
	setpriv --bounding-set "$(without bpf sys_admin)"
missing "no CAP_NET_ADMIN" cgroup 'CAP_NET_ADMIN is missing; ' \
	setpriv --bounding-set "$(without net_admin)"
missing "no CAP_PERFMON, fentry" fentry 'CAP_PERFMON is missing; ' \
	setpriv --bounding-set "$(without perfmon sys_admin)"
missing "no CAP_PERFMON, kprobe" kprobe 'CAP_PERFMON is missing; ' \
	setpriv --bounding-set "$(without perfmon sys_admin)"
missing "no capability, auto" auto 'fentry: .*CAP_BPF.*kprobe: .*CAP_BPF.*cgroup: .*CAP_BPF' \
	setpriv --bounding-set -all

# In a mount namespace of its own, a host without something looks like this.
cat >"$DAEMON_DIR/no-cgroup2" <<'EOF2'
#!/bin/sh
# Mounted on each other, the last first.
while read -r point; do
	umount -l "$point" || exit 1
done <<END
$(awk '/ - cgroup2 / { print $5 }' /proc/self/mountinfo | tac)
END
exec "$@"
EOF2
# Lockdown would be named first.
cat >"$DAEMON_DIR/no-btf" <<'EOF2'
#!/bin/sh
mount -t tmpfs none /sys/kernel/btf || exit 1
[ ! -e /sys/kernel/security/lockdown ] || mount -t tmpfs none /sys/kernel/security || exit 1
exec "$@"
EOF2
chmod +x "$DAEMON_DIR/no-cgroup2" "$DAEMON_DIR/no-btf"

missing "no cgroup v2" cgroup 'no cgroup v2 hierarchy is mounted; mount one' \
	unshare -m --propagation private "$DAEMON_DIR/no-cgroup2"
missing "no BTF, fentry" fentry 'BTF.*CONFIG_DEBUG_INFO_BTF' \
	unshare -m --propagation private "$DAEMON_DIR/no-btf"
missing "no BTF, kprobe" kprobe 'BTF.*CONFIG_DEBUG_INFO_BTF' \
	unshare -m --propagation private "$DAEMON_DIR/no-btf"

# The cgroup probe needs no BTF, and auto finds it.
daemon_conf ''
daemon_start unshare -m --propagation private "$DAEMON_DIR/no-btf"
daemon_ready
is "$(daemon_log 'flowtop plugin: probe cgroup \(fentry: .*BTF.*; kprobe: .*BTF.*\)')" 1 \
	"no BTF, auto: the cgroup probe opens, and the log says why not the others"
if until_true "$PATIENCE" csv_at_least flowtop-flow-egress/bytes-total 1; then
	ok "no BTF, auto: it measures"
else
	not_ok "no BTF, auto: it measures" "$(cat "$DAEMON_DIR/log")"
fi
daemon_stop
is "$DAEMON_STATUS" 0 "no BTF, auto: the daemon's status"

done_testing
