/* SPDX-License-Identifier: MIT */
/*
 * A packet in softirq on top of a task's: on one CPU, one program run interrupts another in the
 * middle of taking a slot. Receive packet steering hands packets of a sender on one CPU to the
 * other, whose own sender is then interrupted. New flows all the time, so that slots are taken in
 * both.
 *
 *	t_nest [PROBE [LEGACY]]
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib.h"

#define SECONDS 5
#define PORTS 300
/* Each sender sends from this many sockets to PORTS peers: a flow each, new in each interval. */
#define SOURCES 4

struct sender {
	pthread_t thread;
	int number;
	int source[SOURCES];
	uint64_t bytes, packets;
	uint64_t sent[SOURCES][PORTS];
};

static atomic_bool stop;
static int peers[PORTS];

/* Let CPU 0 receive what loopback carries, whoever sent it. */
static bool steer(void)
{
	char folder[] = "/tmp/flowtop-sysfs-XXXXXX", path[128];
	bool done_so;
	int fd;

	/* sysfs shows the network namespace in which it was mounted. */
	if (!mkdtemp(folder))
		return false;
	if (mount("none", folder, "sysfs", 0, NULL)) {
		rmdir(folder);
		return false;
	}
	snprintf(path, sizeof(path), "%s/class/net/lo/queues/rx-0/rps_cpus", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done_so = fd >= 0 && write(fd, "1", 1) == 1;
	if (fd >= 0)
		close(fd);
	umount(folder);
	rmdir(folder);
	return done_so;
}

static void *run(void *argument)
{
	struct sender *s = argument;

	pin_to_cpu(s->number);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		for (int i = 0; i < SOURCES; i++) {
			for (int k = 0; k < PORTS; k++) {
				size_t size = 1 + (size_t)(i * 31 + k) % 700;

				send_to(s->source[i], peers[k], size);
				s->sent[i][k] += size;
				s->bytes += size;
				s->packets++;
			}
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct ft_settings settings = { .max_flows = 16384 };
	struct sender *senders = calloc(2, sizeof(*senders));
	struct ledger ledger = {};
	struct flowtop *handle;
	uint64_t end, bytes, packets, counted_packets = 0;
	int wrong = 0;

	settings.test.widen = 32;
	settings.test.legacy = argc > 2;
	own_namespace();
	if (!senders || !steer())
		diag("receive packet steering cannot be set here: fewer interrupts");
	handle = open_engine(&settings, argc > 1 ? argv[1] : NULL);
	for (int k = 0; k < PORTS; k++)
		peers[k] = udp_socket(AF_INET, false);
	for (int n = 0; n < 2; n++) {
		senders[n].number = n;
		for (int i = 0; i < SOURCES; i++)
			senders[n].source[i] = udp_socket(AF_INET, false);
		if (pthread_create(&senders[n].thread, NULL, run, &senders[n]))
			die("pthread_create");
	}
	for (end = now_ns() + SECONDS * 1000000000ULL; now_ns() < end;) {
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		ledger_turn(&ledger, handle);
	}
	atomic_store(&stop, true);
	for (int n = 0; n < 2; n++)
		pthread_join(senders[n].thread, NULL);
	ledger_turn(&ledger, handle);
	for (int n = 0; n < 2; n++) {
		for (int i = 0; i < SOURCES; i++) {
			for (int k = 0; k < PORTS; k++) {
				struct ft_key key =
					key_between(senders[n].source[i], peers[k], IPPROTO_UDP);
				const struct entry *entry = ledger_find(&ledger, &key);
				struct ft_counters counted = {};

				if (entry)
					counted = entry->count[FT_EGRESS];
				wrong += counted.bytes != senders[n].sent[i][k];
				counted_packets += counted.packets;
			}
		}
	}
	bytes = senders[0].bytes + senders[1].bytes;
	packets = senders[0].packets + senders[1].packets;
	ok(!wrong, "%d flows of two senders: %d wrong", 2 * SOURCES * PORTS, wrong);
	ok(counted_packets == packets, "%llu bytes in %llu datagrams, counted %llu",
	   (unsigned long long)bytes, (unsigned long long)packets,
	   (unsigned long long)counted_packets);
	ok(!ledger.unattributed[FT_EGRESS].bytes && !ledger.full, "nothing is unattributed");
	diag("%llu turns; one program on top of another: %llu times",
	     (unsigned long long)ledger.turns, (unsigned long long)ledger.event[FT_EVENT_NESTED]);
	/* Tracing programs do not nest: the kernel skips the inner one, and counts it as lost. */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1 && flowtop_probe(handle) == FT_PROBE_CGROUP)
		ok(ledger.event[FT_EVENT_NESTED] > 0, "it did happen");
	flowtop_close(handle);
	ledger_free(&ledger);
	free(senders);
	return done();
}
