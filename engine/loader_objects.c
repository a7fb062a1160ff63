/* SPDX-License-Identifier: MIT */
#include "loader_objects.h"

/* Generated code: its warnings are bpftool's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "bpf/cgroup.skel.h"
#include "bpf/cgroup_legacy.skel.h"
#include "bpf/fentry.skel.h"
#include "bpf/fentry_legacy.skel.h"
#include "bpf/kprobe.skel.h"
#include "bpf/kprobe_legacy.skel.h"
#pragma GCC diagnostic pop

const void *ft_object_bytes(enum ft_probe probe, bool legacy, size_t *size)
{
	switch (probe) {
	case FT_PROBE_FENTRY:
		return legacy ? fentry_legacy_bpf__elf_bytes(size) : fentry_bpf__elf_bytes(size);
	case FT_PROBE_KPROBE:
		return legacy ? kprobe_legacy_bpf__elf_bytes(size) : kprobe_bpf__elf_bytes(size);
	default:
		return legacy ? cgroup_legacy_bpf__elf_bytes(size) : cgroup_bpf__elf_bytes(size);
	}
}
