#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The direction of dependencies, read from the #include lines:
#   include <- bpf;  include <- engine <- {plugin, toptalkers} <- tests
# Only plugin/ sees collectd, only the loader sees libbpf, only toptalkers/ sees curses.
set -u
cd "${srcdir:-.}" || exit 99
status=0

# forbid WHY PATTERN FILE...: no #include in the files may match the extended regular expression.
forbid()
{
	why=$1 pattern=$2
	shift 2
	for file in "$@"; do
		[ -f "$file" ] || continue
		found=$(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" | grep -E "$pattern") || continue
		echo "$file: $why"
		printf '%s\n' "$found" | sed 's/^/    line /'
		status=1
	done
}

# allow WHY PATTERN FILE...: every #include in the files must match.
allow()
{
	why=$1 pattern=$2
	shift 2
	for file in "$@"; do
		[ -f "$file" ] || continue
		# Made by bpftool, where one builds within the source folder.
		case $file in *.skel.h) continue ;; esac
		found=$(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" | grep -vE "$pattern") || continue
		echo "$file: $why"
		printf '%s\n' "$found" | sed 's/^/    line /'
		status=1
	done
}

# A rule over no files would hold for ever.
for file in include/abi.h bpf/kernel.h engine/flowtop.h engine/loader.c plugin/flowtop.c; do
	if [ ! -f "$file" ]; then
		echo "$file: not found; do the rules of this test still name the right places?"
		status=1
	fi
done

allow "include/ stands on the kernel's user API alone" '<linux/[^>]*>' include/*.h

# The kernel side knows libbpf's BPF headers, never its user side; of C it has what the compiler itself
# brings, nothing of a C library.
allow "bpf/ may include include/, bpf/ and the kernel's user API" \
	'<linux/[^>]*>|<std(arg|bool|def)\.h>|<asm/[^>]*>|<bpf/bpf_(helpers|endian|core_read|tracing)\.h>|"[^/"]*\.h"|"\.\./include/[^"]*"|"(bpf|include)/[^"]*"' \
	bpf/*.c bpf/*.h

collectd='collectd|oconfig|core/(daemon|utils)'
forbid "only plugin/ and its tests see collectd" "$collectd" \
	include/*.h bpf/*.[ch] engine/*.[ch] toptalkers/*.[ch] tests/native/*.[ch] tests/traffic/*.[ch]
for file in tests/unit/*.[ch]; do
	case ${file##*/} in
	t_plugin_* | mock_*) ;;
	*) forbid "only plugin/ and its tests see collectd" "$collectd|plugin/" "$file" ;;
	esac
done

for file in engine/*.[ch]; do
	case ${file##*/} in
	loader.[ch] | loader_*.[ch] | probe_*.[ch]) ;;
	*) forbid "only the loader sees libbpf and the objects" '<bpf/|\.skel\.h|libbpf' "$file" ;;
	esac
done
forbid "only the loader sees libbpf and the objects" '<bpf/|\.skel\.h|libbpf' \
	plugin/*.[ch] toptalkers/*.[ch]

forbid "the engine knows nothing of who uses it" '"([^"]*/)?(plugin|toptalkers|tests)/' engine/*.[ch]
forbid "the two users of the engine do not know each other" '"([^"]*/)?(toptalkers|tests)/' \
	plugin/*.[ch]
forbid "the two users of the engine do not know each other" '"([^"]*/)?(plugin|tests)/' \
	toptalkers/*.[ch]
forbid "only toptalkers/ sees curses" 'curses' include/*.h bpf/*.[ch] engine/*.[ch] plugin/*.[ch]

# Kernel types go by bpf/kernel.h alone: user space never sees them.
forbid "only bpf/ includes bpf/" '"([^"]*/)?bpf/[^"]*\.h"' include/*.h plugin/*.[ch] toptalkers/*.[ch]
for file in engine/*.[ch]; do
	found=$(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]*/)?bpf/' "$file" |
		grep -v '\.skel\.h"') || continue
	echo "$file: of bpf/ the engine includes skeletons only"
	printf '%s\n' "$found" | sed 's/^/    line /'
	status=1
done

exit $status
