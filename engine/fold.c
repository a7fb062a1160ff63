/* SPDX-License-Identifier: MIT */
#include "fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/*
 * An open-addressed index over talkers that stand in the order of their first record. The index is
 * at most half full and is cleared only as far as this interval needs it, so a fold costs what the
 * interval has in records, not what the largest ever had.
 */
struct ft_fold {
	enum ft_fold_key kind;
	struct ft_ephemeral_range ephemeral;
	uint64_t seed; /* tuples come from strangers: nobody may aim at one cell */
	struct ft_talker *talkers;
	size_t count, room;
	uint32_t *index;   /* 1 + number of a talker; 0: free */
	size_t index_room; /* a power of two */
	size_t mask;	   /* of the part in use in this interval */
	struct ft_counters total[FT_DIRECTIONS];
	struct ft_counters unattributed[FT_DIRECTIONS];
};

struct ft_fold *ft_fold_new(enum ft_fold_key kind, struct ft_ephemeral_range ephemeral)
{
	struct ft_fold *fold = calloc(1, sizeof(*fold));

	if (!fold)
		return NULL;
	fold->kind = kind;
	fold->ephemeral = ephemeral;
	if (getrandom(&fold->seed, sizeof(fold->seed), GRND_NONBLOCK) != sizeof(fold->seed)) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		fold->seed = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)fold;
	}
	return fold;
}

void ft_fold_free(struct ft_fold *fold)
{
	if (!fold)
		return;
	free(fold->talkers);
	free(fold->index);
	free(fold);
}

static bool is_ephemeral(uint16_t port, struct ft_ephemeral_range range)
{
	return port >= range.first && port <= range.last;
}

void ft_fold_ports(struct ft_key *key, uint32_t flags, struct ft_ephemeral_range range)
{
	uint32_t role = flags & (FT_FLOW_CLIENT | FT_FLOW_SERVER);
	bool local = is_ephemeral(key->local_port, range);
	bool remote = is_ephemeral(key->remote_port, range);

	key->netns = 0;
	if (role == FT_FLOW_CLIENT)
		key->local_port = 0;
	else if (role == FT_FLOW_SERVER)
		key->remote_port = 0;
	else if (local && !remote)
		key->local_port = 0;
	else if (remote && !local)
		key->remote_port = 0;
}

static uint64_t hash_key(const struct ft_fold *fold, const struct ft_key *key)
{
	uint64_t hash = fold->seed;

	for (int i = 0; i < 6; i++) {
		hash = (hash ^ key->words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

/* An index for @records at most, cleared. */
static int prepare(struct ft_fold *fold, size_t records)
{
	size_t want = 64;

	while (want < 2 * records)
		want *= 2;
	if (want > fold->index_room) {
		uint32_t *index = calloc(want, sizeof(*index));

		if (!index)
			return -1;
		free(fold->index);
		fold->index = index;
		fold->index_room = want;
	} else {
		memset(fold->index, 0, want * sizeof(*fold->index));
	}
	fold->mask = want - 1;
	return 0;
}

static struct ft_talker *append(struct ft_fold *fold, const struct ft_key *key)
{
	struct ft_talker *talker;

	if (fold->count == fold->room) {
		size_t room = fold->room ? 2 * fold->room : 64;
		struct ft_talker *talkers;

		talkers = reallocarray(fold->talkers, room, sizeof(*talkers));
		if (!talkers)
			return NULL;
		fold->talkers = talkers;
		fold->room = room;
	}
	talker = &fold->talkers[fold->count++];
	memset(talker, 0, sizeof(*talker));
	talker->key = *key;
	return talker;
}

static struct ft_talker *find_or_append(struct ft_fold *fold, const struct ft_key *key)
{
	size_t at = hash_key(fold, key) & fold->mask;

	for (; fold->index[at]; at = (at + 1) & fold->mask) {
		struct ft_talker *talker = &fold->talkers[fold->index[at] - 1];

		if (memcmp(&talker->key, key, sizeof(*key)) == 0)
			return talker;
	}
	fold->index[at] = (uint32_t)fold->count + 1;
	return append(fold, key);
}

static void add(struct ft_counters to[FT_DIRECTIONS], const struct ft_counters from[FT_DIRECTIONS])
{
	for (int i = 0; i < FT_DIRECTIONS; i++) {
		to[i].bytes += from[i].bytes;
		to[i].packets += from[i].packets;
	}
}

/* The owner shown is the heaviest record's; of equal ones the first by key, so it does not jump. */
static void take_record(struct ft_talker *talker, const struct ft_record *record)
{
	uint64_t bytes = record->count[FT_EGRESS].bytes + record->count[FT_INGRESS].bytes;

	if (!talker->flows || bytes > talker->heaviest ||
	    (bytes == talker->heaviest &&
	     memcmp(&record->key, &talker->example, sizeof(record->key)) < 0)) {
		talker->heaviest = bytes;
		talker->example = record->key;
		talker->owner = record->owner;
		talker->flags = record->flags;
	}
	add(talker->count, record->count);
	talker->flows++;
}

static bool is_empty(const struct ft_record *record)
{
	return !(record->count[0].bytes | record->count[0].packets | record->count[1].bytes |
		 record->count[1].packets);
}

static void forget(struct ft_fold *fold)
{
	fold->count = 0;
	memset(fold->total, 0, sizeof(fold->total));
	memset(fold->unattributed, 0, sizeof(fold->unattributed));
}

int ft_fold_interval(struct ft_fold *fold, const struct ft_record *records, uint32_t used)
{
	forget(fold);
	if (prepare(fold, used))
		return -ENOMEM;
	for (uint32_t i = 0; i < used; i++) {
		const struct ft_record *record = &records[i];
		struct ft_talker *talker;
		struct ft_key key;

		if (is_empty(record))
			continue;
		add(fold->total, record->count);
		/* Protocol 0 is no flow: a record that was taken and not yet named. */
		if (i == FT_SLOT_UNATTRIBUTED || !record->key.protocol) {
			add(fold->unattributed, record->count);
			continue;
		}
		key = record->key;
		if (fold->kind == FT_FOLD_FLOW)
			ft_fold_ports(&key, record->flags, fold->ephemeral);
		talker = find_or_append(fold, &key);
		if (!talker) {
			forget(fold);
			return -ENOMEM;
		}
		take_record(talker, record);
	}
	return 0;
}

const struct ft_talker *ft_fold_talkers(const struct ft_fold *fold, size_t *count)
{
	*count = fold->count;
	return fold->talkers;
}

struct ft_counters ft_fold_total(const struct ft_fold *fold, enum ft_direction direction)
{
	return fold->total[direction];
}

struct ft_counters ft_fold_unattributed(const struct ft_fold *fold, enum ft_direction direction)
{
	return fold->unattributed[direction];
}
