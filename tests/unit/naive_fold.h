/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TESTS_NAIVE_FOLD_H
#define FLOWTOP_TESTS_NAIVE_FOLD_H

/*
 * The naive fold, that the real one is compared with: sort the records by their key, add up what is
 * equal. Include after cmocka.h.
 */

#include <stddef.h>

#include "../../engine/fold.h"
#include "helpers.h"

static const struct ft_ephemeral_range test_range = { .first = 32768, .last = 60999 };

struct naive {
	struct ft_talker *talkers; /* by key */
	size_t count;
	struct ft_counters total[FT_DIRECTIONS], unattributed[FT_DIRECTIONS];
};

struct entry {
	struct ft_key key;
	const struct ft_record *record;
};

static inline bool in_range(unsigned int port)
{
	return port >= 32768 && port <= 60999;
}

static inline struct ft_key naive_key(const struct ft_record *record, enum ft_fold_key kind)
{
	struct ft_key key = record->key;
	bool client = record->flags & FT_FLOW_CLIENT, server = record->flags & FT_FLOW_SERVER;
	bool by_range = in_range(key.local_port) != in_range(key.remote_port);

	memset(key.reserved, 0, sizeof(key.reserved));
	if (kind == FT_FOLD_EXACT)
		return key;
	key.netns = 0;
	if (client == server || (key.protocol == IPPROTO_UDP && by_range)) {
		client = by_range && in_range(key.local_port);
		server = by_range && in_range(key.remote_port);
	}
	if (client)
		key.local_port = 0;
	if (server)
		key.remote_port = 0;
	return key;
}

static inline int compare_entries(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ft_key));
}

static inline uint64_t weight(const struct ft_record *record)
{
	return record->count[0].bytes + record->count[1].bytes;
}

/* More bytes; then key, owner and flags, as they lie in memory. */
static inline bool is_heavier(const struct ft_record *a, const struct ft_record *b)
{
	size_t from = offsetof(struct ft_record, key), to = offsetof(struct ft_record, flags);
	int order = memcmp((const char *)a + from, (const char *)b + from, to - from);

	if (weight(a) != weight(b))
		return weight(a) > weight(b);
	return order ? order < 0 : a->flags < b->flags;
}

static inline void naive_count(struct ft_counters *to, const struct ft_counters *from)
{
	for (int d = 0; d < FT_DIRECTIONS; d++) {
		to[d].bytes += from[d].bytes;
		to[d].packets += from[d].packets;
	}
}

static inline void naive_talker(struct ft_talker *talker, const struct entry *entries, size_t n)
{
	const struct ft_record *best = entries[0].record;

	memset(talker, 0, sizeof(*talker));
	for (size_t i = 0; i < n; i++) {
		naive_count(talker->count, entries[i].record->count);
		if (is_heavier(entries[i].record, best))
			best = entries[i].record;
	}
	talker->key = entries[0].key;
	talker->owner = best->owner;
	talker->example = best->key;
	talker->heaviest = weight(best);
	talker->flags = best->flags;
	talker->flows = (uint32_t)n;
}

static inline struct naive naive_fold(const struct ft_record *records, uint32_t used,
				      enum ft_fold_key kind)
{
	static const struct ft_counters nothing[FT_DIRECTIONS];
	struct entry *entries = calloc(used + 1U, sizeof(*entries));
	struct naive naive = { .talkers = calloc(used + 1U, sizeof(*naive.talkers)) };
	size_t n = 0;

	assert_non_null(entries);
	assert_non_null(naive.talkers);
	for (uint32_t i = 0; i < used; i++) {
		naive_count(naive.total, records[i].count);
		if (i == 0 || records[i].key.protocol == 0) {
			naive_count(naive.unattributed, records[i].count);
		} else if (memcmp(records[i].count, nothing, sizeof(nothing)) != 0) {
			entries[n].key = naive_key(&records[i], kind);
			entries[n++].record = &records[i];
		}
	}
	qsort(entries, n, sizeof(*entries), compare_entries);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && !compare_entries(&entries[i], &entries[end]); end++)
			;
		naive_talker(&naive.talkers[naive.count++], &entries[i], end - i);
	}
	free(entries);
	return naive;
}

static inline void assert_folded(const struct ft_fold *fold, const struct ft_record *records,
				 uint32_t used, enum ft_fold_key kind)
{
	struct naive naive = naive_fold(records, used, kind);
	size_t count;
	const struct ft_talker *talkers = ft_fold_talkers(fold, &count);
	struct ft_talker *sorted = calloc(count + 1, sizeof(*sorted));

	assert_non_null(sorted);
	assert_int_equal(count, naive.count);
	if (count)
		memcpy(sorted, talkers, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_entries); /* the key comes first here, too */
	for (size_t i = 0; i < count; i++)
		assert_memory_equal(&sorted[i], &naive.talkers[i], sizeof(*sorted));
	for (int d = 0; d < FT_DIRECTIONS; d++) {
		struct ft_counters total = ft_fold_total(fold, (enum ft_direction)d);
		struct ft_counters rest = ft_fold_unattributed(fold, (enum ft_direction)d);

		assert_memory_equal(&total, &naive.total[d], sizeof(total));
		assert_memory_equal(&rest, &naive.unattributed[d], sizeof(rest));
		for (size_t i = 0; i < count; i++) {
			rest.bytes += talkers[i].count[d].bytes;
			rest.packets += talkers[i].count[d].packets;
		}
		assert_memory_equal(&total, &rest, sizeof(total));
	}
	free(sorted);
	free(naive.talkers);
}

static inline void assert_empty(const struct ft_fold *fold)
{
	static const struct ft_counters zero;
	size_t count = 1;

	ft_fold_talkers(fold, &count);
	assert_int_equal(count, 0);
	for (int d = 0; d < FT_DIRECTIONS; d++) {
		struct ft_counters total = ft_fold_total(fold, (enum ft_direction)d);
		struct ft_counters rest = ft_fold_unattributed(fold, (enum ft_direction)d);

		assert_memory_equal(&total, &zero, sizeof(zero));
		assert_memory_equal(&rest, &zero, sizeof(zero));
	}
}

static inline struct ft_fold *new_fold(enum ft_fold_key kind)
{
	struct ft_fold *fold = ft_fold_new(kind, test_range);

	assert_non_null(fold);
	return fold;
}

#endif /* FLOWTOP_TESTS_NAIVE_FOLD_H */
