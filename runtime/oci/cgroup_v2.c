/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits as the files of v2 controllers.  A controller that v1 has (hybrid) was
 * served there.  Numbers of v1's scale are converted as runc and systemd do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define PERIOD_DEFAULT 100000 /* microseconds */
#define SHARES_MIN     2
#define SHARES_MAX     262144
#define WEIGHT_MAX     10000
#define BLKIO_MIN      10
#define BLKIO_MAX      1000

uint64_t cg_v2_weight_of_shares(uint64_t shares)
{
	if (shares < SHARES_MIN)
		shares = SHARES_MIN;
	if (shares > SHARES_MAX)
		shares = SHARES_MAX;
	return 1 + (shares - SHARES_MIN) * (WEIGHT_MAX - 1) /
			   (SHARES_MAX - SHARES_MIN);
}

uint64_t cg_v2_weight_of_blkio(uint64_t weight)
{
	if (weight < BLKIO_MIN)
		weight = BLKIO_MIN;
	return 1 + (weight - BLKIO_MIN) * (WEIGHT_MAX - 1) /
			   (BLKIO_MAX - BLKIO_MIN);
}

/* The spec's swap is memory and swap together, v2's is swap alone. */
int cg_v2_swap(int64_t limit, int64_t swap, int64_t *ret, struct err *err)
{
	*ret = CG_UNSET;
	if (limit == CG_UNSET)
		limit = 0;
	if (swap == CG_UNSET)
		swap = 0;
	if (limit < -1 || swap < -1)
		return err_set(err, -EINVAL,
			       "memory.limit or memory.swap: below -1");
	if (swap == -1 || (limit == -1 && swap == 0))
		*ret = -1;
	if (swap <= 0)
		return 0;
	if (limit <= 0)
		return err_set(err, -EINVAL,
			       "memory.swap: has no meaning without "
			       "memory.limit");
	if (swap < limit)
		return err_set(err, -EINVAL,
			       "memory.swap: %lld is less than memory.limit, "
			       "which it contains",
			       (long long)swap);
	*ret = swap - limit;
	return 0;
}

/* v2's part where v1 doesn't have the controller. */
static struct cg_part *v2_of(struct cg_write *w, const char *v1_name)
{
	return cg_find(w->cg, v1_name) ? NULL : cg_v2(w->cg);
}

static int only_v1(struct cg_write *w, const char *what)
{
	return err_set(w->err, -EOPNOTSUPP,
		       "%s: no such limit in cgroup v2, and its v1 controller "
		       "is not mounted",
		       what);
}

/* "quota period"; what isn't named stays. */
static int set_cpu_max(struct cg_write *w, struct cg_part *part,
		       const struct cgroup_resources *res)
{
	int64_t quota = cg_or_0(res->cpu.quota),
		period = cg_or_0(res->cpu.period);
	_cleanup_free_ char *now = NULL;
	char text[64], was[24] = "max";
	long long was_period = PERIOD_DEFAULT;
	int r;

	if (quota == 0 && period == 0)
		return 0;
	r = cg_read(part, "cpu.max", &now);
	if (r < 0)
		return cg_error(w->err, r, part, "cpu.max", "");
	if (sscanf(now, "%23s %lld", was, &was_period) != 2)
		return err_set(w->err, -EBADMSG, "%s/cpu.max: \"%s\"",
			       part->dir, now);
	if (quota > 0)
		snprintf(was, sizeof(was), "%lld", (long long)quota);
	else if (quota < 0)
		strcpy(was, "max");
	snprintf(text, sizeof(text), "%s %lld", was,
		 period > 0 ? (long long)period : was_period);
	return cg_set(w, part, "cpu.max", text);
}

static int limit_cpu(struct cg_write *w, const struct cgroup_resources *res)
{
	struct cg_part *part = v2_of(w, "cpu");
	bool burst = res->cpu.burst != CG_UNSET;
	int r = 0;

	if (!part)
		return 0;
	if (cg_or_0(res->cpu.rt_runtime) != 0 ||
	    cg_or_0(res->cpu.rt_period) != 0)
		return only_v1(w, "cpu.realtimeRuntime, realtimePeriod");
	if (res->cpu.shares != CG_UNSET && res->cpu.shares < 0)
		return err_set(w->err, -EINVAL, "cpu.shares: below 0");
	if (cg_or_0(res->cpu.shares) != 0)
		r = cg_set_s64(w, part, "cpu.weight",
			       (int64_t)cg_v2_weight_of_shares(
				       (uint64_t)res->cpu.shares));
	/* A burst is at most the quota: less burst first, more quota first. */
	if (r == 0 && burst && res->cpu.burst == 0)
		r = cg_set_s64(w, part, "cpu.max.burst", 0);
	if (r == 0)
		r = set_cpu_max(w, part, res);
	if (r == 0 && burst && res->cpu.burst != 0)
		r = cg_set_s64(w, part, "cpu.max.burst", res->cpu.burst);
	if (r == 0 && res->cpu.idle != CG_UNSET)
		r = cg_set_s64(w, part, "cpu.idle", res->cpu.idle);
	return r;
}

static int limit_cpuset(struct cg_write *w, const struct cgroup_resources *res)
{
	return cg_limit_cpuset(w, v2_of(w, "cpuset"), res);
}

static int check_usage(struct cg_write *w, struct cg_part *part, int64_t limit)
{
	uint64_t used = 0;

	if (limit <= 0 || cg_read_u64(part, "memory.current", &used) < 0 ||
	    used <= (uint64_t)limit)
		return 0;
	return err_set(w->err, -EBUSY,
		       "memory.limit: %llu bytes are in use, more than %lld",
		       (unsigned long long)used, (long long)limit);
}

static int set_swap(struct cg_write *w, struct cg_part *part, int64_t swap)
{
	/* without swap accounting there is no swap to limit or to forbid */
	if (swap <= 0 && !cg_has(part, "memory.swap.max"))
		return 0;
	return cg_set_max(w, part, "memory.swap.max", swap);
}

static int limit_memory(struct cg_write *w, const struct cgroup_resources *res)
{
	struct cg_part *part = v2_of(w, "memory");
	int64_t limit = cg_or_0(res->memory.limit), swap;
	int r;

	if (!part)
		return 0;
	r = cg_v2_swap(res->memory.limit, res->memory.swap, &swap, w->err);
	if (r < 0)
		return r;
	if (res->memory.swappiness != CG_UNSET)
		return only_v1(w, "memory.swappiness");
	if (res->memory.oom_kill_disable)
		return only_v1(w, "memory.disableOOMKiller");
	if (cg_or_0(res->memory.kernel_tcp) != 0)
		return only_v1(w, "memory.kernelTCP");
	if (res->memory.check_before_update)
		r = check_usage(w, part, limit);
	if (r == 0 && swap != CG_UNSET)
		r = set_swap(w, part, swap);
	if (r == 0 && limit != 0)
		r = cg_set_max(w, part, "memory.max", limit);
	if (r == 0 && cg_or_0(res->memory.reservation) != 0)
		r = cg_set_max(w, part, "memory.low", res->memory.reservation);
	return r;
}

static int limit_pids(struct cg_write *w, const struct cgroup_resources *res)
{
	return cg_limit_pids(w, v2_of(w, "pids"), res);
}

static int set_weight(struct cg_write *w, struct cg_part *part, const char *dev,
		      int64_t weight)
{
	bool bfq = cg_has(part, "io.bfq.weight");
	const char *file = bfq ? "io.bfq.weight" : "io.weight";
	char text[64];

	if (weight < BLKIO_MIN || weight > BLKIO_MAX)
		return err_set(w->err, -EINVAL,
			       "blockIO weight: %lld is not in 10..1000",
			       (long long)weight);
	if (!bfq)
		weight = (int64_t)cg_v2_weight_of_blkio((uint64_t)weight);
	snprintf(text, sizeof(text), "%s %lld", dev, (long long)weight);
	return cg_set_keyed(w, part, file, dev, "default", text);
}

static int limit_weights(struct cg_write *w, struct cg_part *part,
			 const struct cgroup_resources *res)
{
	const struct cg_block_device *dev = res->io.devices.items;
	char key[32];
	int r = 0;

	if (cg_or_0(res->io.leaf_weight) != 0)
		return only_v1(w, "blockIO.leafWeight");
	if (cg_or_0(res->io.weight) != 0)
		r = set_weight(w, part, "default", res->io.weight);
	for (size_t i = 0; i < res->io.devices.count && r == 0; i++) {
		if (cg_or_0(dev[i].leaf_weight) != 0)
			return only_v1(w, "blockIO.weightDevice.leafWeight");
		snprintf(key, sizeof(key), "%u:%u", dev[i].major, dev[i].minor);
		if (cg_or_0(dev[i].weight) != 0)
			r = set_weight(w, part, key, dev[i].weight);
	}
	return r;
}

static int limit_io(struct cg_write *w, const struct cgroup_resources *res)
{
	static const char *const names[CG_THROTTLE_MAX] = {
		[CG_READ_BPS] = "rbps",
		[CG_WRITE_BPS] = "wbps",
		[CG_READ_IOPS] = "riops",
		[CG_WRITE_IOPS] = "wiops",
	};
	struct cg_part *part = v2_of(w, "blkio");
	char key[32], text[96];
	int r;

	if (!part)
		return 0;
	r = limit_weights(w, part, res);
	for (int t = 0; t < CG_THROTTLE_MAX; t++) {
		const struct cg_block_device *dev = res->io.throttle[t].items;

		for (size_t i = 0; i < res->io.throttle[t].count && r == 0;
		     i++) {
			int64_t rate = cg_or_0(dev[i].rate);

			snprintf(key, sizeof(key), "%u:%u", dev[i].major,
				 dev[i].minor);
			/* 0 is v1's word for no limit */
			if (rate > 0)
				snprintf(text, sizeof(text), "%s %s=%lld", key,
					 names[t], (long long)rate);
			else
				snprintf(text, sizeof(text), "%s %s=max", key,
					 names[t]);
			r = cg_set_keyed(w, part, "io.max", key,
					 "rbps=max wbps=max riops=max "
					 "wiops=max",
					 text);
		}
	}
	return r;
}

static int limit_net(struct cg_write *w, const struct cgroup_resources *res)
{
	if (cg_or_0(res->net.class_id) != 0 && !cg_find(w->cg, "net_cls"))
		return only_v1(w, "network.classID");
	if (res->net.priorities.count > 0 && !cg_find(w->cg, "net_prio"))
		return only_v1(w, "network.priorities");
	return 0;
}

static int limit_hugepages(struct cg_write *w,
			   const struct cgroup_resources *res)
{
	return cg_limit_hugepages(w, v2_of(w, "hugetlb"), res, "max");
}

struct rdma {
	int64_t handles, objects;
};
static const struct jdec_field rdma_fields[] = {
	JDEC_FIELD("hcaHandles", JDEC_I64, struct rdma, handles, 0),
	JDEC_FIELD("hcaObjects", JDEC_I64, struct rdma, objects, 0),
	{ 0 },
};

/* One file for both versions. */
static int limit_rdma(struct cg_write *w, const struct cgroup_resources *res)
{
	struct cg_part *part = cg_of(w->cg, "rdma");
	char text[CG_VALUE_MAX];
	int r = 0;

	if (!res->rdma)
		return 0;
	json_object_object_foreach(res->rdma, dev, limits)
	{
		struct rdma d = { CG_UNSET, CG_UNSET };
		int n;

		r = jdec_object(limits, rdma_fields, &d, w->err);
		if (r < 0)
			return err_wrap(w->err, r, "rdma.%s", dev);
		if (!part)
			return only_v1(w, "rdma");
		n = snprintf(text, sizeof(text), "%s", dev);
		if (d.handles != CG_UNSET && n < (int)sizeof(text))
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      " hca_handle=%lld", (long long)d.handles);
		if (d.objects != CG_UNSET && n < (int)sizeof(text))
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      " hca_object=%lld", (long long)d.objects);
		if (n >= (int)sizeof(text))
			return err_set(w->err, -EINVAL, "rdma.%s: too long",
				       dev);
		r = cg_set_keyed(w, part, "rdma.max", dev,
				 "hca_handle=max hca_object=max", text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Files of v2 by their own names; a value of several lines is several writes. */
static int limit_unified(struct cg_write *w, const struct cgroup_resources *res)
{
	struct cg_part *part = cg_v2(w->cg);

	if (!res->unified || json_object_object_length(res->unified) == 0)
		return 0;
	if (!part)
		return err_set(w->err, -EOPNOTSUPP,
			       "unified: this host has cgroup v1 only");
	json_object_object_foreach(res->unified, file, val)
	{
		_cleanup_free_ char *text = strdup(json_object_get_string(val));
		char *save = NULL;
		int r;

		if (!text)
			return err_set(w->err, -ENOMEM, "unified");
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			r = cg_set(w, part, file, line);
			if (r < 0)
				return err_wrap(w->err, r, "unified");
		}
	}
	return 0;
}

int cg_v2_limit(struct cg_write *w, const struct cgroup_resources *res)
{
	static int (*const steps[])(struct cg_write *,
				    const struct cgroup_resources *) = {
		limit_cpu,       limit_cpuset, limit_memory,
		limit_pids,      limit_io,     limit_net,
		limit_hugepages, limit_rdma,   limit_unified,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
		r = steps[i](w, res);
	return r;
}
