/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits as the files of v1 controllers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

/* A limit of a controller that only v2 has is v2's to set. */
static struct cg_part *v1_of(struct cg_write *w, const char *controller)
{
	return cg_find(w->cg, controller);
}

static int set_period_quota(struct cg_write *w, struct cg_part *part,
			    int64_t period, int64_t quota)
{
	struct cg_write quiet = *w;
	int r;

	/* Either order may be refused, by what the other is now. */
	if (period > 0) {
		quiet.err = NULL;
		r = cg_set_s64(&quiet, part, "cpu.cfs_period_us", period);
		w->old = quiet.old;
		w->count = quiet.count;
		if (r < 0 && (r != -EINVAL || quota == CG_UNSET || quota == 0))
			return cg_set_s64(w, part, "cpu.cfs_period_us", period);
		if (r == 0)
			period = 0;
	}
	if (quota != CG_UNSET && quota != 0) {
		r = cg_set_s64(w, part, "cpu.cfs_quota_us",
			       quota < 0 ? -1 : quota);
		if (r < 0)
			return r;
	}
	return period > 0 ? cg_set_s64(w, part, "cpu.cfs_period_us", period)
			  : 0;
}

static int set_shares(struct cg_write *w, struct cg_part *part, int64_t shares)
{
	uint64_t is = 0;
	int r;

	if (shares < 0)
		return err_set(w->err, -EINVAL, "cpu.shares: below 0");
	r = cg_set_s64(w, part, "cpu.shares", shares);
	if (r < 0)
		return r;
	/* the kernel cuts in silence */
	r = cg_read_u64(part, "cpu.shares", &is);
	if (r == 0 && is != (uint64_t)shares)
		return err_set(w->err, -EINVAL,
			       "cpu.shares: %lld is %s %llu, the %s the kernel "
			       "takes",
			       (long long)shares,
			       is > (uint64_t)shares ? "below" : "above",
			       (unsigned long long)is,
			       is > (uint64_t)shares ? "least" : "most");
	return 0;
}

static int limit_cpu(struct cg_write *w, const struct cgroup_resources *res)
{
	struct cg_part *part = v1_of(w, "cpu");
	int r = 0;

	if (!part)
		return 0;
	if (res->cpu.rt_period != CG_UNSET && res->cpu.rt_period != 0)
		r = cg_set_s64(w, part, "cpu.rt_period_us", res->cpu.rt_period);
	if (r == 0 && res->cpu.rt_runtime != CG_UNSET &&
	    res->cpu.rt_runtime != 0)
		r = cg_set_s64(w, part, "cpu.rt_runtime_us",
			       res->cpu.rt_runtime);
	if (r == 0 && res->cpu.shares != CG_UNSET && res->cpu.shares != 0)
		r = set_shares(w, part, res->cpu.shares);
	if (r == 0)
		r = set_period_quota(w, part, res->cpu.period, res->cpu.quota);
	if (r == 0 && res->cpu.burst != CG_UNSET)
		r = cg_set_s64(w, part, "cpu.cfs_burst_us", res->cpu.burst);
	if (r == 0 && res->cpu.idle != CG_UNSET)
		r = cg_set_s64(w, part, "cpu.idle", res->cpu.idle);
	return r;
}

static int limit_cpuset(struct cg_write *w, const struct cgroup_resources *res)
{
	return cg_limit_cpuset(w, v1_of(w, "cpuset"), res);
}

#define LIMIT "memory.limit_in_bytes"
#define MEMSW "memory.memsw.limit_in_bytes"

static int set_memory_limit(struct cg_write *w, struct cg_part *part,
			    int64_t limit)
{
	int r = cg_set_s64(w, part, LIMIT, limit);
	uint64_t used = 0, peak = 0;

	if (r != -EBUSY)
		return r;
	(void)cg_read_u64(part, "memory.usage_in_bytes", &used);
	(void)cg_read_u64(part, "memory.max_usage_in_bytes", &peak);
	return err_set(w->err, r,
		       "memory.limit: %lld bytes is less than can be freed: "
		       "%llu are in use (at most %llu were)",
		       (long long)limit, (unsigned long long)used,
		       (unsigned long long)peak);
}

/* The limit may never be above that of memory and swap together, so the one
 * that grows goes first. */
static int set_memory_swap(struct cg_write *w, struct cg_part *part,
			   int64_t limit, int64_t swap)
{
	uint64_t now = 0;
	int r;

	if (limit == -1 && swap == 0 && cg_has(part, MEMSW))
		swap = -1;
	if (limit == 0 || swap == 0) {
		r = limit ? set_memory_limit(w, part, limit) : 0;
		return r == 0 && swap ? cg_set_s64(w, part, MEMSW, swap) : r;
	}
	r = cg_read_u64(part, LIMIT, &now);
	if (r < 0)
		return cg_error(w->err, r, part, LIMIT, "");
	if (swap == -1 || now < (uint64_t)swap) {
		r = cg_set_s64(w, part, MEMSW, swap);
		return r < 0 ? r : set_memory_limit(w, part, limit);
	}
	r = set_memory_limit(w, part, limit);
	return r < 0 ? r : cg_set_s64(w, part, MEMSW, swap);
}

static int check_memory(struct cg_write *w, struct cg_part *part,
			const struct cgroup_resources *res)
{
	int64_t limit = cg_or_0(res->memory.limit),
		swap = cg_or_0(res->memory.swap);
	uint64_t used = 0;

	if (limit < -1 || swap < -1)
		return err_set(w->err, -EINVAL,
			       "memory.limit or memory.swap: below -1");
	if (limit > 0 && swap > 0 && swap < limit)
		return err_set(w->err, -EINVAL,
			       "memory.swap: %lld is less than memory.limit, "
			       "which it contains",
			       (long long)swap);
	if (res->memory.swappiness != CG_UNSET &&
	    (res->memory.swappiness < 0 || res->memory.swappiness > 100))
		return err_set(w->err, -EINVAL,
			       "memory.swappiness: %lld is not in 0..100",
			       (long long)res->memory.swappiness);
	if (!res->memory.check_before_update || limit <= 0)
		return 0;
	if (cg_read_u64(part, "memory.usage_in_bytes", &used) == 0 &&
	    used > (uint64_t)limit)
		return err_set(w->err, -EBUSY,
			       "memory.limit: %llu bytes are in use, more than "
			       "%lld",
			       (unsigned long long)used, (long long)limit);
	return 0;
}

/* The file reads otherwise than it is written, so the way back is spelt out. */
static int forbid_oom_killer(struct cg_write *w, struct cg_part *part)
{
	uint64_t is = 0;

	if (cg_read_key(part, "memory.oom_control", "oom_kill_disable", &is) ==
		    0 &&
	    is == 1)
		return 0;
	return cg_set_keyed(w, part, "memory.oom_control", "0", "", "1");
}

static int limit_memory(struct cg_write *w, const struct cgroup_resources *res)
{
	struct cg_part *part = v1_of(w, "memory");
	int64_t n;
	int r;

	if (!part)
		return 0;
	r = check_memory(w, part, res);
	if (r == 0)
		r = set_memory_swap(w, part, cg_or_0(res->memory.limit),
				    cg_or_0(res->memory.swap));
	n = cg_or_0(res->memory.reservation);
	if (r == 0 && n != 0)
		r = cg_set_s64(w, part, "memory.soft_limit_in_bytes", n);
	n = cg_or_0(res->memory.kernel_tcp);
	if (r == 0 && n != 0)
		r = cg_set_s64(w, part, "memory.kmem.tcp.limit_in_bytes", n);
	if (r == 0 && res->memory.oom_kill_disable)
		r = forbid_oom_killer(w, part);
	if (r == 0 && res->memory.swappiness != CG_UNSET)
		r = cg_set_s64(w, part, "memory.swappiness",
			       res->memory.swappiness);
	return r;
}

static int limit_pids(struct cg_write *w, const struct cgroup_resources *res)
{
	return cg_limit_pids(w, v1_of(w, "pids"), res);
}

static const char *weight_file(struct cg_part *part, const char *plain,
			       const char *bfq)
{
	return !cg_has(part, plain) && cg_has(part, bfq) ? bfq : plain;
}

static int set_device(struct cg_write *w, struct cg_part *part,
		      const char *file, const struct cg_block_device *dev,
		      int64_t value)
{
	char key[32], text[64];

	snprintf(key, sizeof(key), "%u:%u", dev->major, dev->minor);
	snprintf(text, sizeof(text), "%s %lld", key, (long long)value);
	return cg_set_keyed(w, part, file, key, "0", text);
}

static int limit_weights(struct cg_write *w, struct cg_part *part,
			 const struct cgroup_resources *res)
{
	const struct cg_block_device *dev = res->io.devices.items;
	int r = 0;

	if (cg_or_0(res->io.weight) != 0)
		r = cg_set_s64(
			w, part,
			weight_file(part, "blkio.weight", "blkio.bfq.weight"),
			res->io.weight);
	if (r == 0 && cg_or_0(res->io.leaf_weight) != 0)
		r = cg_set_s64(w, part, "blkio.leaf_weight",
			       res->io.leaf_weight);
	for (size_t i = 0; i < res->io.devices.count && r == 0; i++) {
		if (cg_or_0(dev[i].weight) != 0)
			r = set_device(w, part,
				       weight_file(part, "blkio.weight_device",
						   "blkio.bfq.weight_device"),
				       &dev[i], dev[i].weight);
		if (r == 0 && cg_or_0(dev[i].leaf_weight) != 0)
			r = set_device(w, part, "blkio.leaf_weight_device",
				       &dev[i], dev[i].leaf_weight);
	}
	return r;
}

static int limit_io(struct cg_write *w, const struct cgroup_resources *res)
{
	static const char *const files[CG_THROTTLE_MAX] = {
		[CG_READ_BPS] = "blkio.throttle.read_bps_device",
		[CG_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[CG_READ_IOPS] = "blkio.throttle.read_iops_device",
		[CG_WRITE_IOPS] = "blkio.throttle.write_iops_device",
	};
	struct cg_part *part = v1_of(w, "blkio");
	int r;

	if (!part)
		return 0;
	r = limit_weights(w, part, res);
	for (int t = 0; t < CG_THROTTLE_MAX; t++) {
		const struct cg_block_device *dev = res->io.throttle[t].items;

		for (size_t i = 0; i < res->io.throttle[t].count && r == 0; i++)
			r = set_device(w, part, files[t], &dev[i],
				       cg_or_0(dev[i].rate));
	}
	return r;
}

static int limit_net(struct cg_write *w, const struct cgroup_resources *res)
{
	struct cg_part *cls = v1_of(w, "net_cls"), *prio = v1_of(w, "net_prio");
	const struct cg_priority *p = res->net.priorities.items;
	char text[CG_VALUE_MAX];
	int r = 0;

	if (cls && cg_or_0(res->net.class_id) != 0)
		r = cg_set_s64(w, cls, "net_cls.classid", res->net.class_id);
	for (size_t i = 0; prio && i < res->net.priorities.count && r == 0;
	     i++) {
		snprintf(text, sizeof(text), "%s %u", p[i].name, p[i].priority);
		r = cg_set_keyed(w, prio, "net_prio.ifpriomap", p[i].name, "0",
				 text);
	}
	return r;
}

static int limit_hugepages(struct cg_write *w,
			   const struct cgroup_resources *res)
{
	return cg_limit_hugepages(w, v1_of(w, "hugetlb"), res,
				  "limit_in_bytes");
}

int cg_v1_limit(struct cg_write *w, const struct cgroup_resources *res)
{
	static int (*const steps[])(struct cg_write *,
				    const struct cgroup_resources *) = {
		limit_cpu, limit_cpuset, limit_memory,    limit_pids,
		limit_io,  limit_net,    limit_hugepages,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
		r = steps[i](w, res);
	return r;
}
