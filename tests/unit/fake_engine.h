/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TESTS_FAKE_ENGINE_H
#define FLOWTOP_TESTS_FAKE_ENGINE_H

/* An engine without a kernel: flowtop.h's functions, with the table that a test writes. */

#include "../../engine/flowtop.h"

#define FAKE_RECORDS 1024

struct fake_engine {
	/* What the engine is to do. */
	int open_error;
	int turn_error;
	struct ft_report report;     /* handed out by open; chosen is the probe that opens */
	struct ft_interval interval; /* handed out by turn; number counts up by itself */
	struct ft_record record[FAKE_RECORDS];

	/* What was asked of it. */
	struct ft_settings settings;
	unsigned int opened, turned, closed;
};

extern struct fake_engine fake;

/* An engine that opens the cgroup probe and has an empty interval of 1 s. */
void fake_reset(void);

/* Adds one IPv4 flow's record, local 10.0.0.1. Returns it for further changes. */
struct ft_record *fake_flow(unsigned char protocol, unsigned int local_port,
			    unsigned char remote_host, unsigned int remote_port, uint64_t egress,
			    uint64_t ingress);

#endif /* FLOWTOP_TESTS_FAKE_ENGINE_H */
