/* SPDX-License-Identifier: MIT */
/* Filter values, good and bad. */
#include <errno.h>
#include <stdio.h>

#include "engine/filter.h"
#include "talkers.h"

static int add(struct ft_filter *filter, const char *option, const char *value)
{
	char why[256] = "";
	int err = ft_filter_add(filter, option, value, why, sizeof(why));

	if (err)
		assert_string_not_equal(why, "");
	return err;
}

static void good_values(void **state)
{
	struct ft_filter filter = {};

	(void)state;
	assert_int_equal(add(&filter, "Pid", "1"), 0);
	assert_int_equal(add(&filter, "pid", "4194304"), 0);
	assert_int_equal(add(&filter, "TID", "77"), 0);
	assert_int_equal(add(&filter, "Process", "nginx"), 0);
	assert_int_equal(add(&filter, "Process", "fifteen-bytes-x"), 0);
	assert_int_equal(add(&filter, "Protocol", "UDP"), 0);
	assert_int_equal(add(&filter, "Protocol", "udp"), 0);
	assert_int_equal(add(&filter, "LocalPort", "443"), 0);
	assert_int_equal(add(&filter, "LocalPort", "8000-8080"), 0);
	assert_int_equal(add(&filter, "RemotePort", "1-65535"), 0);
	assert_int_equal(add(&filter, "Loopback", "False"), 0);
	assert_int_equal(filter.pids, 2);
	assert_int_equal(filter.pid[0], 1);
	assert_int_equal(filter.pid[1], 4194304);
	assert_int_equal(filter.tids, 1);
	assert_int_equal(filter.tid[0], 77);
	assert_int_equal(filter.comms, 2);
	assert_memory_equal(filter.comm[0], "nginx\0\0\0\0\0\0\0\0\0\0", FT_COMM_LEN);
	assert_memory_equal(filter.comm[1], "fifteen-bytes-x", FT_COMM_LEN);
	assert_int_equal(filter.protocol, 17);
	assert_int_equal(filter.local_ports, 2);
	assert_int_equal(filter.local_port[0].first, 443);
	assert_int_equal(filter.local_port[0].last, 443);
	assert_int_equal(filter.local_port[1].first, 8000);
	assert_int_equal(filter.local_port[1].last, 8080);
	assert_int_equal(filter.remote_ports, 1);
	assert_int_equal(filter.loopback, FT_LOOPBACK_NONE);
	assert_int_equal(add(&filter, "Loopback", "true"), 0);
	assert_int_equal(filter.loopback, FT_LOOPBACK_ANY);
	assert_int_equal(add(&filter, "Loopback", "only"), 0);
	assert_int_equal(filter.loopback, FT_LOOPBACK_ONLY);
}

static void bad_values_change_nothing(void **state)
{
	static const char *const cases[][2] = {
		{ "Pid", "0" },		  { "Pid", "" },
		{ "Pid", "-1" },	  { "Pid", "+1" },
		{ "Pid", " 1" },	  { "Pid", "1 " },
		{ "Pid", "12x" },	  { "Pid", "1.5" },
		{ "Pid", "4194305" },	  { "Pid", "99999999999999999999999" },
		{ "Pid", "0x10" },	  { "Tid", "abc" },
		{ "LocalPort", "0" },	  { "LocalPort", "65536" },
		{ "LocalPort", "-" },	  { "LocalPort", "1-" },
		{ "LocalPort", "-5" },	  { "LocalPort", "9-8" },
		{ "LocalPort", "1-2-3" }, { "RemotePort", "http" },
		{ "RemotePort", "0-5" },  { "RemotePort", "5-65536" },
		{ "Process", "" },	  { "Process", "sixteen-bytes-xx" },
		{ "Protocol", "sctp" },	  { "Protocol", "6" },
		{ "Protocol", "" },	  { "Loopback", "maybe" },
		{ "Loopback", "" },
	};
	const struct ft_filter empty = {};
	struct ft_filter filter = {};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(add(&filter, cases[i][0], cases[i][1]), -EINVAL);
		assert_memory_equal(&filter, &empty, sizeof(filter));
	}
	assert_int_equal(add(&filter, "Port", "443"), -ENOENT);
	assert_int_equal(add(&filter, "", "443"), -ENOENT);
	assert_memory_equal(&filter, &empty, sizeof(filter));
}

static void words_for_loopback(void **state)
{
	static const struct {
		const char *word;
		enum ft_loopback loopback;
	} cases[] = {
		{ "true", FT_LOOPBACK_ANY },  { "Yes", FT_LOOPBACK_ANY },
		{ "on", FT_LOOPBACK_ANY },    { "false", FT_LOOPBACK_NONE },
		{ "NO", FT_LOOPBACK_NONE },   { "off", FT_LOOPBACK_NONE },
		{ "only", FT_LOOPBACK_ONLY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ft_filter filter = {};
		char why[16] = "as it was";

		assert_int_equal(ft_filter_add(&filter, "Loopback", cases[i].word, why,
					       sizeof(why)),
				 0);
		assert_int_equal(filter.loopback, cases[i].loopback);
		assert_string_equal(why, "as it was");
	}
}

static void two_protocols_are_refused(void **state)
{
	struct ft_filter filter = {};

	(void)state;
	assert_int_equal(add(&filter, "Protocol", "tcp"), 0);
	assert_int_equal(add(&filter, "Protocol", "udp"), -EINVAL);
	assert_int_equal(filter.protocol, 6);
}

static void the_room_is_bounded(void **state)
{
	static const char *const options[] = { "Pid", "Tid", "Process", "LocalPort", "RemotePort" };
	struct ft_filter filter = {};

	(void)state;
	for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
		char value[16];
		struct ft_filter before;

		for (int i = 1; i <= FT_FILTER_VALUES; i++) {
			snprintf(value, sizeof(value), "%d", i);
			assert_int_equal(add(&filter, options[o], value), 0);
		}
		before = filter;
		assert_int_equal(add(&filter, options[o], "99"), -E2BIG);
		assert_memory_equal(&filter, &before, sizeof(filter));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_values),	       cmocka_unit_test(bad_values_change_nothing),
		cmocka_unit_test(words_for_loopback),  cmocka_unit_test(two_protocols_are_refused),
		cmocka_unit_test(the_room_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
