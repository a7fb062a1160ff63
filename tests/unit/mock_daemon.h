/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TESTS_MOCK_DAEMON_H
#define FLOWTOP_TESTS_MOCK_DAEMON_H

/*
 * A small stand-in for the collectd daemon: it takes the plugin's callbacks, feeds them a
 * configuration, and keeps what they log and dispatch. It behaves like the daemon where the plugin
 * relies on it: messages are cut at the daemon's lengths, complaints wait as long as the daemon's,
 * values and meta data are copied.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../plugin/daemon.h"

#define MOCK_LOG_LINES 64
#define MOCK_VALUES 4096

struct mock_line {
	int severity;
	char text[1024];
};

struct mock_value {
	char name[5 * DATA_MAX_NAME_LEN]; /* flowtop-flow-egress/bytes-total */
	double value;
	cdtime_t time;
	cdtime_t interval;
	meta_data_t *meta; /* NULL: none */
};

struct mock_daemon {
	int (*config)(oconfig_item_t *block);
	plugin_init_cb init;
	int (*read)(void);
	plugin_shutdown_cb shutdown;

	struct mock_line line[MOCK_LOG_LINES];
	size_t lines;
	struct mock_value value[MOCK_VALUES];
	size_t values;

	cdtime_t now;
	cdtime_t interval;
	bool refuse_values; /* plugin_dispatch_values() fails */
	bool refuse_meta;   /* meta_data_create() fails */
};

extern struct mock_daemon mock;

/* A fresh daemon at 1 s that has just loaded the plugin. */
void mock_start(void);

/* Frees what is captured; mock_start() does so, too. */
void mock_forget(void);

/*
 * mock_configure - what collectd does with a <Plugin flowtop> block.
 * @text: the block's inside, in collectd's syntax: one option or block tag per line; strings,
 *	numbers and booleans as values.
 * Returns what the config callback returned.
 */
int mock_configure(const char *text);

/* How many log lines of that severity (0: of any) contain all of @text, up to three pieces. */
size_t mock_logged(int severity, const char *text, const char *and_text, const char *and_too);

/* The value of that identity, or NULL; fails the test when there are two. */
const struct mock_value *mock_value(const char *name);

/* A meta data entry; fails the test when it is not there. A string lives until mock_forget(). */
uint64_t mock_meta_number(const struct mock_value *value, const char *key);
const char *mock_meta_string(const struct mock_value *value, const char *key);
bool mock_meta_has(const struct mock_value *value, const char *key);

#endif /* FLOWTOP_TESTS_MOCK_DAEMON_H */
