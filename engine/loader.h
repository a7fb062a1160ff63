/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_LOADER_H
#define FLOWTOP_LOADER_H

/*
 * Loader: one probe's programs, from the bytes in this binary to links in the kernel and mapped
 * memory here. The only files that see libbpf are loader*.c.
 */

#include <stddef.h>

#include "flowtop.h"
#include "host.h"
#include "table.h"

struct ft_loader;

/*
 * ft_loader_open - load and attach one probe, its table started.
 * @probe: fentry, kprobe or cgroup.
 * @table: filled in; stays valid until ft_loader_close(); its context is the loader.
 * @why, @size: on failure receives the reason and the cure, without control characters.
 * Returns 0, or a negative errno; then nothing is attached, loaded or mapped.
 */
int ft_loader_open(struct ft_loader **loader, enum ft_probe probe,
		   const struct ft_settings *settings, const struct ft_host *host,
		   struct ft_table *table, char *why, size_t size);

/*
 * ft_loader_lost - program runs that the kernel skipped since the start, all programs together.
 * @lost: receives the sum.
 * Returns 0, -ENOTSUP when this kernel does not say for this probe, or a negative errno.
 */
int ft_loader_lost(const struct ft_loader *loader, uint64_t *lost);

/* Detach, unload, unmap. NULL is fine. */
void ft_loader_close(struct ft_loader *loader);

#endif /* FLOWTOP_LOADER_H */
