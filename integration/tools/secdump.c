/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secdump - does our filter decide as the one a process is under?
 *
 * usage: secdump PID CONFIG.json [CACHE-DIR]
 *
 * Reads the newest filter of process PID from the kernel, builds linux.seccomp of
 * CONFIG.json by runtime/oci/seccomp, and runs both over the system calls 0..600
 * of x86_64, x32 and i386, and numbers at their ends, with many arguments.  Prints
 * how many were compared and each difference; exit status 1 when there is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/jdec.h"
#include "runtime/oci/seccomp.h"

#define LAST    600
#define X32_BIT 0x40000000u

static const struct {
	const char *name;
	uint32_t arch, bit;
} abis[] = {
	{ "x86_64", AUDIT_ARCH_X86_64, 0 },
	{ "x32", AUDIT_ARCH_X86_64, X32_BIT },
	{ "i386", AUDIT_ARCH_I386, 0 },
	{ "arm64", AUDIT_ARCH_AARCH64, 0 },
};

/* What profiles ask of arguments: flags of clone, families, personalities. */
static const uint64_t values[] = {
	0,          1,       2,          8,           16,          38,
	40,         0x20000, 0x20008,    0xffffffff,  0x7e020000,  0x10000000,
	0x02000000, 0x12,    UINT64_MAX, 0x100000000, 0x100000008,
};

/* The part of classic BPF that seccomp allows. */
static uint32_t run(const struct sock_filter *f, size_t count,
		    const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 }, word;

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &f[pc];
		uint32_t src = i->code & BPF_X ? x : i->k;
		bool yes = false;

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (BPF_MODE(i->code) == BPF_IMM)
				a = i->k;
			else if (BPF_MODE(i->code) == BPF_MEM)
				a = mem[i->k];
			else {
				memcpy(&word, (const char *)data + i->k, 4);
				a = word;
			}
			break;
		case BPF_LDX:
			x = BPF_MODE(i->code) == BPF_MEM ? mem[i->k] : i->k;
			break;
		case BPF_ST:
			mem[i->k] = a;
			break;
		case BPF_STX:
			mem[i->k] = x;
			break;
		case BPF_ALU:
			if (BPF_OP(i->code) == BPF_AND)
				a &= src;
			else if (BPF_OP(i->code) == BPF_OR)
				a |= src;
			else
				return UINT32_MAX;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA) {
				pc += i->k;
				break;
			}
			yes = BPF_OP(i->code) == BPF_JEQ   ? a == src
			      : BPF_OP(i->code) == BPF_JGT ? a > src
			      : BPF_OP(i->code) == BPF_JGE ? a >= src
							   : a & src;
			pc += yes ? i->jt : i->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(i->code) == BPF_A ? a : i->k;
		default:
			return UINT32_MAX;
		}
	}
	return UINT32_MAX;
}

static int theirs(pid_t pid, struct sock_filter **ret, size_t *count)
{
	long n;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
		return -errno;
	if (waitpid(pid, NULL, __WALL) < 0)
		return -errno;
	n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, NULL);
	if (n < 0)
		return -errno;
	*ret = calloc((size_t)n, sizeof(**ret));
	if (!*ret || ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, *ret) != n)
		return -EIO;
	*count = (size_t)n;
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}

static int ours(const char *path, const char *cache, struct sec_filter **ret,
		struct err *err)
{
	_cleanup_(json_putp) json_object *o = json_object_from_file(path);
	_cleanup_(sec_profile_freep) struct sec_profile *p = NULL;
	json_object *spec = NULL, *linux_part = NULL;
	int r;

	if (!json_object_object_get_ex(o, "linux", &linux_part) ||
	    !json_object_object_get_ex(linux_part, "seccomp", &spec))
		return err_set(err, -ENOENT, "%s has no linux.seccomp", path);
	r = sec_decode(spec, &p, err);
	return r < 0 ? r : sec_build(p, cache, ret, err);
}

static unsigned int compare(const struct sock_filter *f, size_t count,
			    const struct sec_filter *mine,
			    struct seccomp_data *data, const char *abi,
			    unsigned int *denied)
{
	uint32_t a = run(f, count, data);
	uint32_t b = run(mine->insns, mine->count, data);

	*denied += b != SECCOMP_RET_ALLOW;
	if (a == b)
		return 0;
	printf("%s %d (%#" PRIx64 ", %#" PRIx64 "): theirs %#x, ours %#x\n",
	       abi, data->nr, (uint64_t)data->args[0], (uint64_t)data->args[1],
	       a, b);
	return 1;
}

int main(int argc, char **argv)
{
	_cleanup_(sec_filter_freep) struct sec_filter *mine = NULL;
	_cleanup_free_ struct sock_filter *f = NULL;
	struct timespec start, end;
	unsigned int compared = 0, differ = 0, denied = 0;
	struct err err = { 0 };
	size_t count = 0;
	int r;

	if (argc < 3) {
		fprintf(stderr, "usage: secdump PID CONFIG.json [CACHE-DIR]\n");
		return 2;
	}
	r = theirs(atoi(argv[1]), &f, &count);
	if (r < 0) {
		fprintf(stderr, "secdump: filter of %s: %s\n", argv[1],
			strerror(-r));
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	r = ours(argv[2], argc > 3 ? argv[3] : NULL, &mine, &err);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (r < 0) {
		fprintf(stderr, "secdump: %s\n", err.msg);
		return 2;
	}
	for (size_t abi = 0; abi < ARRAY_SIZE(abis); abi++)
		for (uint32_t nr = 0; nr <= LAST + 2; nr++)
			for (size_t v = 0; v < ARRAY_SIZE(values); v++)
				for (size_t arg = 0; arg < 6; arg++) {
					struct seccomp_data d = {
						.arch = abis[abi].arch,
						.nr = (int)(nr | abis[abi].bit),
					};

					if (nr > LAST)
						d.nr = nr == LAST + 1
							       ? -1
							       : INT32_MAX;
					d.args[arg] = values[v];
					compared++;
					differ += compare(f, count, mine, &d,
							  abis[abi].name,
							  &denied);
				}
	printf("compared=%u differ=%u not_allowed=%u theirs=%zu ours=%u "
	       "us=%ld%s\n",
	       compared, differ, denied, count, mine->count,
	       (end.tv_sec - start.tv_sec) * 1000000 +
		       (end.tv_nsec - start.tv_nsec) / 1000,
	       mine->cached ? " cached" : "");
	return differ ? 1 : 0;
}
