/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TESTS_HELPERS_H
#define FLOWTOP_TESTS_HELPERS_H

/*
 * Random records for the tests of what happens after a turn. The same seed gives the same records
 * everywhere: a failure can be repeated. Include after cmocka.h.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../include/abi.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* xorshift64*; @state is never 0. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717U;
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

static inline bool random_one_in(uint64_t *state, uint32_t n)
{
	return random_below(state, n) == 0;
}

static inline void random_bytes(uint64_t *state, void *out, size_t size)
{
	unsigned char *byte = out;

	for (size_t i = 0; i < size; i++)
		byte[i] = (unsigned char)(random_next(state) >> 56);
}

static inline void set_ipv4(__u8 addr[static 16], uint32_t ipv4)
{
	memset(addr, 0, 16);
	addr[10] = addr[11] = 0xff;
	for (int i = 0; i < 4; i++)
		addr[12 + i] = (__u8)(ipv4 >> (24 - 8 * i));
}

/* A key out of about @spread different ones. */
static inline void random_key(uint64_t *state, struct ft_key *key, uint32_t spread)
{
	memset(key, 0, sizeof(*key));
	set_ipv4(key->local_addr, 0x0a000001);
	set_ipv4(key->remote_addr, 0xc0a80000 + random_below(state, 1 + spread / 4));
	if (random_one_in(state, 4))
		key->remote_addr[10] = 0; /* no IPv4 any more */
	key->local_port = (__u16)(random_one_in(state, 2) ? 443 : 40000);
	key->remote_port = (__u16)(30000 + random_below(state, 8) * 1000);
	key->protocol = random_one_in(state, 3) ? IPPROTO_UDP : IPPROTO_TCP;
	key->netns = random_below(state, 2);
}

/* A counter as strangers make it: now and then 0, or so large that sums wrap around. */
static inline uint64_t random_count(uint64_t *state)
{
	switch (random_below(state, 8)) {
	case 0:
		return 0;
	case 1:
		return random_next(state);
	default:
		return random_below(state, 5) * 1000; /* ties are wanted */
	}
}

/* @used records, among them empty ones, ones without a protocol, and garbage. */
static inline struct ft_record *random_records(uint64_t seed, uint32_t used, uint32_t spread)
{
	struct ft_record *records = calloc(used ? used : 1, sizeof(*records));

	assert_non_null(records);
	for (uint32_t i = 0; i < used; i++) {
		struct ft_record *record = &records[i];

		random_key(&seed, &record->key, spread);
		record->flags = random_below(&seed, 8);
		record->owner.pid = random_below(&seed, 1000);
		if (random_one_in(&seed, 32))
			random_bytes(&seed, record, sizeof(*record));
		if (random_one_in(&seed, 16))
			record->key.protocol = 0;
		if (random_one_in(&seed, 16))
			random_bytes(&seed, record->key.reserved, sizeof(record->key.reserved));
		for (int d = 0; d < FT_DIRECTIONS; d++) {
			record->count[d].bytes = random_count(&seed);
			record->count[d].packets = random_count(&seed);
		}
		if (random_one_in(&seed, 8))
			memset(record->count, 0, sizeof(record->count));
	}
	return records;
}

/* Another order for all but the first, which is the unattributed one. */
static inline void shuffle_records(uint64_t seed, struct ft_record *records, uint32_t used)
{
	for (uint32_t i = used; i > 2; i--) {
		uint32_t other = 1 + random_below(&seed, i - 1);
		struct ft_record swap = records[i - 1];

		records[i - 1] = records[other];
		records[other] = swap;
	}
}

#endif /* FLOWTOP_TESTS_HELPERS_H */
