/* SPDX-License-Identifier: MIT */
/* The heap of N against a full sort. */
#include <stdlib.h>

#include "engine/top.h"
#include "talkers.h"

static enum ft_direction sorted_by;

static int compare(const void *a, const void *b)
{
	const struct ft_talker *left = *(const struct ft_talker *const *)a;
	const struct ft_talker *right = *(const struct ft_talker *const *)b;
	uint64_t l = left->count[sorted_by].bytes, r = right->count[sorted_by].bytes;

	if (l != r)
		return l > r ? -1 : 1;
	return memcmp(&left->key, &right->key, sizeof(left->key));
}

static struct ft_talker *make_talkers(size_t count, uint64_t *seed)
{
	struct ft_talker *talkers = calloc(count ? count : 1, sizeof(*talkers));

	assert_non_null(talkers);
	for (size_t i = 0; i < count; i++) {
		talkers[i].key = key_number((uint32_t)i);
		/* Few values, so that there are many ties; some have one direction only. */
		talkers[i].count[FT_EGRESS].bytes = next_random(seed) % 7;
		talkers[i].count[FT_INGRESS].bytes = next_random(seed) >> 20;
		talkers[i].count[FT_INGRESS].packets = next_random(seed) % 3;
	}
	return talkers;
}

static void shuffle(struct ft_talker *talkers, size_t count, uint64_t *seed)
{
	for (size_t i = count; i > 1; i--) {
		size_t k = next_random(seed) % i;
		struct ft_talker swap = talkers[i - 1];

		talkers[i - 1] = talkers[k];
		talkers[k] = swap;
	}
}

/* All talkers of the direction, sorted: the truth. Returns how many. */
static size_t sort_all(const struct ft_talker *talkers, size_t count, enum ft_direction direction,
		       const struct ft_talker **out)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (talkers[i].count[direction].bytes || talkers[i].count[direction].packets)
			out[n++] = &talkers[i];
	sorted_by = direction;
	qsort(out, n, sizeof(*out), compare);
	return n;
}

static void check(const struct ft_talker *talkers, size_t count, size_t n,
		  enum ft_direction direction)
{
	const struct ft_talker **all = calloc(count + 1, sizeof(*all));
	const struct ft_talker **top = calloc(n + 1, sizeof(*top));
	struct ft_counters total = { 1000, 10 }, other;
	size_t have = sort_all(talkers, count, direction, all), got;

	top[n] = (const struct ft_talker *)(uintptr_t)0xdead;
	got = ft_top(talkers, count, direction, top, n);
	assert_int_equal(got, have < n ? have : n);
	for (size_t i = 0; i < got; i++)
		assert_ptr_equal(top[i], all[i]);
	/* Nothing is written past the room that it was given. */
	assert_ptr_equal(top[n], (const struct ft_talker *)(uintptr_t)0xdead);

	for (size_t i = 0; i < have; i++) {
		total.bytes += all[i]->count[direction].bytes;
		total.packets += all[i]->count[direction].packets;
	}
	other = ft_top_other(total, top, got, direction);
	for (size_t i = 0; i < got; i++) {
		other.bytes += top[i]->count[direction].bytes;
		other.packets += top[i]->count[direction].packets;
	}
	assert_memory_equal(&other, &total, sizeof(total));
	free(all);
	free(top);
}

static void same_as_a_full_sort(void **state)
{
	const size_t counts[] = { 0, 1, 2, 3, 9, 10, 11, 100, 1000 };
	const size_t tops[] = { 0, 1, 2, 3, 10, 64, 1001 };
	uint64_t seed = 42;

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct ft_talker *talkers = make_talkers(counts[c], &seed);

		for (size_t t = 0; t < sizeof(tops) / sizeof(tops[0]); t++) {
			check(talkers, counts[c], tops[t], FT_EGRESS);
			check(talkers, counts[c], tops[t], FT_INGRESS);
		}
		free(talkers);
	}
}

static void rows_do_not_depend_on_the_order_of_arrival(void **state)
{
	struct ft_talker *talkers;
	const struct ft_talker *top[10];
	struct ft_key first[10];
	uint64_t seed = 7;

	(void)state;
	talkers = make_talkers(500, &seed);
	for (int round = 0; round < 20; round++) {
		assert_int_equal(ft_top(talkers, 500, FT_EGRESS, top, 10), 10);
		for (int i = 0; i < 10; i++) {
			if (!round)
				first[i] = top[i]->key;
			assert_memory_equal(&first[i], &top[i]->key, sizeof(first[i]));
		}
		shuffle(talkers, 500, &seed);
	}
	free(talkers);
}

static void large_numbers_do_not_overflow_the_order(void **state)
{
	struct ft_talker talkers[3] = {};
	const struct ft_talker *top[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		talkers[i].key = key_number(i);
	talkers[0].count[FT_EGRESS].bytes = 1;
	talkers[1].count[FT_EGRESS].bytes = UINT64_MAX;
	talkers[2].count[FT_EGRESS].bytes = (uint64_t)INT64_MAX + 2;
	assert_int_equal(ft_top(talkers, 3, FT_EGRESS, top, 3), 3);
	assert_ptr_equal(top[0], &talkers[1]);
	assert_ptr_equal(top[1], &talkers[2]);
	assert_ptr_equal(top[2], &talkers[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_a_full_sort),
		cmocka_unit_test(rows_do_not_depend_on_the_order_of_arrival),
		cmocka_unit_test(large_numbers_do_not_overflow_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
