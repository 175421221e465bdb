/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ENOSYS for system calls newer than the profile.
 *
 * A profile lists what was known when it was written.  A C library that tries a
 * newer call falls back at ENOSYS, but takes EPERM for an answer.  So, as by
 * runc: what has a number above the greatest in the profile, by ABI, is ENOSYS.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

#include "runtime/oci/seccomp_priv.h"

#define X32_BIT   0x40000000u
#define BLOCK_MAX 8 /* instructions an ABI */

static bool permissive(uint32_t action)
{
	return action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG ||
	       action == SCMP_ACT_ERRNO(ENOSYS);
}

/* The greatest number that the profile names in this ABI; -1: none. */
static int64_t last_call(const struct sec_profile *p, uint32_t arch)
{
	int64_t last = -1;

	for (size_t i = 0; i < p->count; i++) {
		const char *const *names = p->rules[i].names.items;

		for (size_t k = 0; k < p->rules[i].names.count; k++) {
			int nr = seccomp_syscall_resolve_name_arch(arch,
								   names[k]);

			if (nr > last)
				last = nr;
		}
	}
	return last;
}

static void put(struct sec_prog *to, uint16_t code, size_t jt, size_t jf,
		uint32_t k)
{
	to->insns[to->count++] = (struct sock_filter){
		.code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k
	};
}

/* arch? number: above the last: ENOSYS, else on to the next block. */
static void put_block(struct sec_prog *to, uint32_t arch, uint32_t last)
{
	bool x32 = arch == SCMP_ARCH_X32;
	bool split = x32 || arch == SCMP_ARCH_X86_64;
	size_t rest = split ? 4 : 3;

	put(to, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    offsetof(struct seccomp_data, arch));
	put(to, BPF_JMP | BPF_JEQ | BPF_K, 0, rest,
	    x32 ? AUDIT_ARCH_X86_64 : arch);
	put(to, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    offsetof(struct seccomp_data, nr));
	if (split)
		put(to, BPF_JMP | BPF_JGE | BPF_K, x32 ? 0 : 2, x32 ? 2 : 0,
		    X32_BIT);
	put(to, BPF_JMP | BPF_JGT | BPF_K, 0, 1, last);
	put(to, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
}

int sec_stub_add(const struct sec_profile *p, struct sec_prog *prog,
		 struct err *err)
{
	uint32_t archs[SEC_ARCHS_MAX + 1] = { seccomp_arch_native() };
	struct sec_prog out = { 0 };
	size_t n = 1;

	if (permissive(p->action))
		return 0;
	for (size_t i = 0; i < p->arch_count; i++)
		if (p->archs[i] != archs[0])
			archs[n++] = p->archs[i];
	out.insns = calloc(prog->count + n * BLOCK_MAX, sizeof(*out.insns));
	if (!out.insns)
		return err_set(err, -ENOMEM, "seccomp: out of memory");
	for (size_t i = 0; i < n; i++) {
		int64_t last = last_call(p, archs[i]);

		if (last >= 0)
			put_block(&out, archs[i], (uint32_t)last);
	}
	memcpy(out.insns + out.count, prog->insns,
	       prog->count * sizeof(*out.insns));
	out.count += prog->count;
	free(prog->insns);
	*prog = out;
	return 0;
}
