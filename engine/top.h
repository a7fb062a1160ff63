/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_TOP_H
#define FLOWTOP_TOP_H

/*
 * Top: select the N heaviest talkers of one direction with a heap of N, in O(talkers * log N) and
 * without a further allocation. Pure code.
 */

#include <stddef.h>

#include "fold.h"

/*
 * ft_top - the @n talkers with most bytes in @direction.
 * @talkers, @count: from ft_fold_talkers().
 * @out: room for @n pointers; receives pointers into @talkers, most bytes first, ties by key
 *	(memcmp order of the words' bytes), so that equal rows never change places.
 *
 * A talker without bytes and packets in that direction is no talker there and is left out.
 * Returns how many were written, at most @n.
 */
size_t ft_top(const struct ft_talker *talkers, size_t count, enum ft_direction direction,
	      const struct ft_talker **out, size_t n);

/*
 * ft_top_other - total less the sum of the selected: what they leave over, bytes and packets.
 * @total: ft_fold_total() of the same direction.
 */
struct ft_counters ft_top_other(struct ft_counters total, const struct ft_talker *const *selected,
				size_t n, enum ft_direction direction);

#endif /* FLOWTOP_TOP_H */
