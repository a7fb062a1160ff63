/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_FOLD_H
#define FLOWTOP_FOLD_H

/*
 * Fold: from the table's records to talkers. A talker is what one row or one series stands for:
 * all records of an interval that are equal under the fold's key. Pure code: no kernel, no I/O.
 *
 * Sums are exact integers. For each direction, the total over all talkers plus unattributed is the
 * sum over all records, always.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/abi.h"

/* How records become talkers. */
enum ft_fold_key {
	FT_FOLD_EXACT, /* the 5-tuple and the network namespace: only duplicates are added up */
	FT_FOLD_FLOW,  /* the 5-tuple without the client's ephemeral port and without namespace */
};

/* The kernel's range of ports that it gives to clients (ip_local_port_range), both inclusive. */
struct ft_ephemeral_range {
	uint16_t first;
	uint16_t last;
};

struct ft_talker {
	struct ft_key key; /* with FT_FOLD_FLOW a port that was folded away is 0, and so is netns */
	/*
	 * Of the record with most bytes, both directions together; of equal ones the first by key
	 * (memcmp order of its bytes), whatever the order of the records.
	 */
	struct ft_owner owner;
	struct ft_key example; /* the exact 5-tuple of that record */
	struct ft_counters count[FT_DIRECTIONS];
	uint64_t heaviest; /* bytes of that record */
	uint32_t flags;	   /* enum ft_flow_flags of that record */
	uint32_t flows;	   /* records folded into this talker that carried traffic */
};

struct ft_fold;

/*
 * ft_fold_new - an empty fold.
 * @kind: the key.
 * @ephemeral: the range used for FT_FOLD_FLOW where who connected is not known; copied.
 * Returns the fold, owned by the caller (ft_fold_free()), or NULL when memory is short.
 */
struct ft_fold *ft_fold_new(enum ft_fold_key kind, struct ft_ephemeral_range ephemeral);

/*
 * ft_fold_interval - forget the last interval, fold this one.
 * @records: @used records; records[0] is the unattributed one. Any contents are accepted: the
 *	table is memory that another side writes. Counters that overflow wrap around, in talkers and
 *	totals alike.
 * @used: 0 is fine: nothing was counted.
 *
 * A record that counted nothing is passed over. One without a protocol has no flow: what it counted
 * is unattributed. The reserved bytes of a key are taken as 0.
 * Memory grows to the largest number of talkers seen and is reused from then on.
 * Returns 0, or -ENOMEM: the fold is then empty, its totals are 0, and it can be used again.
 */
int ft_fold_interval(struct ft_fold *fold, const struct ft_record *records, uint32_t used);

/* The talkers, in no order; the fold's own, valid until the next ft_fold_interval(). */
const struct ft_talker *ft_fold_talkers(const struct ft_fold *fold, size_t *count);

/* All that was counted in that direction, unattributed included. */
struct ft_counters ft_fold_total(const struct ft_fold *fold, enum ft_direction direction);

/* What of the total has no talker. */
struct ft_counters ft_fold_unattributed(const struct ft_fold *fold, enum ft_direction direction);

void ft_fold_free(struct ft_fold *fold); /* NULL is fine */

/*
 * ft_fold_ports - fold the client's ephemeral port out of a key (sets it to 0).
 * @key: changed in place; its netns is set to 0.
 * @flags: enum ft_flow_flags: who connected, where the probe saw it. Both roles at once tell
 *	nothing.
 * @range: decides where it did not: when exactly one of the two ports lies in the range, that one
 *	is the client's; otherwise both stay.
 *
 * With UDP it is the other way round: the flags decide where the range does not. There connect()
 * only sets the peer, and servers use it too; and not every probe sees it, but a fleet's hosts
 * should give one flow one name.
 *
 * A connection over loopback is two flows, one for each socket. Each keeps the server's port, one
 * as its local and one as its remote port, so they stay two talkers.
 */
void ft_fold_ports(struct ft_key *key, uint32_t flags, struct ft_ephemeral_range range);

#endif /* FLOWTOP_FOLD_H */
