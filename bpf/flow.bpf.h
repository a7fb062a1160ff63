/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef FLOWTOP_FLOW_BPF_H
#define FLOWTOP_FLOW_BPF_H

/*
 * record_transfer(): the one way from every probe into the table.
 *
 * The probe that includes this header defines, before it does,
 *	static __always_inline void owner_complete(struct ft_owner *owner);
 * It fills in what the probe did not yet put into a transfer's owner, because it costs something
 * and is seldom needed: it is called when a record is new or its process changes.
 */

#include "filter.bpf.h"
#include "kernel.h"

struct ft_transfer {
	struct ft_key key;
	struct ft_owner *owner; /* its pid is set, or 0 when unknown */
	/*
	 * The socket's word {epoch:32, slot:32}, read and written whole; NULL when the socket must
	 * not remember this flow (a listener's).
	 */
	__u64 *word;
	__u64 bytes;
	__u64 packets;
	__u32 flags; /* enum ft_flow_flags */
	/* The socket has one tuple only: "the table was full" may be remembered for all of it. */
	bool exclusive;
	/* Whether it may take a new record: a datagram without payload may not. */
	bool claim;
};

static __always_inline void ipv4_mapped(__u8 out[16], __be32 addr)
{
	__u32 *words = (__u32 *)out;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = addr;
}

static __always_inline bool is_loopback_address(const __u8 addr[16])
{
	const __u32 *words = (const __u32 *)addr;

	if (words[0] || words[1])
		return false;
	if (words[2] == bpf_htonl(0xffff))
		return addr[12] == 127;
	return !words[2] && words[3] == bpf_htonl(1);
}

/* The part of "both ends are on this host" that the tuple alone shows. */
static __always_inline bool is_loopback_tuple(const struct ft_key *key)
{
	return is_loopback_address(key->remote_addr) || is_loopback_address(key->local_addr) ||
	       (key->words[0] == key->words[2] && key->words[1] == key->words[3]);
}

static __always_inline void record_add(struct ft_record *record, enum ft_direction direction,
				       const struct ft_transfer *t, __u32 slot)
{
	struct ft_counters *count = &record->count[direction];

	/* The owner is who acted last. Its line of the record was just read for the tuple. */
	if (slot != FT_SLOT_UNATTRIBUTED && t->owner->pid && record->owner.pid != t->owner->pid) {
		owner_complete(t->owner);
		record->owner = *t->owner;
	}

	widen();
	if (t->bytes)
		__sync_fetch_and_add(&count->bytes, t->bytes);
	if (t->packets)
		__sync_fetch_and_add(&count->packets, t->packets);
}

/*
 * Count a transfer: on its flow's record, or on the unattributed one, or, when the filter says so,
 * nowhere. The epoch is read once: all that follows goes to that half.
 */
static __always_inline void count_transfer(struct ft_transfer *t, enum ft_direction direction)
{
	__u32 epoch = READ_ONCE(control.epoch);
	struct ft_record *record;
	__u32 slot;

	widen();
	if (t->word) {
		__u64 word = READ_ONCE(*t->word);

		slot = (__u32)word;
		if ((__u32)(word >> 32) == epoch) {
			record = record_at(epoch, slot);
			if (record && ((slot == FT_SLOT_UNATTRIBUTED && t->exclusive) ||
				       key_equal(&record->key, &t->key))) {
				record_add(record, direction, t, slot);
				return;
			}
		}
	}

	if (is_loopback_tuple(&t->key))
		t->flags |= FT_FLOW_LOOPBACK;
	if (!filter_flow(&t->key, t->flags) || !filter_owner(t->owner))
		return;
	slot = find_or_claim(&t->key, epoch, t->flags, t->claim);
	record = record_at(epoch, slot);
	if (!record)
		return; /* slot < slots always; the verifier cannot know */
	if (t->word && (slot != FT_SLOT_UNATTRIBUTED || (t->exclusive && t->claim)))
		WRITE_ONCE(*t->word, (__u64)epoch << 32 | slot);
	record_add(record, direction, t, slot);
}

/*
 * Tests with widened windows have to know that what they fear did happen: a packet in softirq on
 * top of a task's, or one task's on top of another's. Absent in production: widen is constant 0.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} depth SEC(".maps");

/* Not inline: the probes come here from several places, and each copy would be verified anew. */
static __noinline void record_transfer(struct ft_transfer *t, enum ft_direction direction)
{
	__u64 *level = 0;
	__u32 zero = 0;

	if (config.widen) {
		level = bpf_map_lookup_elem(&depth, &zero);
		if (level && (*level)++)
			count_event(FT_EVENT_NESTED);
	}
	count_transfer(t, direction);
	if (level)
		(*level)--;
}

#endif /* FLOWTOP_FLOW_BPF_H */
