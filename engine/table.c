/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <string.h>
#include <time.h>

uint64_t ft_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static struct ft_record *half_records(const struct ft_table *table, unsigned int half)
{
	return table->records + (half ? table->slots : 0);
}

/* The kernel side may have counted past the end while several CPUs raced for the last slot. */
static uint32_t half_used(const struct ft_table *table, unsigned int half)
{
	uint64_t used = __atomic_load_n(&table->control->table[half].used, __ATOMIC_ACQUIRE);

	if (used < 1)
		used = 1;
	return used < table->slots ? (uint32_t)used : table->slots;
}

/* Make a quiet half as new. Only its used part is touched: a big table that idles costs nothing. */
static int half_empty(struct ft_table *table, unsigned int half)
{
	uint32_t used = half_used(table, half);

	memset(half_records(table, half), 0, used * sizeof(struct ft_record));
	if (table->refill) {
		int err = table->refill(table->context, half, used);

		if (err)
			return err;
	}
	__atomic_store_n(&table->control->table[half].used, 1, __ATOMIC_RELEASE);
	return 0;
}

int ft_table_start(struct ft_table *table)
{
	struct ft_control *control = table->control;

	table->flipped = false;
	table->quiet = false;
	memset(table->event, 0, sizeof(table->event));
	for (unsigned int half = 0; half < 2; half++) {
		/* As if all were used: then refill hands out every slot for the first time. */
		control->table[half].used = table->refill ? table->slots : 1;
		if (table->refill) {
			int err = half_empty(table, half);

			if (err)
				return err;
		}
	}
	/* Not 0: that is what a cached word holds that nobody has written yet. */
	__atomic_store_n(&control->epoch, 1, __ATOMIC_RELEASE);
	table->flip_ns = ft_monotonic_ns();
	return 0;
}

/*
 * The next epoch. Its low bit always changes. Its low 24 bits, which are what the index keeps, are
 * never all 0: that is how a word looks that nobody has written yet.
 */
static uint32_t next_epoch(uint32_t epoch)
{
	uint32_t next = epoch + 1;

	return next & 0xffffff ? next : next + 2;
}

static void flip(struct ft_table *table)
{
	uint32_t epoch = table->control->epoch;
	uint64_t now;

	__atomic_store_n(&table->control->epoch, next_epoch(epoch), __ATOMIC_SEQ_CST);
	now = ft_monotonic_ns();
	/* Never 0: it divides. */
	table->interval_ns = now > table->flip_ns ? now - table->flip_ns : 1;
	table->flip_ns = now;
}

int ft_table_turn(struct ft_table *table, struct ft_quiet *quiet)
{
	uint64_t before;
	unsigned int half;
	int err;

	if (!table->flipped) {
		half = (table->control->epoch & 1) ^ 1;
		if (table->quiet) {
			err = half_empty(table, half);
			if (err)
				return err;
			table->quiet = false;
		}
		flip(table);
		table->flipped = true;
	}
	before = ft_monotonic_ns();
	err = table->grace(table->context);
	if (err)
		return err;
	table->flipped = false;
	table->quiet = true;

	half = (table->control->epoch & 1) ^ 1;
	memset(quiet, 0, sizeof(*quiet));
	quiet->records = half_records(table, half);
	quiet->used = half_used(table, half);
	quiet->interval_ns = table->interval_ns;
	quiet->grace_ns = ft_monotonic_ns() - before;
	for (int i = 0; i < FT_EVENT_COUNT; i++) {
		uint64_t now = __atomic_load_n(&table->control->event[i], __ATOMIC_RELAXED);

		quiet->event[i] = now - table->event[i];
		table->event[i] = now;
	}
	quiet->full = quiet->event[FT_EVENT_TABLE_FULL] > 0;
	return 0;
}
