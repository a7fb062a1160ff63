/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_H
#define FLOWTOP_H

/*
 * The engine: opens a probe, turns the flow table once per interval, hands out what it held.
 * No collectd, no curses, no globals: everything hangs on one opaque handle, which one thread at a
 * time may use.
 *
 *	flowtop_open()  ->  flowtop_turn(), once per interval  ->  flowtop_close()
 *
 * What a turn returns is raw: one record per flow (now and then two for one flow, see
 * ft_interval). fold.h makes talkers of it, top.h selects.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/abi.h"

struct flowtop;

/* The ways to see traffic, in the order in which "auto" tries them. */
enum ft_probe {
	FT_PROBE_AUTO,
	FT_PROBE_FENTRY, /* socket calls by BPF trampolines */
	FT_PROBE_KPROBE, /* the same by kprobes */
	FT_PROBE_CGROUP, /* packets of local sockets at the cgroup v2 root */
	FT_PROBES,
};

/* Force switches for tests, so that every path can be taken on every kernel. All 0 in production. */
struct ft_test_switches {
	uint32_t widen;		/* idle loop turns inside the programs' race windows */
	uint32_t index_buckets; /* an index of this many buckets, rounded up to a power of two */
	bool legacy;		/* the programs built for kernels before 5.12 */
	bool no_skb_cookie;	/* do as if cgroup_skb had no bpf_get_netns_cookie */
	bool no_current;	/* do as if cgroup hooks could not tell the current process */
};

struct ft_settings {
	enum ft_probe probe;
	uint32_t max_flows; /* flows per interval, 1 to FT_MAX_FLOWS_LIMIT; 0 means the default */
	struct ft_filter filter;
	struct ft_test_switches test;
};

/*
 * What opening found out, as text for one log line each. Filled by flowtop_open() whether it
 * succeeds or fails; every string is NUL terminated and free of control characters.
 */
struct ft_report {
	enum ft_probe chosen;	      /* FT_PROBE_AUTO when none could be opened */
	char why_not[FT_PROBES][512]; /* by probe: reason and cure when tried or ruled out; else "" */
	char error[1024];	      /* when opening failed: what, why and the cure */
	char notice[512];	      /* when it succeeded with something missing; else "" */
};

/* One interval: from the flip before this turn's to this turn's. */
struct ft_interval {
	uint64_t number;      /* 1 for the first turn */
	uint64_t nanoseconds; /* measured between the two flips by CLOCK_MONOTONIC; never 0 */
	uint64_t grace_ns;    /* how long the turn waited for running programs */

	/*
	 * The quiet half of the table: records[0] is the unattributed one, records[1] to
	 * records[used - 1] are flows. Two records may carry one key (two CPUs that raced for it):
	 * add them up. A record may be empty (no bytes, no packets): pass over it. Valid, and
	 * unchanging, until the next flowtop_turn() or flowtop_close().
	 */
	const struct ft_record *records;
	uint32_t used; /* at least 1 */

	bool table_full; /* a flow found no free record in this interval: raise max_flows */

	/* Events of the slow path in this interval, by enum ft_event. */
	uint64_t event[FT_EVENT_COUNT];

	/* Program runs that the kernel skipped in this interval, all programs together. */
	uint64_t lost;
	bool lost_known; /* false: this kernel does not say for this probe; lost is then 0 */
};

/*
 * flowtop_open - choose, load and attach a probe; counting starts before it returns.
 * @handle: receives the handle on success, NULL on failure. Owned by the caller: flowtop_close().
 * @settings: copied; may be a temporary. probe FT_PROBE_AUTO takes the first that works.
 * @report: filled in either case; must not be NULL.
 *
 * Nothing stays attached or allocated after a failure. May take some tenths of a second (the
 * kernel verifies the programs), and waits for nothing else.
 *
 * Returns 0, -EINVAL for settings out of range or a filter that the probe cannot enforce (Tid with
 * cgroup), -ENOMEM, or the errno of the step that failed; report->error says which.
 */
int flowtop_open(struct flowtop **handle, const struct ft_settings *settings,
		 struct ft_report *report);

/*
 * flowtop_turn - end the running interval and give out what it held.
 * @handle: from flowtop_open().
 * @interval: filled on success; its records stay the engine's and are valid until the next turn.
 *
 * Flips the table, then waits one grace period of the kernel (typically 0.3 to 60 ms) until no
 * program still writes to the quiet half.
 *
 * Returns 0, or a negative errno when the kernel refused to wait; then the interval is not over:
 * its bytes stay in the table and are part of the next turn's.
 */
int flowtop_turn(struct flowtop *handle, struct ft_interval *interval);

/* Nanoseconds since the last flip (since open, before the first), by CLOCK_MONOTONIC. */
uint64_t flowtop_age(const struct flowtop *handle);

/* The probe that is open: never FT_PROBE_AUTO. */
enum ft_probe flowtop_probe(const struct flowtop *handle);

/* flowtop_close - detach, unload, free. @handle may be NULL. */
void flowtop_close(struct flowtop *handle);

/* The probe's name as in the configuration: "auto", "fentry", "kprobe", "cgroup". */
const char *ft_probe_name(enum ft_probe probe);

/* The probe of that name (case does not matter), or -EINVAL. */
int ft_probe_parse(const char *name, enum ft_probe *probe);

#endif /* FLOWTOP_H */
