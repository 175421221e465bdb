/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device rules of a v2 cgroup: a small program that the kernel asks at each
 * open and mknod of a device.  One test after the other, the default at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "runtime/oci/cgroup_priv.h"

#define RULE_MAX 8 /* instructions of one */
#define LOG_SIZE 4096

/* Registers, as filled by the head of the program. */
enum {
	RESULT = BPF_REG_0,
	CONTEXT = BPF_REG_1,
	TYPE = BPF_REG_2,
	ACCESS = BPF_REG_3,
	MAJOR = BPF_REG_4,
	MINOR = BPF_REG_5,
	SCRATCH = BPF_REG_1, /* the context is read by then */
};

struct program {
	struct bpf_insn *insns; /* owned */
	size_t count, room;
};

static void emit(struct program *p, uint8_t code, unsigned int dst,
		 unsigned int src, size_t off, uint32_t imm)
{
	p->insns[p->count++] = (struct bpf_insn){ .code = code,
						  .dst_reg = dst & 15,
						  .src_reg = src & 15,
						  .off = (__s16)off,
						  .imm = (__s32)imm };
}

static void load(struct program *p, unsigned int dst, size_t offset)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, CONTEXT, offset, 0);
}

static void answer(struct program *p, bool allow)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void head(struct program *p)
{
	load(p, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(p, BPF_ALU | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	load(p, ACCESS, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(p, BPF_ALU | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	load(p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	load(p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

/* 32-bit compare: device numbers are, and an immediate is sign-extended in 64. */
static void unless_equal(struct program *p, unsigned int reg, int64_t value,
			 size_t end)
{
	emit(p, BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, end - p->count - 1,
	     (uint32_t)value);
}

/* An allowed exception must have all that is asked for, a denied one any. */
static void unless_access(struct program *p, const struct cg_device_rule *rule,
			  bool allow, size_t end)
{
	uint32_t rights = (rule->read ? BPF_DEVCG_ACC_READ : 0) |
			  (rule->write ? BPF_DEVCG_ACC_WRITE : 0) |
			  (rule->mknod ? BPF_DEVCG_ACC_MKNOD : 0);

	emit(p, BPF_ALU | BPF_MOV | BPF_X, SCRATCH, ACCESS, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, SCRATCH, 0, 0, rights);
	if (allow)
		emit(p, BPF_JMP32 | BPF_JNE | BPF_X, SCRATCH, ACCESS,
		     end - p->count - 1, 0);
	else
		emit(p, BPF_JMP32 | BPF_JEQ | BPF_K, SCRATCH, 0,
		     end - p->count - 1, 0);
}

static void test_rule(struct program *p, const struct cg_device_rule *rule,
		      bool allow)
{
	bool all = rule->read && rule->write && rule->mknod;
	size_t end = p->count + 1 + (rule->major >= 0) + (rule->minor >= 0) +
		     (all ? 0 : 3) + 2;

	unless_equal(p, TYPE,
		     rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK
				       : BPF_DEVCG_DEV_CHAR,
		     end);
	if (rule->major >= 0)
		unless_equal(p, MAJOR, rule->major, end);
	if (rule->minor >= 0)
		unless_equal(p, MINOR, rule->minor, end);
	if (!all)
		unless_access(p, rule, allow, end);
	answer(p, allow);
}

int cg_bpf_build(const struct cg_devices *d, struct bpf_insn **ret)
{
	struct program p = { .room = d->count * RULE_MAX + 8 };

	if (p.room > CG_BPF_MAX)
		return -E2BIG;
	p.insns = calloc(p.room, sizeof(*p.insns));
	if (!p.insns)
		return -ENOMEM;
	head(&p);
	for (size_t i = 0; i < d->count; i++)
		test_rule(&p, &d->rules[i], !d->allow);
	answer(&p, d->allow);
	*ret = p.insns;
	return (int)p.count;
}

static int bpf_call(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int prog_load(const struct bpf_insn *insns, int count, char *log,
		     size_t log_size)
{
	static const char licence[] = "GPL";
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = (uint32_t)count,
		.insns = (uintptr_t)insns,
		.license = (uintptr_t)licence,
		.prog_name = "berth_devices",
	};

	if (log) {
		attr.log_level = 1;
		attr.log_buf = (uintptr_t)log;
		attr.log_size = (uint32_t)log_size;
	}
	return bpf_call(BPF_PROG_LOAD, &attr);
}

int cg_bpf_attach(struct cg_part *part, const struct cg_devices *d,
		  struct err *err)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	_cleanup_close_ int prog = -EBADF, dir = -EBADF;
	union bpf_attr attr = { .attach_type = BPF_CGROUP_DEVICE,
				.attach_flags = BPF_F_ALLOW_MULTI };
	char log[LOG_SIZE] = "";
	int n;

	if (d->allow && d->count == 0)
		return 0;
	n = cg_bpf_build(d, &insns);
	if (n < 0)
		return err_set(err, n, "devices: %zu rules are too many",
			       d->count);
	dir = open(part->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "open %s: %m", part->dir);
	prog = prog_load(insns, n, NULL, 0);
	if (prog < 0) {
		n = prog;
		/* once more, for what the verifier has to say */
		prog = prog_load(insns, n, log, sizeof(log));
		return err_set(err, n, "devices: load the BPF program: %s %s",
			       strerror(-n), log);
	}
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)prog;
	n = bpf_call(BPF_PROG_ATTACH, &attr);
	if (n < 0)
		return err_set(err, n,
			       "devices: attach the BPF program to %s: %s",
			       part->dir, strerror(-n));
	return 0;
}
