/* SPDX-License-Identifier: MIT */
/*
 * A full table, and an index that is too small: totals stay exact, what has a flow of its own is
 * exact, and the rest is unattributed and said so.
 *
 *	t_full [PROBE [LEGACY]]
 */
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "lib.h"

#define FLOWS 200

static const char *probe;
static bool legacy;

static struct ft_key keys[FLOWS];
static struct pair pairs[FLOWS];

static size_t size_of(int i)
{
	return 100 + 7 * (size_t)i;
}

/* Each flow twice, so that "the table was full" is taken from the socket too. */
static uint64_t send_everything(void)
{
	uint64_t sum = 0;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < FLOWS; i++) {
			send_all(pairs[i].a, size_of(i));
			receive_datagram(pairs[i].b);
			sum += size_of(i);
		}
	}
	return sum;
}

/* How many flows were found, and whether each is exact (or, as the table was full, absent). */
static int found(const struct ledger *ledger, int *wrong)
{
	int count = 0;

	*wrong = 0;
	for (int i = 0; i < FLOWS; i++) {
		const struct entry *entry = ledger_find(ledger, &keys[i]);

		if (!entry)
			continue;
		count++;
		*wrong += entry->count[FT_EGRESS].bytes != 2 * size_of(i);
	}
	return count;
}

static void run(uint32_t max_flows, uint32_t index_buckets, bool expect_full, const char *name)
{
	struct ft_settings settings = { .max_flows = max_flows };
	struct flowtop *handle;

	settings.test.index_buckets = index_buckets;
	settings.test.legacy = legacy;
	handle = open_engine(&settings, probe);
	/* Both halves of the table, each more than once. */
	for (int turn = 0; turn < 4; turn++) {
		struct ledger ledger = {};
		uint64_t sum = send_everything(), unattributed, attributed = 0;
		int count, wrong;

		ledger_turn(&ledger, handle);
		count = found(&ledger, &wrong);
		unattributed = ledger.unattributed[FT_EGRESS].bytes;
		for (const struct entry *e = ledger.entries; e; e = e->hh.next)
			attributed += e->count[FT_EGRESS].bytes;
		ok(ledger.total[FT_EGRESS].bytes == sum && ledger.total[FT_INGRESS].bytes == sum,
		   "%s, turn %d: egress %llu, ingress %llu, truth %llu", name, turn,
		   (unsigned long long)ledger.total[FT_EGRESS].bytes,
		   (unsigned long long)ledger.total[FT_INGRESS].bytes, (unsigned long long)sum);
		ok(ledger.total[FT_EGRESS].packets == 2 * FLOWS, "%s: %d datagrams", name,
		   2 * FLOWS);
		ok(attributed + unattributed == sum && !wrong,
		   "%s: %d flows exact, %d wrong; %llu bytes unattributed", name, count - wrong,
		   wrong, (unsigned long long)unattributed);
		if (expect_full)
			ok(unattributed > 0 && count < FLOWS && count > 0,
			   "%s: what found no room is unattributed", name);
		else
			ok(!unattributed && count == FLOWS && !ledger.full, "%s: all have room",
			   name);
		if (expect_full && !index_buckets)
			ok(ledger.full, "%s: it says that the table was full", name);
		if (index_buckets)
			ok(!ledger.full, "%s: records are not used up by what is not in it", name);
		if (expect_full && index_buckets)
			ok(ledger.event[FT_EVENT_INDEX_FULL] > 0, "%s: it says that the index was",
			   name);
		ledger_free(&ledger);
	}
	flowtop_close(handle);
}

int main(int argc, char **argv)
{
	probe = argc > 1 ? argv[1] : NULL;
	legacy = argc > 2;
	own_namespace();
	for (int i = 0; i < FLOWS; i++) {
		pairs[i] = udp_pair(i % 2 ? AF_INET : AF_INET6, false);
		keys[i] = key_of(pairs[i].a, IPPROTO_UDP);
	}
	run(64, 0, true, "64 records");
	run(1, 0, true, "1 record");
	run(2 * FLOWS, 0, false, "a record for each flow and direction");
	run(1000, 4, true, "an index four times too small");
	return done();
}
