/* SPDX-License-Identifier: MIT */
/* The mock daemon's reader of configurations: enough of collectd's syntax for the tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mock_daemon.h"

#define VALUES_MAX 32
#define CHILDREN_MAX 32

static char *copy(const char *text, size_t length)
{
	char *out = strndup(text, length);

	assert_non_null(out);
	return out;
}

static oconfig_item_t *new_child(oconfig_item_t *parent)
{
	oconfig_item_t *item;

	if (!parent->children)
		parent->children = calloc(CHILDREN_MAX, sizeof(*parent->children));
	assert_non_null(parent->children);
	assert_true(parent->children_num < CHILDREN_MAX);
	item = &parent->children[parent->children_num++];
	item->parent = parent;
	item->values = calloc(VALUES_MAX, sizeof(*item->values));
	assert_non_null(item->values);
	return item;
}

static void free_item(oconfig_item_t *item)
{
	for (int i = 0; i < item->children_num; i++)
		free_item(&item->children[i]);
	for (int i = 0; i < item->values_num; i++)
		if (item->values[i].type == OCONFIG_TYPE_STRING)
			free(item->values[i].value.string);
	free(item->children);
	free(item->values);
	free(item->key);
}

static void add_value(oconfig_item_t *item, const char *word, size_t length)
{
	oconfig_value_t *value = &item->values[item->values_num++];
	char *text = copy(word, length);
	char *end;

	assert_true(item->values_num <= VALUES_MAX);
	if (text[0] == '"') {
		value->type = OCONFIG_TYPE_STRING;
		value->value.string = copy(text + 1, length - 2);
	} else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
		value->type = OCONFIG_TYPE_BOOLEAN;
		value->value.boolean = text[0] == 't';
	} else {
		value->type = OCONFIG_TYPE_NUMBER;
		value->value.number = strtod(text, &end);
		assert_true(*end == '\0');
	}
	free(text);
}

/* One line without its end: "Key value..." or the inside of a block's opening tag. */
static void parse_words(oconfig_item_t *item, const char *line, size_t length)
{
	const char *end = line + length;

	while (line < end) {
		size_t word = 0;

		if (*line == ' ' || *line == '\t') {
			line++;
			continue;
		}
		if (*line == '"')
			word = (size_t)(strchr(line + 1, '"') + 1 - line);
		else
			word = strcspn(line, " \t\n>");
		if (!item->key)
			item->key = copy(line, word);
		else
			add_value(item, line, word);
		line += word;
	}
}

int mock_configure(const char *text)
{
	oconfig_item_t block = { .key = copy("Plugin", 6) };
	oconfig_item_t *at = &block;
	int status;

	while (*text) {
		size_t length = strcspn(text, "\n");

		if (text[0] == '<' && text[1] == '/') {
			at = at->parent;
			assert_non_null(at);
		} else if (text[0] == '<') {
			at = new_child(at);
			parse_words(at, text + 1, length - 2);
		} else if (length) {
			parse_words(new_child(at), text, length);
		}
		text += length + (text[length] == '\n');
	}
	assert_ptr_equal(at, &block);
	status = mock.config(&block);
	free_item(&block);
	return status;
}
