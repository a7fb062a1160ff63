/* SPDX-License-Identifier: MIT */
/*
 * The flip loses nothing: two senders flat out, one on each CPU, while the table turns every 5 ms.
 * What all turns add up to equals what was sent and received, for each flow, to the byte and, where
 * a packet is a datagram, to the packet.
 *
 *	t_flip [PROBE [SECONDS [WIDEN [LEGACY]]]]
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib.h"

#define SENDERS 2
#define TURN_NS 5000000

struct sender {
	pthread_t thread;
	int number;
	struct pair udp, tcp;
	int loose, far; /* an unconnected socket and the one it speaks with */
	uint64_t rounds;
	uint64_t udp_bytes, tcp_bytes, loose_bytes;
};

static atomic_bool stop;

static void *run(void *argument)
{
	struct sender *s = argument;

	pin_to_cpu(s->number);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		size_t size = 1 + (s->rounds * 37 + (uint64_t)s->number) % 1400;

		send_all(s->udp.a, size);
		if (receive_datagram(s->udp.b) != size)
			die("a datagram of another size");
		s->udp_bytes += size;
		send_all(s->tcp.a, size);
		receive_all(s->tcp.b, size);
		s->tcp_bytes += size;
		send_to(s->loose, s->far, size);
		if (receive_datagram(s->far) != size)
			die("a datagram of another size");
		s->loose_bytes += size;
		s->rounds++;
	}
	return NULL;
}

static void compare(const struct ledger *ledger, const struct sender *s)
{
	struct ft_key out = key_of(s->udp.a, IPPROTO_UDP), in = key_of(s->udp.b, IPPROTO_UDP);
	struct ft_key tcp_out = key_of(s->tcp.a, IPPROTO_TCP);
	struct ft_key tcp_in = key_of(s->tcp.b, IPPROTO_TCP);
	struct ft_key loose = key_between(s->loose, s->far, IPPROTO_UDP);
	const struct entry *entry;

	moved(ledger, &out, FT_EGRESS, s->udp_bytes, "UDP connected");
	moved(ledger, &in, FT_INGRESS, s->udp_bytes, "UDP connected");
	moved(ledger, &tcp_out, FT_EGRESS, s->tcp_bytes, "TCP");
	moved(ledger, &tcp_in, FT_INGRESS, s->tcp_bytes, "TCP");
	moved(ledger, &loose, FT_EGRESS, s->loose_bytes, "UDP unconnected");
	loose = key_between(s->far, s->loose, IPPROTO_UDP);
	moved(ledger, &loose, FT_INGRESS, s->loose_bytes, "UDP unconnected");
	entry = ledger_find(ledger, &out);
	ok(entry && entry->count[FT_EGRESS].packets == s->rounds, "UDP datagrams sent: %llu",
	   (unsigned long long)s->rounds);
	entry = ledger_find(ledger, &in);
	ok(entry && entry->count[FT_INGRESS].packets == s->rounds, "UDP datagrams received: %llu",
	   (unsigned long long)s->rounds);
}

int main(int argc, char **argv)
{
	struct ft_settings settings = { .max_flows = 1024 };
	uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 10, end;
	struct sender senders[SENDERS] = {};
	struct ledger ledger = {};
	struct flowtop *handle;

	settings.test.widen = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 16;
	settings.test.legacy = argc > 4;
	own_namespace();
	handle = open_engine(&settings, argc > 1 ? argv[1] : NULL);
	for (int i = 0; i < SENDERS; i++) {
		int family = i ? AF_INET6 : AF_INET;

		senders[i] = (struct sender){ .number = i,
					      .udp = udp_pair(family, false),
					      .tcp = tcp_pair(family, false),
					      .loose = udp_socket(family, false),
					      .far = udp_socket(family, false) };
		if (pthread_create(&senders[i].thread, NULL, run, &senders[i]))
			die("pthread_create");
	}
	for (end = now_ns() + seconds * 1000000000U; now_ns() < end;) {
		nanosleep(&(struct timespec){ .tv_nsec = TURN_NS }, NULL);
		ledger_turn(&ledger, handle);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	ledger_turn(&ledger, handle);
	for (int i = 0; i < SENDERS; i++)
		compare(&ledger, &senders[i]);
	ok(!ledger.unattributed[FT_EGRESS].bytes && !ledger.unattributed[FT_INGRESS].bytes,
	   "nothing is unattributed");
	ok(ledger.turns > 1 && senders[0].rounds && senders[1].rounds,
	   "%llu turns during %llu and %llu rounds", (unsigned long long)ledger.turns,
	   (unsigned long long)senders[0].rounds, (unsigned long long)senders[1].rounds);
	diag("wait per turn: %.2f ms on average, %.2f at most; one program on top of another: %llu",
	     (double)ledger.grace_ns / 1e6 / (double)ledger.turns,
	     (double)ledger.grace_max_ns / 1e6, (unsigned long long)ledger.event[FT_EVENT_NESTED]);
	flowtop_close(handle);
	ledger_free(&ledger);
	return done();
}
