/* SPDX-License-Identifier: MIT */
#include "filter.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The largest process id that the kernel gives (PID_MAX_LIMIT on 64 bit). */
#define PID_LIMIT 4194304

/* Decimal digits and nothing else: strtoul() would take " 12", "+12" and "-1" as well. */
static bool parse_number(const char *text, size_t length, unsigned long limit, unsigned long *out)
{
	unsigned long number = 0;

	if (!length)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned long)(text[i] - '0');
		if (number > limit)
			return false;
	}
	*out = number;
	return number > 0;
}

static int add_id(__u32 *list, __u32 *count, const char *value, const char *noun, char *why,
		  size_t size)
{
	unsigned long id;

	if (!parse_number(value, strlen(value), PID_LIMIT, &id)) {
		snprintf(why, size, "a %s id, 1 to %d", noun, PID_LIMIT);
		return -EINVAL;
	}
	if (*count == FT_FILTER_VALUES)
		return -E2BIG;
	list[(*count)++] = (__u32)id;
	return 0;
}

static int add_ports(struct ft_port_range *list, __u32 *count, const char *value, char *why,
		     size_t size)
{
	const char *dash = strchr(value, '-');
	size_t length = dash ? (size_t)(dash - value) : strlen(value);
	unsigned long first = 0, last;
	bool good = parse_number(value, length, 65535, &first);

	last = first;
	if (good && dash)
		good = parse_number(dash + 1, strlen(dash + 1), 65535, &last) && first <= last;
	if (!good) {
		snprintf(why, size, "a port, 1 to 65535, or a range such as 8000-8080");
		return -EINVAL;
	}
	if (*count == FT_FILTER_VALUES)
		return -E2BIG;
	list[*count].first = (__u16)first;
	list[*count].last = (__u16)last;
	(*count)++;
	return 0;
}

static int add_process(struct ft_filter *filter, const char *value, char *why, size_t size)
{
	size_t length = strlen(value);

	if (!length || length >= FT_COMM_LEN) {
		snprintf(why, size,
			 "a command as in /proc/PID/comm, 1 to %d bytes: the kernel keeps no more",
			 FT_COMM_LEN - 1);
		return -EINVAL;
	}
	if (filter->comms == FT_FILTER_VALUES)
		return -E2BIG;
	memset(filter->comm[filter->comms], 0, FT_COMM_LEN);
	memcpy(filter->comm[filter->comms], value, length);
	filter->comms++;
	return 0;
}

static int set_protocol(struct ft_filter *filter, const char *value, char *why, size_t size)
{
	__u8 protocol;

	if (strcasecmp(value, "tcp") == 0) {
		protocol = IPPROTO_TCP;
	} else if (strcasecmp(value, "udp") == 0) {
		protocol = IPPROTO_UDP;
	} else {
		snprintf(why, size, "tcp or udp");
		return -EINVAL;
	}
	if (filter->protocol && filter->protocol != protocol) {
		snprintf(why, size, "one protocol; leave the option out for both");
		return -EINVAL;
	}
	filter->protocol = protocol;
	return 0;
}

static int set_loopback(struct ft_filter *filter, const char *value, char *why, size_t size)
{
	if (strcasecmp(value, "false") == 0 || strcasecmp(value, "no") == 0 ||
	    strcasecmp(value, "off") == 0) {
		filter->loopback = FT_LOOPBACK_NONE;
	} else if (strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0 ||
		   strcasecmp(value, "on") == 0) {
		filter->loopback = FT_LOOPBACK_ANY;
	} else if (strcasecmp(value, "only") == 0) {
		filter->loopback = FT_LOOPBACK_ONLY;
	} else {
		snprintf(why, size, "true (count it), false (leave it out) or only");
		return -EINVAL;
	}
	return 0;
}

int ft_filter_add(struct ft_filter *filter, const char *option, const char *value, char *why,
		  size_t size)
{
	int err = -ENOENT;

	if (strcasecmp(option, "Pid") == 0)
		err = add_id(filter->pid, &filter->pids, value, "process", why, size);
	else if (strcasecmp(option, "Tid") == 0)
		err = add_id(filter->tid, &filter->tids, value, "thread", why, size);
	else if (strcasecmp(option, "Process") == 0)
		err = add_process(filter, value, why, size);
	else if (strcasecmp(option, "Protocol") == 0)
		err = set_protocol(filter, value, why, size);
	else if (strcasecmp(option, "LocalPort") == 0)
		err = add_ports(filter->local_port, &filter->local_ports, value, why, size);
	else if (strcasecmp(option, "RemotePort") == 0)
		err = add_ports(filter->remote_port, &filter->remote_ports, value, why, size);
	else if (strcasecmp(option, "Loopback") == 0)
		err = set_loopback(filter, value, why, size);
	if (err == -ENOENT)
		snprintf(why, size,
			 "Pid, Tid, Process, Protocol, LocalPort, RemotePort or Loopback");
	else if (err == -E2BIG)
		snprintf(why, size, "at most %d values", FT_FILTER_VALUES);
	return err;
}
