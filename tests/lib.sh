# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# TAP for the tests that are shell scripts. A test begins with
#
#	. "$SRC/tests/lib.sh"
#
# and ends with done_testing. tests/run gives it SRC, the source folder, and BUILD, where flowtop was
# built, both absolute; alone it runs as: SRC=$PWD BUILD=$PWD/build tests/plugin/t_config.sh
#
# Each of these is one test:
#	ok NAME				passed
#	not_ok NAME [TEXT...]		failed; each TEXT becomes diagnostics
#	is GOT WANTED NAME		passed when they are the same
#	isnt GOT UNWANTED NAME		passed when they differ
#	like TEXT PATTERN NAME		passed when the extended regular expression is in the text
#	skip NAME REASON		not run, and why: name what is missing
#	fold PREFIX FILE STATUS		the tests of another TAP program: what it printed, its status
# All but skip and fold return whether the test passed.
#
#	diag TEXT...			something to say, as comments
#	skip_all REASON			ends the script: nothing can be tested
#	need_root			ends it unless root runs it
#	need_command NAME PACKAGE	ends it without that command; PACKAGE is Debian's
#	plan N				says first how many tests there are, instead of done_testing
#	done_testing			says last how many there were; ends the script: 1 if one failed
#	cleanup COMMAND [ARGUMENT...]	to be run at the end, however it comes; the last given is first

tap_tests=0
tap_failed=0
tap_cleanups=()

ok() {
	tap_tests=$((tap_tests + 1))
	# A # in the name would begin a directive.
	printf 'ok %d - %s\n' "$tap_tests" "${1//#/no. }"
}

not_ok() {
	tap_tests=$((tap_tests + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_tests" "${1//#/no. }"
	shift
	[ $# -eq 0 ] || diag "$@"
	return 1
}

skip() {
	tap_tests=$((tap_tests + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_tests" "${1//#/no. }" "$2"
}

diag() {
	printf '%s\n' "$@" | sed 's/^/# /'
}

is() {
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "got:    $1" "wanted: $2"
	fi
}

isnt() {
	if [ "$1" != "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "got what must not be: $1"
	fi
}

like() {
	if grep -Eq -e "$2" <<<"$1"; then
		ok "$3"
	else
		not_ok "$3" "got: $1" "does not match: $2"
	fi
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
}

need_command() {
	command -v "$1" >/dev/null || skip_all "$1 is missing (Debian package: $2)"
}

plan() {
	printf '1..%d\n' "$1"
	tap_planned=$1
}

done_testing() {
	if [ -z "${tap_planned:-}" ]; then
		printf '1..%d\n' "$tap_tests"
	elif [ "$tap_planned" -ne "$tap_tests" ]; then
		diag "$tap_planned tests were planned, $tap_tests were run"
		exit 1
	fi
	exit $((tap_failed > 0))
}

# The numbers are ours from now on. A program that did not come to its end is a failed test.
fold() {
	local fold_line fold_name fold_plan='' fold_seen=0 fold_before=$tap_failed
	local fold_result='^(not )?ok( +[0-9]+)?( +-)?( +(.*))?$'
	local fold_skip='^(.*[^ ])? *# *[Ss][Kk][Ii][Pp] *(.*)$'
	while IFS= read -r fold_line || [ -n "$fold_line" ]; do
		if [[ $fold_line =~ ^1\.\.([0-9]+)(.*)$ ]]; then
			fold_plan=$((fold_plan + BASH_REMATCH[1]))
			if [ "${BASH_REMATCH[1]}" -eq 0 ]; then
				fold_line=${BASH_REMATCH[2]# }
				skip "$1" "${fold_line#\# SKIP }"
			fi
		elif [[ $fold_line =~ $fold_result ]]; then
			fold_seen=$((fold_seen + 1))
			fold_name=${BASH_REMATCH[5]}
			if [[ $fold_name =~ $fold_skip ]]; then
				skip "$1: ${BASH_REMATCH[1]:-no. $fold_seen}" "${BASH_REMATCH[2]}"
			elif [[ $fold_line == not* ]]; then
				not_ok "$1: $fold_name"
			else
				ok "$1: $fold_name"
			fi
		else
			diag "${fold_line#\# }"
		fi
	done <"$2"
	if [ -z "$fold_plan" ]; then
		not_ok "$1: ended without a plan, with status $3"
	elif [ "$fold_plan" -ne "$fold_seen" ]; then
		not_ok "$1: planned $fold_plan tests, ran $fold_seen; status $3"
	elif [ "$3" != 0 ] && [ "$tap_failed" -eq "$fold_before" ]; then
		not_ok "$1: no test failed, but its status is $3"
	fi
	return 0
}

cleanup() {
	[ ${#tap_cleanups[@]} -gt 0 ] || trap tap_clean EXIT
	# A signal ends the script, and that runs the trap above.
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	tap_cleanups+=("$(printf '%q ' "$@")")
}

tap_clean() {
	local tap_status=$? tap_i
	for ((tap_i = ${#tap_cleanups[@]} - 1; tap_i >= 0; tap_i--)); do
		eval "${tap_cleanups[tap_i]}" || diag "cleaning up failed: ${tap_cleanups[tap_i]}"
	done
	tap_cleanups=()
	exit "$tap_status"
}
