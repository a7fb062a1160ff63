/* SPDX-License-Identifier: MIT */
/* What the fold makes of records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "naive_fold.h"

/* Around every size at which a batch, the index or the array of talkers ends. */
static void as_the_naive_fold(void **state)
{
	static const uint32_t sizes[] = { 70000, 0,   1,   2,	3,    31,   32,	  33,	34,    63,
					  64,	 65,  66,  95,	96,   97,   127,  128,	129,   130,
					  255,	 256, 257, 258, 1000, 4095, 4096, 4097, 30000, 17 };

	(void)state;
	for (int kind = FT_FOLD_EXACT; kind <= FT_FOLD_FLOW; kind++) {
		/* One fold for all of them: nothing of the last interval may be left. */
		struct ft_fold *fold = new_fold((enum ft_fold_key)kind);

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			for (uint32_t spread = 1; spread < 1000000; spread *= 100) {
				struct ft_record *records =
					random_records(i * 7 + spread, sizes[i], spread);

				assert_int_equal(ft_fold_interval(fold, records, sizes[i]), 0);
				assert_folded(fold, records, sizes[i], (enum ft_fold_key)kind);
				free(records);
			}
		ft_fold_free(fold);
	}
}

static void all_distinct(void **state)
{
	struct ft_fold *fold = new_fold(FT_FOLD_EXACT);

	(void)state;
	for (uint32_t used = 1; used < 3000; used += 1 + used / 50) {
		struct ft_record *records = calloc(used, sizeof(*records));
		size_t count;

		assert_non_null(records);
		for (uint32_t i = 0; i < used; i++) {
			set_ipv4(records[i].key.remote_addr, i);
			records[i].key.protocol = IPPROTO_TCP;
			records[i].count[FT_INGRESS].packets = 1;
		}
		assert_int_equal(ft_fold_interval(fold, records, used), 0);
		ft_fold_talkers(fold, &count);
		assert_int_equal(count, used - 1);
		assert_folded(fold, records, used, FT_FOLD_EXACT);
		free(records);
	}
	ft_fold_free(fold);
}

static void order_of_records_does_not_matter(void **state)
{
	enum {
		USED = 3000
	};
	struct ft_record *records = random_records(21, USED, 50);
	struct ft_record *shuffled = random_records(21, USED, 50);
	struct ft_fold *fold = new_fold(FT_FOLD_FLOW);

	(void)state;
	/* Equal weights, few owners: ties decide what a talker shows, down to the last. */
	for (uint32_t i = 0; i < USED; i++) {
		records[i].owner.pid %= 2;
		shuffled[i].owner.pid %= 2;
		for (int d = 0; d < FT_DIRECTIONS; d++)
			records[i].count[d].bytes = shuffled[i].count[d].bytes = 10;
	}
	for (uint64_t seed = 1; seed <= 10; seed++) {
		shuffle_records(seed, shuffled, USED);
		assert_int_equal(ft_fold_interval(fold, shuffled, USED), 0);
		/* The naive one gets them as they were. */
		assert_folded(fold, records, USED, FT_FOLD_FLOW);
	}
	ft_fold_free(fold);
	free(shuffled);
	free(records);
}

static void nothing_to_fold(void **state)
{
	struct ft_record records[3] = { 0 };
	struct ft_fold *fold = new_fold(FT_FOLD_EXACT);

	(void)state;
	assert_empty(fold);
	assert_int_equal(ft_fold_interval(fold, NULL, 0), 0);
	assert_empty(fold);
	/* Taken by the kernel side, but nothing came: no talker. */
	records[1].key.protocol = IPPROTO_UDP;
	assert_int_equal(ft_fold_interval(fold, records, 3), 0);
	assert_empty(fold);
	/* What was there before is forgotten. */
	records[1].count[FT_EGRESS].bytes = 5;
	assert_int_equal(ft_fold_interval(fold, records, 3), 0);
	assert_int_equal(ft_fold_total(fold, FT_EGRESS).bytes, 5);
	assert_int_equal(ft_fold_interval(fold, NULL, 0), 0);
	assert_empty(fold);
	ft_fold_free(fold);
	ft_fold_free(NULL);
}

static void unattributed(void **state)
{
	struct ft_record records[4] = { 0 };
	struct ft_fold *fold = new_fold(FT_FOLD_FLOW);
	size_t count;

	(void)state;
	/* The first is unattributed even when it looks like a flow. */
	for (int i = 0; i < 4; i++) {
		records[i].key.protocol = i == 2 ? 0 : IPPROTO_TCP;
		records[i].key.local_port = 80;
		records[i].count[FT_EGRESS].bytes = 1U << i;
		records[i].count[FT_INGRESS].packets = 16U << i;
	}
	assert_int_equal(ft_fold_interval(fold, records, 4), 0);
	ft_fold_talkers(fold, &count);
	assert_int_equal(count, 1);
	assert_int_equal(ft_fold_total(fold, FT_EGRESS).bytes, 15);
	assert_int_equal(ft_fold_total(fold, FT_INGRESS).packets, 240);
	assert_int_equal(ft_fold_unattributed(fold, FT_EGRESS).bytes, 1 + 4);
	assert_int_equal(ft_fold_unattributed(fold, FT_EGRESS).packets, 0);
	assert_int_equal(ft_fold_unattributed(fold, FT_INGRESS).packets, 16 + 64);
	ft_fold_free(fold);
}

/* Every bit set, in every record: sums wrap around and still agree. */
static void hostile_records(void **state)
{
	enum {
		USED = 500
	};
	struct ft_record *records = calloc(USED, sizeof(*records));

	(void)state;
	assert_non_null(records);
	for (int kind = FT_FOLD_EXACT; kind <= FT_FOLD_FLOW; kind++) {
		struct ft_fold *fold = new_fold((enum ft_fold_key)kind);
		uint64_t seed = 31;
		size_t count;

		memset(records, 0xff, USED * sizeof(*records));
		assert_int_equal(ft_fold_interval(fold, records, USED), 0);
		assert_folded(fold, records, USED, (enum ft_fold_key)kind);
		ft_fold_talkers(fold, &count);
		assert_int_equal(count, 1);
		for (int round = 0; round < 20; round++) {
			random_bytes(&seed, records, USED * sizeof(*records));
			assert_int_equal(ft_fold_interval(fold, records, USED), 0);
			assert_folded(fold, records, USED, (enum ft_fold_key)kind);
		}
		ft_fold_free(fold);
	}
	free(records);
}

static void ports(void **state)
{
	enum {
		NONE,
		CLIENT = FT_FLOW_CLIENT,
		SERVER = FT_FLOW_SERVER,
		BOTH = CLIENT | SERVER
	};
	static const struct {
		__u8 protocol;
		__u32 flags;
		__u16 local, remote, folded_local, folded_remote;
	} cases[] = {
		{ IPPROTO_TCP, CLIENT, 40000, 443, 0, 443 },
		{ IPPROTO_TCP, SERVER, 443, 40000, 443, 0 },
		/* Whatever the ports look like. */
		{ IPPROTO_TCP, CLIENT, 800, 40000, 0, 40000 },
		{ IPPROTO_TCP, SERVER, 40000, 800, 40000, 0 },
		{ IPPROTO_TCP, CLIENT | FT_FLOW_LOOPBACK, 40000, 50000, 0, 50000 },
		{ IPPROTO_TCP, SERVER | FT_FLOW_LOOPBACK, 50000, 40000, 50000, 0 },
		/* Nobody knows, or everybody says something else: the range. */
		{ IPPROTO_TCP, NONE, 40000, 443, 0, 443 },
		{ IPPROTO_TCP, NONE, 443, 40000, 443, 0 },
		{ IPPROTO_TCP, BOTH, 40000, 443, 0, 443 },
		{ IPPROTO_TCP, BOTH, 443, 40000, 443, 0 },
		{ IPPROTO_TCP, NONE, 443, 444, 443, 444 },
		{ IPPROTO_TCP, NONE, 40000, 50000, 40000, 50000 },
		{ IPPROTO_TCP, BOTH, 40000, 50000, 40000, 50000 },
		/* Both ends of the range belong to it. */
		{ IPPROTO_TCP, NONE, 32767, 32768, 32767, 0 },
		{ IPPROTO_TCP, NONE, 60999, 61000, 0, 61000 },
		/* A UDP server that connects its socket stays a server. */
		{ IPPROTO_UDP, CLIENT, 443, 40000, 443, 0 },
		{ IPPROTO_UDP, CLIENT, 40000, 53, 0, 53 },
		{ IPPROTO_UDP, CLIENT, 123, 124, 0, 124 },
		{ IPPROTO_UDP, CLIENT, 40000, 50000, 0, 50000 },
		{ IPPROTO_UDP, NONE, 40000, 53, 0, 53 },
		{ IPPROTO_UDP, NONE, 123, 123, 123, 123 },
		{ IPPROTO_UDP, NONE, 40000, 50000, 40000, 50000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ft_key key = { .protocol = cases[i].protocol,
				      .local_port = cases[i].local,
				      .remote_port = cases[i].remote,
				      .netns = 4026531840 };
		struct ft_key expected = { .protocol = cases[i].protocol,
					   .local_port = cases[i].folded_local,
					   .remote_port = cases[i].folded_remote };

		ft_fold_ports(&key, cases[i].flags, test_range);
		assert_memory_equal(&key, &expected, sizeof(key));
	}
}

/* A connection over loopback has two sockets: two talkers, one for each way to see it. */
static void loopback(void **state)
{
	struct ft_record records[5] = { 0 };
	struct ft_fold *fold = new_fold(FT_FOLD_FLOW);
	const struct ft_talker *talkers;
	size_t count;

	(void)state;
	for (int i = 1; i < 5; i++) {
		bool client = i & 1;

		set_ipv4(records[i].key.local_addr, INADDR_LOOPBACK);
		set_ipv4(records[i].key.remote_addr, INADDR_LOOPBACK);
		records[i].key.protocol = IPPROTO_TCP;
		records[i].key.local_port = (__u16)(client ? 40000 + i / 3 : 5432);
		records[i].key.remote_port = (__u16)(client ? 5432 : 40000 + (i - 1) / 3);
		records[i].flags = FT_FLOW_LOOPBACK | (client ? FT_FLOW_CLIENT : FT_FLOW_SERVER);
		records[i].count[client ? FT_EGRESS : FT_INGRESS].bytes = 10;
	}
	assert_int_equal(ft_fold_interval(fold, records, 5), 0);
	talkers = ft_fold_talkers(fold, &count);
	assert_int_equal(count, 2);
	assert_int_equal(talkers[0].key.local_port, 0);
	assert_int_equal(talkers[0].key.remote_port, 5432);
	assert_int_equal(talkers[0].count[FT_EGRESS].bytes, 20);
	assert_int_equal(talkers[0].flows, 2);
	assert_int_equal(talkers[1].key.local_port, 5432);
	assert_int_equal(talkers[1].key.remote_port, 0);
	assert_int_equal(talkers[1].count[FT_INGRESS].bytes, 20);
	ft_fold_free(fold);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_naive_fold),
		cmocka_unit_test(all_distinct),
		cmocka_unit_test(order_of_records_does_not_matter),
		cmocka_unit_test(nothing_to_fold),
		cmocka_unit_test(unattributed),
		cmocka_unit_test(hostile_records),
		cmocka_unit_test(ports),
		cmocka_unit_test(loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
