/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting limits: all of them on a new cgroup, some of them on a live one. */
#include <errno.h>
#include <stdio.h>

#include "lib/fail.h"
#include "runtime/oci/cgroup_priv.h"

int64_t cg_or_0(int64_t n)
{
	return n == CG_UNSET ? 0 : n;
}

int cg_limit_cpuset(struct cg_write *w, struct cg_part *part,
		    const struct cgroup_resources *res)
{
	int r = 0;

	if (!part)
		return 0;
	if (res->cpu.cpus && *res->cpu.cpus)
		r = cg_set(w, part, "cpuset.cpus", res->cpu.cpus);
	if (r == 0 && res->cpu.mems && *res->cpu.mems)
		r = cg_set(w, part, "cpuset.mems", res->cpu.mems);
	return r;
}

int cg_limit_pids(struct cg_write *w, struct cg_part *part,
		  const struct cgroup_resources *res)
{
	int64_t n = cg_or_0(res->pids.limit);

	return part && n != 0 ? cg_set_max(w, part, "pids.max", n) : 0;
}

int cg_limit_hugepages(struct cg_write *w, struct cg_part *part,
		       const struct cgroup_resources *res, const char *name)
{
	const struct cg_hugepage *page = res->hugepages.items;
	char file[96], text[32];
	int r = 0;

	for (size_t i = 0; part && i < res->hugepages.count && r == 0; i++) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)page[i].limit);
		snprintf(file, sizeof(file), "hugetlb.%s.%s", page[i].size,
			 name);
		r = cg_set(w, part, file, text);
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", page[i].size,
			 name);
		if (r == 0 && cg_has(part, file))
			r = cg_set(w, part, file, text);
	}
	return r;
}

static bool is(int64_t n)
{
	return cg_or_0(n) != 0;
}

static bool has_io(const struct cgroup_resources *res)
{
	bool has = is(res->io.weight) || is(res->io.leaf_weight) ||
		   res->io.devices.count > 0;

	for (int t = 0; t < CG_THROTTLE_MAX; t++)
		has |= res->io.throttle[t].count > 0;
	return has;
}

static bool has_cpu(const struct cgroup_resources *res)
{
	return is(res->cpu.shares) || is(res->cpu.quota) ||
	       is(res->cpu.period) || is(res->cpu.burst) || is(res->cpu.idle) ||
	       is(res->cpu.rt_runtime) || is(res->cpu.rt_period);
}

static bool has_memory(const struct cgroup_resources *res)
{
	return is(res->memory.limit) || is(res->memory.swap) ||
	       is(res->memory.reservation) || is(res->memory.kernel_tcp) ||
	       res->memory.swappiness != CG_UNSET ||
	       res->memory.oom_kill_disable;
}

/* With v2 a file that isn't there tells; v1 alone leaves no trace of what isn't
 * mounted. */
static int check_controllers(struct cgroup *cg,
			     const struct cgroup_resources *res,
			     struct err *err)
{
	const struct {
		const char *controller;
		bool wanted;
	} rows[] = {
		{ "cpu", has_cpu(res) },
		{ "cpuset", (res->cpu.cpus && *res->cpu.cpus) ||
				    (res->cpu.mems && *res->cpu.mems) },
		{ "memory", has_memory(res) },
		{ "pids", is(res->pids.limit) },
		{ "blkio", has_io(res) },
		{ "hugetlb", res->hugepages.count > 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].wanted && !cg_of(cg, rows[i].controller))
			return err_set(err, -EOPNOTSUPP,
				       "resources: this host has no \"%s\" "
				       "controller mounted",
				       rows[i].controller);
	return 0;
}

static int limit(struct cg_write *w, const struct cgroup_resources *res)
{
	int r = check_controllers(w->cg, res, w->err);

	if (r == 0)
		r = cg_v1_limit(w, res);
	if (r == 0)
		r = cg_v2_limit(w, res);
	if (r == 0)
		r = FAILPOINT("oci.cgroup.limit");
	return r;
}

int cgroup_apply(struct cgroup *cg, const struct cgroup_resources *res,
		 struct err *err)
{
	struct cg_write w = { .cg = cg, .err = err };
	int r = cg_devices_apply(cg, res, err);

	if (r == 0 && res)
		r = limit(&w, res);
	return r < 0 ? err_wrap(err, r, "limits") : 0;
}

int cgroup_update(struct cgroup *cg, const struct cgroup_resources *res,
		  struct err *err)
{
	struct cg_write w = { .cg = cg, .undo = true, .err = err };
	int r = limit(&w, res);

	if (r < 0)
		cg_undo(&w);
	cg_write_done(&w);
	return r < 0 ? err_wrap(err, r, "limits") : 0;
}
