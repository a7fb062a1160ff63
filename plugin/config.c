/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../engine/filter.h"

#define PLUGIN_BLOCK "<Plugin flowtop>"
#define FILTER_BLOCK "<Filter>"

/* Room for one value in a message: what is longer is cut there, never in what is used. */
#define SHOWN_MAX 96

/* Doubles hold every whole number up to here. */
#define WHOLE_LIMIT 9007199254740992.0

void plugin_settings_default(struct plugin_settings *settings)
{
	*settings = (struct plugin_settings){
		.engine = { .probe = FT_PROBE_AUTO, .max_flows = FT_MAX_FLOWS_DEFAULT },
		.top = PLUGIN_TOP_DEFAULT,
	};
}

/* A value as the administrator would find it in the file: strings in quotes, on one line. */
static const char *shown(char out[static SHOWN_MAX], const oconfig_value_t *value)
{
	if (value->type == OCONFIG_TYPE_STRING)
		snprintf(out, SHOWN_MAX, "\"%.90s\"", value->value.string);
	else if (value->type == OCONFIG_TYPE_NUMBER)
		snprintf(out, SHOWN_MAX, "%.15g", value->value.number);
	else
		snprintf(out, SHOWN_MAX, "%s", value->value.boolean ? "true" : "false");

	for (char *c = out; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return out;
}

/* The one value of an option that takes one, or NULL after saying what is allowed. */
static const oconfig_value_t *single_value(const oconfig_item_t *item, const char *allowed)
{
	if (item->values_num == 1 && item->children_num == 0)
		return &item->values[0];

	plugin_log(LOG_ERR,
		   "flowtop plugin: " PLUGIN_BLOCK ": %s takes exactly one value and is no block: "
		   "%s. The line is ignored.",
		   item->key, allowed);
	return NULL;
}

/* Quotes around a number are no reason to refuse it: templates put them everywhere. */
static bool whole_number(const oconfig_value_t *value, double *number)
{
	if (value->type == OCONFIG_TYPE_NUMBER) {
		*number = value->value.number;
	} else if (value->type == OCONFIG_TYPE_STRING) {
		char *end;
		long long parsed;

		errno = 0;
		parsed = strtoll(value->value.string, &end, 10);
		if (errno || *end)
			return false;
		*number = (double)parsed;
	} else {
		return false;
	}
	return *number >= -WHOLE_LIMIT && *number <= WHOLE_LIMIT &&
	       *number == (double)(int64_t)*number;
}

/* A whole number from 1 to @limit, or @now, what the option is without this line. */
static uint32_t count_option(const oconfig_item_t *item, uint32_t now, uint32_t limit)
{
	char allowed[64];
	char text[SHOWN_MAX];
	const oconfig_value_t *value;
	double number;

	snprintf(allowed, sizeof(allowed), "a whole number from 1 to %u", limit);
	value = single_value(item, allowed);
	if (!value)
		return now;
	if (whole_number(value, &number) && number >= 1 && number <= limit)
		return (uint32_t)number;

	plugin_log(LOG_ERR,
		   "flowtop plugin: " PLUGIN_BLOCK ": %s %s is not allowed: use %s. %s stays %u.",
		   item->key, shown(text, value), allowed, item->key, now);
	return now;
}

static void parse_probe(struct plugin_settings *settings, const oconfig_item_t *item)
{
	static const char allowed[] = "\"auto\", \"fentry\", \"kprobe\" or \"cgroup\"";
	const oconfig_value_t *value = single_value(item, allowed);
	char text[SHOWN_MAX];

	if (!value)
		return;
	if (value->type == OCONFIG_TYPE_STRING &&
	    ft_probe_parse(value->value.string, &settings->engine.probe) == 0)
		return;

	plugin_log(LOG_ERR,
		   "flowtop plugin: " PLUGIN_BLOCK ": %s %s is not allowed: use %s. %s stays "
		   "\"%s\".",
		   item->key, shown(text, value), allowed, item->key,
		   ft_probe_name(settings->engine.probe));
}

static void parse_max_flows(struct plugin_settings *settings, const oconfig_item_t *item)
{
	settings->engine.max_flows =
		count_option(item, settings->engine.max_flows, FT_MAX_FLOWS_LIMIT);
}

static void parse_top(struct plugin_settings *settings, const oconfig_item_t *item)
{
	settings->top = count_option(item, (uint32_t)settings->top, PLUGIN_TOP_LIMIT);
}

/* Says what is wrong with a filter, and that nothing will be measured for it. */
static void refuse_filter(struct plugin_settings *settings, const char *what, const char *allowed)
{
	plugin_log(LOG_ERR,
		   "flowtop plugin: " PLUGIN_BLOCK ": " FILTER_BLOCK ": %s: %s. flowtop will not "
		   "measure: without this filter it would count the wrong traffic.",
		   what, allowed);
	settings->refused = true;
}

/*
 * The text of a filter's value as ft_filter_add() takes it, or NULL with what is allowed. The
 * daemon's parser turns unquoted words into numbers and booleans and so changes them: `Process yes`
 * arrives as true and `Process 007` as 7.
 */
static const char *filter_text(char out[static SHOWN_MAX], const oconfig_item_t *item,
			       const oconfig_value_t *value, const char **allowed)
{
	bool named = strcasecmp(item->key, "Process") == 0;
	double number;

	if (value->type == OCONFIG_TYPE_STRING)
		return value->value.string;
	if (named) {
		*allowed = "write the command in quotes";
		return NULL;
	}
	if (value->type == OCONFIG_TYPE_BOOLEAN)
		return value->value.boolean ? "true" : "false";
	if (!whole_number(value, &number)) {
		*allowed = "use a whole number";
		return NULL;
	}
	snprintf(out, SHOWN_MAX, "%.0f", number);
	return out;
}

static void filter_value(struct plugin_settings *settings, const oconfig_item_t *item,
			 const oconfig_value_t *value)
{
	char number[SHOWN_MAX];
	char text[SHOWN_MAX];
	char what[SHOWN_MAX + 160];
	char why[256] = "";
	const char *allowed = why;
	const char *plain = filter_text(number, item, value, &allowed);
	int err = -EINVAL;

	if (plain)
		err = ft_filter_add(&settings->engine.filter, item->key, plain, why, sizeof(why));
	if (!err)
		return;
	if (err == -ENOENT)
		snprintf(what, sizeof(what), "unknown option %.128s %s, allowed are", item->key,
			 shown(text, value));
	else
		snprintf(what, sizeof(what), "%.128s %s is not allowed", item->key,
			 shown(text, value));
	refuse_filter(settings, what, allowed);
}

static void filter_option(struct plugin_settings *settings, const oconfig_item_t *item)
{
	char what[192];

	if (item->children_num) {
		snprintf(what, sizeof(what), "%.128s is not allowed as a block", item->key);
		refuse_filter(settings, what, "use one line with values");
		return;
	}
	if (!item->values_num) {
		snprintf(what, sizeof(what), "%.128s has no value", item->key);
		refuse_filter(settings, what, "use one or several");
		return;
	}
	for (int i = 0; i < item->values_num; i++)
		filter_value(settings, item, &item->values[i]);
}

static void parse_filter(struct plugin_settings *settings, const oconfig_item_t *item)
{
	if (settings->has_filter) {
		refuse_filter(settings, "a second block is not allowed",
			      "write all conditions into one");
		return;
	}
	settings->has_filter = true;
	if (item->values_num) {
		char text[SHOWN_MAX];
		char what[SHOWN_MAX + 64];

		snprintf(what, sizeof(what), "the value %s is not allowed",
			 shown(text, &item->values[0]));
		refuse_filter(settings, what, "use a block without a value, " FILTER_BLOCK);
		return;
	}
	for (int i = 0; i < item->children_num; i++)
		filter_option(settings, &item->children[i]);
}

static const struct {
	const char *name;
	void (*parse)(struct plugin_settings *settings, const oconfig_item_t *item);
} options[] = {
	{ "Probe", parse_probe },
	{ "MaxFlows", parse_max_flows },
	{ "Top", parse_top },
	{ "Filter", parse_filter },
};

/* Whether ft_filter_add() knows the option, whatever it thinks of its value. */
static bool is_filter_option(const char *name)
{
	struct ft_filter scratch = { 0 };
	char why[256];

	return ft_filter_add(&scratch, name, "", why, sizeof(why)) != -ENOENT;
}

static void parse_option(struct plugin_settings *settings, const oconfig_item_t *item)
{
	char text[SHOWN_MAX] = "";

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcasecmp(item->key, options[i].name) == 0) {
			options[i].parse(settings, item);
			return;
		}
	}
	if (is_filter_option(item->key)) {
		char what[192];

		snprintf(what, sizeof(what), "%.128s outside of the block is not allowed",
			 item->key);
		refuse_filter(settings, what, "write it between " FILTER_BLOCK " and </Filter>");
		return;
	}
	plugin_log(LOG_ERR,
		   "flowtop plugin: " PLUGIN_BLOCK
		   ": unknown option %.128s%s%s: allowed are Probe, "
		   "MaxFlows, Top and a " FILTER_BLOCK " block. The line is ignored.",
		   item->key, item->values_num ? " " : "",
		   item->values_num ? shown(text, &item->values[0]) : "");
}

void plugin_settings_parse(struct plugin_settings *settings, const oconfig_item_t *block)
{
	for (int i = 0; i < block->children_num; i++)
		parse_option(settings, &block->children[i]);
}
