/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_LOADER_OBJECTS_H
#define FLOWTOP_LOADER_OBJECTS_H

/*
 * The BPF objects that are built into this binary: one per probe, and each again for kernels before
 * 5.12 ("legacy": no atomics that return a value, no socket storage in tracing programs).
 */

#include <stdbool.h>
#include <stddef.h>

#include "flowtop.h"

/* The ELF image of a probe's programs: static memory. @size receives its bytes. */
const void *ft_object_bytes(enum ft_probe probe, bool legacy, size_t *size);

#endif /* FLOWTOP_LOADER_OBJECTS_H */
