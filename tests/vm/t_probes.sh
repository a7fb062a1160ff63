#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The probes on other kernels. One boot per kernel runs all commands below there; their TAP becomes
# part of ours, with the kernel's version before each name.
#
#	FLOWTOP_VM_KERNELS	the versions (6.1); see tests/vm/kernels --help
#	t_probes.sh COMMAND...	other commands, one per argument, for a shell in the VM
#
# In CI (CI=true) 6.1 has to be there. Any other kernel that cannot be had is a skip that says why.

# Single quotes are meant: the VM's shell expands what is in them.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$SRC/tests/lib.sh"
need_root

commands=(
	'"$BUILD/tests/native/t_probe" fentry'
	'"$BUILD/tests/native/t_probe" kprobe'
	'"$BUILD/tests/native/t_probe" cgroup'
	'"$BUILD/tests/native/t_tuple" fentry'
	'"$BUILD/tests/native/t_tuple" kprobe'
	'"$BUILD/tests/native/t_flip" fentry 3'
	'"$BUILD/tests/native/t_flip" kprobe 3'
)
[ $# -eq 0 ] || commands=("$@")

out=$(mktemp -d "${TMPDIR:-/tmp}/flowtop-probes.XXXXXX") || exit 1
cleanup rm -rf "$out"

# What the VM runs: each command's output and status in files, so that a kernel that dies on one
# leaves us the others', and nothing of the kernel's own gets in between.
inner() {
	local i
	for ((i = 0; i < ${#commands[@]}; i++)); do
		printf 'echo "# %s"\n' "$i of ${#commands[@]}"
		printf '(%s) >"$OUT/%d.out" 2>&1; echo $? >"$OUT/%d.status"\n' "${commands[i]}" "$i" "$i"
	done
}

# in_vm VERSION
in_vm() {
	local version=$1 status=0 i name
	rm -f "$out"/*
	inner >"$out/inner"
	# Emulation is slow, and slower beside another load.
	OUT=$out T=${T:-500} "$SRC/tests/vm/vm" "$version" env "BUILD=$BUILD" "SRC=$SRC" \
		bash -c '. "$OUT/inner"' >"$out/vm" 2>&1 || status=$?
	if [ "$status" -eq 77 ]; then
		if [ "${CI:-}" = true ] && [ "$version" = 6.1 ]; then
			not_ok "$version: its VM has to be there in CI" "$(tail -n 1 "$out/vm")"
		else
			skip "$version" "$(tail -n 1 "$out/vm")"
		fi
		return
	fi
	for ((i = 0; i < ${#commands[@]}; i++)); do
		# The program's name without its folder, and the arguments.
		name=${commands[i]//\"/}
		name="$version: $(basename -- "${name%% *}")${name#"${name%% *}"}"
		if [ -s "$out/$i.status" ]; then
			fold "$name" "$out/$i.out" "$(cat "$out/$i.status")"
		elif [ -e "$out/$i.out" ]; then
			fold "$name" "$out/$i.out" "unknown: the VM ended first"
			not_ok "$name: the VM did not live to its end"
		else
			not_ok "$name: not run: the VM did not get to it"
		fi
	done
	[ "$status" -eq 0 ] || not_ok "$version: the VM ended with status $status" "$(cat "$out/vm")"
}

for version in ${FLOWTOP_VM_KERNELS:-6.1}; do
	in_vm "$version"
done
done_testing
