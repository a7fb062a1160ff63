/* SPDX-License-Identifier: MIT */
#include "fold.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/*
 * Talkers stand in an array, in the order of their first record. An open-addressed index finds
 * them: one 32-bit cell {tag, 1 + number of the talker} each, 0 when free, at most half of them
 * taken. Only the part that this interval needs is cleared and used, so a fold costs what the
 * interval has in records, not what the largest ever had.
 *
 * A cell's number takes as many bits as this interval needs; the tag, bits of the hash that did
 * not choose the cell, takes the others. So a walk over cells reads a talker only when it is the
 * right one, but for one time in a thousand.
 */

/*
 * Records go through in batches, in several passes, so that the cells and talkers of a batch are
 * fetched from memory side by side. One by one, the fold would wait for each.
 */
#define BATCH 32

/* Twelve halves of a key's six words, and one more. */
#define SEEDS 13

/* The smallest index: 2 to the power of this. */
#define INDEX_BITS_MIN 6

struct ft_fold {
	enum ft_fold_key kind;
	struct ft_ephemeral_range ephemeral;
	uint64_t seed[SEEDS];

	struct ft_talker *talkers;
	size_t count;
	size_t room; /* allocated, in talkers */

	uint32_t *index;
	size_t index_room;    /* allocated, in cells */
	size_t index_mask;    /* cells in use in this interval, less one */
	unsigned int bits;    /* their number is 2 to the power of this */
	uint32_t cell_number; /* the bits of a cell that are the number */

	struct ft_counters total[FT_DIRECTIONS];
	struct ft_counters unattributed[FT_DIRECTIONS];
};

/* A record on its way to its talker. */
struct passing {
	struct ft_key key; /* folded */
	const struct ft_record *record;
	size_t at;    /* its first cell */
	uint32_t tag; /* in its place within a cell */
};

/*
 * Tuples come from strangers, who must not be able to choose some that meet in one cell: hence
 * secret seeds, new for each fold. The clock is a poor secret, but better than none, and it is used
 * only where the kernel has no randomness to give, early at boot.
 */
static void make_seeds(uint64_t seed[static SEEDS])
{
	size_t size = SEEDS * sizeof(seed[0]);
	struct timespec now;
	uint64_t state;

	if (getrandom(seed, size, GRND_NONBLOCK) == (ssize_t)size)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	state = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	state ^= (uint64_t)(uintptr_t)seed << 16;
	for (int i = 0; i < SEEDS; i++) { /* splitmix64 */
		uint64_t z = state += 0x9e3779b97f4a7c15U;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
		z = (z ^ z >> 27) * 0x94d049bb133111ebU;
		seed[i] = z ^ z >> 31;
	}
}

struct ft_fold *ft_fold_new(enum ft_fold_key kind, struct ft_ephemeral_range ephemeral)
{
	struct ft_fold *fold = calloc(1, sizeof(*fold));

	if (!fold)
		return NULL;
	fold->kind = kind;
	fold->ephemeral = ephemeral;
	make_seeds(fold->seed);
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

	if (role == (FT_FLOW_CLIENT | FT_FLOW_SERVER))
		role = 0;
	/* A server may connect() a UDP socket, too: there the ports say more. */
	if (local != remote && (!role || key->protocol == IPPROTO_UDP))
		role = local ? FT_FLOW_CLIENT : FT_FLOW_SERVER;

	if (role == FT_FLOW_CLIENT)
		key->local_port = 0;
	else if (role == FT_FLOW_SERVER)
		key->remote_port = 0;
	key->netns = 0;
}

/*
 * Strongly universal in its upper 32 bits, and so in the result (Lemire and Kaser, "Strongly
 * universal string hashing is fast", 2012: multilinear, by pairs): whichever two keys somebody
 * chooses, over the seeds they meet no more often than by chance. That is a proof, not a hope, and
 * it costs six multiplications that do not wait for each other.
 */
static uint32_t hash_key(const uint64_t seed[static SEEDS], const struct ft_key *key)
{
	uint64_t sum = seed[SEEDS - 1];
	uint32_t hash;

	for (int i = 0; i < 6; i++)
		sum += (seed[2 * i] + (uint32_t)key->words[i]) *
		       (seed[2 * i + 1] + (key->words[i] >> 32));
	/* A bijection (murmur3's): ports in a row must not become a row of cells. */
	hash = (uint32_t)(sum >> 32);
	hash = (hash ^ hash >> 16) * 0x85ebca6bU;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35U;
	return hash ^ hash >> 16;
}

static bool same_key(const struct ft_key *a, const struct ft_key *b)
{
	uint64_t differ = 0;

	for (int i = 0; i < 6; i++)
		differ |= a->words[i] ^ b->words[i];
	return !differ;
}

/* A cleared index for as many talkers as there are records. */
static int prepare_index(struct ft_fold *fold, uint32_t used)
{
	unsigned int bits = INDEX_BITS_MIN;
	size_t cells;

	while ((uint64_t)1 << bits < (uint64_t)used * 2)
		bits++;
	if ((uint64_t)1 << bits > SIZE_MAX / sizeof(*fold->index))
		return -ENOMEM;
	cells = (size_t)1 << bits;
	if (cells > fold->index_room) {
		/* Nothing in it is kept: without realloc() it is neither copied nor held twice. */
		free(fold->index);
		fold->index_room = 0;
		fold->index = calloc(cells, sizeof(*fold->index));
		if (!fold->index)
			return -ENOMEM;
		fold->index_room = cells;
	} else {
		memset(fold->index, 0, cells * sizeof(*fold->index));
	}
	fold->bits = bits;
	fold->index_mask = cells - 1;
	fold->cell_number = (uint32_t)(fold->index_mask / 2);
	return 0;
}

/* Room for one more talker; it is not counted yet. NULL when memory is short. */
static struct ft_talker *next_talker(struct ft_fold *fold)
{
	if (fold->count == fold->room) {
		size_t room = fold->room ? 2 * fold->room : 64;
		struct ft_talker *talkers;

		talkers = reallocarray(fold->talkers, room, sizeof(*talkers));
		if (!talkers)
			return NULL;
		fold->talkers = talkers;
		fold->room = room;
	}
	return &fold->talkers[fold->count];
}

static void add(struct ft_counters *to, const struct ft_counters *from)
{
	for (int i = 0; i < FT_DIRECTIONS; i++) {
		to[i].bytes += from[i].bytes;
		to[i].packets += from[i].packets;
	}
}

static void show(struct ft_talker *talker, const struct ft_record *record, uint64_t bytes)
{
	talker->heaviest = bytes;
	talker->example = record->key;
	talker->owner = record->owner;
	talker->flags = record->flags;
}

/*
 * Whether a talker shows this record rather than the one that it shows: the heavier; of equal ones
 * the first by key, so that it does not jump from turn to turn; of two records of one flow anything
 * that does not depend on their order.
 */
static bool is_shown(const struct ft_talker *talker, const struct ft_record *record, uint64_t bytes)
{
	int order;

	if (bytes != talker->heaviest)
		return bytes > talker->heaviest;
	order = memcmp(&record->key, &talker->example, sizeof(record->key));
	if (!order)
		order = memcmp(&record->owner, &talker->owner, sizeof(record->owner));
	return order ? order < 0 : record->flags < talker->flags;
}

/* Add a record to the talker of its key, which may be a new one. */
static int take(struct ft_fold *fold, const struct passing *passing)
{
	const struct ft_record *record = passing->record;
	uint64_t bytes = record->count[FT_EGRESS].bytes + record->count[FT_INGRESS].bytes;
	struct ft_talker *talker;
	size_t at = passing->at;

	for (uint32_t cell; (cell = fold->index[at]); at = (at + 1) & fold->index_mask) {
		if ((cell & ~fold->cell_number) != passing->tag)
			continue;
		talker = &fold->talkers[(cell & fold->cell_number) - 1];
		if (!same_key(&talker->key, &passing->key))
			continue;
		if (is_shown(talker, record, bytes))
			show(talker, record, bytes);
		add(talker->count, record->count);
		talker->flows++;
		return 0;
	}
	talker = next_talker(fold);
	if (!talker)
		return -ENOMEM;
	talker->key = passing->key;
	memcpy(talker->count, record->count, sizeof(talker->count));
	show(talker, record, bytes);
	talker->flows = 1;
	fold->index[at] = (uint32_t)++fold->count | passing->tag;
	return 0;
}

static int take_batch(struct ft_fold *fold, struct passing *batch, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t hash = hash_key(fold->seed, &batch[i].key);

		/* The upper bits choose the cell, the lower ones are the tag. */
		batch[i].at = (size_t)(hash << fold->bits >> 32) & fold->index_mask;
		batch[i].tag = (uint32_t)(hash << (fold->bits - 1));
		__builtin_prefetch(&fold->index[batch[i].at], 1);
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t cell = fold->index[batch[i].at];

		if (cell && (cell & ~fold->cell_number) == batch[i].tag) {
			const char *talker =
				(const char *)&fold->talkers[(cell & fold->cell_number) - 1];

			__builtin_prefetch(talker, 1);
			__builtin_prefetch(talker + 64, 1);
			__builtin_prefetch(talker + 128, 1);
		}
	}
	for (size_t i = 0; i < n && !err; i++)
		err = take(fold, &batch[i]);
	return err;
}

static bool is_empty(const struct ft_record *record)
{
	return !(record->count[FT_EGRESS].bytes | record->count[FT_EGRESS].packets |
		 record->count[FT_INGRESS].bytes | record->count[FT_INGRESS].packets);
}

static void set_out(const struct ft_fold *fold, struct passing *passing,
		    const struct ft_record *record)
{
	passing->record = record;
	passing->key = record->key;
	/* Nothing tells these apart by name, whatever is in there. */
	memset(passing->key.reserved, 0, sizeof(passing->key.reserved));
	if (fold->kind == FT_FOLD_FLOW)
		ft_fold_ports(&passing->key, record->flags, fold->ephemeral);
}

static int fold_records(struct ft_fold *fold, const struct ft_record *records, uint32_t used)
{
	struct passing batch[BATCH];
	size_t n = 0;

	for (uint32_t i = 0; i < used; i++) {
		const struct ft_record *record = &records[i];

		if (is_empty(record))
			continue;
		add(fold->total, record->count);
		/* Without a protocol there is no flow: a record that was taken and never named. */
		if (i == FT_SLOT_UNATTRIBUTED || !record->key.protocol) {
			add(fold->unattributed, record->count);
			continue;
		}
		set_out(fold, &batch[n++], record);
		if (n == BATCH) {
			int err = take_batch(fold, batch, n);

			if (err)
				return err;
			n = 0;
		}
	}
	return take_batch(fold, batch, n);
}

static void forget(struct ft_fold *fold)
{
	fold->count = 0;
	memset(fold->total, 0, sizeof(fold->total));
	memset(fold->unattributed, 0, sizeof(fold->unattributed));
}

int ft_fold_interval(struct ft_fold *fold, const struct ft_record *records, uint32_t used)
{
	int err;

	forget(fold);
	if (!used)
		return 0;
	err = prepare_index(fold, used);
	if (!err)
		err = fold_records(fold, records, used);
	if (err)
		forget(fold);
	return err;
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
