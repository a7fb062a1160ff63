/* SPDX-License-Identifier: MIT */
#include "loader_why.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <bpf/libbpf.h>

/* libbpf's print function has no context of ours: this is the one way to hand it over. */
static _Thread_local struct ft_why_capture *active;

/* Only the first warning is kept: it names the step, those after it are its consequences. */
static int __attribute__((format(printf, 2, 0)))
keep(enum libbpf_print_level level, const char *format, va_list args)
{
	if (active && level == LIBBPF_WARN && !active->text[0])
		vsnprintf(active->text, sizeof(active->text), format, args);
	return 0;
}

void ft_why_begin(struct ft_why_capture *capture)
{
	capture->text[0] = '\0';
	active = capture;
	capture->previous = libbpf_set_print(keep);
}

void ft_why_clear(struct ft_why_capture *capture)
{
	capture->text[0] = '\0';
}

void ft_why_say(struct ft_why_capture *capture, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(capture->text, sizeof(capture->text), format, args);
	va_end(args);
}

void ft_why_end(struct ft_why_capture *capture)
{
	libbpf_set_print(capture->previous);
	active = NULL;
}

/* libbpf's words, for what we have no words for: one line, without its own prefix. */
static void quote(const char *text, char *out, size_t size)
{
	size_t used = 0;

	if (strncmp(text, "libbpf: ", 8) == 0)
		text += 8;
	for (; *text && *text != '\n' && used + 1 < size; text++)
		out[used++] = isprint((unsigned char)*text) ? *text : ' ';
	out[used] = '\0';
}

static bool memlock_is_limited(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

void ft_why_explain(const struct ft_why_capture *capture, enum ft_probe probe,
		    const struct ft_host *host, int err, char *why, size_t size)
{
	char said[400];

	quote(capture->text, said, sizeof(said));
	if (probe == FT_PROBE_CGROUP && err == -EPERM && strstr(said, "attach")) {
		snprintf(why, size,
			 "a program that allows no other is attached at %s; see `bpftool cgroup show "
			 "%s`, and load that one with BPF_F_ALLOW_MULTI",
			 host->cgroup2, host->cgroup2);
		return;
	}
	/* Before 5.11 maps count as locked memory, and libbpf may not raise the limit. */
	if (err == -EPERM && strstr(said, "failed to create") && memlock_is_limited()) {
		snprintf(why, size,
			 "the limit of locked memory is too low for the tables on this kernel; set "
			 "LimitMEMLOCK=infinity in the service's systemd unit");
		return;
	}
	if (err == -ENOMEM) {
		snprintf(why, size,
			 "the kernel has no memory for the tables; set a lower MaxFlows");
		return;
	}
	if (probe == FT_PROBE_FENTRY && (err == -ENOTSUP || err == -EBUSY || err == -ENODEV)) {
		snprintf(why, size,
			 "the kernel cannot attach BPF trampolines (%s); it needs CONFIG_FUNCTION_TRACER "
			 "with direct calls (x86 5.5, arm64 6.4)",
			 said[0] ? said : strerror(-err));
		return;
	}
	if ((err == -EPERM || err == -EACCES) && probe != FT_PROBE_CGROUP) {
		snprintf(why, size,
			 "the kernel refuses tracing programs (%s): lockdown, a security module or "
			 "the container forbids them; use Probe \"cgroup\"",
			 said[0] ? said : strerror(-err));
		return;
	}
	snprintf(why, size, "%s (%s)", said[0] ? said : "the kernel refused", strerror(-err));
}
