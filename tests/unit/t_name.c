/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../engine/name.h"
#include "helpers.h"

#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-"

/* Of addresses that are hard to tell apart, or to write. The first word of a line: its text. */
static const char *const addresses[] = {
	"::",
	"::1",
	"1::",
	"::102:304",
	"::1:2:3:4",
	"1:2:3:4::",
	"::1:2:3",
	"0:1:2:3:4:5:6:7",
	"1:2:3:4:5:6:7:0",
	"1:2:3:4:5:6:7:8",
	"1:0:3:4:5:6:7:8",
	"1::4:5:6:7:8",
	"1:0:0:4::8",
	"1::4:0:0:7:8",
	"fe80::1",
	"fe80::11",
	"fe80::1:1",
	"::ffff:0:102:304",
	"::fffe:102:304",
	"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"2001:db8::a:b",
	"64:ff9b::a00:1",
	"::1:0:0",
	"0.0.0.0",
	"1.2.3.4",
	"10.0.0.1",
	"100.0.1.0",
	"255.255.255.255",
	"1.23.4.5",
	"12.3.4.5",
};

static void set_addr(__u8 addr[static 16], const char *text)
{
	struct in_addr ipv4;

	if (inet_pton(AF_INET, text, &ipv4) == 1)
		set_ipv4(addr, ntohl(ipv4.s_addr));
	else
		assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
}

static void known_addresses(void **state)
{
	char out[FT_ADDRESS_MAX];
	__u8 addr[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		set_addr(addr, addresses[i]);
		assert_ptr_equal(ft_address_format(out, addr), out);
		assert_string_equal(out, addresses[i]);
	}
	/* The C library would write this one with dots. */
	set_addr(addr, "::1.2.3.4");
	assert_string_equal(ft_address_format(out, addr), "::102:304");
	set_addr(addr, "::ffff:1.2.3.4");
	assert_string_equal(ft_address_format(out, addr), "1.2.3.4");
}

/* Every pattern of zero groups, many times over: as the C library, and readable by it. */
static void random_addresses(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned int round = 0; round < 16 * 256; round++) {
		char out[FT_ADDRESS_MAX], expected[INET6_ADDRSTRLEN];
		__u8 addr[16], again[16];

		random_bytes(&seed, addr, sizeof(addr));
		for (int group = 0; group < 8; group++) {
			if (round & 1U << group)
				addr[2 * group] = addr[2 * group + 1] = 0;
			else if (random_one_in(&seed, 4))
				addr[2 * group] = 0;
		}
		ft_address_format(out, addr);
		assert_int_equal(inet_pton(AF_INET6, out, again), 1);
		assert_memory_equal(addr, again, sizeof(addr));
		inet_ntop(AF_INET6, addr, expected, sizeof(expected));
		if (!strchr(expected, '.'))
			assert_string_equal(out, expected);
	}
}

static void flow_names(void **state)
{
	static const struct {
		unsigned char protocol;
		const char *local;
		unsigned int local_port;
		const char *remote;
		unsigned int remote_port;
		const char *name;
	} cases[] = {
		{ 6, "10.0.0.5", 443, "10.0.0.9", 0, "tcp-10.0.0.5-443-10.0.0.9" },
		{ 6, "10.0.0.5", 0, "10.0.0.9", 443, "tcp-10.0.0.5-10.0.0.9-443" },
		{ 17, "fe80::1", 53, "fe80::2", 40000, "udp-fe80::1-53-fe80::2-40000" },
		{ 0, "::", 0, "::", 0, "0-::-::" },
		{ 255, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 65535,
		  "255-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff-65535-"
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe-65535" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ft_key key = { .protocol = cases[i].protocol,
				      .local_port = (__u16)cases[i].local_port,
				      .remote_port = (__u16)cases[i].remote_port,
				      .netns = i };
		char out[FT_NAME_MAX];

		set_addr(key.local_addr, cases[i].local);
		set_addr(key.remote_addr, cases[i].remote);
		assert_ptr_equal(ft_flow_name(out, &key), out);
		assert_string_equal(out, cases[i].name);
	}
}

/* A name as the pickiest store has it. */
typedef char mapped_name[FT_NAME_MAX];

static void map_name(mapped_name out, const struct ft_key *key)
{
	ft_flow_name(out, key);
	assert_int_equal(strspn(out, SAFE), strlen(out));
	for (char *c = out; *c; c++)
		if (*c == '.' || *c == ':')
			*c = '_';
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void assert_distinct(mapped_name *names, size_t count)
{
	qsort(names, count, sizeof(names[0]), compare_names);
	for (size_t i = 1; i < count; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			fail_msg("two keys have the name %s", names[i]);
}

static void crafted_names_are_distinct(void **state)
{
	static const unsigned int ports[] = { 0, 1, 2, 10, 12, 443, 44380, 65535 };
	static const __u8 protocols[] = { IPPROTO_TCP, IPPROTO_UDP, 0, 1, 10 };
	size_t local_ends = ARRAY_SIZE(addresses) * ARRAY_SIZE(ports);
	mapped_name *names = calloc(local_ends * local_ends, sizeof(*names));
	size_t count;

	(void)state;
	assert_non_null(names);
	for (size_t p = 0; p < ARRAY_SIZE(protocols); p++) {
		count = 0;
		for (size_t i = 0; i < local_ends; i++)
			for (size_t j = 0; j < local_ends; j++) {
				struct ft_key key = { .protocol = protocols[p] };

				set_addr(key.local_addr, addresses[i / ARRAY_SIZE(ports)]);
				set_addr(key.remote_addr, addresses[j / ARRAY_SIZE(ports)]);
				key.local_port = (__u16)ports[i % ARRAY_SIZE(ports)];
				key.remote_port = (__u16)ports[j % ARRAY_SIZE(ports)];
				map_name(names[count], &key);
				/* So that the protocols need not be compared with each other. */
				assert_int_equal(strcspn(names[count], "-"), p < 2	      ? 3 :
									     protocols[p] > 9 ? 2 :
												1);
				count++;
			}
		assert_distinct(names, count);
	}
	free(names);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ft_key));
}

/* Neighbours: each key differs from another one in one bit. */
static void random_names_are_distinct(void **state)
{
	enum {
		KEYS = 50000
	};
	struct ft_key *keys = calloc(KEYS, sizeof(*keys));
	mapped_name *names = calloc(KEYS, sizeof(*names));
	uint64_t seed = 12;
	size_t count = 0;

	(void)state;
	assert_non_null(keys);
	assert_non_null(names);
	for (size_t i = 0; i < KEYS; i++) {
		unsigned char *byte = (unsigned char *)&keys[i];

		if (i % 8) {
			/* The two addresses and ports, and the protocol: 37 bytes. */
			keys[i] = keys[i - 1];
			byte[random_below(&seed, 37)] ^=
				(unsigned char)(1U << random_below(&seed, 8));
			continue;
		}
		random_key(&seed, &keys[i], 10000);
		if (random_one_in(&seed, 4))
			random_bytes(&seed, keys[i].local_addr, 16);
		keys[i].netns = 0;
	}
	qsort(keys, KEYS, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < KEYS; i++)
		if (!i || compare_keys(&keys[i - 1], &keys[i]))
			map_name(names[count++], &keys[i]);
	assert_true(count > KEYS / 2);
	assert_distinct(names, count);
	free(names);
	free(keys);
}

static void protocol_names(void **state)
{
	char out[4];

	(void)state;
	assert_string_equal(ft_protocol_name(6, out), "tcp");
	assert_string_equal(ft_protocol_name(17, out), "udp");
	assert_string_equal(ft_protocol_name(0, out), "0");
	assert_string_equal(ft_protocol_name(132, out), "132");
}

static void sanitise_every_byte(void **state)
{
	char name[255], out[256];

	(void)state;
	for (int i = 0; i < 255; i++)
		name[i] = (char)(i + 1);
	assert_ptr_equal(ft_sanitise(out, sizeof(out), name, sizeof(name)), out);
	assert_int_equal(strlen(out), 255);
	for (int i = 0; i < 255; i++)
		assert_int_equal(out[i], strchr(SAFE, name[i]) ? name[i] : '_');
}

static void sanitise_ends(void **state)
{
	char out[16];
	char *exact = malloc(4); /* a sanitiser sees a read past its end */

	(void)state;
	assert_non_null(exact);
	memcpy(exact, "abcd", 4);
	assert_string_equal(ft_sanitise(out, sizeof(out), exact, 4), "abcd");
	free(exact);
	assert_string_equal(ft_sanitise(out, sizeof(out), "ab\0cd", 5), "ab");
	assert_string_equal(ft_sanitise(out, sizeof(out), "abcd", 2), "ab");
	assert_string_equal(ft_sanitise(out, sizeof(out), "\0abc", 4), "");
	assert_string_equal(ft_sanitise(out, sizeof(out), "abc", 0), "");
	/* What fits to the last byte is not cut. */
	assert_string_equal(ft_sanitise(out, sizeof(out), "123456789012345", 15),
			    "123456789012345");
	/* Series are called so: the hash is the same for ever. FNV-1a of the 16 bytes. */
	assert_string_equal(ft_sanitise(out, sizeof(out), "1234567890123456", 16),
			    "123456_cb17f1f3");
	assert_string_equal(ft_sanitise(out, sizeof(out), "1234567890123456\0x", 18),
			    "123456_cb17f1f3");
}

/* Any bytes, any room: within it, ended by a NUL, and nothing but safe characters. */
static void sanitise_anything(void **state)
{
	uint64_t seed = 13;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char out[96], name[96];
		size_t size = random_below(&seed, 80), len = random_below(&seed, sizeof(name));

		random_bytes(&seed, name, sizeof(name));
		if (random_one_in(&seed, 2))
			for (size_t i = 0; i < len; i++)
				name[i] |= 1; /* no NUL */
		memset(out, '!', sizeof(out));
		ft_sanitise(out, size, name, len);
		assert_int_equal(out[size], '!');
		if (!size)
			continue;
		assert_true(memchr(out, '\0', size) != NULL);
		assert_int_equal(strspn(out, SAFE), strlen(out));
		if (strnlen(name, len) < size)
			assert_int_equal(strlen(out), strnlen(name, len));
	}
}

/* Names that differ only behind the cut, or only in bytes that become '_'. */
static void long_names_stay_distinct(void **state)
{
	enum {
		NAMES = 4096
	};
	mapped_name *names = calloc(NAMES, sizeof(*names));

	(void)state;
	assert_non_null(names);
	for (int i = 0; i < NAMES; i++) {
		char name[80];

		memset(name, 'n', sizeof(name));
		name[0] = "/ ;\xff"[i & 3];
		/* Behind the cut, and not the end. */
		name[60 + snprintf(name + 60, sizeof(name) - 60, "%d", i >> 2)] = 'n';
		ft_sanitise(names[i], 64, name, sizeof(name));
		assert_memory_equal(names[i], "_nnn", 4);
	}
	assert_distinct(names, NAMES);
	free(names);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_addresses),
		cmocka_unit_test(random_addresses),
		cmocka_unit_test(flow_names),
		cmocka_unit_test(crafted_names_are_distinct),
		cmocka_unit_test(random_names_are_distinct),
		cmocka_unit_test(protocol_names),
		cmocka_unit_test(sanitise_every_byte),
		cmocka_unit_test(sanitise_ends),
		cmocka_unit_test(sanitise_anything),
		cmocka_unit_test(long_names_stay_distinct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
