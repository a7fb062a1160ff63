/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_LOADER_WHY_H
#define FLOWTOP_LOADER_WHY_H

/*
 * Why a probe did not load, in a sentence with its cure. libbpf tells by printing: what it prints
 * while we load is caught here, so that it neither floods the daemon's log nor is lost.
 */

#include <stddef.h>

#include <bpf/libbpf.h>

#include "flowtop.h"
#include "host.h"

struct ft_why_capture {
	char text[1024];	    /* the first message that says what failed */
	libbpf_print_fn_t previous; /* whoever else in this process prints for libbpf */
};

/* Catch what libbpf prints on this thread, until ft_why_end(). */
void ft_why_begin(struct ft_why_capture *capture);
void ft_why_clear(struct ft_why_capture *capture);
/* A step of our own failed: in our words, instead of libbpf's. */
void ft_why_say(struct ft_why_capture *capture, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void ft_why_end(struct ft_why_capture *capture);

/* ft_why_explain - the reason and the cure, after a try that failed with @err, in @why. */
void ft_why_explain(const struct ft_why_capture *capture, enum ft_probe probe,
		    const struct ft_host *host, int err, char *why, size_t size);

#endif /* FLOWTOP_LOADER_WHY_H */
