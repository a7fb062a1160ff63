/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "fake_engine.h"
#include "mock_daemon.h"

#define SECOND TIME_T_TO_CDTIME_T_STATIC(1)
#define EGRESS "flowtop-flow-egress/bytes-"
#define INGRESS "flowtop-flow-ingress/bytes-"
#define HEALTH "flowtop-health/"

/* What the daemon dispatches per read without any flow. */
#define FIXED_VALUES 17

/* Stands before the C library's: by it the fold asks for room. */
static bool no_memory;

void *reallocarray(void *memory, size_t count, size_t size)
{
	return no_memory ? NULL : realloc(memory, count * size);
}

static int start(void **state)
{
	(void)state;
	no_memory = false;
	fake_reset();
	mock_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	mock.shutdown();
	mock_forget();
	return 0;
}

/* Up to and with the first read, which has nothing to say. */
static void measure(const char *text)
{
	assert_int_equal(mock_configure(text), 0);
	assert_int_equal(mock.init(), 0);
	mock_forget();
	assert_int_equal(mock.read(), 0);
	assert_int_equal(mock.lines, 0);
	assert_int_equal(mock.values, 0);
}

static void next_read(void)
{
	mock_forget();
	mock.now += mock.interval;
	assert_int_equal(mock.read(), 0);
}

static const struct mock_value *needed(const char *name)
{
	const struct mock_value *value = mock_value(name);

	if (!value)
		fail_msg("%s was not dispatched", name);
	return value;
}

static double number(const char *name)
{
	return needed(name)->value;
}

static uint64_t bytes(const char *name)
{
	return mock_meta_number(needed(name), "flowtop:bytes");
}

static void first_read_is_silent(void **state)
{
	(void)state;
	assert_int_equal(mock.init(), 0);
	mock_forget();
	assert_int_equal(mock.read(), 0);
	assert_int_equal(mock.values, 0);
	assert_int_equal(mock.lines, 0);
	/* Not turned: what passed until then is in the first interval. */
	assert_int_equal(fake.turned, 0);
	next_read();
	assert_int_equal(fake.turned, 1);
	assert_int_equal(mock.values, FIXED_VALUES);
}

static void silent_host(void **state)
{
	(void)state;
	measure("");
	next_read();
	assert_int_equal(mock.values, FIXED_VALUES);
	assert_true(number(EGRESS "total") == 0);
	assert_true(number(EGRESS "other") == 0);
	assert_true(number(INGRESS "total") == 0);
	assert_true(number(INGRESS "other") == 0);
	assert_true(number(HEALTH "count-records") == 0);
}

static void names_rates_and_sums(void **state)
{
	(void)state;
	measure("Top 2\n");
	fake.interval.nanoseconds = 2000000000;
	/* Two clients' ports fold into one talker. */
	fake_flow(IPPROTO_TCP, 443, 9, 40000, 1000, 10);
	fake_flow(IPPROTO_TCP, 443, 9, 40001, 3001, 20);
	fake_flow(IPPROTO_UDP, 50000, 8, 53, 70, 500);
	fake_flow(IPPROTO_TCP, 22, 7, 40002, 300, 0);
	fake.record[FT_SLOT_UNATTRIBUTED].count[FT_EGRESS].bytes = 11;
	next_read();

	assert_true(number(EGRESS "tcp-10.0.0.1-443-10.0.0.9") == 2000.5);
	assert_true(number(EGRESS "tcp-10.0.0.1-22-10.0.0.7") == 150);
	assert_null(mock_value(EGRESS "udp-10.0.0.1-10.0.0.8-53"));
	assert_true(number(EGRESS "other") == 40.5);
	assert_true(number(EGRESS "total") == 2191);
	assert_int_equal(bytes(EGRESS "tcp-10.0.0.1-443-10.0.0.9") +
				 bytes(EGRESS "tcp-10.0.0.1-22-10.0.0.7") + bytes(EGRESS "other"),
			 bytes(EGRESS "total"));
	assert_int_equal(bytes(EGRESS "total"), 1000 + 3001 + 70 + 300 + 11);

	assert_true(number(INGRESS "udp-10.0.0.1-10.0.0.8-53") == 250);
	assert_true(number(INGRESS "tcp-10.0.0.1-443-10.0.0.9") == 15);
	assert_null(mock_value(INGRESS "tcp-10.0.0.1-22-10.0.0.7"));
	assert_true(number(INGRESS "other") == 0);
	assert_int_equal(bytes(INGRESS "total"), 530);
	assert_int_equal(mock.values, FIXED_VALUES + 4);

	assert_true(number(HEALTH "gauge-interval") == 2);
	assert_true(number(HEALTH "bytes-unattributed-egress") == 5.5);
	assert_int_equal(bytes(HEALTH "bytes-unattributed-egress"), 11);
	assert_true(number(HEALTH "bytes-unattributed-ingress") == 0);
	assert_true(number(HEALTH "count-records") == 4);
	assert_true(number(HEALTH "count-flows") == 4);
	assert_true(number(HEALTH "count-talkers") == 3);
	assert_true(number(HEALTH "latency-turn") >= 0 && number(HEALTH "latency-turn") < 10);
}

static void exact_beyond_a_double(void **state)
{
	const uint64_t large = (1ULL << 53) + 1;

	(void)state;
	measure("");
	fake_flow(IPPROTO_TCP, 443, 9, 40000, large, 0);
	next_read();
	assert_int_equal(bytes(EGRESS "tcp-10.0.0.1-443-10.0.0.9"), large);
	assert_int_equal(bytes(EGRESS "total"), large);
	assert_int_equal(bytes(EGRESS "other"), 0);
}

static void one_time_one_interval_each_name_once(void **state)
{
	(void)state;
	mock.interval = 5 * SECOND;
	measure("Top 1000\n");
	for (unsigned int i = 0; i < 300; i++)
		fake_flow(IPPROTO_TCP, 1 + i, 9, 40000, 1000 + i, 5 + i);
	next_read();
	assert_int_equal(mock.values, FIXED_VALUES + 600);
	for (size_t i = 0; i < mock.values; i++) {
		assert_int_equal(mock.value[i].time, mock.now);
		assert_int_equal(mock.value[i].interval, 5 * SECOND);
		assert_ptr_equal(mock_value(mock.value[i].name), &mock.value[i]);
	}
}

static void default_top_is_ten(void **state)
{
	char name[64];

	(void)state;
	measure("");
	for (unsigned int i = 1; i <= 50; i++)
		fake_flow(IPPROTO_TCP, i, 9, 40000, 1000 + i, 0);
	next_read();
	assert_int_equal(mock.values, FIXED_VALUES + 10);
	for (unsigned int i = 41; i <= 50; i++) {
		snprintf(name, sizeof(name), EGRESS "tcp-10.0.0.1-%u-10.0.0.9", i);
		assert_int_equal(bytes(name), 1000 + i);
	}
}

static void meta_data(void **state)
{
	const struct mock_value *value;
	struct ft_record *record;

	(void)state;
	measure("");
	record = fake_flow(IPPROTO_TCP, 443, 9, 40001, 3000, 20);
	record->owner.pid = 4711;
	memcpy(record->owner.comm, "a\nb/\xff;", 7);
	fake_flow(IPPROTO_TCP, 443, 9, 40000, 1000, 10);
	next_read();

	value = needed(EGRESS "tcp-10.0.0.1-443-10.0.0.9");
	assert_int_equal(mock_meta_number(value, "flowtop:bytes"), 4000);
	assert_int_equal(mock_meta_number(value, "flowtop:packets"), 6);
	assert_int_equal(mock_meta_number(value, "flowtop:interval_ns"), 1000000000);
	assert_int_equal(mock_meta_number(value, "flowtop:flows"), 2);
	assert_string_equal(mock_meta_string(value, "flowtop:probe"), "cgroup");
	assert_string_equal(mock_meta_string(value, "flowtop:protocol"), "tcp");
	assert_string_equal(mock_meta_string(value, "flowtop:local_address"), "10.0.0.1");
	assert_string_equal(mock_meta_string(value, "flowtop:remote_address"), "10.0.0.9");
	assert_int_equal(mock_meta_number(value, "flowtop:local_port"), 443);
	/* The heaviest flow's, which the name does not tell. */
	assert_int_equal(mock_meta_number(value, "flowtop:remote_port"), 40001);
	assert_int_equal(mock_meta_number(value, "flowtop:pid"), 4711);
	assert_string_equal(mock_meta_string(value, "flowtop:command"), "a_b___");

	value = needed(EGRESS "total");
	assert_int_equal(mock_meta_number(value, "flowtop:packets"), 6);
	assert_int_equal(mock_meta_number(value, "flowtop:interval_ns"), 1000000000);
	assert_string_equal(mock_meta_string(value, "flowtop:probe"), "cgroup");
	assert_false(mock_meta_has(value, "flowtop:protocol"));
	assert_true(mock_meta_has(needed(EGRESS "other"), "flowtop:bytes"));
}

static void unknown_owner_is_left_out(void **state)
{
	(void)state;
	measure("");
	fake_flow(IPPROTO_UDP, 53, 9, 40000, 100, 0);
	next_read();
	assert_false(mock_meta_has(needed(EGRESS "udp-10.0.0.1-53-10.0.0.9"), "flowtop:pid"));
	assert_false(mock_meta_has(needed(EGRESS "udp-10.0.0.1-53-10.0.0.9"), "flowtop:command"));
}

/* Not one of its 16 bytes is NUL: nothing is read past them. */
static void full_command(void **state)
{
	struct ft_record *record;

	(void)state;
	measure("");
	record = fake_flow(IPPROTO_UDP, 53, 9, 40000, 100, 0);
	memset(record->owner.comm, 'c', FT_COMM_LEN);
	record->flags = 0;
	next_read();
	assert_string_equal(mock_meta_string(needed(EGRESS "udp-10.0.0.1-53-10.0.0.9"),
					     "flowtop:command"),
			    "cccccccccccccccc");
}

static void no_memory_for_meta_data(void **state)
{
	(void)state;
	measure("");
	fake_flow(IPPROTO_UDP, 53, 9, 40000, 100, 0);
	mock.refuse_meta = true;
	next_read();
	assert_int_equal(mock.values, FIXED_VALUES + 1);
	assert_true(number(EGRESS "udp-10.0.0.1-53-10.0.0.9") == 100);
	assert_null(needed(EGRESS "udp-10.0.0.1-53-10.0.0.9")->meta);
}

static void lost_is_unknown_or_a_number(void **state)
{
	(void)state;
	measure("");
	next_read();
	assert_true(isnan(number(HEALTH "count-lost")));
	fake.interval.lost_known = true;
	fake.interval.lost = 7;
	next_read();
	assert_true(number(HEALTH "count-lost") == 7);
}

static void events_are_health(void **state)
{
	(void)state;
	measure("");
	fake.interval.event[FT_EVENT_INDEX_FULL] = 1;
	fake.interval.event[FT_EVENT_NO_STORAGE] = 2;
	fake.interval.event[FT_EVENT_NO_STATE] = 3;
	fake.interval.event[FT_EVENT_MALFORMED] = 4;
	fake.interval.event[FT_EVENT_STEPPED_BACK] = 5;
	next_read();
	assert_true(number(HEALTH "count-index_full") == 1);
	assert_true(number(HEALTH "count-no_storage") == 2);
	assert_true(number(HEALTH "count-no_state") == 3);
	assert_true(number(HEALTH "count-malformed") == 4);
	assert_true(number(HEALTH "count-stepped_back") == 5);
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_WARNING, "3 TCP transfers", "not counted", NULL), 1);
}

static void full_table_is_told_once(void **state)
{
	(void)state;
	measure("MaxFlows 64\n");
	fake.interval.table_full = true;
	fake.record[FT_SLOT_UNATTRIBUTED].count[FT_EGRESS].bytes = 18446744073709551610ULL;
	fake.record[FT_SLOT_UNATTRIBUTED].count[FT_INGRESS].bytes = 4322;
	next_read();
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_WARNING, "flowtop plugin: MaxFlows 64 is too small",
				     "18446744073709551610 bytes egress and 4322 bytes ingress",
				     "Raise MaxFlows"),
			 1);
	for (int i = 0; i < 4000; i++) {
		next_read();
		assert_int_equal(mock.lines, 0);
		assert_int_equal(bytes(HEALTH "bytes-unattributed-ingress"), 4322);
	}
}

/* A table that is full now and then is one trouble; an hour without ends it. */
static void full_table_recovers(void **state)
{
	(void)state;
	measure("MaxFlows 64\n");
	fake.interval.table_full = true;
	next_read();
	assert_int_equal(mock.lines, 1);
	for (int i = 0; i < 100; i++) {
		fake.interval.table_full = i % 2;
		next_read();
		assert_int_equal(mock.lines, 0);
	}
	fake.interval.table_full = false;
	for (int i = 0; i < 3599; i++) {
		next_read();
		assert_int_equal(mock.lines, 0);
	}
	next_read();
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_INFO, "MaxFlows 64 has been enough", NULL, NULL), 1);
	next_read();
	assert_int_equal(mock.lines, 0);
	fake.interval.table_full = true;
	next_read();
	assert_int_equal(mock_logged(LOG_WARNING, "MaxFlows 64 is too small", NULL, NULL), 1);
}

/* The daemon would read less and less often if a passing trouble were not 0. */
static void refused_turn(void **state)
{
	size_t told = 0;

	(void)state;
	measure("");
	fake.turn_error = -ENOMEM;
	next_read();
	assert_int_equal(mock.values, 0);
	assert_int_equal(mock_logged(LOG_ERR, "cannot end the interval", strerror(ENOMEM), NULL),
			 1);
	for (int i = 0; i < 1000; i++) {
		next_read();
		assert_int_equal(mock.values, 0);
		told += mock.lines;
	}
	assert_in_range(told, 1, 12);
	fake.turn_error = 0;
	next_read();
	assert_int_equal(mock.values, FIXED_VALUES);
	assert_int_equal(mock.lines, 0);
	mock.now += 3600 * SECOND;
	next_read();
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_INFO, "ended well", NULL, NULL), 1);
}

static void fold_without_memory(void **state)
{
	(void)state;
	measure("");
	fake_flow(IPPROTO_UDP, 53, 9, 40000, 100, 0);
	no_memory = true;
	next_read();
	assert_int_equal(mock.values, 0);
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_ERR, "out of memory", NULL, NULL), 1);
	no_memory = false;
	next_read();
	assert_int_equal(mock.values, FIXED_VALUES + 1);
	assert_int_equal(mock.lines, 0);
	assert_int_equal(bytes(EGRESS "total"), 100);
}

static void daemon_without_memory(void **state)
{
	(void)state;
	measure("");
	mock.refuse_values = true;
	next_read();
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_ERR, "out of memory", NULL, NULL), 1);
	mock.refuse_values = false;
	next_read();
	assert_int_equal(mock.values, FIXED_VALUES);
	assert_int_equal(mock.lines, 0);
}

static void init_says_which_probe_and_why(void **state)
{
	(void)state;
	snprintf(fake.report.why_not[FT_PROBE_FENTRY], 512, "the kernel is locked down");
	snprintf(fake.report.why_not[FT_PROBE_KPROBE], 512, "no kprobes");
	assert_int_equal(mock.init(), 0);
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock.line[0].severity, LOG_INFO);
	assert_string_equal(mock.line[0].text,
			    "flowtop plugin: probe cgroup (fentry: the kernel is locked down; "
			    "kprobe: no kprobes)");
}

static void init_without_reasons_and_with_notice(void **state)
{
	(void)state;
	snprintf(fake.report.notice, sizeof(fake.report.notice), "owners are not known");
	assert_int_equal(mock.init(), 0);
	assert_int_equal(mock.lines, 2);
	assert_string_equal(mock.line[0].text, "flowtop plugin: probe cgroup");
	assert_int_equal(mock_logged(LOG_NOTICE, "flowtop plugin: owners are not known", NULL,
				     NULL),
			 1);
}

/* The mock fails the test when a line is longer than what the daemon would log of it. */
static void init_with_the_longest_reasons(void **state)
{
	(void)state;
	memset(fake.report.why_not[FT_PROBE_FENTRY], 'f', sizeof(fake.report.why_not[0]) - 1);
	memset(fake.report.why_not[FT_PROBE_KPROBE], 'k', sizeof(fake.report.why_not[0]) - 1);
	assert_int_equal(mock.init(), 0);
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_INFO, "(fentry: ffff", "; kprobe: kkkk", "k)"), 1);
}

static void failed_init(void **state)
{
	(void)state;
	fake.open_error = -EPERM;
	snprintf(fake.report.error, sizeof(fake.report.error),
		 "cannot open probe cgroup: CAP_BPF is missing; run as root");
	assert_int_equal(mock.init(), -1);
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock.line[0].severity, LOG_ERR);
	assert_string_equal(mock.line[0].text,
			    "flowtop plugin: cannot open probe cgroup: CAP_BPF is "
			    "missing; run as root");
	/* The daemon has unregistered the read; were it called, it would do no harm. */
	assert_int_equal(mock.read(), -1);
	assert_int_equal(mock.values, 0);
	assert_int_equal(mock.shutdown(), 0);
	assert_int_equal(fake.closed, 0);
}

static void failed_init_with_the_longest_error(void **state)
{
	(void)state;
	fake.open_error = -EPERM;
	memset(fake.report.error, 'y', sizeof(fake.report.error) - 1);
	assert_int_equal(mock.init(), -1);
	assert_int_equal(mock.lines, 1);
}

static void init_twice_opens_once(void **state)
{
	(void)state;
	assert_int_equal(mock.init(), 0);
	assert_int_equal(mock.init(), 0);
	assert_int_equal(fake.opened, 1);
}

static void shutdown_twice(void **state)
{
	(void)state;
	measure("");
	next_read();
	assert_int_equal(mock.shutdown(), 0);
	assert_int_equal(fake.closed, 1);
	assert_int_equal(mock.shutdown(), 0);
	assert_int_equal(fake.closed, 1);
	assert_int_equal(mock.read(), -1);
}

static void shutdown_without_init(void **state)
{
	(void)state;
	assert_int_equal(mock.shutdown(), 0);
	assert_int_equal(fake.closed, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(first_read_is_silent),
		TEST(silent_host),
		TEST(names_rates_and_sums),
		TEST(exact_beyond_a_double),
		TEST(one_time_one_interval_each_name_once),
		TEST(default_top_is_ten),
		TEST(meta_data),
		TEST(unknown_owner_is_left_out),
		TEST(full_command),
		TEST(no_memory_for_meta_data),
		TEST(lost_is_unknown_or_a_number),
		TEST(events_are_health),
		TEST(full_table_is_told_once),
		TEST(full_table_recovers),
		TEST(refused_turn),
		TEST(fold_without_memory),
		TEST(daemon_without_memory),
		TEST(init_says_which_probe_and_why),
		TEST(init_without_reasons_and_with_notice),
		TEST(init_with_the_longest_reasons),
		TEST(failed_init),
		TEST(failed_init_with_the_longest_error),
		TEST(init_twice_opens_once),
		TEST(shutdown_twice),
		TEST(shutdown_without_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
