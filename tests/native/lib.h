/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TESTS_NATIVE_LIB_H
#define FLOWTOP_TESTS_NATIVE_LIB_H

/*
 * For the tests with a real kernel: TAP, a ledger that adds up turns, and sockets whose traffic is
 * known to the byte. All traffic stays on loopback, in a network namespace of the test's own.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "engine/flowtop.h"

/* TAP. ok() returns its condition. */
bool ok(bool condition, const char *name, ...) __attribute__((format(printf, 2, 3)));
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Everything after this line is skipped for that reason; does not return. */
void skip_rest(const char *reason) __attribute__((noreturn));
/* Prints the plan; the exit status: 0 when all was ok. */
int done(void);
/* A step of the test itself failed: nothing can be said. Does not return. */
void die(const char *what) __attribute__((noreturn));

/* What one flow moved, over all turns. */
struct entry {
	struct ft_key key; /* netns 0 */
	struct ft_counters count[FT_DIRECTIONS];
	struct ft_owner owner; /* of the last record seen with one */
	uint32_t flags;
	uint32_t records;
	UT_hash_handle hh;
};

struct ledger {
	struct entry *entries;
	struct ft_counters total[FT_DIRECTIONS]; /* over all records, unattributed included */
	struct ft_counters unattributed[FT_DIRECTIONS];
	uint64_t event[FT_EVENT_COUNT];
	uint64_t turns, duplicates, lost;
	bool full, lost_known;
	uint64_t nanoseconds, grace_ns, grace_max_ns;
};

/* One turn of the engine, added up. Dies when the engine fails. */
void ledger_turn(struct ledger *ledger, struct flowtop *handle);
const struct entry *ledger_find(const struct ledger *ledger, const struct ft_key *key);
void ledger_free(struct ledger *ledger);

/* ok() when the flow moved exactly that; says what it found otherwise. */
bool moved(const struct ledger *ledger, const struct ft_key *key, enum ft_direction direction,
	   uint64_t bytes, const char *name);

/*
 * Open the engine; @probe_name from the command line (NULL: cgroup). Skips the rest when this
 * machine cannot have that probe and it was not asked for by name; dies when it was.
 */
struct flowtop *open_engine(struct ft_settings *settings, const char *probe_name);

/* A network namespace of our own with lo up; root needed. */
void own_namespace(void);

/* Put the calling thread on the @number-th CPU that this process may use, counted modulo. */
void pin_to_cpu(int number);

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);

/* Sockets: family AF_INET or AF_INET6; mapped: AF_INET6 sockets that speak IPv4. */
struct pair {
	int a, b; /* connected with each other; a connected, b was accepted (TCP) */
};
struct pair tcp_pair(int family, bool mapped);
int udp_socket(int family, bool mapped);       /* bound to loopback and a free port */
struct pair udp_pair(int family, bool mapped); /* both connected */
void udp_connect(int fd, int peer);
void close_pair(struct pair pair);

/* The flow of a connected socket; of one socket towards another's address. */
struct ft_key key_of(int fd, int protocol);
struct ft_key key_between(int fd, int peer, int protocol);

/* Exactly @size bytes; die on errors. */
void send_all(int fd, size_t size);
void receive_all(int fd, size_t size);
void send_to(int fd, int peer, size_t size);
size_t receive_datagram(int fd);

#endif /* FLOWTOP_TESTS_NATIVE_LIB_H */
