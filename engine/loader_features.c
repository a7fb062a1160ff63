/* SPDX-License-Identifier: MIT */
#include "loader_features.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* BPF_ATOMIC is 0xc0, BPF_FETCH 1; older headers call the first BPF_XADD and lack the second. */
static bool can_fetch_add(void)
{
	const struct bpf_insn program[] = {
		/* *(u64 *)(r10 - 8) = 0 */
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -8, .imm = 0 },
		/* r1 = 1 */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 1 },
		/* r1 = atomic_fetch_add((u64 *)(r10 - 8), r1) */
		{ .code = BPF_STX | 0xc0 | BPF_DW,
		  .dst_reg = 10,
		  .src_reg = 1,
		  .off = -8,
		  .imm = BPF_ADD | 1 },
		/* return 0 */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, NULL, "GPL", program,
			       sizeof(program) / sizeof(program[0]), NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * Whether programs of that type may call the helper, by the verifier's own words. libbpf's probe of
 * the same (1.1) does not know the words that it has used since 6.8, and takes a refusal for a yes.
 */
static bool has_helper(enum bpf_prog_type type, enum bpf_func_id helper)
{
	static const char *const refusals[] = { "invalid func", "unknown func",
						"cannot use helper" };
	const struct bpf_insn program[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = (int)helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 1);
	int fd;

	if (type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR)
		options.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
	fd = bpf_prog_load(type, NULL, "GPL", program, sizeof(program) / sizeof(program[0]),
			   &options);
	if (fd >= 0) {
		close(fd);
		return true;
	}
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (strstr(log, refusals[i]))
			return false;
	}
	/* It got as far as the arguments, which are wrong: the helper itself is allowed. */
	return log[0] != '\0';
}

static bool has_current(enum bpf_prog_type type)
{
	return has_helper(type, BPF_FUNC_get_current_pid_tgid) &&
	       has_helper(type, BPF_FUNC_get_current_comm) &&
	       has_helper(type, BPF_FUNC_get_current_cgroup_id);
}

/* A member's byte offset, also inside anonymous structs, which layout randomisation makes. */
static bool member_offset(const struct btf *btf, const struct btf_type *type, const char *name,
			  uint32_t base, uint32_t *offset)
{
	const struct btf_member *member = btf_members(type);

	for (uint16_t i = 0; i < btf_vlen(type); i++) {
		uint32_t at = base + btf_member_bit_offset(type, i) / 8;
		const char *called = btf__name_by_offset(btf, member[i].name_off);
		const struct btf_type *inner;

		if (called && strcmp(called, name) == 0) {
			*offset = at;
			return true;
		}
		inner = btf__type_by_id(btf, member[i].type);
		if ((!called || !*called) && inner && btf_is_composite(inner) &&
		    member_offset(btf, inner, name, at, offset))
			return true;
	}
	return false;
}

static bool struct_offset(const struct btf *btf, const char *type, const char *member,
			  uint32_t *offset)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);

	return id > 0 && member_offset(btf, btf__type_by_id(btf, (uint32_t)id), member, 0, offset);
}

void ft_features_common(struct ft_features *features)
{
	memset(features, 0, sizeof(*features));
	features->fetch_add = can_fetch_add();
}

void ft_features_cgroup(struct ft_features *features)
{
	struct btf *btf;

	features->skb_cookie = has_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_get_netns_cookie);
	features->sock_cookie = has_helper(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_get_netns_cookie);
	features->current_sock = has_current(BPF_PROG_TYPE_CGROUP_SOCK);
	features->current_addr = has_current(BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
	if (!has_helper(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_get_current_task_btf) ||
	    !has_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_current_task_btf))
		return;
	btf = btf__load_vmlinux_btf();
	if (libbpf_get_error(btf))
		return;
	if (!struct_offset(btf, "task_struct", "group_leader", &features->task_leader) ||
	    !struct_offset(btf, "task_struct", "comm", &features->task_comm))
		features->task_leader = features->task_comm = 0;
	btf__free(btf);
}

/* Whether a member of that name stands anywhere in the type. */
static bool mentions(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *member = btf_members(type);

	for (uint16_t i = 0; i < btf_vlen(type); i++) {
		const struct btf_type *inner = btf__type_by_id(btf, member[i].type);
		const char *called = btf__name_by_offset(btf, member[i].name_off);

		if (called && strcmp(called, name) == 0)
			return true;
		if (inner && btf_is_composite(inner) && mentions(btf, inner, name))
			return true;
	}
	return false;
}

/*
 * Since 6.7 trace_call_bpf() counts the runs that it skips in the programs' own statistics, and the
 * same release showed kprobe's misses in struct bpf_link_info: that member tells.
 */
void ft_features_kprobe(struct ft_features *features)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id;

	if (libbpf_get_error(btf))
		return;
	id = btf__find_by_name_kind(btf, "bpf_link_info", BTF_KIND_STRUCT);
	features->missed = id > 0 && mentions(btf, btf__type_by_id(btf, (uint32_t)id), "missed");
	btf__free(btf);
}
