/* SPDX-License-Identifier: MIT */
/*
 * One socket, many tuples: what a socket remembers of its flow must never put another flow's bytes
 * there. Turns in between make sure that both the first and the cached way are taken.
 *
 *	t_tuple [PROBE [LEGACY]]
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib.h"

#define PEERS 50

static struct flowtop *handle;
static struct ledger ledger;

static void disconnect(int fd)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	if (connect(fd, &nobody, sizeof(nobody)))
		die("connect to nobody");
}

/* One unconnected socket and fifty peers, taking turns, each with a size of its own. */
static void many_peers(int family, bool mapped, const char *name)
{
	int fd = udp_socket(family, mapped), peer[PEERS], wrong = 0;

	for (int i = 0; i < PEERS; i++)
		peer[i] = udp_socket(family, mapped);
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < PEERS; i++) {
			send_to(fd, peer[i], 100 + (size_t)i);
			receive_datagram(peer[i]);
			send_to(peer[i], fd, 300 + (size_t)i);
			receive_datagram(fd);
		}
		if (round % 2)
			ledger_turn(&ledger, handle);
	}
	for (int i = 0; i < PEERS; i++) {
		struct ft_key key = key_between(fd, peer[i], IPPROTO_UDP);
		const struct entry *entry = ledger_find(&ledger, &key);

		wrong += !entry || entry->count[FT_EGRESS].bytes != 6 * (100 + (uint64_t)i) ||
			 entry->count[FT_INGRESS].bytes != 6 * (300 + (uint64_t)i) ||
			 entry->count[FT_EGRESS].packets != 6 ||
			 entry->count[FT_INGRESS].packets != 6;
		close(peer[i]);
	}
	ok(!wrong, "%s: one socket, %d peers: %d wrong", name, PEERS, wrong);
	close(fd);
}

/* A connected socket: its own peer, sendto() to another, reconnected, disconnected. */
static void connected_changes(int family, bool mapped, const char *name)
{
	int fd = udp_socket(family, mapped), first = udp_socket(family, mapped);
	int second = udp_socket(family, mapped), third = udp_socket(family, mapped);
	struct ft_key to_first = key_between(fd, first, IPPROTO_UDP);
	struct ft_key to_second = key_between(fd, second, IPPROTO_UDP);
	struct ft_key to_third = key_between(fd, third, IPPROTO_UDP);

	for (int i = 0; i < 4; i++) {
		udp_connect(fd, first);
		send_all(fd, 10);
		send_all(fd, 11);
		send_to(fd, second, 200);
		send_all(fd, 12);
		if (i == 1)
			ledger_turn(&ledger, handle);
		udp_connect(fd, second);
		send_all(fd, 3000);
		disconnect(fd);
		send_to(fd, third, 40000);
		for (int k = 0; k < 3; k++)
			receive_datagram(first);
		receive_datagram(second);
		receive_datagram(second);
		receive_datagram(third);
	}
	ledger_turn(&ledger, handle);
	moved(&ledger, &to_first, FT_EGRESS, (uint64_t)4 * 33, name);
	moved(&ledger, &to_second, FT_EGRESS, (uint64_t)4 * 3200, name);
	moved(&ledger, &to_third, FT_EGRESS, (uint64_t)4 * 40000, name);
	close(fd);
	close(first);
	close(second);
	close(third);
}

static int listener(int family, struct sockaddr_storage *address, socklen_t *length)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(address, 0, sizeof(*address));
	address->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
	*length = sizeof(*address);
	if (fd < 0 || bind(fd, (struct sockaddr *)address, *length) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)address, length))
		die("a listener");
	return fd;
}

/* One TCP socket, two connections after each other. */
static void tcp_reconnect(int family, const char *name)
{
	struct sockaddr_storage address[2];
	socklen_t length[2];
	int server[2], fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (int i = 0; i < 2; i++)
		server[i] = listener(family, &address[i], &length[i]);
	for (int i = 0; i < 2; i++) {
		struct ft_key out, in;
		int accepted;

		if (connect(fd, (struct sockaddr *)&address[i], length[i]))
			die("connect");
		accepted = accept4(server[i], NULL, NULL, SOCK_CLOEXEC);
		out = key_of(fd, IPPROTO_TCP);
		in = key_of(accepted, IPPROTO_TCP);
		send_all(fd, 1000 + (size_t)i);
		receive_all(accepted, 1000 + (size_t)i);
		send_all(accepted, 50);
		receive_all(fd, 50);
		disconnect(fd);
		close(accepted);
		ledger_turn(&ledger, handle);
		moved(&ledger, &out, FT_EGRESS, 1000 + (uint64_t)i, name);
		moved(&ledger, &in, FT_INGRESS, 1000 + (uint64_t)i, name);
		moved(&ledger, &in, FT_EGRESS, 50, name);
		moved(&ledger, &out, FT_INGRESS, 50, name);
	}
	close(fd);
	close(server[0]);
	close(server[1]);
}

/* Many connections to one listener: none of them is the listener's flow. */
static void one_listener(int family, const char *name)
{
	struct sockaddr_storage address;
	socklen_t length;
	int server = listener(family, &address, &length), wrong = 0;

	for (size_t i = 1; i <= 40; i++) {
		int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;
		const struct entry *out, *in;
		struct ft_key key, back;

		if (connect(fd, (struct sockaddr *)&address, length))
			die("connect");
		accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		key = key_of(fd, IPPROTO_TCP);
		back = key_of(accepted, IPPROTO_TCP);
		send_all(fd, i);
		shutdown(fd, SHUT_WR);
		receive_all(accepted, i);
		send_all(accepted, 3 * i);
		close(accepted);
		receive_all(fd, 3 * i);
		close(fd);
		if (i % 4 == 0)
			ledger_turn(&ledger, handle);
		else
			continue;
		out = ledger_find(&ledger, &key);
		in = ledger_find(&ledger, &back);
		wrong += !out || !in || out->count[FT_EGRESS].bytes != i ||
			 out->count[FT_INGRESS].bytes != 3 * i ||
			 in->count[FT_INGRESS].bytes != i || in->count[FT_EGRESS].bytes != 3 * i ||
			 !(out->flags & FT_FLOW_CLIENT) || !(in->flags & FT_FLOW_SERVER);
	}
	ok(!wrong, "%s: forty connections to one listener, who is client and who server: %d wrong",
	   name, wrong);
	close(server);
}

int main(int argc, char **argv)
{
	struct ft_settings settings = {};

	settings.test.legacy = argc > 2;
	own_namespace();
	handle = open_engine(&settings, argc > 1 ? argv[1] : NULL);
	many_peers(AF_INET, false, "IPv4");
	many_peers(AF_INET6, false, "IPv6");
	many_peers(AF_INET6, true, "v4-mapped");
	connected_changes(AF_INET, false, "UDP over IPv4");
	connected_changes(AF_INET6, false, "UDP over IPv6");
	connected_changes(AF_INET6, true, "UDP v4-mapped");
	tcp_reconnect(AF_INET, "TCP over IPv4");
	tcp_reconnect(AF_INET6, "TCP over IPv6");
	one_listener(AF_INET, "IPv4");
	one_listener(AF_INET6, "IPv6");
	ok(!ledger.unattributed[FT_EGRESS].bytes && !ledger.unattributed[FT_INGRESS].bytes,
	   "nothing is unattributed");
	flowtop_close(handle);
	ledger_free(&ledger);
	return done();
}
