/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/capability.h>

/* Effective capabilities from /proc/self/status: one file, no library. */
static uint64_t effective_capabilities(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long bits = 0;
	char line[256];

	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status)) {
		if (sscanf(line, "CapEff: %llx", &bits) == 1)
			break;
	}
	fclose(status);
	return bits;
}

static bool has(uint64_t capabilities, unsigned int capability)
{
	return capabilities >> capability & 1;
}

/*
 * The active mode stands in brackets: "none integrity [confidentiality]". Where securityfs is not
 * mounted nothing is known, and the load itself will tell.
 */
static bool is_locked_down(void)
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return strstr(line, "[confidentiality]") != NULL;
}

/* mountinfo writes space, tab, newline and backslash as \ooo (show_mountinfo(), seq_path()). */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

int ft_host_cgroup2(const char *mountinfo, char *out, size_t size)
{
	FILE *file = fopen(mountinfo, "re");
	bool is_root = false;
	char *line = NULL;
	size_t room = 0;
	int err = -ENOENT;

	if (!file)
		return -errno;
	/* ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [FIELDS...] - TYPE SOURCE SUPEROPTIONS */
	while (!is_root && getline(&line, &room, file) > 0) {
		char *type = strstr(line, " - ");
		char *save = NULL, *root, *point = NULL;

		if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
			continue;
		*type = '\0';
		root = strtok_r(line, " ", &save);
		for (int field = 1; root && field < 4; field++)
			root = strtok_r(NULL, " ", &save);
		if (root)
			point = strtok_r(NULL, " ", &save);
		if (!point || strlen(point) >= size)
			continue;
		unescape(point);
		is_root = strcmp(root, "/") == 0;
		if (err || is_root)
			memcpy(out, point, strlen(point) + 1);
		err = 0;
	}
	free(line);
	fclose(file);
	return err;
}

/*
 * The first cgroup namespace has this inode on every kernel (PROC_CGROUP_INIT_INO, 4.6). In another,
 * what looks like the hierarchy's root is a part of it.
 */
static bool is_own_cgroup_ns(void)
{
	struct stat ns;

	return stat("/proc/self/ns/cgroup", &ns) == 0 && ns.st_ino != 0xEFFFFFFBU;
}

void ft_host_look(struct ft_host *host)
{
	uint64_t caps = effective_capabilities();
	bool admin = has(caps, CAP_SYS_ADMIN);
	struct utsname name;

	memset(host, 0, sizeof(*host));
	host->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	host->lockdown = is_locked_down();
	/* The PMU is how a kprobe is made; it is there exactly when the kernel has kprobes. */
	host->kprobes = access("/sys/bus/event_source/devices/kprobe/type", R_OK) == 0;
	host->cap_bpf = admin || has(caps, CAP_BPF);
	host->cap_perfmon = admin || has(caps, CAP_PERFMON);
	host->cap_net_admin = has(caps, CAP_NET_ADMIN);
	host->own_cgroup_ns = is_own_cgroup_ns();
	if (ft_host_cgroup2("/proc/self/mountinfo", host->cgroup2, sizeof(host->cgroup2)))
		host->cgroup2[0] = '\0';
	if (uname(&name) == 0)
		snprintf(host->release, sizeof(host->release), "%s", name.release);
}
