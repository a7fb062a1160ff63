/* SPDX-License-Identifier: MIT */
#include "lib.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int tests, failures;

bool ok(bool condition, const char *name, ...)
{
	va_list args;

	printf("%sok %d - ", condition ? "" : "not ", ++tests);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	failures += !condition;
	return condition;
}

void diag(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void skip_rest(const char *reason)
{
	printf("ok %d - the rest # SKIP %s\n1..%d\n", tests + 1, reason, tests + 1);
	exit(failures != 0);
}

int done(void)
{
	printf("1..%d\n", tests);
	return failures != 0;
}

void die(const char *what)
{
	printf("not ok %d - %s: %s\n1..%d\n", tests + 1, what, strerror(errno), tests + 1);
	exit(1);
}

static struct entry *ledger_entry(struct ledger *ledger, struct ft_key key)
{
	struct entry *entry;

	key.netns = 0;
	HASH_FIND(hh, ledger->entries, &key, sizeof(key), entry);
	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		die("calloc");
	entry->key = key;
	HASH_ADD(hh, ledger->entries, key, sizeof(entry->key), entry);
	return entry;
}

static void add(struct ft_counters *to, const struct ft_counters *from)
{
	to->bytes += from->bytes;
	to->packets += from->packets;
}

static bool is_empty(const struct ft_record *record)
{
	return !record->count[0].bytes && !record->count[0].packets && !record->count[1].bytes &&
	       !record->count[1].packets;
}

void ledger_turn(struct ledger *ledger, struct flowtop *handle)
{
	struct ft_interval interval;
	int err = flowtop_turn(handle, &interval);

	if (err) {
		errno = -err;
		die("flowtop_turn");
	}
	ledger->turns++;
	ledger->full |= interval.table_full;
	ledger->nanoseconds += interval.nanoseconds;
	ledger->lost += interval.lost;
	ledger->lost_known = interval.lost_known;
	ledger->grace_ns += interval.grace_ns;
	if (interval.grace_ns > ledger->grace_max_ns)
		ledger->grace_max_ns = interval.grace_ns;
	for (int i = 0; i < FT_EVENT_COUNT; i++)
		ledger->event[i] += interval.event[i];
	for (uint32_t i = 0; i < interval.used; i++) {
		const struct ft_record *record = &interval.records[i];
		struct entry *entry;

		for (int d = 0; d < FT_DIRECTIONS; d++) {
			add(&ledger->total[d], &record->count[d]);
			if (i == FT_SLOT_UNATTRIBUTED)
				add(&ledger->unattributed[d], &record->count[d]);
		}
		if (i == FT_SLOT_UNATTRIBUTED || is_empty(record))
			continue;
		entry = ledger_entry(ledger, record->key);
		for (int d = 0; d < FT_DIRECTIONS; d++)
			add(&entry->count[d], &record->count[d]);
		if (record->owner.pid)
			entry->owner = record->owner;
		entry->flags |= record->flags;
		entry->records++;
	}
}

const struct entry *ledger_find(const struct ledger *ledger, const struct ft_key *key)
{
	struct ft_key plain = *key;
	struct entry *entry;

	plain.netns = 0;
	HASH_FIND(hh, ledger->entries, &plain, sizeof(plain), entry);
	return entry;
}

void ledger_free(struct ledger *ledger)
{
	struct entry *entry, *next;

	HASH_ITER(hh, ledger->entries, entry, next) {
		HASH_DEL(ledger->entries, entry);
		free(entry);
	}
	memset(ledger, 0, sizeof(*ledger));
}

bool moved(const struct ledger *ledger, const struct ft_key *key, enum ft_direction direction,
	   uint64_t bytes, const char *name)
{
	const struct entry *entry = ledger_find(ledger, key);
	uint64_t found = entry ? entry->count[direction].bytes : 0;

	return ok(found == bytes, "%s: %s is %llu bytes, counted %llu", name,
		  direction == FT_EGRESS ? "egress" : "ingress", (unsigned long long)bytes,
		  (unsigned long long)found);
}

struct flowtop *open_engine(struct ft_settings *settings, const char *probe_name)
{
	struct flowtop *handle;
	struct ft_report report;
	int err;

	settings->probe = FT_PROBE_CGROUP;
	if (probe_name && ft_probe_parse(probe_name, &settings->probe)) {
		errno = EINVAL;
		die(probe_name);
	}
	err = flowtop_open(&handle, settings, &report);
	if (!err)
		return handle;
	/* What a machine may lack; anything else is our fault. */
	if (!probe_name && (err == -EPERM || err == -ENOENT))
		skip_rest(report.error);
	errno = -err;
	die(report.error);
}

void own_namespace(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWNET))
		die("a network namespace of our own");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_UP;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		die("lo up");
	close(fd);
}

void pin_to_cpu(int number)
{
	cpu_set_t all, one;
	unsigned int cpu;
	int left;

	sched_getaffinity(0, sizeof(all), &all);
	left = number % CPU_COUNT(&all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &all) && left-- == 0)
			break;
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Loopback, port 0: the kernel chooses. */
static socklen_t loopback(union address *address, int family, bool mapped)
{
	memset(address, 0, sizeof(*address));
	if (family == AF_INET) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(address->v4);
	}
	address->v6.sin6_family = AF_INET6;
	address->v6.sin6_addr = in6addr_loopback;
	if (mapped) {
		const uint8_t v4_loopback[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };

		memcpy(&address->v6.sin6_addr, v4_loopback, sizeof(v4_loopback));
	}
	return sizeof(address->v6);
}

static int bound_socket(int family, bool mapped, int type)
{
	union address address;
	socklen_t length = loopback(&address, family, mapped);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, &address.any, length))
		die("bind");
	return fd;
}

struct pair tcp_pair(int family, bool mapped)
{
	int listener = bound_socket(family, mapped, SOCK_STREAM);
	struct pair pair = { .a = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	union address address;
	socklen_t length = sizeof(address);

	if (listen(listener, 1) || getsockname(listener, &address.any, &length) || pair.a < 0 ||
	    connect(pair.a, &address.any, length))
		die("connect");
	pair.b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (pair.b < 0)
		die("accept");
	close(listener);
	return pair;
}

/* A port that the kernel chose goes with a connection's end, one that was asked for stays. */
int udp_socket(int family, bool mapped)
{
	int chosen = bound_socket(family, mapped, SOCK_DGRAM);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union address address;
	socklen_t length = sizeof(address);

	if (fd < 0 || getsockname(chosen, &address.any, &length) || close(chosen) ||
	    bind(fd, &address.any, length))
		die("bind to a port");
	return fd;
}

void udp_connect(int fd, int peer)
{
	union address address;
	socklen_t length = sizeof(address);

	if (getsockname(peer, &address.any, &length) || connect(fd, &address.any, length))
		die("connect of a UDP socket");
}

struct pair udp_pair(int family, bool mapped)
{
	struct pair pair = { udp_socket(family, mapped), udp_socket(family, mapped) };

	udp_connect(pair.a, pair.b);
	udp_connect(pair.b, pair.a);
	return pair;
}

void close_pair(struct pair pair)
{
	close(pair.a);
	close(pair.b);
}

static uint16_t put_address(uint8_t out[16], const union address *address)
{
	if (address->any.sa_family == AF_INET6) {
		memcpy(out, &address->v6.sin6_addr, 16);
		return ntohs(address->v6.sin6_port);
	}
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, &address->v4.sin_addr, 4);
	return ntohs(address->v4.sin_port);
}

static struct ft_key make_key(const union address *local, const union address *remote, int protocol)
{
	struct ft_key key = { .protocol = (uint8_t)protocol };

	key.local_port = put_address(key.local_addr, local);
	key.remote_port = put_address(key.remote_addr, remote);
	return key;
}

struct ft_key key_of(int fd, int protocol)
{
	union address local, remote;
	socklen_t length = sizeof(local), remote_length = sizeof(remote);

	if (getsockname(fd, &local.any, &length) || getpeername(fd, &remote.any, &remote_length))
		die("a socket's names");
	return make_key(&local, &remote, protocol);
}

struct ft_key key_between(int fd, int peer, int protocol)
{
	union address local, remote;
	socklen_t length = sizeof(local), remote_length = sizeof(remote);

	if (getsockname(fd, &local.any, &length) || getsockname(peer, &remote.any, &remote_length))
		die("two sockets' names");
	return make_key(&local, &remote, protocol);
}

static char buffer[65536];

void send_all(int fd, size_t size)
{
	while (size) {
		ssize_t sent = send(fd, buffer, size < sizeof(buffer) ? size : sizeof(buffer),
				    MSG_NOSIGNAL);

		if (sent < 0)
			die("send");
		size -= (size_t)sent;
	}
}

void receive_all(int fd, size_t size)
{
	static _Thread_local char sink[65536];

	while (size) {
		ssize_t got = recv(fd, sink, size < sizeof(sink) ? size : sizeof(sink), 0);

		if (got <= 0)
			die("recv");
		size -= (size_t)got;
	}
}

void send_to(int fd, int peer, size_t size)
{
	union address address;
	socklen_t length = sizeof(address);

	if (getsockname(peer, &address.any, &length) ||
	    sendto(fd, buffer, size, 0, &address.any, length) != (ssize_t)size)
		die("sendto");
}

size_t receive_datagram(int fd)
{
	static _Thread_local char sink[65536];
	ssize_t got = recv(fd, sink, sizeof(sink), 0);

	if (got < 0)
		die("recv of a datagram");
	return (size_t)got;
}
