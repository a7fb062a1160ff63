/* SPDX-License-Identifier: MIT */
#include "top.h"

#include <stdbool.h>
#include <string.h>

/* Whether @a comes before @b: more bytes first, then by key, so that equal rows keep their places. */
static bool before(const struct ft_talker *a, const struct ft_talker *b,
		   enum ft_direction direction)
{
	uint64_t left = a->count[direction].bytes, right = b->count[direction].bytes;

	if (left != right)
		return left > right;
	return memcmp(&a->key, &b->key, sizeof(a->key)) < 0;
}

/*
 * The heap's root is the last of those selected: the one to go when a better one comes. Let the
 * entry at @at sink to its place among @n.
 */
static void sink(const struct ft_talker **heap, size_t n, size_t at, enum ft_direction direction)
{
	const struct ft_talker *moving = heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= n)
			break;
		if (child + 1 < n && before(heap[child], heap[child + 1], direction))
			child++;
		if (!before(moving, heap[child], direction))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

static void rise(const struct ft_talker **heap, size_t at, enum ft_direction direction)
{
	const struct ft_talker *moving = heap[at];

	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (!before(heap[parent], moving, direction))
			break;
		heap[at] = heap[parent];
		at = parent;
	}
	heap[at] = moving;
}

size_t ft_top(const struct ft_talker *talkers, size_t count, enum ft_direction direction,
	      const struct ft_talker **out, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < count && n; i++) {
		const struct ft_talker *talker = &talkers[i];

		if (!talker->count[direction].bytes && !talker->count[direction].packets)
			continue;
		if (used < n) {
			out[used] = talker;
			rise(out, used++, direction);
		} else if (before(talker, out[0], direction)) {
			out[0] = talker;
			sink(out, used, 0, direction);
		}
	}
	/* Take the last of them out, again and again: what is left over is sorted. */
	for (size_t left = used; left > 1; left--) {
		const struct ft_talker *last = out[0];

		out[0] = out[left - 1];
		sink(out, left - 1, 0, direction);
		out[left - 1] = last;
	}
	return used;
}

struct ft_counters ft_top_other(struct ft_counters total, const struct ft_talker *const *selected,
				size_t n, enum ft_direction direction)
{
	for (size_t i = 0; i < n; i++) {
		total.bytes -= selected[i]->count[direction].bytes;
		total.packets -= selected[i]->count[direction].packets;
	}
	return total;
}
