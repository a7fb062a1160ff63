/* SPDX-License-Identifier: MIT */
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader_features.h"
#include "loader_objects.h"
#include "loader_why.h"

#define LINKS_MAX 16

struct ft_loader {
	enum ft_probe probe;
	bool legacy;
	struct ft_features features;
	struct bpf_object *object;
	struct bpf_link *links[LINKS_MAX];
	int link_count;
	int inner_fd; /* what the array of maps holds: updating it is the grace period */
	int grace_fd;
	int free_fd[2];	    /* legacy: the stacks of free slots */
	uint32_t resume[2]; /* legacy: where an interrupted refill goes on; 0: nowhere */
	struct ft_control *control;
	struct ft_record *records;
	size_t records_size;
};

static int map_fd(const struct ft_loader *loader, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(loader->object, name);

	return map ? bpf_map__fd(map) : -ENOENT;
}

static int resize(const struct ft_loader *loader, const char *name, uint32_t entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(loader->object, name);

	return map ? bpf_map__set_max_entries(map, entries) : -ENOENT;
}

static uint32_t power_of_two(uint32_t least)
{
	uint32_t power = 1;

	while (power < least)
		power <<= 1;
	return power;
}

/* Twice as many words as records, so that buckets have room for an uneven spread. */
static uint32_t index_buckets(const struct ft_settings *settings, uint32_t slots)
{
	if (settings->test.index_buckets)
		return power_of_two(settings->test.index_buckets);
	return power_of_two(2 * slots / FT_INDEX_WAYS);
}

static bool has_stream_table(const struct ft_loader *loader)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(loader->object, "streams");

	return map && bpf_map__type(map) == BPF_MAP_TYPE_HASH;
}

static int configure(struct ft_loader *loader, const struct ft_settings *settings)
{
	struct bpf_map *map = bpf_object__find_map_by_name(loader->object, ".rodata.config");
	const struct ft_features *features = &loader->features;
	uint32_t slots = settings->max_flows + 1;
	uint32_t buckets = index_buckets(settings, slots);
	struct ft_config config = {
		.slots = slots,
		.index_mask = buckets - 1,
		.widen = settings->test.widen,
		.skb_cookie = features->skb_cookie && !settings->test.no_skb_cookie,
		.sock_cookie = features->sock_cookie,
		.current_sock = features->current_sock && !settings->test.no_current,
		.current_addr = features->current_addr && !settings->test.no_current,
		.task_leader = features->task_leader,
		.task_comm = features->task_comm,
		.filter = settings->filter,
	};
	int err;

	/* Without entropy yet, an address of this process will do: it only has to be unknown. */
	if (getrandom(&config.seed, sizeof(config.seed), GRND_NONBLOCK) != sizeof(config.seed))
		config.seed = ft_monotonic_ns() ^ (uint64_t)(uintptr_t)loader;
	if (!map)
		return -ENOENT;
	err = bpf_map__set_initial_value(map, &config, sizeof(config));
	if (!err)
		err = resize(loader, "flow_records", 2 * slots);
	if (!err)
		err = resize(loader, "flow_index", buckets);
	/* A table of TCP sockets' state, where it is not stored with the sockets. */
	if (!err && has_stream_table(loader))
		err = resize(loader, "streams", slots);
	if (!err && loader->legacy)
		err = resize(loader, "free_even", slots);
	if (!err && loader->legacy)
		err = resize(loader, "free_odd", slots);
	return err;
}

static void *map_memory(const struct ft_loader *loader, const char *name, size_t size)
{
	int fd = map_fd(loader, name);
	void *memory;

	if (fd < 0)
		return NULL;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static int grace(void *context)
{
	const struct ft_loader *loader = context;
	uint32_t zero = 0;

	/* maybe_wait_bpf_programs(): the update returns when no program runs that ran before it. */
	return bpf_map_update_elem(loader->grace_fd, &zero, &loader->inner_fd, BPF_ANY);
}

/* Push the used slots back, the highest first, so that the lowest is popped first. */
static int refill(void *context, unsigned int half, uint32_t used)
{
	struct ft_loader *loader = context;
	uint32_t slot = loader->resume[half] ? loader->resume[half] : used - 1;

	for (; slot >= 1; slot--) {
		int err = bpf_map_update_elem(loader->free_fd[half], NULL, &slot, BPF_ANY);

		if (err) {
			/* Each slot at most once: pushed twice it would be two flows' at once. */
			loader->resume[half] = slot;
			return err;
		}
	}
	loader->resume[half] = 0;
	return 0;
}

static int map_tables(struct ft_loader *loader, uint32_t slots, struct ft_table *table)
{
	loader->records_size = 2 * (size_t)slots * sizeof(struct ft_record);
	loader->control = map_memory(loader, ".data.control", sizeof(struct ft_control));
	loader->records = map_memory(loader, "flow_records", loader->records_size);
	if (!loader->control || !loader->records)
		return -ENOMEM;
	loader->grace_fd = map_fd(loader, "grace");
	loader->inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "flowtop_grace", 4, 4, 1, NULL);
	if (loader->inner_fd < 0)
		return loader->inner_fd;
	if (loader->legacy) {
		loader->free_fd[0] = map_fd(loader, "free_even");
		loader->free_fd[1] = map_fd(loader, "free_odd");
	}
	memset(table, 0, sizeof(*table));
	table->control = loader->control;
	table->records = loader->records;
	table->slots = slots;
	table->grace = grace;
	table->refill = loader->legacy ? refill : NULL;
	table->context = loader;
	return ft_table_start(table);
}

/* Run an iterator to its end. It writes nothing for us: what it does, it does in the kernel. */
static int iterate(const struct bpf_program *program)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	char buffer[64];
	ssize_t got;
	int fd, err;

	err = (int)libbpf_get_error(link);
	if (err)
		return err;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? fd : 0;
	if (fd >= 0) {
		do
			got = read(fd, buffer, sizeof(buffer));
		while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
		if (got < 0)
			err = -errno;
		close(fd);
	}
	bpf_link__destroy(link);
	return err;
}

/*
 * Note the sockets that are older than the probe, then say so: from there on an untouched socket
 * without state is a new one. The programs already run: a socket made meanwhile has it from them.
 */
static int settle(const struct ft_loader *loader)
{
	struct bpf_program *program;
	int err = 0;

	bpf_object__for_each_program(program, loader->object) {
		if (bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
			err = iterate(program);
		if (err)
			return err;
	}
	__atomic_store_n(&loader->control->settled, 1, __ATOMIC_RELEASE);
	return 0;
}

/* By link only: when this process ends, however it ends, the kernel detaches. */
static int attach(struct ft_loader *loader, const struct ft_host *host,
		  struct ft_why_capture *capture)
{
	struct bpf_program *program;
	int cgroup_fd = -1, err = 0;

	if (loader->probe == FT_PROBE_CGROUP) {
		cgroup_fd = open(host->cgroup2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cgroup_fd < 0) {
			err = -errno;
			ft_why_say(capture, "cannot open the cgroup v2 root %s", host->cgroup2);
			return err;
		}
	}
	bpf_object__for_each_program(program, loader->object) {
		struct bpf_link *link;

		if (bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
			continue;
		if (loader->link_count == LINKS_MAX) {
			err = -E2BIG;
			break;
		}
		link = cgroup_fd >= 0 ? bpf_program__attach_cgroup(program, cgroup_fd) :
					bpf_program__attach(program);
		err = (int)libbpf_get_error(link);
		if (err)
			break;
		loader->links[loader->link_count++] = link;
	}
	if (cgroup_fd >= 0)
		close(cgroup_fd);
	return err;
}

static int load(struct ft_loader *loader, const struct ft_settings *settings,
		const struct ft_host *host, struct ft_table *table, struct ft_why_capture *capture)
{
	const void *bytes;
	size_t size;
	int err;

	bytes = ft_object_bytes(loader->probe, loader->legacy, &size);
	loader->object = bpf_object__open_mem(bytes, size, NULL);
	if (!loader->object)
		return -errno;
	err = configure(loader, settings);
	if (!err)
		err = bpf_object__load(loader->object);
	/* The table is ready before the first program can run. */
	if (!err)
		err = map_tables(loader, settings->max_flows + 1, table);
	if (!err)
		err = attach(loader, host, capture);
	if (!err)
		err = settle(loader);
	return err;
}

int ft_loader_open(struct ft_loader **out, enum ft_probe probe, const struct ft_settings *settings,
		   const struct ft_host *host, struct ft_table *table, char *why, size_t size)
{
	struct ft_why_capture capture;
	struct ft_loader *loader = calloc(1, sizeof(*loader));
	int err;

	*out = NULL;
	if (!loader) {
		snprintf(why, size, "memory is short");
		return -ENOMEM;
	}
	loader->probe = probe;
	loader->inner_fd = -1;

	ft_why_begin(&capture);
	ft_features_common(&loader->features);
	if (probe == FT_PROBE_CGROUP)
		ft_features_cgroup(&loader->features);
	else if (probe == FT_PROBE_KPROBE)
		ft_features_kprobe(&loader->features);
	loader->legacy = settings->test.legacy || !loader->features.fetch_add;
	ft_why_clear(&capture); /* of what the tries of features said */
	err = load(loader, settings, host, table, &capture);
	ft_why_end(&capture);
	if (err) {
		ft_why_explain(&capture, probe, host, err, why, size);
		ft_loader_close(loader);
		return err;
	}
	*out = loader;
	return 0;
}

int ft_loader_lost(const struct ft_loader *loader, uint64_t *lost)
{
	struct bpf_program *program;

	*lost = 0;
	if (loader->probe == FT_PROBE_CGROUP)
		return 0; /* these programs nest freely: the kernel never skips one */
	if (loader->probe == FT_PROBE_KPROBE && !loader->features.missed)
		return -ENOTSUP;
	bpf_object__for_each_program(program, loader->object) {
		struct bpf_prog_info info = {};
		uint32_t length = sizeof(info);
		int err;

		err = bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length);
		if (err)
			return err;
		/* Since 5.12; an older kernel fills in less. */
		if (length < offsetof(struct bpf_prog_info, recursion_misses) +
				     sizeof(info.recursion_misses))
			return -ENOTSUP;
		*lost += info.recursion_misses;
	}
	return 0;
}

void ft_loader_close(struct ft_loader *loader)
{
	if (!loader)
		return;
	for (int i = 0; i < loader->link_count; i++)
		bpf_link__destroy(loader->links[i]);
	if (loader->records)
		munmap(loader->records, loader->records_size);
	if (loader->control)
		munmap(loader->control, sizeof(struct ft_control));
	if (loader->inner_fd >= 0)
		close(loader->inner_fd);
	bpf_object__close(loader->object);
	free(loader);
}
