/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TABLE_H
#define FLOWTOP_TABLE_H

/*
 * The user side of the flow table: flip, wait, read, empty. It works on mapped memory alone; what
 * needs a system call comes in as two functions, so this file needs no kernel to be tested.
 */

#include <stdbool.h>
#include <stdint.h>

#include "../include/abi.h"

struct ft_table {
	struct ft_control *control;
	struct ft_record *records; /* 2 * slots, the even epochs' half first */
	uint32_t slots;		   /* records in each half, the unattributed one included */

	/*
	 * Wait until every program that was running has ended. Returns 0 or a negative errno; then
	 * nothing may be said about the quiet half.
	 */
	int (*grace)(void *context);
	/*
	 * Kernels without fetch-and-add: give slots 1 to used - 1 of the half back. NULL on others.
	 * Returns 0 or a negative errno: part of them may be missing until the next call.
	 */
	int (*refill)(void *context, unsigned int half, uint32_t used);
	void *context;

	/* The turn's own state. */
	bool flipped;			/* the flip was done, its wait not yet */
	bool quiet;			/* the half that is not active has records to be emptied */
	uint64_t flip_ns;		/* CLOCK_MONOTONIC of the last flip */
	uint64_t interval_ns;		/* between the last two */
	uint64_t event[FT_EVENT_COUNT]; /* as they stood at the last turn */
};

/* What a turn gives out; see struct ft_interval, whose part it is. */
struct ft_quiet {
	const struct ft_record *records;
	uint32_t used; /* at least 1, at most slots */
	bool full;
	uint64_t interval_ns;
	uint64_t grace_ns;
	uint64_t event[FT_EVENT_COUNT]; /* in this interval */
};

/*
 * ft_table_start - make both halves ready; before any program is attached.
 * The caller has set control, records, max_flows, grace, refill and context. Returns 0 or refill's
 * error.
 */
int ft_table_start(struct ft_table *table);

/*
 * ft_table_turn - empty the half that was given out last, flip, wait, give out the other.
 *
 * Returns 0, or what grace() or refill() returned. After such an error nothing is lost: if it was
 * before the flip, the interval runs on; if it was the wait, the next call waits again and gives
 * out that half then.
 */
int ft_table_turn(struct ft_table *table, struct ft_quiet *quiet);

/* CLOCK_MONOTONIC in nanoseconds: the clock of all intervals, untouched by steps of the time. */
uint64_t ft_monotonic_ns(void);

#endif /* FLOWTOP_TABLE_H */
