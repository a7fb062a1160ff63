/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "fake_engine.h"
#include "mock_daemon.h"

static int start(void **state)
{
	(void)state;
	fake_reset();
	mock_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	mock.shutdown();
	mock_forget();
	return fake.closed == (fake.opened && !fake.open_error ? 1 : 0) ? 0 : -1;
}

/* The configuration is taken without a word, and the engine opens. Returns what it was given. */
static const struct ft_settings *accepted(const char *text)
{
	assert_int_equal(mock_configure(text), 0);
	assert_int_equal(mock.lines, 0);
	assert_int_equal(fake.opened, 0);
	assert_int_equal(mock.init(), 0);
	assert_int_equal(fake.opened, 1);
	return &fake.settings;
}

/* One error line with these pieces; the daemon goes on; the engine opens nevertheless. */
static const struct ft_settings *warned(const char *text, const char *what, const char *allowed,
					const char *consequence)
{
	assert_int_equal(mock_configure(text), 0);
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_ERR, "flowtop plugin: <Plugin flowtop>: ", what, allowed),
			 1);
	assert_int_equal(mock_logged(LOG_ERR, consequence, NULL, NULL), 1);
	assert_int_equal(mock.init(), 0);
	assert_int_equal(fake.opened, 1);
	return &fake.settings;
}

/* One error line with these pieces; the daemon goes on; the engine is not opened. */
static void refused(const char *text, const char *what, const char *allowed)
{
	assert_int_equal(mock_configure(text), 0);
	assert_int_equal(mock.lines, 1);
	assert_int_equal(mock_logged(LOG_ERR, "flowtop plugin: <Plugin flowtop>: <Filter>: ", what,
				     allowed),
			 1);
	assert_int_equal(mock_logged(LOG_ERR, "will not measure", NULL, NULL), 1);
	assert_int_equal(mock.init(), -1);
	assert_int_equal(mock.lines, 2);
	assert_int_equal(mock_logged(LOG_ERR, "nothing is measured", "<Filter>", NULL), 1);
	assert_int_equal(fake.opened, 0);
}

static void assert_defaults(const struct ft_settings *settings)
{
	static const struct ft_filter no_filter;

	assert_int_equal(settings->probe, FT_PROBE_AUTO);
	assert_int_equal(settings->max_flows, FT_MAX_FLOWS_DEFAULT);
	assert_memory_equal(&settings->filter, &no_filter, sizeof(no_filter));
}

static void no_block(void **state)
{
	(void)state;
	assert_int_equal(mock.init(), 0);
	assert_int_equal(fake.opened, 1);
	assert_defaults(&fake.settings);
}

static void empty_blocks(void **state)
{
	(void)state;
	assert_defaults(accepted("<Filter>\n</Filter>\n"));
}

static void all_options(void **state)
{
	const struct ft_settings *settings = accepted("Probe \"cgroup\"\n"
						      "MaxFlows 1000\n"
						      "Top 20\n"
						      "<Filter>\n"
						      "  Pid 1 4194304\n"
						      "  Pid 77\n"
						      "  Tid 5\n"
						      "  Process \"nginx\" \"true\"\n"
						      "  Protocol \"tcp\"\n"
						      "  LocalPort 443 \"8000-8080\"\n"
						      "  RemotePort \"53\"\n"
						      "  Loopback \"only\"\n"
						      "</Filter>\n");
	const struct ft_filter *filter = &settings->filter;

	(void)state;
	assert_int_equal(settings->probe, FT_PROBE_CGROUP);
	assert_int_equal(settings->max_flows, 1000);
	assert_int_equal(filter->pids, 3);
	assert_int_equal(filter->pid[0], 1);
	assert_int_equal(filter->pid[1], 4194304);
	assert_int_equal(filter->pid[2], 77);
	assert_int_equal(filter->tids, 1);
	assert_int_equal(filter->tid[0], 5);
	assert_int_equal(filter->comms, 2);
	assert_string_equal(filter->comm[0], "nginx");
	assert_string_equal(filter->comm[1], "true");
	assert_int_equal(filter->protocol, IPPROTO_TCP);
	assert_int_equal(filter->local_ports, 2);
	assert_int_equal(filter->local_port[0].first, 443);
	assert_int_equal(filter->local_port[0].last, 443);
	assert_int_equal(filter->local_port[1].first, 8000);
	assert_int_equal(filter->local_port[1].last, 8080);
	assert_int_equal(filter->remote_ports, 1);
	assert_int_equal(filter->remote_port[0].first, 53);
	assert_int_equal(filter->loopback, FT_LOOPBACK_ONLY);
}

/* Without quotes it arrives as a boolean. */
static void loopback_false(void **state)
{
	(void)state;
	assert_int_equal(accepted("<Filter>\nLoopback false\n</Filter>\n")->filter.loopback,
			 FT_LOOPBACK_NONE);
}

static void loopback_true(void **state)
{
	(void)state;
	assert_int_equal(accepted("<Filter>\nLoopback true\n</Filter>\n")->filter.loopback,
			 FT_LOOPBACK_ANY);
}

static void case_and_quotes_do_not_matter(void **state)
{
	const struct ft_settings *settings = accepted("probe \"KProbe\"\n"
						      "MAXFLOWS \"4194304\"\n"
						      "top \"1000\"\n"
						      "<filter>\n"
						      "pid \"12\"\n"
						      "</filter>\n");

	(void)state;
	assert_int_equal(settings->probe, FT_PROBE_KPROBE);
	assert_int_equal(settings->max_flows, 4194304);
	assert_int_equal(settings->filter.pid[0], 12);
}

static void blocks_add_up(void **state)
{
	const struct ft_settings *settings;

	(void)state;
	assert_int_equal(mock_configure("MaxFlows 100\nProbe \"fentry\"\n"), 0);
	assert_int_equal(mock_configure("<Filter>\nPid 3\n</Filter>\n"), 0);
	settings = accepted("MaxFlows 200\n");
	assert_int_equal(settings->max_flows, 200);
	assert_int_equal(settings->probe, FT_PROBE_FENTRY);
	assert_int_equal(settings->filter.pids, 1);
}

/* A module that is loaded afresh has forgotten the last configuration. */
static void registering_resets(void **state)
{
	(void)state;
	assert_int_equal(mock_configure("MaxFlows 100\n<Filter>\nPid \"x\"\n</Filter>\n"), 0);
	mock_start();
	assert_int_equal(mock.init(), 0);
	assert_defaults(&fake.settings);
}

#define WARNS(test, text, what, allowed, consequence)                                              \
	static void test(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		assert_defaults(warned(text, what, allowed, consequence));                         \
	}

#define TOP_RANGE "use a whole number from 1 to 1000"
#define FLOWS_RANGE "use a whole number from 1 to 4194304"
#define PROBES "\"auto\", \"fentry\", \"kprobe\" or \"cgroup\""
#define OPTIONS "Probe, MaxFlows, Top and a <Filter> block"

WARNS(top_zero, "Top 0\n", "Top 0 is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_negative, "Top -1\n", "Top -1 is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_large, "Top 1000000\n", "Top 1000000 is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_just_too_large, "Top 1001\n", "Top 1001 is not", TOP_RANGE, "Top stays 10")
WARNS(top_fraction, "Top 2.5\n", "Top 2.5 is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_nan, "Top nan\n", "Top nan is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_huge, "Top 1e300\n", "Top 1e+300 is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_text, "Top \"ten\"\n", "Top \"ten\" is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_half_text, "Top \"10x\"\n", "Top \"10x\" is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_empty_text, "Top \"\"\n", "Top \"\" is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_boolean, "Top true\n", "Top true is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_control, "Top \"1\t\x7f\"\n", "Top \"1??\" is not allowed", TOP_RANGE, "Top stays 10")
WARNS(top_none, "Top\n", "Top takes exactly one value", "a whole number from 1 to 1000", "ignored")
WARNS(top_two, "Top 1 2\n", "Top takes exactly one value", "from 1 to 1000", "ignored")
WARNS(top_block, "<Top 5>\nPid 1\n</Top>\n", "is no block", "from 1 to 1000", "ignored")
WARNS(flows_zero, "MaxFlows 0\n", "MaxFlows 0 is not", FLOWS_RANGE, "MaxFlows stays 65536")
WARNS(flows_large, "MaxFlows 4194305\n", "MaxFlows 4194305 is not", FLOWS_RANGE, "stays 65536")
WARNS(probe_foo, "Probe \"foo\"\n", "Probe \"foo\" is not allowed", PROBES, "stays \"auto\"")
WARNS(probe_number, "Probe 1\n", "Probe 1 is not allowed", PROBES, "stays \"auto\"")
WARNS(probe_none, "Probe\n", "Probe takes exactly one value", PROBES, "ignored")
WARNS(unknown_option, "Colour \"red\"\n", "unknown option Colour \"red\"", OPTIONS, "ignored")
WARNS(unknown_block, "<View \"x\">\nTop 3\n</View>\n", "unknown option View \"x\"", OPTIONS,
      "ignored")
WARNS(unknown_bare, "Colour\n", "unknown option Colour:", OPTIONS, "ignored")

/* A wrong line leaves what an earlier, good one has set. */
static void wrong_after_good(void **state)
{
	const struct ft_settings *settings = warned("MaxFlows 500\nMaxFlows 0\n",
						    "MaxFlows 0 is not allowed", FLOWS_RANGE,
						    "MaxFlows stays 500");

	(void)state;
	assert_int_equal(settings->max_flows, 500);
}

static void each_wrong_line_is_told(void **state)
{
	(void)state;
	assert_int_equal(mock_configure("Top 0\nMaxFlows 0\nProbe \"foo\"\nColour 1\n"), 0);
	assert_int_equal(mock.lines, 4);
	assert_int_equal(mock.init(), 0);
	assert_defaults(&fake.settings);
}

static void long_values_are_cut_in_messages(void **state)
{
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "Probe \"", 7);
	memcpy(text + sizeof(text) - 3, "\"\n", 3);
	assert_defaults(warned(text, "xxx\" is not allowed", PROBES, "stays \"auto\""));
}

#define REFUSES(test, text, what, allowed)                                                         \
	static void test(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		refused(text, what, allowed);                                                      \
	}

#define IN_FILTER(line) "<Filter>\n" line "\n</Filter>\n"

REFUSES(pid_abc, IN_FILTER("Pid \"abc\""), "Pid \"abc\" is not allowed", "1 to 4194304")
REFUSES(pid_zero, IN_FILTER("Pid 0"), "Pid 0 is not allowed", "1 to 4194304")
REFUSES(pid_fraction, IN_FILTER("Pid 1.5"), "Pid 1.5 is not allowed", "a whole number")
REFUSES(pid_boolean, IN_FILTER("Pid true"), "Pid true is not allowed", "1 to 4194304")
REFUSES(pid_second, IN_FILTER("Pid 5 \"x\""), "Pid \"x\" is not allowed", "1 to 4194304")
REFUSES(pid_none, IN_FILTER("Pid"), "Pid has no value", "one or several")
REFUSES(pid_block, IN_FILTER("<Pid 5>\nTop 1\n</Pid>"), "Pid is not allowed as a block", "one line")
REFUSES(protocol, IN_FILTER("Protocol \"icmp\""), "Protocol \"icmp\" is not allowed", "tcp")
REFUSES(port, IN_FILTER("LocalPort 65536"), "LocalPort 65536 is not allowed", "65535")
REFUSES(port_range, IN_FILTER("RemotePort \"9-1\""), "RemotePort \"9-1\" is not allowed", "65535")
REFUSES(loopback, IN_FILTER("Loopback \"maybe\""), "Loopback \"maybe\" is not allowed", "false")
/* The daemon's parser has already changed these: 007 is 7 and yes is true. */
REFUSES(process_number, IN_FILTER("Process 007"), "Process 7 is not allowed", "in quotes")
REFUSES(process_boolean, IN_FILTER("Process true"), "Process true is not allowed", "in quotes")
REFUSES(process_long, IN_FILTER("Process \"sixteen-letters-\""), "Process \"sixteen-letters-\"",
	"15")
REFUSES(filter_unknown, IN_FILTER("Port 443"), "unknown option Port 443, allowed are", "LocalPort")
REFUSES(filter_unknown_text, IN_FILTER("Port \"x\""), "unknown option Port \"x\"", "LocalPort")
REFUSES(filter_twice, IN_FILTER("Pid 1") IN_FILTER("Pid 2"), "a second block", "into one")
/* Left out, it would be a filter that is not there. */
REFUSES(pid_outside, "Pid 5\n", "Pid outside of the block", "between <Filter> and </Filter>")
REFUSES(filter_value, "Filter \"tcp\"\n", "the value \"tcp\" is not allowed", "a block")

static void second_filter_in_another_block(void **state)
{
	(void)state;
	assert_int_equal(mock_configure(IN_FILTER("Pid 1")), 0);
	refused(IN_FILTER("Pid 2"), "a second block", "into one");
}

static void too_many_values(void **state)
{
	(void)state;
	refused(IN_FILTER("Pid 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"), "Pid 17 is not allowed",
		"16");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(no_block),
		TEST(empty_blocks),
		TEST(all_options),
		TEST(loopback_false),
		TEST(loopback_true),
		TEST(case_and_quotes_do_not_matter),
		TEST(blocks_add_up),
		TEST(registering_resets),
		TEST(top_zero),
		TEST(top_negative),
		TEST(top_large),
		TEST(top_just_too_large),
		TEST(top_fraction),
		TEST(top_nan),
		TEST(top_huge),
		TEST(top_text),
		TEST(top_half_text),
		TEST(top_empty_text),
		TEST(top_boolean),
		TEST(top_control),
		TEST(top_none),
		TEST(top_two),
		TEST(top_block),
		TEST(flows_zero),
		TEST(flows_large),
		TEST(probe_foo),
		TEST(probe_number),
		TEST(probe_none),
		TEST(unknown_option),
		TEST(unknown_block),
		TEST(unknown_bare),
		TEST(wrong_after_good),
		TEST(each_wrong_line_is_told),
		TEST(long_values_are_cut_in_messages),
		TEST(pid_abc),
		TEST(pid_zero),
		TEST(pid_fraction),
		TEST(pid_boolean),
		TEST(pid_second),
		TEST(pid_none),
		TEST(pid_block),
		TEST(protocol),
		TEST(port),
		TEST(port_range),
		TEST(loopback),
		TEST(process_number),
		TEST(process_boolean),
		TEST(process_long),
		TEST(filter_unknown),
		TEST(filter_unknown_text),
		TEST(filter_twice),
		TEST(pid_outside),
		TEST(filter_value),
		TEST(second_filter_in_another_block),
		TEST(too_many_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
