/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_TABLE_BPF_H
#define FLOWTOP_TABLE_BPF_H

/*
 * The flow table: records are the truth, everything else is a cache of where they are.
 *
 * One mapped array of 2 * slots records. The control block's epoch says which half is active;
 * the user side flips it, waits until no program runs any more that saw the old value, and reads
 * the quiet half. Slot 0 of each half takes what has no flow of its own.
 *
 * Finding a flow's record, cheapest first:
 *  1. the socket's own word {epoch, slot}: one compare of the epoch, one of the tuple;
 *  2. the index, by the tuple's hash: for a transfer whose socket carries several tuples, and once
 *     per epoch for each flow;
 *  3. a new slot.
 * A cache is believed only when the record that it points to carries this transfer's tuple. So a
 * lost, stale or overwritten cache entry costs at worst a second record for one flow, which the
 * reader adds up, and never a byte. There is no lock, no eviction within an epoch, and a flip
 * empties all caches at once because their epoch no longer matches.
 */

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "abi.h"

#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/* Set before loading, constant to the verifier: what is off costs nothing. */
const volatile struct ft_config config SEC(".rodata.config");

/* Mapped by the user side, which writes epoch and settled. */
struct ft_control control SEC(".data.control");

/* Sized by the loader: 2 * slots. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct ft_record);
} flow_records SEC(".maps");

/* Sized by the loader: index_mask + 1. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ft_index_bucket);
} flow_index SEC(".maps");

/*
 * For the turn, not for the programs: when user space updates an element of an array of maps, the
 * kernel waits until every program that was running has ended (maybe_wait_bpf_programs(), 5.0).
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__type(key, __u32);
			__type(value, __u32);
		});
} grace SEC(".maps");

#ifdef FLOWTOP_LEGACY
/*
 * Before 5.12 an atomic add does not give its result, and a plain counter races: a packet in
 * softirq interrupts a task in the middle of it, on the same CPU. A stack map pops under the
 * kernel's own lock. It holds the free slots, the lowest on top, so that used ones are a prefix.
 */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_even SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_odd SEC(".maps");
#endif

/*
 * A global function is verified once, a static one for each state in which it is called: loading
 * takes a fifth of the time. Before 5.12 a global function may not have pointers to memory.
 */
#ifdef FLOWTOP_LEGACY
#define VERIFIED_ONCE static __noinline
#else
#define VERIFIED_ONCE __noinline
#endif

static __always_inline void count_event(enum ft_event event)
{
	__sync_fetch_and_add(&control.event[event], 1);
}

/* Tests widen the windows in which a flip or an interrupt could hurt; nothing in production. */
static __always_inline void widen(void)
{
	__u32 turns = config.widen;

	/* A helper call each: long enough with few turns, which the verifier walks one by one. */
	for (__u32 i = 0; i < turns; i++)
		bpf_ktime_get_ns();
}

static __always_inline struct ft_record *record_at(__u32 epoch, __u32 slot)
{
	__u32 at = slot + ((epoch & 1) ? config.slots : 0);

	return bpf_map_lookup_elem(&flow_records, &at);
}

/* Without branches but one: six would make six times as many states for the verifier to walk. */
static __always_inline bool key_equal(const struct ft_key *a, const struct ft_key *b)
{
	__u64 differ = (a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1]) |
		       (a->words[2] ^ b->words[2]) | (a->words[3] ^ b->words[3]) |
		       (a->words[4] ^ b->words[4]) | (a->words[5] ^ b->words[5]);

	return !differ;
}

/* A free slot of the epoch's half, or FT_SLOT_UNATTRIBUTED when there is none. */
static __always_inline __u32 claim_slot(__u32 epoch)
{
	__u32 half = epoch & 1;
#ifdef FLOWTOP_LEGACY
	__u32 slot = 0;

	if (half ? bpf_map_pop_elem(&free_odd, &slot) : bpf_map_pop_elem(&free_even, &slot)) {
		count_event(FT_EVENT_TABLE_FULL);
		return FT_SLOT_UNATTRIBUTED;
	}
	__sync_fetch_and_add(&control.table[half].used, 1);
	return slot;
#else
	__u64 slot;

	/* Read before add: a full table's counter stays where it is, whatever the load. */
	slot = READ_ONCE(control.table[half].used);
	if (slot < config.slots)
		slot = __sync_fetch_and_add(&control.table[half].used, 1);
	if (slot >= config.slots) {
		count_event(FT_EVENT_TABLE_FULL);
		return FT_SLOT_UNATTRIBUTED;
	}
	return slot;
#endif
}

/*
 * The index's words: {epoch:24, tag:16, slot:24}. The epoch's lower 24 bits are enough: a word that
 * is 2^24 flips old still has to point to a record with the right tuple.
 */
#define INDEX_EPOCH(epoch) ((__u64)((epoch)&0xffffff) << 40)
#define INDEX_TAG(hash) ((((hash) >> 48) & 0xffff) << 24)
#define INDEX_MATCH (~0xffffffULL)
#define INDEX_SLOT(word) ((__u32)((word)&0xffffff))

static __always_inline __u64 key_hash(const struct ft_key *key)
{
	__u64 hash = config.seed;

#pragma unroll
	for (int i = 0; i < 6; i++) {
		hash = (hash ^ key->words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

/*
 * Each tuple may stand in two buckets and goes into the one with more room: at most half of the words
 * are in use, and so evenly that the table is full long before a pair of buckets is.
 */
static __always_inline struct ft_index_bucket *bucket_of(__u64 hash, bool second)
{
	__u32 at = (second ? hash >> 24 : hash) & config.index_mask;

	return bpf_map_lookup_elem(&flow_index, &at);
}

/* The tuple's slot if the word points to it, else FT_SLOT_UNATTRIBUTED. */
static __always_inline __u32 word_slot(__u64 word, __u64 match, const struct ft_key *key,
				       __u32 epoch)
{
	struct ft_record *record;

	if ((word & INDEX_MATCH) != match)
		return FT_SLOT_UNATTRIBUTED;
	record = record_at(epoch, INDEX_SLOT(word));
	return record && key_equal(&record->key, key) ? INDEX_SLOT(word) : FT_SLOT_UNATTRIBUTED;
}

/*
 * Looking and inserting are two plain loops, not one that remembers the first free word: with that
 * number as a further unknown the verifier would walk all combinations.
 */
static __noinline __u32 bucket_find(const struct ft_key *key, __u32 epoch, __u64 match, __u64 hash,
				    bool second)
{
	struct ft_index_bucket *bucket = bucket_of(hash, second);

	if (!bucket)
		return FT_SLOT_UNATTRIBUTED;
	for (__u32 i = 0; i < FT_INDEX_WAYS; i++) {
		__u32 slot = word_slot(READ_ONCE(bucket->word[i]), match, key, epoch);

		if (slot)
			return slot;
	}
	return FT_SLOT_UNATTRIBUTED;
}

/* Words of the bucket that do not belong to this epoch. */
static __noinline __u32 bucket_room(__u32 epoch, __u64 hash, bool second)
{
	struct ft_index_bucket *bucket = bucket_of(hash, second);
	__u32 room = 0;

	if (!bucket)
		return 0;
	for (__u32 i = 0; i < FT_INDEX_WAYS; i++) {
		__u64 other = (READ_ONCE(bucket->word[i]) ^ INDEX_EPOCH(epoch)) >> 40;
		__u64 negative = -other;

		/*
		 * 1 for any difference, without a branch: see key_equal(). The compiler must not see
		 * what this comes to, or it makes the branch.
		 */
		asm volatile("" : "+r"(negative));
		room += (other | negative) >> 63;
	}
	return room;
}

/*
 * Publish a claimed slot in one bucket, in a word of another epoch. Two CPUs that bring one tuple
 * try the same words in the same order: the loser of a word looks at what the winner put there.
 * Returns the slot that the tuple has in the end; FT_SLOT_UNATTRIBUTED: the bucket is full.
 */
static __noinline __u32 bucket_insert(const struct ft_key *key, __u32 epoch, __u64 word, __u64 hash,
				      bool second)
{
	struct ft_index_bucket *bucket = bucket_of(hash, second);

	if (!bucket)
		return FT_SLOT_UNATTRIBUTED;
	for (__u32 i = 0; i < FT_INDEX_WAYS; i++) {
		__u64 old = READ_ONCE(bucket->word[i]);
		__u32 slot;

		if ((old & INDEX_EPOCH(~0U)) != INDEX_EPOCH(epoch)) {
			widen();
#ifdef FLOWTOP_LEGACY
			/* No compare-and-swap: a word overwritten is a cache entry lost. */
			WRITE_ONCE(bucket->word[i], word);
			return INDEX_SLOT(word);
#else
			__u64 seen = __sync_val_compare_and_swap(&bucket->word[i], old, word);

			if (seen == old)
				return INDEX_SLOT(word);
			old = seen;
#endif
		}
		slot = word_slot(old, word & INDEX_MATCH, key, epoch);
		if (slot)
			return slot;
	}
	return FT_SLOT_UNATTRIBUTED;
}

/*
 * The slow way, once per flow and epoch: by tuple, else a new record. Returns its slot;
 * FT_SLOT_UNATTRIBUTED when the table is full, when the index has no room (a flow that is not in
 * the index would take a slot per packet), or when @claim is false and there is none.
 *
 * A key goes into its record before the index points there, and the table is empty of keys when
 * its epoch begins, so whoever reads a half-written key sees a miss, not a wrong flow.
 */
VERIFIED_ONCE __u32 find_or_claim(const struct ft_key *key, __u32 epoch, __u32 flags, bool claim)
{
	__u32 slot, first, second;
	struct ft_record *record;
	__u64 hash, word;

	if (!key) /* for the verifier, which takes this function by itself */
		return FT_SLOT_UNATTRIBUTED;
	hash = key_hash(key);
	word = INDEX_EPOCH(epoch) | INDEX_TAG(hash);
	slot = bucket_find(key, epoch, word, hash, false);
	if (!slot)
		slot = bucket_find(key, epoch, word, hash, true);
	if (slot || !claim)
		return slot;
	first = bucket_room(epoch, hash, false);
	second = bucket_room(epoch, hash, true);
	if (!first && !second) {
		count_event(FT_EVENT_INDEX_FULL);
		return FT_SLOT_UNATTRIBUTED;
	}
	slot = claim_slot(epoch);
	record = slot ? record_at(epoch, slot) : 0;
	if (!record)
		return FT_SLOT_UNATTRIBUTED;
	record->key = *key;
	record->flags = flags;
	word |= slot;
	slot = bucket_insert(key, epoch, word, hash, second > first);
	if (!slot)
		slot = bucket_insert(key, epoch, word, hash, second <= first);
	if (!slot) /* other CPUs took the last words meanwhile: once, not per packet */
		count_event(FT_EVENT_INDEX_FULL);
	return slot; /* if it is another's, the claimed record stays empty */
}

#endif /* FLOWTOP_TABLE_BPF_H */
