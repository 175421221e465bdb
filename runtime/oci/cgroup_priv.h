/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroup_priv.h - what the files of cgroup share. */
#ifndef RUNTIME_OCI_CGROUP_PRIV_H
#define RUNTIME_OCI_CGROUP_PRIV_H

#include "lib/jdec.h"
#include "runtime/oci/cgroup.h"

#define CG_PARTS_MAX 32  /* hierarchies of a host */
#define CG_VALUE_MAX 256 /* a limit as it is written, with the NUL */
#define CG_UNSET     INT64_MIN

struct cg_part {
	char *controllers; /* owned, as are all below */
	char *mount, *dir;
	bool v2;
	int fd; /* of dir, O_PATH; -EBADF until it is needed */
};

struct cgroup {
	struct cg_part parts[CG_PARTS_MAX];
	size_t count;
	bool found; /* by cgroup_make(): one was there already */
};

/* ---- limits as decoded: CG_UNSET where left out ---- */

struct cg_device_rule {
	bool allow;
	char type;            /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: any */
	bool read, write, mknod;
};

struct cg_block_device {
	uint32_t major, minor;
	int64_t weight, leaf_weight, rate;
};

struct cg_hugepage {
	char size[32]; /* "2MB" */
	uint64_t limit;
};

struct cg_priority {
	char name[64];
	uint32_t priority;
};

enum cg_throttle {
	CG_READ_BPS,
	CG_WRITE_BPS,
	CG_READ_IOPS,
	CG_WRITE_IOPS,
	CG_THROTTLE_MAX,
};

struct cg_list {
	void *items; /* owned */
	size_t count;
};

struct cgroup_resources {
	json_object *body; /* owned; what is borrowed below lies in it */
	struct {
		int64_t shares, quota, period, burst, idle;
		int64_t rt_runtime, rt_period;
		const char *cpus, *mems;
	} cpu;
	struct {
		int64_t limit, reservation, swap, kernel, kernel_tcp;
		int64_t swappiness;
		bool oom_kill_disable, use_hierarchy, check_before_update;
	} memory;
	struct {
		int64_t limit;
	} pids;
	struct {
		int64_t weight, leaf_weight;
		struct cg_list devices, throttle[CG_THROTTLE_MAX];
	} io;
	struct {
		int64_t class_id;
		struct jdec_array priorities; /* struct cg_priority */
	} net;
	struct jdec_array hugepages; /* struct cg_hugepage */
	struct cg_list rules;        /* struct cg_device_rule, in order */
	json_object *rdma, *unified; /* borrowed, or NULL */
};

/* ---- cgroup_host.c ---- */

/* Append a part; the strings are copied.  Return: 0; -ENOMEM, -E2BIG. */
int cg_part_add(struct cgroup *cg, const char *controllers, const char *mount,
		const char *dir, bool v2);
/* "a/../../b" to "/b": lexical, never above "/".  @ret: owned. */
int cg_path_clean(const char *path, char **ret);
struct cg_part *cg_find(struct cgroup *cg, const char *controller); /* v1 */
struct cg_part *cg_v2(struct cgroup *cg);
/* The part that limits @controller: v1's, else v2's, else NULL. */
struct cg_part *cg_of(struct cgroup *cg, const char *controller);

/* ---- cgroup_file.c ---- */

int cg_fd(struct cg_part *part); /* borrowed; -errno */
bool cg_has(struct cg_part *part, const char *file);
/* The whole file, without the last newline.  @ret: owned. */
int cg_read(struct cg_part *part, const char *file, char **ret);
int cg_read_u64(struct cg_part *part, const char *file, uint64_t *ret);
/* The number after "@key " in a file of such lines; -ENOENT. */
int cg_read_key(struct cg_part *part, const char *file, const char *key,
		uint64_t *ret);
int cg_write(struct cg_part *part, const char *file, const char *value);
int cg_error(struct err *err, int code, const struct cg_part *part,
	     const char *file, const char *value);

struct cg_old {
	struct cg_part *part;
	char *file, *value; /* owned */
};

/* Writing limits, remembering what was there when asked to. */
struct cg_write {
	struct cgroup *cg;
	bool undo;          /* may cg_undo() be called */
	struct cg_old *old; /* owned */
	size_t count;
	struct err *err;
};

int cg_set(struct cg_write *w, struct cg_part *part, const char *file,
	   const char *value);
/* Of a file with one line per device: @key is the first word of @value and
 * "@key @none" takes its limit away. */
int cg_set_keyed(struct cg_write *w, struct cg_part *part, const char *file,
		 const char *key, const char *none, const char *value);
int cg_set_s64(struct cg_write *w, struct cg_part *part, const char *file,
	       int64_t value);
/* Below 0: "max". */
int cg_set_max(struct cg_write *w, struct cg_part *part, const char *file,
	       int64_t value);
void cg_undo(struct cg_write *w);
void cg_write_done(struct cg_write *w);

/* ---- cgroup_limit.c: what both versions have alike ---- */

int64_t cg_or_0(int64_t n); /* for CG_UNSET */
/* @part: NULL: not this version's; 0. */
int cg_limit_cpuset(struct cg_write *w, struct cg_part *part,
		    const struct cgroup_resources *res);
int cg_limit_pids(struct cg_write *w, struct cg_part *part,
		  const struct cgroup_resources *res);
/* @name: the last part of the files' names. */
int cg_limit_hugepages(struct cg_write *w, struct cg_part *part,
		       const struct cgroup_resources *res, const char *name);

/* ---- cgroup_v1.c, cgroup_v2.c, cgroup_devices.c, cgroup_bpf.c ---- */

int cg_v1_limit(struct cg_write *w, const struct cgroup_resources *res);
int cg_v2_limit(struct cg_write *w, const struct cgroup_resources *res);
uint64_t cg_v2_weight_of_shares(uint64_t shares);
uint64_t cg_v2_weight_of_blkio(uint64_t weight);
/* What memory.swap.max is for these; *ret CG_UNSET: leave it. */
int cg_v2_swap(int64_t limit, int64_t swap, int64_t *ret, struct err *err);

/* Rules in order, folded to a default and its exceptions. */
struct cg_devices {
	bool allow; /* what isn't listed */
	struct cg_device_rule *rules;
	size_t count;
};
int cg_devices_fold(const struct cgroup_resources *res, struct cg_devices *ret,
		    struct err *err);
void cg_devices_free(struct cg_devices *d);
int cg_devices_apply(struct cgroup *cg, const struct cgroup_resources *res,
		     struct err *err);

struct bpf_insn;
#define CG_BPF_MAX 4096 /* instructions */
/* @ret: owned.  Return: how many; -E2BIG, -ENOMEM. */
int cg_bpf_build(const struct cg_devices *d, struct bpf_insn **ret);
int cg_bpf_attach(struct cg_part *part, const struct cg_devices *d,
		  struct err *err);

/* ---- cgroup_walk.c ---- */

/* Return: 0: go on; else the walk ends with that. */
typedef int cg_visit(int dir, void *arg);
typedef void cg_leave(int parent, const char *name);
/*
 * cg_walk() - all directories of the tree @top, however deep: @enter as each is
 * come to, @leave when all below it is done (not for @top).  Either may be NULL.
 *
 * What is made or removed meanwhile may be missed, what stays is not.  Return: 0;
 * what @enter gave; -ENOENT when @top is gone; -errno.
 */
int cg_walk(const char *top, cg_visit *enter, cg_leave *leave, void *arg);

/* ---- cgroup_procs.c ---- */

/* Add the pids of the tree below @dirfd's cgroup. */
struct cg_pids {
	pid_t *pids; /* owned */
	size_t count, room;
};
int cg_pids_add(struct cg_part *part, struct cg_pids *to);
void cg_nap(unsigned int ms);
uint64_t cg_now_ms(void);

#endif
