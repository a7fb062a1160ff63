/* SPDX-License-Identifier: MIT */
/*
 * The fold's memory and its hash. Its source is part of this program, so that allocations and the
 * kernel's randomness are the test's to give and to refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <cmocka.h>

#include "naive_fold.h"

static struct {
	unsigned int calls;
	unsigned int fail_at; /* this call fails; 0: none does */
	bool fail_on;	      /* and all after it */
	int live;
} memory;

static struct {
	uint64_t seed;
	bool fails;
} kernel = { .seed = 1 };

static bool allocation_fails(void)
{
	memory.calls++;
	return memory.fail_at &&
	       (memory.fail_on ? memory.calls >= memory.fail_at : memory.calls == memory.fail_at);
}

static void *limited_calloc(size_t n, size_t size)
{
	void *block = allocation_fails() ? NULL : calloc(n, size);

	memory.live += block != NULL;
	return block;
}

static void *limited_reallocarray(void *old, size_t n, size_t size)
{
	void *block = allocation_fails() ? NULL : reallocarray(old, n, size);

	memory.live += block && !old;
	return block;
}

static void limited_free(void *block)
{
	memory.live -= block != NULL;
	free(block);
}

static ssize_t limited_getrandom(void *out, size_t size, unsigned int flags)
{
	assert_int_equal(flags, GRND_NONBLOCK); /* the daemon must not hang at boot */
	if (kernel.fails) {
		errno = EAGAIN;
		return -1;
	}
	random_bytes(&kernel.seed, out, size);
	return (ssize_t)size;
}

#define calloc limited_calloc
#define reallocarray limited_reallocarray
#define free limited_free
#define getrandom limited_getrandom
#include "../../engine/fold.c"
#undef calloc
#undef reallocarray
#undef free
#undef getrandom

static int start(void **state)
{
	(void)state;
	memset(&memory, 0, sizeof(memory));
	kernel.fails = false;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	return memory.live; /* what is left over was leaked */
}

enum {
	SMALL = 20
};

/* One try with the allocation @fail_at refused. Returns whether it was asked for at all. */
static bool survives(unsigned int fail_at, bool fail_on, const struct ft_record *small,
		     const struct ft_record *large, uint32_t used)
{
	struct ft_fold *fold;
	bool failed = false;

	memory.calls = 0;
	memory.fail_at = fail_at;
	memory.fail_on = fail_on;
	fold = ft_fold_new(FT_FOLD_FLOW, test_range);
	if (!fold) {
		assert_int_equal(fail_at, 1);
		return true;
	}
	for (int i = 0; i < 2; i++) {
		int err = ft_fold_interval(fold, i ? large : small, i ? used : SMALL);

		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_empty(fold);
			failed = true;
		} else {
			assert_folded(fold, i ? large : small, i ? used : SMALL, FT_FOLD_FLOW);
		}
	}
	memory.fail_at = 0;
	/* Memory is back, and so is the fold, whichever comes first. */
	assert_int_equal(ft_fold_interval(fold, small, SMALL), 0);
	assert_folded(fold, small, SMALL, FT_FOLD_FLOW);
	assert_int_equal(ft_fold_interval(fold, large, used), 0);
	assert_folded(fold, large, used, FT_FOLD_FLOW);
	ft_fold_free(fold);
	assert_int_equal(memory.live, 0);
	return failed;
}

static void memory_is_short(void **state)
{
	enum {
		USED = 5000
	};
	struct ft_record *small = random_records(41, SMALL, 10);
	struct ft_record *large = random_records(42, USED, 100000);

	(void)state;
	for (int fail_on = 0; fail_on < 2; fail_on++) {
		unsigned int fail_at = 1;

		while (survives(fail_at, fail_on, small, large, USED))
			fail_at++;
		assert_true(fail_at > 8); /* the handle, the index twice, talkers several times */
	}
	free(large);
	free(small);
}

/* More than any memory holds, or than numbers can say: refused before a record is read. */
static void absurd_sizes(void **state)
{
	static const struct ft_record nothing;
	struct ft_fold *fold = new_fold(FT_FOLD_EXACT);

	(void)state;
	memory.fail_at = 1;
	memory.fail_on = true;
	for (unsigned int bits = 16; bits <= 32; bits++) {
		uint32_t used = (uint32_t)(((uint64_t)1 << bits) - 1);

		assert_int_equal(ft_fold_interval(fold, &nothing, used), -ENOMEM);
		assert_empty(fold);
	}
	memory.fail_at = 0;
	assert_int_equal(ft_fold_interval(fold, &nothing, 1), 0);
	ft_fold_free(fold);
}

static void memory_is_reused(void **state)
{
	struct ft_record *records = random_records(51, 20000, 10000);
	struct ft_fold *fold = new_fold(FT_FOLD_EXACT);
	unsigned int calls;

	(void)state;
	assert_int_equal(ft_fold_interval(fold, records, 20000), 0);
	calls = memory.calls;
	for (uint32_t used = 20000; used > 0; used /= 2) {
		assert_int_equal(ft_fold_interval(fold, records, used), 0);
		/* A small interval after a large one must be as cheap as before it. */
		assert_true(fold->index_mask < 64 || fold->index_mask < 4 * (size_t)used);
	}
	assert_int_equal(ft_fold_interval(fold, records, 20000), 0);
	assert_int_equal(memory.calls, calls);
	ft_fold_free(fold);
	free(records);
}

/* Without the kernel's randomness a fold works, and no two are alike. */
static void no_randomness(void **state)
{
	struct ft_record *records = random_records(61, 1000, 100);
	struct ft_fold *one, *two;

	(void)state;
	kernel.fails = true;
	one = new_fold(FT_FOLD_EXACT);
	two = new_fold(FT_FOLD_EXACT);
	assert_memory_not_equal(one->seed, two->seed, sizeof(one->seed));
	for (int i = 1; i < SEEDS; i++)
		assert_true(one->seed[i] != one->seed[i - 1]);
	assert_int_equal(ft_fold_interval(one, records, 1000), 0);
	assert_folded(one, records, 1000, FT_FOLD_EXACT);
	ft_fold_free(two);
	ft_fold_free(one);
	free(records);
}

/* How far from its first cell the average talker stands. */
static double distance(const struct ft_fold *fold)
{
	double sum = 0;

	for (size_t at = 0; at <= fold->index_mask; at++) {
		uint32_t number = fold->index[at] & fold->cell_number;
		uint64_t hash;

		if (!number)
			continue;
		hash = hash_key(fold->seed, &fold->talkers[number - 1].key);
		sum += (double)((at - (hash << fold->bits >> 32)) & fold->index_mask);
	}
	return sum / (double)fold->count;
}

/* One stranger counts through what is his to choose: his keys must not crowd. */
static void keys_in_a_row(void **state)
{
	enum {
		USED = 32768
	}; /* half full: as bad as it gets */
	struct ft_record *records = calloc(USED, sizeof(*records));
	double worst = 0;

	(void)state;
	assert_non_null(records);
	for (int row = 0; row < 40; row++) {
		struct ft_fold *fold = new_fold(FT_FOLD_EXACT);

		for (uint32_t i = 0; i < USED; i++) {
			struct ft_key *key = &records[i].key;

			memset(key, 0, sizeof(*key));
			key->protocol = IPPROTO_TCP;
			records[i].count[FT_INGRESS].bytes = 1;
			switch (row % 5) {
			case 0:
				key->remote_port = (__u16)i;
				break;
			case 1:
				set_ipv4(key->remote_addr, 0x0a000000 + i);
				break;
			case 2:
				set_ipv4(key->remote_addr, i << 17);
				break;
			case 3:
				key->words[3] = (uint64_t)i << 49;
				break;
			default:
				key->words[2] = i >> 8;
				key->words[3] = (uint64_t)(i & 255) << 56;
			}
		}
		assert_int_equal(ft_fold_interval(fold, records, USED), 0);
		if (distance(fold) > worst)
			worst = distance(fold);
		ft_fold_free(fold);
	}
	/* 0.5 is what chance gives. */
	assert_true(worst < 2);
	free(records);
}

/* No two keys meet whatever the seed, above all not those that differ in few bits. */
static void no_pair_meets_always(void **state)
{
	uint64_t seed = 71;
	unsigned int met = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		uint64_t seeds[SEEDS];
		struct ft_key one, other;

		random_bytes(&seed, &one, sizeof(one));
		random_bytes(&seed, seeds, sizeof(seeds));
		other = one;
		if (round & 1) { /* what cancels out in hashes that multiply and shift */
			uint32_t word = random_below(&seed, 5);

			other.words[word] ^= (uint64_t)1 << 63;
			other.words[word + 1] ^= (uint64_t)1 << 63 | (uint64_t)1 << 31;
		} else {
			for (uint32_t bits = 1 + random_below(&seed, 3); bits; bits--)
				other.words[random_below(&seed, 6)] ^= (uint64_t)1
								       << random_below(&seed, 64);
		}
		met += !same_key(&one, &other) && hash_key(seeds, &one) == hash_key(seeds, &other);
	}
	assert_true(met <= 1);
}

struct hashed {
	uint32_t hash, number;
};

static int compare_hashes(const void *a, const void *b)
{
	uint32_t left = ((const struct hashed *)a)->hash;
	uint32_t right = ((const struct hashed *)b)->hash;

	return left < right ? -1 : left > right;
}

/* The key of that number; 64 random bits in it. */
static struct ft_key numbered_key(uint32_t number)
{
	struct ft_key key = { .protocol = IPPROTO_TCP };
	uint64_t seed = number + 1;

	random_bytes(&seed, key.remote_addr + 8, 8);
	return key;
}

/* Two keys whose whole hash is the same are still two. */
static void meeting_keys_stay_apart(void **state)
{
	enum {
		KEYS = 300000
	};
	struct hashed *hashed = calloc(KEYS, sizeof(*hashed));
	struct ft_fold *fold = new_fold(FT_FOLD_EXACT);
	unsigned int met = 0;

	(void)state;
	assert_non_null(hashed);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct ft_key key = numbered_key(i);

		hashed[i] = (struct hashed){ hash_key(fold->seed, &key), i };
	}
	qsort(hashed, KEYS, sizeof(*hashed), compare_hashes);
	for (size_t i = 1; i < KEYS; i++) {
		struct ft_record records[3] = { 0 };
		size_t count;

		if (hashed[i - 1].hash != hashed[i].hash)
			continue;
		met++;
		for (size_t j = 1; j < 3; j++) {
			records[j].key = numbered_key(hashed[i - 2 + j].number);
			records[j].count[FT_EGRESS].bytes = j;
		}
		assert_int_equal(ft_fold_interval(fold, records, 3), 0);
		ft_fold_talkers(fold, &count);
		assert_int_equal(count, 2);
		assert_folded(fold, records, 3, FT_FOLD_EXACT);
	}
	assert_true(met > 0);
	ft_fold_free(fold);
	free(hashed);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
	static const struct CMUnitTest tests[] = {
		TEST(memory_is_short),	       TEST(absurd_sizes),  TEST(memory_is_reused),
		TEST(no_randomness),	       TEST(keys_in_a_row), TEST(no_pair_meets_always),
		TEST(meeting_keys_stay_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
