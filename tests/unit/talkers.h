/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TESTS_UNIT_TALKERS_H
#define FLOWTOP_TESTS_UNIT_TALKERS_H

/* For tests of pure code: cmocka, repeatable random numbers, records made by the number. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "include/abi.h"

/* xorshift64*: the same numbers for the same seed, everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* The n-th of many distinct flows: server port 443, a client's port and address of its own. */
static inline struct ft_key key_number(uint32_t n)
{
	struct ft_key key = { .local_port = 443, .remote_port = 40000, .protocol = 6, .netns = 1 };

	memset(key.local_addr + 10, 0xff, 2);
	memset(key.remote_addr + 10, 0xff, 2);
	key.local_addr[12] = 10;
	memcpy(key.remote_addr + 12, &n, 4);
	return key;
}

#endif /* FLOWTOP_TESTS_UNIT_TALKERS_H */
