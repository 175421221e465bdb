/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A profile compiled by libseccomp, or taken from the cache. */
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "runtime/oci/seccomp_priv.h"

#define BINARY_TREE 2 /* of SCMP_FLTATR_CTL_OPTIMIZE: fewer steps a call */

static void ctxp(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* Two conditions on one argument can't be one rule of libseccomp: then each is
 * a rule of its own, as by runc. */
static bool one_rule(const struct sec_rule *rule)
{
	unsigned int seen = 0;

	for (unsigned int i = 0; i < rule->arg_count; i++) {
		if (seen & (1U << rule->args[i].arg))
			return false;
		seen |= 1U << rule->args[i].arg;
	}
	return true;
}

static int add_call(scmp_filter_ctx ctx, const struct sec_rule *rule, int nr)
{
	int r = 0;

	if (one_rule(rule))
		return seccomp_rule_add_array(ctx, rule->action, nr,
					      rule->arg_count, rule->args);
	for (unsigned int i = 0; i < rule->arg_count && r == 0; i++)
		r = seccomp_rule_add_array(ctx, rule->action, nr, 1,
					   &rule->args[i]);
	return r;
}

static int add_rule(scmp_filter_ctx ctx, const struct sec_profile *p,
		    const struct sec_rule *rule, struct err *err)
{
	const char *const *names = rule->names.items;

	/* says nothing, and libseccomp refuses it */
	if (rule->action == p->action)
		return 0;
	for (size_t i = 0; i < rule->names.count; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]), r;

		if (nr == __NR_SCMP_ERROR) {
			log_line(LOG_LVL_DEBUG,
				 "op=seccomp ignored=\"unknown system call "
				 "%.64s\"",
				 names[i]);
			continue;
		}
		r = add_call(ctx, rule, nr);
		if (r < 0)
			return err_set(err, r == -EINVAL ? -EOPNOTSUPP : r,
				       "seccomp: rule for %s: %s", names[i],
				       strerror(-r));
	}
	return 0;
}

static int to_prog(scmp_filter_ctx ctx, struct sec_prog *ret, struct err *err)
{
	_cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	_cleanup_free_ struct sock_filter *insns = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return err_set(err, -errno, "seccomp: memfd: %m");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_set(err, r, "seccomp: compile: %s", strerror(-r));
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "seccomp: memfd: %m");
	insns = malloc((size_t)st.st_size + 1);
	if (!insns)
		return err_set(err, -ENOMEM, "seccomp: out of memory");
	if (pread(fd, insns, (size_t)st.st_size, 0) != st.st_size)
		return err_set(err, -EIO, "seccomp: read what was compiled");
	ret->count = (size_t)st.st_size / sizeof(*insns);
	ret->insns = take_ptr(insns);
	return 0;
}

static int compile(const struct sec_profile *p, struct sec_prog *ret,
		   struct err *err)
{
	_cleanup_(ctxp) scmp_filter_ctx ctx = seccomp_init(p->action);
	int r;

	if (!ctx)
		return err_set(
			err, -EINVAL,
			"seccomp: libseccomp refuses the default action");
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	for (size_t i = 0; i < p->arch_count && r >= 0; i++) {
		r = seccomp_arch_add(ctx, p->archs[i]);
		if (r == -EEXIST)
			r = 0;
	}
	if (r < 0)
		return err_set(err, r, "seccomp: architectures: %s",
			       strerror(-r));
	for (size_t i = 0; i < p->count; i++) {
		r = add_rule(ctx, p, &p->rules[i], err);
		if (r < 0)
			return r;
	}
	r = to_prog(ctx, ret, err);
	if (r == 0)
		r = sec_stub_add(p, ret, err);
	return r;
}

/* The kernel answers EFAULT to a flag it knows, as there is no program. */
static int check_flags(unsigned int flags, struct err *err)
{
	if (flags == 0 ||
	    (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 &&
	     errno == EFAULT))
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "linux.seccomp.flags: this kernel lacks one (0x%x)",
		       flags);
}

void sec_filter_free(struct sec_filter *filter)
{
	if (!filter)
		return;
	free(filter->insns);
	free(filter);
}

int sec_build(const struct sec_profile *p, const char *cache_dir,
	      struct sec_filter **ret, struct err *err)
{
	_cleanup_(sec_filter_freep) struct sec_filter *f =
		calloc(1, sizeof(*f));
	char key[DIGEST_HEX_MAX] = "";
	struct sec_prog prog = { 0 };
	int r;

	if (!f)
		return err_set(err, -ENOMEM, "seccomp: out of memory");
	f->flags =
		p->flags | (p->notifies ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
	r = check_flags(f->flags, err);
	if (r < 0)
		return r;
	if (cache_dir && sec_cache_key(p, key) == 0)
		f->cached = sec_cache_get(cache_dir, key, &prog) == 0;
	if (!f->cached) {
		r = compile(p, &prog, err);
		if (r == 0 && prog.count > BPF_MAXINSNS)
			r = err_set(err, -E2BIG,
				    "seccomp: %zu instructions, the kernel "
				    "takes %d",
				    prog.count, BPF_MAXINSNS);
		if (r < 0) {
			free(prog.insns);
			return r;
		}
		/* not kept, then built again the next time */
		if (*key)
			(void)sec_cache_put(cache_dir, key, &prog);
	}
	f->insns = prog.insns;
	f->count = (unsigned short)prog.count;
	*ret = take_ptr(f);
	return 0;
}
