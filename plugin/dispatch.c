/* SPDX-License-Identifier: MIT */
#include "dispatch.h"

#include <math.h>
#include <string.h>

#include "../engine/name.h"
#include "../engine/top.h"

_Static_assert(FT_NAME_MAX <= DATA_MAX_NAME_LEN, "a flow's name fits in a type instance");

static const char *const view_names[FT_DIRECTIONS] = {
	[FT_EGRESS] = "flow-egress",
	[FT_INGRESS] = "flow-ingress",
};

/* What all values of one read share. */
struct batch {
	const struct dispatch_source *source;
	value_list_t vl;
	unsigned int refused;
};

static void send_value(struct batch *batch, const char *type, const char *type_instance,
		       double number, meta_data_t *meta)
{
	value_t value = { .gauge = number };
	value_list_t *vl = &batch->vl;

	vl->values = &value;
	vl->values_len = 1;
	vl->meta = meta;
	sstrncpy(vl->type, type, sizeof(vl->type));
	sstrncpy(vl->type_instance, type_instance, sizeof(vl->type_instance));
	if (plugin_dispatch_values(vl))
		batch->refused++;
	/* The daemon has copied what it keeps. */
	vl->values = NULL;
	vl->meta = NULL;
}

/* Bytes per second, over the time that really passed between the two flips. */
static double rate(const struct batch *batch, uint64_t bytes)
{
	return (double)bytes * 1e9 / (double)batch->source->interval->nanoseconds;
}

/*
 * The exact integers behind a rate. Without memory there is no meta data, and the value goes out
 * without: NULL is fine for all that follows.
 */
static meta_data_t *count_meta(const struct batch *batch, struct ft_counters count)
{
	meta_data_t *meta = meta_data_create();

	if (!meta)
		return NULL;
	meta_data_add_unsigned_int(meta, "flowtop:bytes", count.bytes);
	meta_data_add_unsigned_int(meta, "flowtop:packets", count.packets);
	meta_data_add_unsigned_int(meta, "flowtop:interval_ns",
				   batch->source->interval->nanoseconds);
	meta_data_add_string(meta, "flowtop:probe", ft_probe_name(batch->source->probe));
	return meta;
}

/* The 5-tuple of the talker's heaviest flow, with the port that its name folds away. */
static void add_tuple(meta_data_t *meta, const struct ft_key *key)
{
	char address[FT_ADDRESS_MAX];
	char digits[4];

	meta_data_add_string(meta, "flowtop:protocol", ft_protocol_name(key->protocol, digits));
	meta_data_add_string(meta, "flowtop:local_address",
			     ft_address_format(address, key->local_addr));
	meta_data_add_unsigned_int(meta, "flowtop:local_port", key->local_port);
	meta_data_add_string(meta, "flowtop:remote_address",
			     ft_address_format(address, key->remote_addr));
	meta_data_add_unsigned_int(meta, "flowtop:remote_port", key->remote_port);
}

static void add_owner(meta_data_t *meta, const struct ft_owner *owner)
{
	char command[2 * FT_COMM_LEN];

	if (owner->pid)
		meta_data_add_unsigned_int(meta, "flowtop:pid", owner->pid);
	ft_sanitise(command, sizeof(command), owner->comm, sizeof(owner->comm));
	if (command[0])
		meta_data_add_string(meta, "flowtop:command", command);
}

static void send_count(struct batch *batch, const char *name, struct ft_counters count)
{
	meta_data_t *meta = count_meta(batch, count);

	send_value(batch, "bytes", name, rate(batch, count.bytes), meta);
	meta_data_destroy(meta);
}

static void send_talker(struct batch *batch, const struct ft_talker *talker,
			enum ft_direction direction)
{
	struct ft_counters count = talker->count[direction];
	meta_data_t *meta = count_meta(batch, count);
	char name[FT_NAME_MAX];

	if (meta) {
		add_tuple(meta, &talker->example);
		meta_data_add_unsigned_int(meta, "flowtop:flows", talker->flows);
		add_owner(meta, &talker->owner);
	}
	send_value(batch, "bytes", ft_flow_name(name, &talker->key), rate(batch, count.bytes),
		   meta);
	meta_data_destroy(meta);
}

static void send_direction(struct batch *batch, enum ft_direction direction)
{
	const struct dispatch_source *source = batch->source;
	struct ft_counters total = ft_fold_total(source->fold, direction);
	const struct ft_talker *talkers;
	size_t count, n;

	sstrncpy(batch->vl.plugin_instance, view_names[direction],
		 sizeof(batch->vl.plugin_instance));
	talkers = ft_fold_talkers(source->fold, &count);
	n = ft_top(talkers, count, direction, source->room, source->top);
	for (size_t i = 0; i < n; i++)
		send_talker(batch, source->room[i], direction);
	send_count(batch, "other", ft_top_other(total, source->room, n, direction));
	send_count(batch, "total", total);
}

static void send_health(struct batch *batch)
{
	const struct dispatch_source *source = batch->source;
	const struct ft_interval *interval = source->interval;
	const struct ft_talker *talkers;
	size_t count;
	double flows = 0;

	talkers = ft_fold_talkers(source->fold, &count);
	for (size_t i = 0; i < count; i++)
		flows += talkers[i].flows;

	sstrncpy(batch->vl.plugin_instance, "health", sizeof(batch->vl.plugin_instance));
	send_value(batch, "gauge", "interval", (double)interval->nanoseconds / 1e9, NULL);
	send_value(batch, "latency", "turn", (double)source->turn_ns / 1e9, NULL);
	send_count(batch, "unattributed-egress", ft_fold_unattributed(source->fold, FT_EGRESS));
	send_count(batch, "unattributed-ingress", ft_fold_unattributed(source->fold, FT_INGRESS));
	send_value(batch, "count", "flows", flows, NULL);
	send_value(batch, "count", "talkers", (double)count, NULL);
	/* The first record is the unattributed one, not a flow's. */
	send_value(batch, "count", "records", interval->used - 1.0, NULL);
	/* Unknown is not zero. */
	send_value(batch, "count", "lost", interval->lost_known ? (double)interval->lost : NAN,
		   NULL);
	send_value(batch, "count", "index_full", (double)interval->event[FT_EVENT_INDEX_FULL],
		   NULL);
	send_value(batch, "count", "no_storage", (double)interval->event[FT_EVENT_NO_STORAGE],
		   NULL);
	send_value(batch, "count", "no_state", (double)interval->event[FT_EVENT_NO_STATE], NULL);
	send_value(batch, "count", "malformed", (double)interval->event[FT_EVENT_MALFORMED], NULL);
	send_value(batch, "count", "stepped_back", (double)interval->event[FT_EVENT_STEPPED_BACK],
		   NULL);
}

unsigned int dispatch_interval(const struct dispatch_source *source, cdtime_t time)
{
	struct batch batch = { .source = source };

	batch.vl.time = time;
	batch.vl.interval = plugin_get_interval();
	sstrncpy(batch.vl.plugin, "flowtop", sizeof(batch.vl.plugin));

	send_direction(&batch, FT_EGRESS);
	send_direction(&batch, FT_INGRESS);
	send_health(&batch);
	return batch.refused;
}
