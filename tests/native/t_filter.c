/* SPDX-License-Identifier: MIT */
/*
 * Each filter lets through exactly what it names, in the kernel.
 *
 *	t_filter [PROBE [LEGACY]]
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/filter.h"
#include "lib.h"

static const char *probe;
static bool legacy;

static struct flowtop *open_with(const char *option, const char *value)
{
	struct ft_settings settings = {};
	char why[256];

	settings.test.legacy = legacy;
	if (ft_filter_add(&settings.filter, option, value, why, sizeof(why)))
		die(why);
	return open_engine(&settings, probe);
}

struct traffic {
	struct pair tcp, udp;
};

static struct traffic make(void)
{
	return (struct traffic){ tcp_pair(AF_INET, false), udp_pair(AF_INET6, false) };
}

static void run(const struct traffic *t)
{
	send_all(t->tcp.a, 1000);
	receive_all(t->tcp.b, 1000);
	send_all(t->tcp.b, 200);
	receive_all(t->tcp.a, 200);
	send_all(t->udp.a, 30);
	receive_datagram(t->udp.b);
}

/* The totals of one interval with run()'s traffic in it, and nothing else. */
static void expect(struct flowtop *handle, const struct traffic *t, uint64_t egress,
		   uint64_t ingress, const char *name)
{
	struct ledger ledger = {};

	/* Twice: the second time caches answer. */
	run(t);
	run(t);
	ledger_turn(&ledger, handle);
	ok(ledger.total[FT_EGRESS].bytes == 2 * egress &&
		   ledger.total[FT_INGRESS].bytes == 2 * ingress,
	   "%s: 2 x %llu egress and 2 x %llu ingress pass (counted %llu and %llu)", name,
	   (unsigned long long)egress, (unsigned long long)ingress,
	   (unsigned long long)ledger.total[FT_EGRESS].bytes,
	   (unsigned long long)ledger.total[FT_INGRESS].bytes);
	ledger_free(&ledger);
	flowtop_close(handle);
}

static void expect_value(const char *option, const char *value, uint64_t egress, uint64_t ingress)
{
	struct flowtop *handle = open_with(option, value);
	struct traffic t = make();
	char name[128];

	snprintf(name, sizeof(name), "%s %s", option, value);
	expect(handle, &t, egress, ingress, name);
	close_pair(t.tcp);
	close_pair(t.udp);
}

static void ports(void)
{
	struct traffic t = make();
	char port[32];

	/* The listener's side of the connection. */
	snprintf(port, sizeof(port), "%u", key_of(t.tcp.b, IPPROTO_TCP).local_port);
	expect(open_with("LocalPort", port), &t, 200, 1000, "LocalPort of the server");
	expect(open_with("RemotePort", port), &t, 1000, 200, "RemotePort of the server");
	snprintf(port, sizeof(port), "%u-%u", key_of(t.udp.b, IPPROTO_UDP).local_port,
		 key_of(t.udp.b, IPPROTO_UDP).local_port);
	expect(open_with("RemotePort", port), &t, 30, 0, "RemotePort range");
	close_pair(t.tcp);
	close_pair(t.udp);
}

/* All lists full: the most that the verifier has to walk. It must load, and let ours through. */
static void every_option_full(void)
{
	static const char *const lists[] = { "Pid", "Process", "LocalPort", "RemotePort" };
	struct ft_settings settings = {};
	struct ledger ledger = {};
	struct flowtop *handle;
	struct traffic t;
	char value[32], why[256];

	for (size_t list = 0; list < sizeof(lists) / sizeof(lists[0]); list++) {
		for (int i = 1; i <= FT_FILTER_VALUES; i++) {
			bool last = i == FT_FILTER_VALUES;

			if (list == 0)
				snprintf(value, sizeof(value), "%d", last ? getpid() : 4194000 + i);
			else if (list == 1)
				snprintf(value, sizeof(value), "other%d", i);
			else
				snprintf(value, sizeof(value), "%d", i);
			if (last && list)
				snprintf(value, sizeof(value), "%s",
					 list == 1 ? "t_filter" : "1024-65535");
			if (ft_filter_add(&settings.filter, lists[list], value, why, sizeof(why)))
				die(why);
		}
	}
	ft_filter_add(&settings.filter, "Protocol", "tcp", why, sizeof(why));
	ft_filter_add(&settings.filter, "Loopback", "only", why, sizeof(why));
	settings.test.legacy = legacy;
	handle = open_engine(&settings, probe);
	t = make();
	run(&t);
	ledger_turn(&ledger, handle);
	ok(ledger.total[FT_EGRESS].bytes == 1200 && ledger.total[FT_INGRESS].bytes == 1200,
	   "every option with %d values: what matches the last of each passes", FT_FILTER_VALUES);
	ledger_free(&ledger);
	flowtop_close(handle);
	close_pair(t.tcp);
	close_pair(t.udp);
}

/* Another process's traffic, made and ended there. */
static pid_t child_traffic(int *go)
{
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe(ends))
		die("pipe");
	pid = fork();
	if (pid == 0) {
		struct traffic t;

		if (read(ends[0], &byte, 1) != 1)
			_exit(1);
		t = make();
		run(&t);
		_exit(0);
	}
	close(ends[0]);
	*go = ends[1];
	return pid;
}

static void processes(void)
{
	char number[32];
	int go, status;
	pid_t pid = child_traffic(&go);
	struct ledger ledger = {};
	struct flowtop *handle;
	struct traffic t;

	snprintf(number, sizeof(number), "%d", pid);
	handle = open_with("Pid", number);
	t = make();
	run(&t); /* ours: not asked for */
	if (write(go, "x", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		die("the other process");
	ledger_turn(&ledger, handle);
	ok(ledger.total[FT_EGRESS].bytes == 1230 && ledger.total[FT_INGRESS].bytes == 1230,
	   "Pid of another process: 1230 bytes of its own each way, none of ours (counted %llu, "
	   "%llu)",
	   (unsigned long long)ledger.total[FT_EGRESS].bytes,
	   (unsigned long long)ledger.total[FT_INGRESS].bytes);
	close(go);
	ledger_free(&ledger);
	flowtop_close(handle);
	close_pair(t.tcp);
	close_pair(t.udp);
}

static void *other_thread(void *argument)
{
	run(argument);
	return NULL;
}

static void threads(void)
{
	struct ft_settings settings = {};
	struct traffic t = make();
	struct ledger ledger = {};
	struct ft_report report;
	struct flowtop *handle;
	char number[32], why[256];
	pthread_t thread;

	snprintf(number, sizeof(number), "%ld", syscall(SYS_gettid));
	if (probe && ft_probe_parse(probe, &settings.probe))
		die(probe);
	if (!probe)
		settings.probe = FT_PROBE_CGROUP;
	ft_filter_add(&settings.filter, "Tid", number, why, sizeof(why));
	settings.test.legacy = legacy;
	if (settings.probe == FT_PROBE_CGROUP) {
		ok(flowtop_open(&handle, &settings, &report) < 0 && !handle,
		   "Tid is refused by the cgroup probe: %s", report.error);
		return;
	}
	if (flowtop_open(&handle, &settings, &report))
		die(report.error);
	if (pthread_create(&thread, NULL, other_thread, &t))
		die("pthread_create");
	pthread_join(thread, NULL);
	run(&t);
	ledger_turn(&ledger, handle);
	ok(ledger.total[FT_EGRESS].bytes == 1230 && ledger.total[FT_INGRESS].bytes == 1230,
	   "Tid: this thread's bytes, not the other's on the same sockets (counted %llu, %llu)",
	   (unsigned long long)ledger.total[FT_EGRESS].bytes,
	   (unsigned long long)ledger.total[FT_INGRESS].bytes);
	ledger_free(&ledger);
	flowtop_close(handle);
	close_pair(t.tcp);
	close_pair(t.udp);
}

int main(int argc, char **argv)
{
	char number[32];

	probe = argc > 1 ? argv[1] : NULL;
	legacy = argc > 2;
	own_namespace();
	snprintf(number, sizeof(number), "%d", getpid());
	expect_value("Protocol", "tcp", 1200, 1200);
	expect_value("Protocol", "udp", 30, 30);
	expect_value("Loopback", "false", 0, 0);
	expect_value("Loopback", "true", 1230, 1230);
	expect_value("Pid", number, 1230, 1230);
	expect_value("Pid", "1", 0, 0);
	expect_value("Process", "t_filter", 1230, 1230);
	expect_value("Process", "t_filte", 0, 0);
	ports();
	every_option_full();
	processes();
	threads();
	return done();
}
