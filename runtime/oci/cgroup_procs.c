/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes of a cgroup: who they are, stop them, signal them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define KILL_FREEZE_MS  500
#define KILL_ROUNDS     100
#define REFREEZE_ROUNDS 50

static int add_pid(struct cg_pids *to, pid_t pid)
{
	if (to->count == to->room) {
		size_t room = to->room ? to->room * 2 : 64;
		pid_t *more = reallocarray(to->pids, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		to->pids = more;
		to->room = room;
	}
	to->pids[to->count++] = pid;
	return 0;
}

/* What is not there (any more) has no processes; nor has, for our purpose, a
 * threaded v2 cgroup: the domain above it lists them. */
static bool is_gone(int code)
{
	return code == -ENOENT || code == -ENODEV || code == -EOPNOTSUPP;
}

static int add_file(int dir, struct cg_pids *to)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	int pid, r = 0, n;

	if (!f) {
		r = -errno;
		closep(&fd);
		return is_gone(r) ? 0 : r;
	}
	errno = 0;
	while (r == 0 && (n = fscanf(f, "%d", &pid)) == 1)
		if (pid > 0) /* 0: of another pid namespace */
			r = add_pid(to, pid);
	if (r == 0 && ferror(f) && !is_gone(-errno))
		r = -errno;
	fclose(f);
	return r;
}

static int add_dir(int dir, void *to)
{
	return add_file(dir, to);
}

int cg_pids_add(struct cg_part *part, struct cg_pids *to)
{
	int r = cg_walk(part->dir, add_dir, NULL, to);

	return is_gone(r) ? 0 : r;
}

static int by_value(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void sort_once(struct cg_pids *p)
{
	size_t n = 0;

	if (p->count == 0)
		return;
	qsort(p->pids, p->count, sizeof(*p->pids), by_value);
	for (size_t i = 0; i < p->count; i++)
		if (n == 0 || p->pids[n - 1] != p->pids[i])
			p->pids[n++] = p->pids[i];
	p->count = n;
}

/* v1 and v2 of a hybrid may differ: a process may move itself in one. */
static struct cg_part *v1_list(struct cgroup *cg)
{
	static const char *const tries[] = { "freezer", "devices", "pids",
					     "memory" };

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++)
		if (cg_find(cg, tries[i]))
			return cg_find(cg, tries[i]);
	return cg->count > 0 && !cg->parts[0].v2 ? &cg->parts[0] : NULL;
}

static int list(struct cgroup *cg, struct cg_pids *to, struct err *err)
{
	struct cg_part *parts[] = { v1_list(cg), cg_v2(cg) };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++)
		if (parts[i]) {
			r = cg_pids_add(parts[i], to);
			if (r < 0)
				r = err_set(err, r,
					    "read the processes of %s: %s",
					    parts[i]->dir, strerror(-r));
		}
	sort_once(to);
	return r;
}

int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_count,
		struct err *err)
{
	struct cg_pids pids = { 0 };
	int r = list(cg, &pids, err);

	if (r < 0 || pids.count == 0) {
		free(pids.pids);
		pids = (struct cg_pids){ 0 };
	}
	if (r == 0) {
		*ret = pids.pids;
		*ret_count = pids.count;
	}
	return r;
}

/* ---- freezing ---- */

static int v2_frozen(struct cg_part *part)
{
	uint64_t n = 0;
	int r = cg_read_key(part, "cgroup.events", "frozen", &n);

	return r < 0 ? r : n == 1;
}

/* The kernel notes changes of cgroup.events by POLLPRI on an open file. */
static int v2_freeze(struct cg_part *part, bool frozen, uint64_t deadline)
{
	_cleanup_close_ int fd = -EBADF;
	int r = cg_fd(part);

	if (r < 0)
		return r;
	fd = openat(r, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = cg_write(part, "cgroup.freeze", frozen ? "1" : "0");
	if (r < 0)
		return r;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		uint64_t now = cg_now_ms();
		char drop[256];

		/* arms the next poll; the state is read afterwards */
		if (pread(fd, drop, sizeof(drop), 0) < 0)
			return -errno;
		r = v2_frozen(part);
		if (r < 0 || r == frozen)
			return r < 0 ? r : 0;
		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(deadline - now)) < 0 && errno != EINTR)
			return -errno;
	}
}

static int v1_state(struct cg_part *part, bool *ret_frozen, bool *ret_settled)
{
	_cleanup_free_ char *state = NULL;
	int r = cg_read(part, "freezer.state", &state);

	if (r < 0)
		return r;
	*ret_frozen = strcmp(state, "THAWED") != 0;
	*ret_settled = strcmp(state, "FREEZING") != 0;
	return 0;
}

/* A process may be forked while the rest freezes; v1 then stays FREEZING until
 * it is told again, and now and then even until it was let go once. */
static int v1_freeze(struct cg_part *part, bool frozen, uint64_t deadline)
{
	const char *word = frozen ? "FROZEN" : "THAWED";
	bool is = false, settled = false;
	int r;

	for (unsigned int i = 0;; i++) {
		r = 0;
		if (frozen && i % REFREEZE_ROUNDS == REFREEZE_ROUNDS - 1)
			r = cg_write(part, "freezer.state", "THAWED");
		if (r == 0)
			r = cg_write(part, "freezer.state", word);
		if (r == 0)
			r = v1_state(part, &is, &settled);
		if (r < 0)
			return r;
		if (settled && is == frozen)
			return 0;
		if (cg_now_ms() >= deadline)
			return -ETIMEDOUT;
		if (i > 0)
			cg_nap(1);
	}
}

static int freeze_part(struct cg_part *part, bool frozen, uint64_t deadline)
{
	return part->v2 ? v2_freeze(part, frozen, deadline)
			: v1_freeze(part, frozen, deadline);
}

int cgroup_freeze(struct cgroup *cg, bool frozen, unsigned int timeout_ms,
		  struct err *err)
{
	struct cg_part *part = cg_of(cg, "freezer");
	int r;

	if (!part ||
	    (part->v2 && cg_fd(part) >= 0 && !cg_has(part, "cgroup.freeze")))
		return err_set(err, -EOPNOTSUPP,
			       "this host has no freezer: neither the v1 "
			       "controller nor cgroup.freeze");
	r = freeze_part(part, frozen, cg_now_ms() + timeout_ms);
	if (r == -ETIMEDOUT && frozen)
		(void)freeze_part(part, false, 0);
	if (r < 0)
		return err_set(err, r, "%s %s: %s", frozen ? "freeze" : "thaw",
			       part->dir, strerror(-r));
	return 0;
}

int cgroup_frozen(struct cgroup *cg, struct err *err)
{
	struct cg_part *part = cg_of(cg, "freezer");
	bool frozen = false, settled;
	uint64_t n = 0;
	int r;

	if (!part)
		return 0;
	if (part->v2)
		r = cg_read_u64(part, "cgroup.freeze", &n);
	else
		r = v1_state(part, &frozen, &settled);
	if (r < 0)
		return is_gone(r) ? 0
				  : err_set(err, r, "is %s frozen: %s",
					    part->dir, strerror(-r));
	return frozen || n == 1;
}

/* ---- signals ---- */

static bool contains(const struct cg_pids *sorted, pid_t pid)
{
	return sorted->count > 0 && bsearch(&pid, sorted->pids, sorted->count,
					    sizeof(pid), by_value);
}

/* One round: everyone not in @done.  Return: how many; -errno. */
static int signal_new(struct cgroup *cg, int sig, struct cg_pids *done,
		      struct err *err)
{
	struct cg_pids now = { 0 };
	int r = list(cg, &now, err), n = 0;

	for (size_t i = 0; i < now.count && r == 0; i++) {
		if (contains(done, now.pids[i]))
			continue;
		n++;
		if (kill(now.pids[i], sig) < 0 && errno != ESRCH)
			r = err_set(err, -errno, "send signal %d to %d: %m",
				    sig, (int)now.pids[i]);
	}
	for (size_t i = 0; i < now.count && r == 0; i++)
		if (add_pid(done, now.pids[i]) < 0)
			r = err_set(err, -ENOMEM, "signal: out of memory");
	sort_once(done);
	free(now.pids);
	return r < 0 ? r : n;
}

static int kill_each(struct cgroup *cg, int sig, struct err *err)
{
	struct cg_pids done = { 0 };
	int was = cgroup_frozen(cg, err), r;
	bool still;

	if (was < 0)
		return was;
	/* Nobody can be made, and no pid be used again, in what stands still;
	 * where it can't be stopped, rounds until nobody is new. */
	still = was || cgroup_freeze(cg, true, KILL_FREEZE_MS, NULL) == 0;
	for (int i = 0; i < KILL_ROUNDS; i++) {
		r = signal_new(cg, sig, &done, err);
		if (r <= 0 || still)
			break;
	}
	free(done.pids);
	if (r > 0 && !still)
		r = err_set(err, -EAGAIN,
			    "processes are made faster than they are "
			    "signalled, and the cgroup can't be frozen");
	if ((still && !was) || sig == SIGKILL) {
		int t = cgroup_freeze(cg, false, KILL_FREEZE_MS,
				      r < 0 ? NULL : err);

		if (r >= 0 && t < 0 && t != -ENOENT && t != -EOPNOTSUPP &&
		    t != -ENODEV)
			r = t;
	}
	return r < 0 ? r : 0;
}

int cgroup_kill(struct cgroup *cg, int sig, struct err *err)
{
	struct cg_part *v2 = cg_v2(cg);
	struct cg_pids left = { 0 };
	int r;

	if (sig == SIGKILL && v2) {
		r = cg_write(v2, "cgroup.kill", "1");
		/* not there: removed, or a kernel before 5.14 */
		if (r < 0 && !is_gone(r))
			return err_set(err, r,
				       "write \"1\" to %s/cgroup.kill: %s",
				       v2->dir, strerror(-r));
		if (r == 0 && cgroup_unified(cg))
			return 0;
	}
	r = list(cg, &left, err);
	free(left.pids);
	if (r < 0 || left.count == 0)
		return r;
	return kill_each(cg, sig, err);
}
