/* SPDX-License-Identifier: MIT */
/*
 * Traffic with truth by construction, between two network namespaces, over whatever joins them.
 *
 *	traffic NS_A A4 A6 NS_B B4 B6 [FLOWS [SECONDS]]
 *
 * NS_A and NS_B are names as `ip netns` has them; A4, A6, B4, B6 the addresses of each. One process
 * drives both ends: a socket stays in the namespace in which it was made. Clients in A, servers in
 * B; TCP to ports from 5001 on, UDP to ports from 7001 on, by IPv4 and by IPv6 in turn. Without
 * FLOWS: two of each; both directions; spread over SECONDS (3). With FLOWS: so many UDP flows,
 * egress from A only, each of a size of its own, all of them in each of SECONDS rounds.
 *
 * Prints a line for each flow as each end sees it:
 *
 *	PROTOCOL LOCAL LOCAL_PORT REMOTE REMOTE_PORT EGRESS_BYTES EGRESS_PACKETS INGRESS_BYTES
 *	INGRESS_PACKETS RETRANSMITTED_BYTES
 *
 * Packets are datagrams, and 0 for TCP, which cuts as it likes. RETRANSMITTED_BYTES is what this
 * end of a TCP connection sent again, by the kernel's own count: part of what crosses IP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/tcp.h>

#define TCP_PORT 5001
#define UDP_PORT 7001

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct host {
	int ns;
	const char *text[2]; /* IPv4, IPv6 */
};

struct end {
	int fd;
	uint64_t sent, sent_packets, received, received_packets;
};

struct flow {
	bool tcp;
	struct end a, b;
};

static char buffer[65536];

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const struct host *host)
{
	if (setns(host->ns, CLONE_NEWNET))
		die("setns");
}

static struct host host_open(char **arguments)
{
	struct host host = { .text = { arguments[1], arguments[2] } };
	char path[256];

	snprintf(path, sizeof(path), "/run/netns/%s", arguments[0]);
	host.ns = open(path, O_RDONLY | O_CLOEXEC);
	if (host.ns < 0)
		die(path);
	return host;
}

static socklen_t address_of(const struct host *host, int family, uint16_t port, union address *out)
{
	memset(out, 0, sizeof(*out));
	out->any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		out->v4.sin_port = htons(port);
		if (inet_pton(AF_INET, host->text[0], &out->v4.sin_addr) != 1)
			die(host->text[0]);
		return sizeof(out->v4);
	}
	out->v6.sin6_port = htons(port);
	if (inet_pton(AF_INET6, host->text[1], &out->v6.sin6_addr) != 1)
		die(host->text[1]);
	return sizeof(out->v6);
}

static int socket_at(const struct host *host, int family, int type, uint16_t port)
{
	union address address;
	socklen_t length = address_of(host, family, port, &address);
	int fd;

	enter(host);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &address.any, length))
		die("bind");
	return fd;
}

static void connect_to(int fd, const struct host *host, int family, uint16_t port)
{
	union address address;
	socklen_t length = address_of(host, family, port, &address);

	if (connect(fd, &address.any, length))
		die("connect");
}

static uint16_t own_port(int fd)
{
	union address address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, &address.any, &length))
		die("getsockname");
	return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

static struct flow flow_open(const struct host *a, const struct host *b, bool tcp, int family,
			     uint16_t port)
{
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
	int server = socket_at(b, family, type, port);
	struct flow flow = { .tcp = tcp };

	if (tcp && listen(server, 1))
		die("listen");
	flow.a.fd = socket_at(a, family, type, 0);
	connect_to(flow.a.fd, b, family, port);
	if (tcp) {
		flow.b.fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		close(server);
		if (flow.b.fd < 0)
			die("accept");
	} else {
		flow.b.fd = server;
		connect_to(server, a, family, own_port(flow.a.fd));
	}
	return flow;
}

static void transfer_tcp(struct end *from, struct end *to, size_t size)
{
	size_t left = size, due = size;

	while (due) {
		struct pollfd ready = { .fd = to->fd, .events = POLLIN };
		ssize_t done = 0;

		if (left) {
			done = send(from->fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer),
				    MSG_DONTWAIT | MSG_NOSIGNAL);
			if (done < 0 && errno != EAGAIN)
				die("send");
			left -= done > 0 ? (size_t)done : 0;
		}
		if (poll(&ready, 1, left ? 0 : 1000) > 0) {
			done = recv(to->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
			if (done <= 0)
				die("recv");
			due -= (size_t)done;
		}
	}
	from->sent += size;
	to->received += size;
}

static void transfer_udp(struct end *from, struct end *to, size_t size)
{
	struct pollfd ready = { .fd = to->fd, .events = POLLIN };

	if (send(from->fd, buffer, size, 0) != (ssize_t)size)
		die("send");
	from->sent += size;
	from->sent_packets++;
	/* One at a time: nothing overflows, so what was sent is what is received. */
	if (poll(&ready, 1, 5000) <= 0 || recv(to->fd, buffer, sizeof(buffer), 0) != (ssize_t)size)
		die("a datagram did not arrive");
	to->received += size;
	to->received_packets++;
}

static void transfer(const struct flow *flow, struct end *from, struct end *to, size_t size)
{
	if (flow->tcp)
		transfer_tcp(from, to, size);
	else
		transfer_udp(from, to, size % 1400 + 1);
}

static void print_address(const union address *address)
{
	char text[INET6_ADDRSTRLEN];

	if (address->any.sa_family == AF_INET)
		printf(" %s %u", inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof(text)),
		       ntohs(address->v4.sin_port));
	else
		printf(" %s %u", inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof(text)),
		       ntohs(address->v6.sin6_port));
}

static void print_end(const struct flow *flow, const struct end *end)
{
	union address local, remote;
	socklen_t length = sizeof(local), remote_length = sizeof(remote);
	struct tcp_info info = {};
	socklen_t info_length = sizeof(info);

	if (getsockname(end->fd, &local.any, &length) ||
	    getpeername(end->fd, &remote.any, &remote_length))
		die("names");
	if (flow->tcp && getsockopt(end->fd, IPPROTO_TCP, TCP_INFO, &info, &info_length))
		die("TCP_INFO");
	printf("%s", flow->tcp ? "tcp" : "udp");
	print_address(&local);
	print_address(&remote);
	printf(" %llu %llu %llu %llu %llu\n", (unsigned long long)end->sent,
	       (unsigned long long)end->sent_packets, (unsigned long long)end->received,
	       (unsigned long long)end->received_packets,
	       (unsigned long long)info.tcpi_bytes_retrans);
}

int main(int argc, char **argv)
{
	size_t count = argc > 7 ? strtoul(argv[7], NULL, 10) : 0, rounds;
	bool mixed = count == 0;
	struct flow *flows;
	struct host a, b;

	if (argc < 7) {
		fprintf(stderr, "usage: traffic NS_A A4 A6 NS_B B4 B6 [FLOWS [SECONDS]]\n");
		return 2;
	}
	count = mixed ? 8 : count;
	rounds = argc > 8 ? strtoul(argv[8], NULL, 10) : 3;
	a = host_open(argv + 1);
	b = host_open(argv + 4);
	flows = calloc(count, sizeof(*flows));
	if (!flows)
		die("calloc");
	for (size_t i = 0; i < count; i++) {
		bool tcp = mixed && i % 4 < 2;
		uint16_t base = tcp ? TCP_PORT : UDP_PORT;

		flows[i] = flow_open(&a, &b, tcp, i % 2 ? AF_INET6 : AF_INET, (uint16_t)(base + i));
	}
	for (size_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < count; i++) {
			struct flow *flow = &flows[i];

			if (!mixed) {
				for (size_t k = 0; k <= i / 100; k++)
					transfer_udp(&flow->a, &flow->b, 100 + 7 * i);
				continue;
			}
			for (size_t k = 1; k <= 50; k++) {
				transfer(flow, &flow->a, &flow->b, 997 * k * (i + 1));
				transfer(flow, &flow->b, &flow->a, 131 * k * (i + 1));
			}
		}
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	for (size_t i = 0; i < count; i++) {
		print_end(&flows[i], &flows[i].a);
		print_end(&flows[i], &flows[i].b);
	}
	return 0;
}
