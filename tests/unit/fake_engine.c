/* SPDX-License-Identifier: MIT */
#include "fake_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fake_engine fake;

/* On the heap, so that a handle that is not closed, or closed twice, is seen by valgrind. */
struct flowtop {
	enum ft_probe probe;
};

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.report.chosen = FT_PROBE_CGROUP;
	fake.interval.nanoseconds = 1000000000;
	fake.interval.records = fake.record;
	fake.interval.used = 1;
}

static void set_addr(__u8 addr[16], unsigned char host)
{
	memset(addr, 0, 16);
	addr[10] = addr[11] = 0xff;
	addr[12] = 10;
	addr[15] = host;
}

struct ft_record *fake_flow(unsigned char protocol, unsigned int local_port,
			    unsigned char remote_host, unsigned int remote_port, uint64_t egress,
			    uint64_t ingress)
{
	struct ft_record *record;

	assert_true(fake.interval.used < FAKE_RECORDS);
	record = &fake.record[fake.interval.used++];
	record->key.protocol = protocol;
	record->key.local_port = (__u16)local_port;
	record->key.remote_port = (__u16)remote_port;
	record->key.netns = 1;
	set_addr(record->key.local_addr, 1);
	set_addr(record->key.remote_addr, remote_host);
	record->count[FT_EGRESS].bytes = egress;
	record->count[FT_EGRESS].packets = egress ? 1 + egress / 1000 : 0;
	record->count[FT_INGRESS].bytes = ingress;
	record->count[FT_INGRESS].packets = ingress ? 1 + ingress / 1000 : 0;
	return record;
}

int flowtop_open(struct flowtop **handle, const struct ft_settings *settings,
		 struct ft_report *report)
{
	fake.opened++;
	fake.settings = *settings;
	*report = fake.report;
	*handle = NULL;
	if (fake.open_error)
		return fake.open_error;
	*handle = calloc(1, sizeof(**handle));
	assert_non_null(*handle);
	(*handle)->probe = fake.report.chosen;
	return 0;
}

int flowtop_turn(struct flowtop *handle, struct ft_interval *interval)
{
	assert_non_null(handle);
	fake.turned++;
	if (fake.turn_error)
		return fake.turn_error;
	fake.interval.number++;
	*interval = fake.interval;
	return 0;
}

enum ft_probe flowtop_probe(const struct flowtop *handle)
{
	return handle->probe;
}

void flowtop_close(struct flowtop *handle)
{
	if (handle)
		fake.closed++;
	free(handle);
}
