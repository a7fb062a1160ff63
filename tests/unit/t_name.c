/* SPDX-License-Identifier: MIT */
/* Names: right, safe, bounded, and distinct after what stores make of them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/name.h"
#include "talkers.h"

static struct ft_key make_key(unsigned char protocol, const char *local, uint16_t local_port,
			      const char *remote, uint16_t remote_port)
{
	struct ft_key key = { .protocol = protocol,
			      .local_port = local_port,
			      .remote_port = remote_port };
	const char *text[2] = { local, remote };
	unsigned char *out[2] = { key.local_addr, key.remote_addr };

	for (int i = 0; i < 2; i++) {
		if (strchr(text[i], ':')) {
			assert_int_equal(inet_pton(AF_INET6, text[i], out[i]), 1);
		} else {
			memset(out[i] + 10, 0xff, 2);
			assert_int_equal(inet_pton(AF_INET, text[i], out[i] + 12), 1);
		}
	}
	return key;
}

static void flows_have_these_names(void **state)
{
	const struct {
		unsigned char protocol;
		const char *local;
		uint16_t local_port;
		const char *remote;
		uint16_t remote_port;
		const char *name;
	} cases[] = {
		{ 6, "10.0.0.5", 443, "10.0.0.9", 0, "tcp-10.0.0.5-443-10.0.0.9" },
		{ 6, "10.0.0.5", 0, "10.0.0.9", 443, "tcp-10.0.0.5-10.0.0.9-443" },
		{ 17, "fe80::1", 53, "fe80::2", 40000, "udp-fe80::1-53-fe80::2-40000" },
		{ 17, "::1", 1, "::", 65535, "udp-::1-1-::-65535" },
		{ 132, "1.2.3.4", 5, "::ffff:1.2.3.4", 6, "132-1.2.3.4-5-1.2.3.4-6" },
		{ 6, "2001:db8:0:0:1:0:0:1", 22, "2001:DB8::a", 0,
		  "tcp-2001:db8::1:0:0:1-22-2001:db8::a" },
	};
	char name[FT_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ft_key key = make_key(cases[i].protocol, cases[i].local, cases[i].local_port,
					     cases[i].remote, cases[i].remote_port);

		assert_string_equal(ft_flow_name(name, &key), cases[i].name);
	}
}

/* What Graphite makes of a name: '.' and ':' are '_'. */
static void flatten(char *name)
{
	for (; *name; name++)
		if (*name == '.' || *name == ':')
			*name = '_';
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Keys from a few neighbouring values, where names would collide if they could. */
static void distinct_keys_stay_distinct_in_every_store(void **state)
{
	static const char *const addresses[] = { "0.0.0.0", "1.1.1.1",	 "1.1.1.11",	"1.1.11.1",
						 "::",	    "::1",	 "::1:1",	"1::",
						 "1::1",    "1:1:1:1::", "::1:1:1:443", "::1.1.1.1",
						 "1:1::1",  "443::",	 "::443",	"6::17" };
	static const uint16_t ports[] = { 0, 1, 11, 443, 65535 };
	const size_t n = sizeof(addresses) / sizeof(addresses[0]);
	const size_t p = sizeof(ports) / sizeof(ports[0]);
	size_t count = 0;
	char(*names)[FT_NAME_MAX] = calloc(2 * n * n * p * p, sizeof(*names));

	(void)state;
	assert_non_null(names);
	for (size_t i = 0; i < 2 * n * n * p * p; i++) {
		struct ft_key key = make_key(i % 2 ? 6 : 17, addresses[i / 2 % n],
					     ports[i / 2 / n % p], addresses[i / 2 / n / p % n],
					     ports[i / 2 / n / p / n]);

		flatten(ft_flow_name(names[count++], &key));
	}
	qsort(names, count, sizeof(*names), compare);
	for (size_t i = 1; i < count; i++)
		assert_string_not_equal(names[i - 1], names[i]);
	free(names);
}

static bool is_safe(const char *name)
{
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789.:_-")] == '\0';
}

static void foreign_bytes_become_safe(void **state)
{
	char in[300], out[64];
	uint64_t seed = 99;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t length = next_random(&seed) % sizeof(in);
		size_t size = 16 + next_random(&seed) % (sizeof(out) - 16);

		for (size_t i = 0; i < length; i++)
			in[i] = (char)next_random(&seed);
		assert_ptr_equal(ft_sanitise(out, size, in, length), out);
		assert_true(strlen(out) < size);
		assert_true(is_safe(out));
	}
	assert_string_equal(ft_sanitise(out, sizeof(out), "a b;c\n\x1b[31m\xff*/..", 17),
			    "a_b_c___31m___..");
}

static void the_first_nul_ends_a_name(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(ft_sanitise(out, sizeof(out), "sshd\0garbage", 12), "sshd");
	assert_string_equal(ft_sanitise(out, sizeof(out), "", 0), "");
	assert_string_equal(ft_sanitise(out, sizeof(out), "fifteen-bytes-x", 15),
			    "fifteen-bytes-x");
}

static void long_names_are_cut_and_stay_distinct(void **state)
{
	char in[200], one[40], two[40], again[40];

	(void)state;
	memset(in, 'x', sizeof(in));
	ft_sanitise(one, sizeof(one), in, sizeof(in));
	in[sizeof(in) - 1] = 'y';
	ft_sanitise(two, sizeof(two), in, sizeof(in));
	ft_sanitise(again, sizeof(again), in, sizeof(in));
	assert_int_equal(strlen(one), sizeof(one) - 1);
	assert_string_not_equal(one, two);
	assert_string_equal(two, again);
	/* Stable: this is part of series' names in somebody's store. */
	memset(in, 'x', sizeof(in));
	assert_string_equal(ft_sanitise(one, 16, in, 32), "xxxxxx_6a833c45");
	/* What just fits is not cut. */
	assert_string_equal(ft_sanitise(one, 16, in, 15), "xxxxxxxxxxxxxxx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_have_these_names),
		cmocka_unit_test(distinct_keys_stay_distinct_in_every_store),
		cmocka_unit_test(foreign_bytes_become_safe),
		cmocka_unit_test(the_first_nul_ends_a_name),
		cmocka_unit_test(long_names_are_cut_and_stay_distinct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
