/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a cgroup's directories, moving processes in, removing them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"
#include "runtime/oci/cgroup_priv.h"

#define JOIN_TRIES 5 /* a task that is being made is refused with EINVAL */

uint64_t cg_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void cg_nap(unsigned int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* A new v1 cpuset has neither CPUs nor memory, and takes no process so. */
static int inherit(const char *dir, const char *file)
{
	struct cg_part self = { .fd = -EBADF }, parent = { .fd = -EBADF };
	_cleanup_free_ char *path = strdup(dir), *mine = NULL, *theirs = NULL;
	int r;

	if (!path)
		return -ENOMEM;
	self.dir = strdup(dir);
	*strrchr(path, '/') = '\0';
	parent.dir = path;
	r = self.dir ? cg_read(&self, file, &mine) : -ENOMEM;
	if (r == 0 && !*mine) {
		r = cg_read(&parent, file, &theirs);
		if (r == 0)
			r = cg_write(&self, file, theirs);
	}
	free(self.dir);
	closep(&self.fd);
	closep(&parent.fd);
	return r;
}

static int fill_cpuset(const char *dir)
{
	int r = inherit(dir, "cpuset.cpus");

	return r < 0 ? r : inherit(dir, "cpuset.mems");
}

/* All at once, or those that can be: a controller may be in use by v1, or
 * unfit for a cgroup that has processes. */
static int enable_below(const char *dir)
{
	struct cg_part part = { .fd = -EBADF };
	_cleanup_free_ char *path = strdup(dir), *names = NULL, *all = NULL;
	char *to, *save = NULL;
	int r;

	if (!path)
		return -ENOMEM;
	part.dir = path;
	r = cg_read(&part, "cgroup.controllers", &names);
	if (r < 0 || !*names) {
		closep(&part.fd);
		return r;
	}
	all = to = calloc(2, strlen(names) + 2);
	for (char *w = strtok_r(names, " ", &save); w && all;
	     w = strtok_r(NULL, " ", &save))
		to += sprintf(to, "%s+%s", to == all ? "" : " ", w);
	r = all ? cg_write(&part, "cgroup.subtree_control", all) : -ENOMEM;
	if (r < 0 && all) {
		for (char *w = strtok_r(all, " ", &save); w;
		     w = strtok_r(NULL, " ", &save))
			(void)cg_write(&part, "cgroup.subtree_control", w);
		r = 0; /* a limit that then has no file is an error there */
	}
	closep(&part.fd);
	return r;
}

/* mkdir -p.  @ret_made: length of the first path made; 0: it was all there.
 * @hand_down: v2's controllers.  Beside v1 they are the host's to hand down: what
 * they are changes for all, and crun refuses a host that has any there. */
static int make_part(struct cg_part *part, bool hand_down, size_t *ret_made,
		     struct err *err)
{
	_cleanup_free_ char *path = strdup(part->dir);
	bool cpuset = !part->v2 && strstr(part->controllers, "cpuset");
	size_t base = strlen(part->mount);
	int r = 0;

	*ret_made = 0;
	if (!path)
		return err_set(err, -ENOMEM, "cgroup: out of memory");
	for (char *p = path + base; p && r == 0;) {
		if (part->v2 && hand_down) {
			*p = '\0';
			r = enable_below(path);
			*p = '/';
			if (r < 0)
				break;
		}
		p = strchr(p + 1, '/');
		if (p)
			*p = '\0';
		if (mkdir(path, 0755) == 0) {
			if (!*ret_made)
				*ret_made = strlen(path);
		} else if (errno != EEXIST) {
			r = -errno;
		}
		if (r == 0 && cpuset)
			r = fill_cpuset(path);
		if (p)
			*p = '/';
	}
	if (r == 0)
		r = FAILPOINT("oci.cgroup.make");
	if (r < 0)
		return err_set(err, r, "make cgroup %s: %s", part->dir,
			       strerror(-r));
	return 0;
}

/* What make_part() made, innermost first. */
static void unmake_part(struct cg_part *part, size_t made)
{
	_cleanup_free_ char *path = strdup(part->dir);

	closep(&part->fd);
	part->fd = -EBADF;
	while (path && made > 0 && strlen(path) >= made) {
		(void)rmdir(path);
		*strrchr(path, '/') = '\0';
	}
}

static int check_unused(struct cgroup *cg, struct cg_part *part,
			struct err *err)
{
	struct cg_pids pids = { 0 };
	int r = cg_pids_add(part, &pids);

	free(pids.pids);
	if (r < 0)
		return err_set(err, r, "read the processes of %s: %s",
			       part->dir, strerror(-r));
	if (pids.count > 0)
		return err_set(err, -EBUSY,
			       "cgroup %s has %zu process%s already: another "
			       "container's? Choose another cgroupsPath",
			       part->dir, pids.count,
			       pids.count == 1 ? "" : "es");
	r = cgroup_frozen(cg, err);
	if (r > 0)
		return err_set(err, -EBUSY,
			       "cgroup %s is frozen: thaw it or choose another "
			       "cgroupsPath",
			       part->dir);
	return r;
}

int cgroup_make(struct cgroup *cg, struct err *err)
{
	size_t made[CG_PARTS_MAX] = { 0 }, i;
	bool v1 = false;
	int r = 0;

	for (i = 0; i < cg->count; i++)
		v1 = v1 || !cg->parts[i].v2;
	for (i = 0; i < cg->count && r == 0; i++)
		r = make_part(&cg->parts[i], !v1, &made[i], err);
	for (size_t k = 0; k < cg->count && r == 0; k++)
		if (made[k] != strlen(cg->parts[k].dir) &&
		    (made[k] == 0 || made[k] > strlen(cg->parts[k].dir))) {
			cg->found = true;
			r = check_unused(cg, &cg->parts[k], err);
		}
	while (r < 0 && i-- > 0)
		unmake_part(&cg->parts[i], made[i]);
	return r;
}

bool cgroup_found(const struct cgroup *cg)
{
	return cg->found;
}

static int join_part(struct cg_part *part, const char *pid)
{
	int r = -EINVAL;

	for (int i = 0; i < JOIN_TRIES && r == -EINVAL; i++) {
		if (i > 0)
			cg_nap(30);
		r = cg_write(part, "cgroup.procs", pid);
	}
	return r;
}

struct beside {
	pid_t first;
	const char *pid;
};

static int join_if_there(int dir, void *arg)
{
	const struct beside *b = arg;
	_cleanup_close_ int to = -EBADF;
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC), pid;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	bool found = false;

	if (!f) {
		closep(&fd);
		return 0;
	}
	while (!found && fscanf(f, "%d", &pid) == 1)
		found = pid == b->first;
	fclose(f);
	if (!found)
		return 0;
	to = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	return to < 0 || write(to, b->pid, strlen(b->pid)) < 0 ? -errno : 1;
}

/* Looked for below @part, not by /proc/PID/cgroup: it can't lie elsewhere. */
static int join_beside(struct cg_part *part, const char *pid, pid_t first)
{
	struct beside b = { .first = first, .pid = pid };
	int r = cg_walk(part->dir, join_if_there, NULL, &b);

	return r == 0 ? -EBUSY : r < 0 ? r : 0;
}

int cgroup_join_beside(struct cgroup *cg, pid_t pid, pid_t first,
		       struct err *err)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; i < cg->count; i++) {
		r = join_part(&cg->parts[i], text);
		if (r == -EBUSY && first > 0 && cg->parts[i].v2)
			r = join_beside(&cg->parts[i], text, first);
		if (r == 0)
			r = FAILPOINT("oci.cgroup.join");
		if (r < 0)
			return err_set(err, r, "move process %d into %s: %s",
				       (int)pid, cg->parts[i].dir,
				       strerror(-r));
	}
	return 0;
}

int cgroup_join(struct cgroup *cg, pid_t pid, struct err *err)
{
	return cgroup_join_beside(cg, pid, 0, err);
}

bool cgroup_needs_join(const struct cgroup *cg)
{
	return !cgroup_unified(cg);
}

int cgroup_v2_fd(struct cgroup *cg)
{
	struct cg_part *part = cg_v2(cg);
	int fd = part ? cg_fd(part) : -EBADF;

	return fd < 0 ? -EBADF : fd;
}

/* What is busy stays. */
static void remove_one(int parent, const char *name)
{
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

static int remove_part(struct cg_part *part, uint64_t deadline, struct err *err)
{
	unsigned int ms = 1;

	closep(&part->fd);
	part->fd = -EBADF;
	for (;;) {
		if (rmdir(part->dir) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return err_set(err, -errno, "remove cgroup %s: %m",
				       part->dir);
		(void)cg_walk(part->dir, NULL, remove_one, NULL);
		if (rmdir(part->dir) == 0 || errno == ENOENT)
			return 0;
		if (cg_now_ms() >= deadline)
			return err_set(err, -EBUSY,
				       "remove cgroup %s: processes are still "
				       "in it",
				       part->dir);
		cg_nap(ms);
		ms = ms < 64 ? ms * 2 : ms;
	}
}

int cgroup_remove(struct cgroup *cg, unsigned int timeout_ms, struct err *err)
{
	uint64_t deadline = cg_now_ms() + timeout_ms;
	int ret = 0;

	for (size_t i = 0; i < cg->count; i++) {
		/* The first that stays is told; the others go all the same. */
		int r = remove_part(&cg->parts[i], deadline, ret ? NULL : err);

		if (r < 0 && ret == 0)
			ret = r;
	}
	return ret;
}

void cgroup_drop(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		(void)rmdir(cg->parts[i].dir);
}
