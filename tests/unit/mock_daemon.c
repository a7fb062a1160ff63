/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mock_daemon.h"

#define META_ENTRIES 24
#define COMPLAINT_MAX 512 /* the daemon's buffer for one */

struct mock_daemon mock;

struct meta_data_s {
	size_t used;
	struct {
		char key[DATA_MAX_NAME_LEN];
		int type;
		uint64_t number;
		char string[256];
	} entry[META_ENTRIES];
};

void mock_forget(void)
{
	for (size_t i = 0; i < mock.values; i++)
		meta_data_destroy(mock.value[i].meta);
	mock.values = 0;
	mock.lines = 0;
}

void mock_start(void)
{
	mock_forget();
	memset(&mock, 0, sizeof(mock));
	mock.now = TIME_T_TO_CDTIME_T_STATIC(1700000000);
	mock.interval = TIME_T_TO_CDTIME_T_STATIC(1);
	module_register();
}

/* Registration. */

int plugin_register_complex_config(const char *type, int (*callback)(oconfig_item_t *))
{
	assert_string_equal(type, "flowtop");
	mock.config = callback;
	return 0;
}

int plugin_register_init(const char *name, plugin_init_cb callback)
{
	assert_string_equal(name, "flowtop");
	mock.init = callback;
	return 0;
}

int plugin_register_read(const char *name, int (*callback)(void))
{
	/* The daemon unregisters the read of a plugin whose init fails by this name. */
	assert_string_equal(name, "flowtop");
	mock.read = callback;
	return 0;
}

int plugin_register_shutdown(const char *name, plugin_shutdown_cb callback)
{
	assert_string_equal(name, "flowtop");
	mock.shutdown = callback;
	return 0;
}

/* Log and complaints. */

static void log_line(int severity, const char *text)
{
	struct mock_line *line;

	assert_true(mock.lines < MOCK_LOG_LINES);
	/* One message, one line; and nothing of it was cut by the daemon. */
	assert_null(strchr(text, '\n'));
	assert_true(strlen(text) < sizeof(line->text));
	line = &mock.line[mock.lines++];
	line->severity = severity;
	snprintf(line->text, sizeof(line->text), "%s", text);
}

void plugin_log(int severity, const char *format, ...)
{
	char text[8192];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(severity, text);
}

__attribute__((format(printf, 3, 0))) static void complain(int severity, c_complain_t *c,
							   const char *format, va_list args)
{
	char text[8192];

	if (c->last + c->interval > mock.now)
		return;
	c->last = mock.now;
	if (c->interval < mock.interval)
		c->interval = mock.interval;
	else
		c->interval *= 2;
	if (c->interval > TIME_T_TO_CDTIME_T_STATIC(86400))
		c->interval = TIME_T_TO_CDTIME_T_STATIC(86400);
	vsnprintf(text, sizeof(text), format, args);
	assert_true(strlen(text) < COMPLAINT_MAX);
	log_line(severity, text);
}

void c_complain(int severity, c_complain_t *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(severity, c, format, args);
	va_end(args);
}

void c_complain_once(int severity, c_complain_t *c, const char *format, ...)
{
	va_list args;

	if (c->complained_once)
		return;
	c->complained_once = true;
	va_start(args, format);
	complain(severity, c, format, args);
	va_end(args);
}

void c_do_release(int severity, c_complain_t *c, const char *format, ...)
{
	char text[COMPLAINT_MAX];
	va_list args;

	if (!c->interval)
		return;
	c->interval = 0;
	c->complained_once = false;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(severity, text);
}

size_t mock_logged(int severity, const char *text, const char *and_text, const char *and_too)
{
	size_t found = 0;

	for (size_t i = 0; i < mock.lines; i++) {
		const struct mock_line *line = &mock.line[i];

		if ((!severity || line->severity == severity) && strstr(line->text, text) &&
		    (!and_text || strstr(line->text, and_text)) &&
		    (!and_too || strstr(line->text, and_too)))
			found++;
	}
	return found;
}

/* Time and strings. */

cdtime_t cdtime(void)
{
	return mock.now;
}

cdtime_t plugin_get_interval(void)
{
	return mock.interval;
}

char *sstrncpy(char *out, const char *in, size_t size)
{
	/* The plugin sends no name that needs to be cut. */
	assert_true(strlen(in) < size);
	return strcpy(out, in);
}

char *sstrerror(int number, char *out, size_t size)
{
	snprintf(out, size, "%s", strerror(number));
	return out;
}

/* Meta data. */

meta_data_t *meta_data_create(void)
{
	return mock.refuse_meta ? NULL : calloc(1, sizeof(meta_data_t));
}

void meta_data_destroy(meta_data_t *meta)
{
	free(meta);
}

static int add_entry(meta_data_t *meta, const char *key, int type, uint64_t number,
		     const char *string)
{
	assert_non_null(meta);
	assert_true(meta->used < META_ENTRIES);
	for (size_t i = 0; i < meta->used; i++)
		assert_string_not_equal(meta->entry[i].key, key);
	snprintf(meta->entry[meta->used].key, sizeof(meta->entry->key), "%s", key);
	meta->entry[meta->used].type = type;
	meta->entry[meta->used].number = number;
	snprintf(meta->entry[meta->used].string, sizeof(meta->entry->string), "%s", string);
	meta->used++;
	return 0;
}

int meta_data_add_string(meta_data_t *meta, const char *key, const char *value)
{
	return add_entry(meta, key, MD_TYPE_STRING, 0, value);
}

int meta_data_add_unsigned_int(meta_data_t *meta, const char *key, uint64_t value)
{
	return add_entry(meta, key, MD_TYPE_UNSIGNED_INT, value, "");
}

static size_t meta_index(const struct mock_value *value, const char *key)
{
	size_t i = 0;

	assert_non_null(value->meta);
	while (i < value->meta->used && strcmp(value->meta->entry[i].key, key) != 0)
		i++;
	return i;
}

bool mock_meta_has(const struct mock_value *value, const char *key)
{
	return meta_index(value, key) < value->meta->used;
}

uint64_t mock_meta_number(const struct mock_value *value, const char *key)
{
	assert_true(mock_meta_has(value, key));
	assert_int_equal(value->meta->entry[meta_index(value, key)].type, MD_TYPE_UNSIGNED_INT);
	return value->meta->entry[meta_index(value, key)].number;
}

const char *mock_meta_string(const struct mock_value *value, const char *key)
{
	assert_true(mock_meta_has(value, key));
	assert_int_equal(value->meta->entry[meta_index(value, key)].type, MD_TYPE_STRING);
	return value->meta->entry[meta_index(value, key)].string;
}

/* Values. */

int plugin_dispatch_values(const value_list_t *vl)
{
	struct mock_value *value;

	assert_non_null(vl->values);
	assert_int_equal(vl->values_len, 1);
	if (mock.refuse_values)
		return -1;

	assert_true(mock.values < MOCK_VALUES);
	value = &mock.value[mock.values++];
	snprintf(value->name, sizeof(value->name), "%s%s%s/%s%s%s", vl->plugin,
		 vl->plugin_instance[0] ? "-" : "", vl->plugin_instance, vl->type,
		 vl->type_instance[0] ? "-" : "", vl->type_instance);
	value->value = vl->values->gauge;
	value->time = vl->time;
	value->interval = vl->interval;
	value->meta = NULL;
	if (vl->meta) {
		value->meta = malloc(sizeof(*value->meta));
		assert_non_null(value->meta);
		memcpy(value->meta, vl->meta, sizeof(*value->meta));
	}
	return 0;
}

const struct mock_value *mock_value(const char *name)
{
	const struct mock_value *found = NULL;

	for (size_t i = 0; i < mock.values; i++) {
		if (strcmp(mock.value[i].name, name) == 0) {
			assert_null(found);
			found = &mock.value[i];
		}
	}
	return found;
}
