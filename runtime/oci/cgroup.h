/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.h - a container's cgroup: one directory in each hierarchy mounted.
 *
 * v1 hierarchies, a v2 hierarchy, or both beside each other (hybrid: a
 * controller is where the kernel has it; the v2 directory is made as well, and
 * used to freeze and to kill).  What is where is read from
 * /proc/self/mountinfo at each cgroup_resolve().
 *
 * The order of life: resolve, make, apply, join, (freeze, pids, stat, update,
 * ...), kill, remove.  A struct cgroup may be used by one thread at a time;
 * other processes load it by cgroup_load() from what cgroup_save() gave.
 */
#ifndef RUNTIME_OCI_CGROUP_H
#define RUNTIME_OCI_CGROUP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/err.h"

struct cgroup;
struct cgroup_resources;

/*
 * cgroup_resources_decode() - linux.resources of config.json, or the document
 * that 'update' takes, to a struct.
 *
 * @obj: borrowed, may be freed after; NULL: nothing is limited.
 * @ret: owned, cgroup_resources_free().
 *
 * Return: 0; -EBADMSG naming the key ("memory.limit: ..."); -ENOMEM.
 */
int cgroup_resources_decode(json_object *obj, struct cgroup_resources **ret,
			    struct err *err);
void cgroup_resources_free(struct cgroup_resources *res);
DEFINE_CLEANUP(struct cgroup_resources, cgroup_resources_free)

/*
 * cgroup_resolve() - where the container's cgroup is to be.  Touches nothing.
 *
 * @path: linux.cgroupsPath.  Absolute: below the root of each mount.  Relative:
 *        below the caller's own cgroup (v2: beside it, since it has processes).
 *        NULL or "": @id, relative.  ".." can't lead out of the mount.
 *        "slice:prefix:name" is -EOPNOTSUPP: that asks systemd.
 * @ret:  owned, cgroup_free().
 *
 * Return: 0; -ENOENT when no hierarchy is mounted; -EOPNOTSUPP; -EINVAL.
 */
int cgroup_resolve(const char *path, const char *id, struct cgroup **ret,
		   struct err *err);
void cgroup_free(struct cgroup *cg); /* removes nothing */
DEFINE_CLEANUP(struct cgroup, cgroup_free)

/*
 * cgroup_save(), cgroup_load() - as JSON for the state file: an object of
 * "controller[,controller]" (v2: "") to [mount point, directory].
 *
 * @ret: owned.
 * Return: 0; -ENOMEM; load: -EBADMSG when it is not what save wrote.
 */
int cgroup_save(const struct cgroup *cg, json_object **ret);
int cgroup_load(json_object *paths, struct cgroup **ret, struct err *err);

/*
 * cgroup_make() - make the directories, and their parents.
 *
 * Also fills cpuset.{cpus,mems} of v1 from the parent and turns on the v2
 * controllers of the parents.  Directories that are there already are used if
 * they hold no process and are not frozen.  On failure those it made are gone.
 *
 * Return: 0; -EBUSY when one holds a process or is frozen; else the kernel's.
 */
int cgroup_make(struct cgroup *cg, struct err *err);
/* cgroup_found() - did cgroup_make() find a directory that it took? */
bool cgroup_found(const struct cgroup *cg);

/*
 * cgroup_apply() - set all limits of @res on a cgroup just made, and devices:
 * all denied but what @res allows and the defaults (null, zero, full, random,
 * urandom, tty, ptmx, pts/N, net/tun, and mknod of any).
 *
 * A limit whose controller isn't there is an error, never skipped; kernel
 * memory is ignored as the kernel does.  On failure call cgroup_remove().
 *
 * @res: NULL as an empty one.
 * Return: 0; -EOPNOTSUPP for what this kernel or layout can't do; -EINVAL.
 */
int cgroup_apply(struct cgroup *cg, const struct cgroup_resources *res,
		 struct err *err);

/*
 * cgroup_update() - change the limits that @res names, of a running container;
 * devices are left as they are.  On failure those already changed are put back.
 *
 * Return: as cgroup_apply(); -EBUSY: memory.checkBeforeUpdate, and more is in
 * use than would be allowed.
 */
int cgroup_update(struct cgroup *cg, const struct cgroup_resources *res,
		  struct err *err);

/*
 * cgroup_join() - move a process in, in every hierarchy; for create and exec.
 * A new process is in at once with clone3(CLONE_INTO_CGROUP) and
 * cgroup_v2_fd(): join is needed still where there are v1 hierarchies, which
 * cgroup_needs_join() tells.
 *
 * @pid: in the caller's pid namespace; 0: the caller.
 * Return: 0; -ESRCH; the kernel's.  After a failure the process may be in some
 *         of them: kill it.
 */
int cgroup_join(struct cgroup *cg, pid_t pid, struct err *err);
/*
 * cgroup_join_beside() - the same, for exec: where v2 takes no process because
 * the container has nested cgroups, the one below in which process @first is.
 */
int cgroup_join_beside(struct cgroup *cg, pid_t pid, pid_t first,
		       struct err *err);
bool cgroup_needs_join(const struct cgroup *cg);
int cgroup_v2_fd(struct cgroup *cg); /* borrowed till free; -EBADF: no v2 */

/*
 * cgroup_freeze() - stop or let go all processes; returns when the kernel says
 * that they are.  What is so already stays so.
 *
 * @timeout_ms: of waiting; then they are let go again.
 * Return: 0; -ETIMEDOUT; -EOPNOTSUPP without a freezer; -ENOENT when removed.
 */
int cgroup_freeze(struct cgroup *cg, bool frozen, unsigned int timeout_ms,
		  struct err *err);
/* Return: 1 frozen or about to be; 0; -errno.  0 where there is no cgroup. */
int cgroup_frozen(struct cgroup *cg, struct err *err);

/*
 * cgroup_pids() - processes in it and in the cgroups below.
 *
 * @ret: owned, free(); NULL when there are none.  Unsorted, no process twice.
 * Return: 0, also when the cgroup is gone; -errno.
 */
int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_count,
		struct err *err);

/*
 * cgroup_kill() - send @sig to all processes in it and below, those made
 * meanwhile too: SIGKILL by cgroup.kill where there is one, else while frozen.
 * A frozen cgroup is thawed for SIGKILL.  It doesn't wait for their end.
 *
 * Return: 0, also when there was none or the cgroup is gone; -errno.
 */
int cgroup_kill(struct cgroup *cg, int sig, struct err *err);

/*
 * cgroup_remove() - remove it and what is below, in every hierarchy; retries
 * while processes are on their way out.  Parents stay.
 *
 * Return: 0, also when it is gone; -EBUSY naming the directory when processes
 *         are still there after @timeout_ms.
 */
int cgroup_remove(struct cgroup *cg, unsigned int timeout_ms, struct err *err);

/* cgroup_drop() - remove it where it has no process and no cgroup below; what has
 * stays as it is. */
void cgroup_drop(struct cgroup *cg);

/*
 * cgroup_oom_kills() - how many processes the kernel has killed here for want
 * of memory.  Return: 0; -EOPNOTSUPP without a memory controller.
 */
int cgroup_oom_kills(struct cgroup *cg, uint64_t *ret, struct err *err);

/* What 'events --stats' tells.  Bytes, nanoseconds; UINT64_MAX: no limit; a
 * controller that isn't there leaves zeros. */
struct cgroup_stat {
	uint64_t cpu_ns, cpu_user_ns, cpu_system_ns;
	uint64_t cpu_periods, cpu_throttled, cpu_throttled_ns;
	uint64_t memory, memory_peak, memory_limit, memory_failures;
	uint64_t swap, swap_limit; /* alone, not with memory */
	uint64_t memory_cache, oom_kills;
	uint64_t pids, pids_limit;
	uint64_t io_read_bytes, io_write_bytes, io_reads, io_writes;
};
int cgroup_stat(struct cgroup *cg, struct cgroup_stat *ret, struct err *err);

/* One hierarchy, for the mount of type "cgroup" inside the container. */
struct cgroup_part {
	const char *controllers; /* "cpu,cpuacct"; "name=systemd"; "": v2 */
	const char *mount;       /* where the host has it mounted */
	const char *dir;         /* the container's directory, absolute */
	bool v2;
};
/* cgroup_part() - the @i-th; borrowed till cgroup_free().  Return: false past
 * the last. */
bool cgroup_part(const struct cgroup *cg, size_t i, struct cgroup_part *ret);
/* Is v2 all there is: then type "cgroup" mounts a cgroup2. */
bool cgroup_unified(const struct cgroup *cg);

#endif
