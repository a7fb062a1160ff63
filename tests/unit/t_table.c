/* SPDX-License-Identifier: MIT */
/*
 * The turn, on memory that the test plays the kernel with: what a late, an early and a racing
 * program does to it, and what happens when the wait or the refill fails.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/table.h"

#define SLOTS 8

struct kernel {
	struct ft_table table;
	struct ft_control control;
	struct ft_record records[2 * SLOTS];
	int grace_error, refill_error;
	int graces, refills;
	uint32_t refilled[2]; /* slots given back, by half */
	uint32_t late_slot;   /* a program that saw the old epoch still writes, in the wait */
};

static int grace(void *context)
{
	struct kernel *k = context;

	k->graces++;
	if (k->grace_error)
		return k->grace_error;
	if (k->late_slot) {
		unsigned int half = (k->control.epoch & 1) ^ 1;

		k->records[half * SLOTS + k->late_slot].count[FT_EGRESS].bytes += 1000;
	}
	return 0;
}

static int refill(void *context, unsigned int half, uint32_t used)
{
	struct kernel *k = context;

	k->refills++;
	if (k->refill_error)
		return k->refill_error;
	k->refilled[half] += used - 1;
	return 0;
}

/* A program's run: take the next slot of the active half and count on it. */
static uint32_t program(struct kernel *k, uint64_t bytes)
{
	unsigned int half = k->control.epoch & 1;
	uint64_t slot = k->control.table[half].used;

	if (slot < SLOTS)
		k->control.table[half].used++;
	else
		k->control.event[FT_EVENT_TABLE_FULL]++, slot = FT_SLOT_UNATTRIBUTED;
	k->records[half * SLOTS + slot].count[FT_EGRESS].bytes += bytes;
	return (uint32_t)slot;
}

static int setup(void **state)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return -1;
	k->table = (struct ft_table){ .control = &k->control,
				      .records = k->records,
				      .slots = SLOTS,
				      .grace = grace,
				      .context = k };
	assert_int_equal(ft_table_start(&k->table), 0);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static uint64_t sum(const struct ft_quiet *quiet)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < quiet->used; i++)
		bytes += quiet->records[i].count[FT_EGRESS].bytes;
	return bytes;
}

static void turns_give_each_byte_once(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;

	for (uint64_t turn = 1; turn <= 20; turn++) {
		for (uint64_t i = 0; i < turn % SLOTS; i++)
			program(k, turn);
		assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
		assert_int_equal(sum(&quiet), turn * (turn % SLOTS));
		assert_int_equal(quiet.used, 1 + turn % SLOTS);
		assert_false(quiet.full);
		assert_true(quiet.interval_ns > 0);
	}
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(sum(&quiet), 0);
	assert_int_equal(quiet.used, 1);
}

static void what_a_late_program_writes_in_the_wait_belongs_to_that_turn(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;

	k->late_slot = program(k, 5);
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(sum(&quiet), 1005);
	k->late_slot = 0;
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(sum(&quiet), 0);
}

static void a_full_table_is_said_and_its_counter_clamped(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;

	for (int i = 0; i < 3 * SLOTS; i++)
		program(k, 10);
	k->control.table[k->control.epoch & 1].used = SLOTS + 64; /* 64 CPUs raced */
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(quiet.used, SLOTS);
	assert_int_equal(sum(&quiet), 30 * SLOTS);
	assert_true(quiet.records[FT_SLOT_UNATTRIBUTED].count[FT_EGRESS].bytes > 0);
	assert_true(quiet.full);
	/* The next interval begins with an empty one. */
	program(k, 1);
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_false(quiet.full);
	assert_int_equal(sum(&quiet), 1);
}

static void a_counter_that_is_nonsense_stays_in_bounds(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;

	for (uint64_t nonsense = 0; nonsense < 3; nonsense++) {
		k->control.table[k->control.epoch & 1].used = nonsense ? -nonsense : 0;
		assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
		assert_in_range(quiet.used, 1, SLOTS);
	}
}

static void a_wait_that_fails_loses_nothing(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;
	uint32_t epoch;

	program(k, 7);
	k->grace_error = -EINTR;
	epoch = k->control.epoch;
	assert_int_equal(ft_table_turn(&k->table, &quiet), -EINTR);
	assert_int_equal(k->control.epoch, epoch + 1);
	program(k, 100); /* already in the other half */
	assert_int_equal(ft_table_turn(&k->table, &quiet), -EINTR);
	assert_int_equal(k->control.epoch, epoch + 1); /* waits again, flips no more */
	k->grace_error = 0;
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(sum(&quiet), 7);
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(sum(&quiet), 100);
}

static void slots_are_given_back_exactly_once(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;

	k->table.refill = refill;
	memset(&k->control, 0, sizeof(k->control));
	assert_int_equal(ft_table_start(&k->table), 0);
	assert_int_equal(k->refilled[0], SLOTS - 1);
	assert_int_equal(k->refilled[1], SLOTS - 1);
	program(k, 1);
	program(k, 1);
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(quiet.used, 3);
	assert_int_equal(k->refilled[1], SLOTS - 1); /* not while it may be read */
	k->refill_error = -ENOMEM;
	program(k, 20);
	assert_int_equal(ft_table_turn(&k->table, &quiet), -ENOMEM);
	program(k, 30); /* the interval runs on */
	k->refill_error = 0;
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(sum(&quiet), 50);
	assert_int_equal(k->refilled[1], SLOTS - 1 + 2);
}

static void the_epoch_steps_over_zero(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;
	const uint32_t starts[] = { UINT32_MAX - 3, 0xfffffd, 0x1fffffc };

	for (size_t start = 0; start < sizeof(starts) / sizeof(starts[0]); start++) {
		uint32_t before = starts[start];

		/* The half that is active has to be the one of that epoch. */
		if ((k->control.epoch & 1) != (before & 1))
			before++;
		k->control.epoch = before;
		for (int i = 0; i < 8; i++) {
			program(k, 3);
			assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
			assert_int_equal(sum(&quiet), 3);
			/* The index keeps 24 bits of it, and 0 there is a word never written. */
			assert_int_not_equal(k->control.epoch & 0xffffff, 0);
			assert_int_not_equal(k->control.epoch & 1, before & 1);
			before = k->control.epoch;
		}
	}
}

static void events_are_counted_per_interval(void **state)
{
	struct kernel *k = *state;
	struct ft_quiet quiet;

	k->control.event[FT_EVENT_NO_STORAGE] = 5;
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(quiet.event[FT_EVENT_NO_STORAGE], 5);
	k->control.event[FT_EVENT_NO_STORAGE] = 12;
	assert_int_equal(ft_table_turn(&k->table, &quiet), 0);
	assert_int_equal(quiet.event[FT_EVENT_NO_STORAGE], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(turns_give_each_byte_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_a_late_program_writes_in_the_wait_belongs_to_that_turn, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_full_table_is_said_and_its_counter_clamped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_counter_that_is_nonsense_stays_in_bounds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_wait_that_fails_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_are_given_back_exactly_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_epoch_steps_over_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(events_are_counted_per_interval, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
