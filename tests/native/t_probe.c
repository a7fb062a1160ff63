/* SPDX-License-Identifier: MIT */
/*
 * A probe counts plain transfers to the byte: TCP and UDP, IPv4, IPv6 and v4-mapped, both
 * directions, connected and not, with owner and packets, connections that are older than the probe
 * included. Runs natively (cgroup) and in virtual machines (all probes).
 *
 *	t_probe [PROBE [LEGACY]]
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lib.h"

static struct flowtop *handle;
static struct ledger ledger;
static bool by_packet; /* the cgroup probe: what crossed IP, retransmissions included */

struct transfer {
	int fd;
	size_t size;
};

static void *receiver(void *argument)
{
	struct transfer *transfer = argument;

	receive_all(transfer->fd, transfer->size);
	return NULL;
}

static uint64_t retransmitted(int fd)
{
	struct tcp_info info = {};
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		die("TCP_INFO");
	return info.tcpi_bytes_retrans;
}

/* By the definition of the probe: payload handed over, or payload that crossed IP. */
static void expect_tcp_since(int fd, int peer, uint64_t sent, uint64_t before, const char *name)
{
	struct ft_key out = key_of(fd, IPPROTO_TCP), in = key_of(peer, IPPROTO_TCP);
	uint64_t again = by_packet ? retransmitted(fd) - before : 0;

	moved(&ledger, &out, FT_EGRESS, sent + again, name);
	if (again)
		diag("%s: %llu bytes were sent again", name, (unsigned long long)again);
	moved(&ledger, &in, FT_INGRESS, sent + again, name);
}

static void expect_tcp(int fd, int peer, uint64_t sent, const char *name)
{
	expect_tcp_since(fd, peer, sent, 0, name);
}

static void expect_owner(int fd, const char *name)
{
	struct ft_key key = key_of(fd, IPPROTO_TCP);
	const struct entry *entry = ledger_find(&ledger, &key);

	ok(entry && entry->owner.pid == (uint32_t)getpid() &&
		   strncmp(entry->owner.comm, "t_probe", FT_COMM_LEN) == 0,
	   "%s: its owner is %d t_probe (found %u %.16s)", name, getpid(),
	   entry ? entry->owner.pid : 0, entry ? entry->owner.comm : "");
	ok(entry && entry->count[FT_EGRESS].packets > 0 && entry->count[FT_INGRESS].packets > 0,
	   "%s: segments each way: %llu out, %llu in", name,
	   (unsigned long long)(entry ? entry->count[FT_EGRESS].packets : 0),
	   (unsigned long long)(entry ? entry->count[FT_INGRESS].packets : 0));
}

static void tcp_case(int family, bool mapped, size_t size, const char *name)
{
	struct pair pair = tcp_pair(family, mapped);
	struct transfer transfer = { pair.b, size };
	pthread_t thread;

	if (pthread_create(&thread, NULL, receiver, &transfer))
		die("pthread_create");
	send_all(pair.a, size);
	pthread_join(thread, NULL);
	send_all(pair.b, 777);
	receive_all(pair.a, 777);
	ledger_turn(&ledger, handle);
	expect_tcp(pair.a, pair.b, size, name);
	expect_tcp(pair.b, pair.a, 777, name);
	expect_owner(pair.a, name);
	close_pair(pair);
}

/* A write that does not fit: what was asked for is not what was sent. */
static void partial_write(void)
{
	static char megabytes[8 << 20];
	struct pair pair = tcp_pair(AF_INET, false);
	ssize_t sent, more;

	fcntl(pair.a, F_SETFL, O_NONBLOCK);
	sent = send(pair.a, megabytes, sizeof(megabytes), MSG_NOSIGNAL);
	if (sent <= 0)
		die("send");
	ok((size_t)sent < sizeof(megabytes), "a non-blocking write of 8 MiB took %zd bytes", sent);
	/* Until it takes nothing: on a slow machine the first made room for some more. */
	while ((more = send(pair.a, megabytes, sizeof(megabytes), MSG_NOSIGNAL)) > 0)
		sent += more;
	ok(errno == EAGAIN, "the last one takes nothing");
	receive_all(pair.b, (size_t)sent);
	ledger_turn(&ledger, handle);
	expect_tcp(pair.a, pair.b, (uint64_t)sent, "partial write");
	close_pair(pair);
}

/* A look at data is not its receipt; one large receive may be woken many times. */
static void peek_and_wait(void)
{
	struct pair pair = tcp_pair(AF_INET6, false);
	char look[512];

	send_all(pair.a, sizeof(look));
	for (int i = 0; i < 3; i++) {
		if (recv(pair.b, look, sizeof(look), MSG_PEEK | MSG_WAITALL) != sizeof(look))
			die("peek");
	}
	receive_all(pair.b, sizeof(look));
	ledger_turn(&ledger, handle);
	expect_tcp(pair.a, pair.b, sizeof(look), "three peeks and a read");
	close_pair(pair);
}

/* The end of a connection: FIN takes a sequence number, no byte. */
static void half_closed(void)
{
	struct pair pair = tcp_pair(AF_INET, false);
	struct ft_key a = key_of(pair.a, IPPROTO_TCP), b = key_of(pair.b, IPPROTO_TCP);
	char byte;

	send_all(pair.a, 100);
	shutdown(pair.a, SHUT_WR);
	receive_all(pair.b, 100);
	ok(recv(pair.b, &byte, 1, 0) == 0, "the reader sees the end");
	send_all(pair.b, 5000);
	close(pair.b);
	usleep(50000); /* data and FIN wait for the reader, in a socket that is closed already */
	receive_all(pair.a, 5000);
	ok(recv(pair.a, &byte, 1, 0) == 0, "so does the other");
	close(pair.a);
	ledger_turn(&ledger, handle);
	moved(&ledger, &a, FT_EGRESS, 100, "half closed");
	moved(&ledger, &b, FT_INGRESS, 100, "half closed");
	moved(&ledger, &b, FT_EGRESS, 5000, "half closed");
	moved(&ledger, &a, FT_INGRESS, 5000, "half closed");
}

/*
 * A connect that waits for the first write, whose data then goes with the SYN: until then the
 * socket's numbers are not those of a connection.
 */
static void fast_open(void)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), queue = 8, one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), switched, accepted;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct ledger before = {};

	/* Client and server, data in the SYN also without a cookie; in this namespace only. */
	switched = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY | O_CLOEXEC);
	if (switched < 0 || write(switched, "1543", 4) != 4) {
		diag("Fast Open cannot be switched on here: not tested");
		return;
	}
	close(switched);
	if (bind(listener, (struct sockaddr *)&address, length) ||
	    getsockname(listener, (struct sockaddr *)&address, &length) ||
	    setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) ||
	    listen(listener, 8) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one)) ||
	    connect(fd, (struct sockaddr *)&address, length))
		die("Fast Open");
	ledger_turn(&before, handle);
	ok(before.total[FT_EGRESS].bytes < 1000000, "connect() alone sends nothing: %llu",
	   (unsigned long long)before.total[FT_EGRESS].bytes);
	ledger_free(&before);
	send_all(fd, 100);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	receive_all(accepted, 100);
	send_all(accepted, 50);
	receive_all(fd, 50);
	ledger_turn(&ledger, handle);
	expect_tcp(fd, accepted, 100, "data in the SYN");
	expect_tcp(accepted, fd, 50, "data in the SYN, the answer");
	close(fd);
	close(accepted);
	close(listener);
}

static void udp_case(int family, bool mapped, const char *name)
{
	struct pair pair = udp_pair(family, mapped);
	int loose = udp_socket(family, mapped), far = udp_socket(family, mapped);
	struct ft_key out = key_of(pair.a, IPPROTO_UDP), in = key_of(pair.b, IPPROTO_UDP);
	struct ft_key loose_out = key_between(loose, far, IPPROTO_UDP);
	struct ft_key loose_in = key_between(far, loose, IPPROTO_UDP);
	const struct entry *entry;

	for (size_t i = 1; i <= 30; i++) {
		send_all(pair.a, 100 * i);
		receive_datagram(pair.b);
		send_to(loose, far, 10 * i);
		receive_datagram(far);
	}
	ledger_turn(&ledger, handle);
	moved(&ledger, &out, FT_EGRESS, 46500, name);
	moved(&ledger, &in, FT_INGRESS, 46500, name);
	moved(&ledger, &loose_out, FT_EGRESS, 4650, name);
	moved(&ledger, &loose_in, FT_INGRESS, 4650, name);
	entry = ledger_find(&ledger, &out);
	ok(entry && entry->count[FT_EGRESS].packets == 30, "%s: 30 datagrams sent", name);
	entry = ledger_find(&ledger, &loose_in);
	ok(entry && entry->count[FT_INGRESS].packets == 30, "%s: 30 datagrams received", name);
	close_pair(pair);
	close(loose);
	close(far);
}

/* A receive that sleeps across turns: its bytes belong to the interval in which they arrive. */
static void blocked_across_turns(void)
{
	struct pair pair = tcp_pair(AF_INET, false);
	struct ft_key in = key_of(pair.b, IPPROTO_TCP);
	struct transfer transfer = { pair.b, 3000 };
	const struct entry *entry;
	struct ledger early = {};
	pthread_t thread;

	if (pthread_create(&thread, NULL, receiver, &transfer))
		die("pthread_create");
	usleep(50000);
	ledger_turn(&ledger, handle);
	send_all(pair.a, 1000);
	usleep(100000);
	ledger_turn(&early, handle);
	entry = ledger_find(&early, &in);
	ok(entry && entry->count[FT_INGRESS].bytes == 1000,
	   "a receive that still waits shows what it has: %llu of 1000",
	   (unsigned long long)(entry ? entry->count[FT_INGRESS].bytes : 0));
	send_all(pair.a, 2000);
	pthread_join(thread, NULL);
	ledger_turn(&ledger, handle);
	moved(&ledger, &in, FT_INGRESS, 2000, "the rest comes after the turn");
	ledger_free(&early);
	close_pair(pair);
}

int main(int argc, char **argv)
{
	const char *probe = argc > 1 ? argv[1] : NULL;
	struct ft_settings settings = {};
	struct pair older;
	uint64_t before[2];

	signal(SIGPIPE, SIG_IGN);
	settings.test.legacy = argc > 2;
	own_namespace();
	older = tcp_pair(AF_INET, false);
	send_all(older.a, 123456);
	receive_all(older.b, 123456);
	/* What was sent again so far, the probe has not seen. */
	before[0] = retransmitted(older.a);
	before[1] = retransmitted(older.b);
	handle = open_engine(&settings, probe);
	by_packet = flowtop_probe(handle) == FT_PROBE_CGROUP;

	send_all(older.a, 1001);
	receive_all(older.b, 1001);
	send_all(older.b, 2002);
	receive_all(older.a, 2002);
	ledger_turn(&ledger, handle);
	expect_tcp_since(older.a, older.b, 1001, before[0], "a connection older than the probe");
	expect_tcp_since(older.b, older.a, 2002, before[1], "a connection older than the probe");

	tcp_case(AF_INET, false, 1, "TCP, one byte");
	tcp_case(AF_INET, false, 3000000, "TCP over IPv4");
	tcp_case(AF_INET6, false, 3000000, "TCP over IPv6");
	tcp_case(AF_INET6, true, 3000000, "TCP v4-mapped");
	partial_write();
	peek_and_wait();
	half_closed();
	blocked_across_turns();
	fast_open();
	udp_case(AF_INET, false, "UDP over IPv4");
	udp_case(AF_INET6, false, "UDP over IPv6");
	udp_case(AF_INET6, true, "UDP v4-mapped");
	ok(!ledger.unattributed[FT_EGRESS].bytes && !ledger.unattributed[FT_INGRESS].bytes,
	   "nothing is unattributed");
	diag("probe %s, lost: %s", ft_probe_name(flowtop_probe(handle)),
	     !ledger.lost_known ? "unknown" :
	     ledger.lost	? "some" :
				  "0");
	close_pair(older);
	flowtop_close(handle);
	ledger_free(&ledger);
	return done();
}
