/* SPDX-License-Identifier: MIT */
/* The fold against a naive one, on random, hostile and growing input; and without memory. */
#include <errno.h>
#include <stdlib.h>

#include "engine/fold.h"
#include "talkers.h"

static const struct ft_ephemeral_range range = { 32768, 60999 };

/* Allocations fail from the n-th on; 0: never. Linked in by --wrap. */
static int fail_from, allocations;

void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

static bool fails(void)
{
	return fail_from && ++allocations >= fail_from;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, count, size);
}

/* Records of @flows distinct flows, some twice, some empty. */
static struct ft_record *make_records(uint32_t used, uint32_t flows, uint64_t seed)
{
	struct ft_record *records = __real_calloc(used ? used : 1, sizeof(*records));

	assert_non_null(records);
	for (uint32_t i = 0; i < used; i++) {
		struct ft_record *r = &records[i];

		if (i > 0)
			r->key = key_number((uint32_t)next_random(&seed) % flows);
		if (next_random(&seed) % 8 == 0)
			continue; /* claimed, and then another's */
		for (int d = 0; d < FT_DIRECTIONS; d++) {
			r->count[d].bytes = next_random(&seed) >> 40;
			r->count[d].packets = next_random(&seed) % 100;
		}
		r->owner.pid = 1 + (uint32_t)next_random(&seed) % 1000;
	}
	return records;
}

static bool has_traffic(const struct ft_record *r)
{
	return r->count[0].bytes || r->count[0].packets || r->count[1].bytes || r->count[1].packets;
}

static void compare_with_naive(const struct ft_fold *fold, const struct ft_record *records,
			       uint32_t used)
{
	size_t count, seen = 0;
	const struct ft_talker *talkers = ft_fold_talkers(fold, &count);

	for (size_t t = 0; t < count; t++) {
		struct ft_counters sum[FT_DIRECTIONS] = {};
		uint32_t flows = 0;

		for (uint32_t i = 1; i < used; i++) {
			if (memcmp(&records[i].key, &talkers[t].key, sizeof(struct ft_key)) != 0 ||
			    !has_traffic(&records[i]))
				continue;
			flows++;
			for (int d = 0; d < FT_DIRECTIONS; d++) {
				sum[d].bytes += records[i].count[d].bytes;
				sum[d].packets += records[i].count[d].packets;
			}
		}
		assert_memory_equal(sum, talkers[t].count, sizeof(sum));
		assert_int_equal(flows, talkers[t].flows);
		seen += flows;
	}
	for (uint32_t i = 1; i < used; i++)
		seen -= has_traffic(&records[i]);
	assert_int_equal(seen, 0); /* each record in exactly one talker */
}

static void conserves(const struct ft_fold *fold, const struct ft_record *records, uint32_t used)
{
	size_t count;
	const struct ft_talker *talkers = ft_fold_talkers(fold, &count);

	for (enum ft_direction d = 0; d < FT_DIRECTIONS; d++) {
		struct ft_counters total = ft_fold_total(fold, d), sum = {};

		for (uint32_t i = 0; i < used; i++) {
			sum.bytes += records[i].count[d].bytes;
			sum.packets += records[i].count[d].packets;
		}
		assert_memory_equal(&total, &sum, sizeof(sum));
		sum = ft_fold_unattributed(fold, d);
		for (size_t t = 0; t < count; t++) {
			sum.bytes += talkers[t].count[d].bytes;
			sum.packets += talkers[t].count[d].packets;
		}
		assert_memory_equal(&total, &sum, sizeof(sum));
	}
}

static void same_as_a_naive_fold(void **state)
{
	const uint32_t sizes[] = { 0, 1, 2, 63, 64, 65, 127, 129, 1000, 40, 3000, 1 };
	struct ft_fold *fold = ft_fold_new(FT_FOLD_EXACT, range);

	(void)state;
	assert_non_null(fold);
	/* One fold for all: it grows, and shrinks, and forgets. */
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ft_record *records = make_records(sizes[i], 1 + sizes[i] / 2, 77 + i);

		assert_int_equal(ft_fold_interval(fold, records, sizes[i]), 0);
		compare_with_naive(fold, records, sizes[i]);
		conserves(fold, records, sizes[i]);
		free(records);
	}
	ft_fold_free(fold);
}

static void any_bytes_are_accepted(void **state)
{
	struct ft_record records[200];
	struct ft_fold *fold = ft_fold_new(FT_FOLD_FLOW, range);
	uint64_t seed = 5;

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(records); i++)
			((unsigned char *)records)[i] = (unsigned char)next_random(&seed);
		assert_int_equal(ft_fold_interval(fold, records, 200), 0);
		conserves(fold, records, 200);
	}
	ft_fold_free(fold);
}

static void a_record_without_protocol_is_unattributed(void **state)
{
	struct ft_record records[3] = {};
	struct ft_fold *fold = ft_fold_new(FT_FOLD_EXACT, range);
	size_t count;

	(void)state;
	records[0].count[FT_EGRESS].bytes = 1;
	records[1].count[FT_EGRESS].bytes = 20;
	records[2].count[FT_EGRESS].bytes = 300;
	records[2].key = key_number(1);
	assert_int_equal(ft_fold_interval(fold, records, 3), 0);
	ft_fold_talkers(fold, &count);
	assert_int_equal(count, 1);
	assert_int_equal(ft_fold_unattributed(fold, FT_EGRESS).bytes, 21);
	assert_int_equal(ft_fold_total(fold, FT_EGRESS).bytes, 321);
	ft_fold_free(fold);
}

static void the_heaviest_record_gives_the_owner(void **state)
{
	struct ft_record records[4] = {};
	struct ft_fold *fold = ft_fold_new(FT_FOLD_FLOW, range);
	const struct ft_talker *talker;
	size_t count;

	(void)state;
	for (uint32_t i = 1; i < 4; i++) {
		records[i].key = key_number(7);
		records[i].key.remote_port = (uint16_t)(40000 + i);
		records[i].flags = FT_FLOW_SERVER;
		records[i].owner.pid = i;
		records[i].count[FT_INGRESS].bytes = i == 2 ? 500 : 10;
	}
	assert_int_equal(ft_fold_interval(fold, records, 4), 0);
	talker = ft_fold_talkers(fold, &count);
	assert_int_equal(count, 1);
	assert_int_equal(talker->owner.pid, 2);
	assert_int_equal(talker->example.remote_port, 40002);
	assert_int_equal(talker->key.remote_port, 0);
	assert_int_equal(talker->flows, 3);
	assert_int_equal(talker->count[FT_INGRESS].bytes, 520);
	ft_fold_free(fold);
}

static void the_clients_port_is_folded(void **state)
{
	const struct {
		uint16_t local, remote;
		uint32_t flags;
		uint16_t local_out, remote_out;
	} cases[] = {
		{ 443, 40000, FT_FLOW_SERVER, 443, 0 },
		{ 40000, 443, FT_FLOW_CLIENT, 0, 443 },
		/* What was seen counts more than the numbers. */
		{ 40000, 50000, FT_FLOW_SERVER, 40000, 0 },
		{ 80, 443, FT_FLOW_CLIENT, 0, 443 },
		/* By the range, where nothing was seen; its ends belong to it. */
		{ 443, 32768, 0, 443, 0 },
		{ 60999, 443, 0, 0, 443 },
		{ 61000, 443, 0, 61000, 443 },
		{ 32767, 443, 0, 32767, 443 },
		{ 40000, 50000, 0, 40000, 50000 },
		{ 5000, 6000, 0, 5000, 6000 },
		/* Both at once says nothing. */
		{ 443, 40000, FT_FLOW_CLIENT | FT_FLOW_SERVER, 443, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ft_key key = { .local_port = cases[i].local,
				      .remote_port = cases[i].remote,
				      .netns = 9 };

		ft_fold_ports(&key, cases[i].flags, range);
		assert_int_equal(key.local_port, cases[i].local_out);
		assert_int_equal(key.remote_port, cases[i].remote_out);
		assert_int_equal(key.netns, 0);
	}
}

static void without_memory_it_is_empty_and_usable(void **state)
{
	struct ft_record *records = make_records(500, 400, 3);
	int failed = 0;

	(void)state;
	for (fail_from = 1;; fail_from++) {
		struct ft_fold *fold;
		size_t count;
		int err;

		allocations = 0;
		fold = ft_fold_new(FT_FOLD_EXACT, range);
		if (!fold)
			continue;
		err = ft_fold_interval(fold, records, 500);
		if (!err) {
			ft_fold_free(fold);
			break;
		}
		failed++;
		assert_int_equal(err, -ENOMEM);
		ft_fold_talkers(fold, &count);
		assert_int_equal(count, 0);
		assert_int_equal(ft_fold_total(fold, FT_EGRESS).bytes, 0);
		allocations = -100000; /* memory is back */
		assert_int_equal(ft_fold_interval(fold, records, 500), 0);
		conserves(fold, records, 500);
		ft_fold_free(fold);
	}
	fail_from = 0;
	assert_true(failed >= 3);
	free(records);
	ft_fold_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_a_naive_fold),
		cmocka_unit_test(any_bytes_are_accepted),
		cmocka_unit_test(a_record_without_protocol_is_unattributed),
		cmocka_unit_test(the_heaviest_record_gives_the_owner),
		cmocka_unit_test(the_clients_port_is_folded),
		cmocka_unit_test(without_memory_it_is_empty_and_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
