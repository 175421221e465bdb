/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a cgroup has used. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define NS_PER_US    1000
#define NS_PER_TICK  10000000 /* USER_HZ is 100 on every architecture here */
#define V1_UNLIMITED (1ULL << 62) /* the kernel says LONG_MAX in whole pages */

/* A file or line that isn't there leaves *@to as it is; only a cgroup that is
 * gone is an error, and cgroup_stat() asks for that. */
static void number(struct cg_part *part, const char *file, uint64_t *to)
{
	(void)cg_read_u64(part, file, to);
}

static void keyed(struct cg_part *part, const char *file, const char *key,
		  uint64_t scale, uint64_t *to)
{
	uint64_t n = 0;

	if (cg_read_key(part, file, key, &n) == 0)
		*to = n * scale;
}

static void v1_limit(struct cg_part *part, const char *file, uint64_t *to)
{
	number(part, file, to);
	if (*to >= V1_UNLIMITED)
		*to = UINT64_MAX;
}

static void stat_cpu(struct cgroup *cg, struct cgroup_stat *s)
{
	struct cg_part *acct = cg_find(cg, "cpuacct"), *cpu = cg_of(cg, "cpu");

	if (acct) {
		number(acct, "cpuacct.usage", &s->cpu_ns);
		keyed(acct, "cpuacct.stat", "user", NS_PER_TICK,
		      &s->cpu_user_ns);
		keyed(acct, "cpuacct.stat", "system", NS_PER_TICK,
		      &s->cpu_system_ns);
	} else if (cpu && cpu->v2) {
		keyed(cpu, "cpu.stat", "usage_usec", NS_PER_US, &s->cpu_ns);
		keyed(cpu, "cpu.stat", "user_usec", NS_PER_US, &s->cpu_user_ns);
		keyed(cpu, "cpu.stat", "system_usec", NS_PER_US,
		      &s->cpu_system_ns);
	}
	if (!cpu)
		return;
	keyed(cpu, "cpu.stat", "nr_periods", 1, &s->cpu_periods);
	keyed(cpu, "cpu.stat", "nr_throttled", 1, &s->cpu_throttled);
	if (cpu->v2)
		keyed(cpu, "cpu.stat", "throttled_usec", NS_PER_US,
		      &s->cpu_throttled_ns);
	else
		keyed(cpu, "cpu.stat", "throttled_time", 1,
		      &s->cpu_throttled_ns);
}

static void stat_memory_v1(struct cg_part *part, struct cgroup_stat *s)
{
	uint64_t both = 0, both_limit = 0;

	number(part, "memory.usage_in_bytes", &s->memory);
	number(part, "memory.max_usage_in_bytes", &s->memory_peak);
	v1_limit(part, "memory.limit_in_bytes", &s->memory_limit);
	number(part, "memory.failcnt", &s->memory_failures);
	keyed(part, "memory.stat", "cache", 1, &s->memory_cache);
	number(part, "memory.memsw.usage_in_bytes", &both);
	v1_limit(part, "memory.memsw.limit_in_bytes", &both_limit);
	s->swap = both > s->memory ? both - s->memory : 0;
	s->swap_limit = both_limit == UINT64_MAX ? UINT64_MAX
			: both_limit > s->memory_limit
				? both_limit - s->memory_limit
				: 0;
}

static void stat_memory(struct cgroup *cg, struct cgroup_stat *s)
{
	struct cg_part *part = cg_of(cg, "memory");

	if (!part)
		return;
	(void)cgroup_oom_kills(cg, &s->oom_kills, NULL);
	if (!part->v2) {
		stat_memory_v1(part, s);
		return;
	}
	number(part, "memory.current", &s->memory);
	number(part, "memory.peak", &s->memory_peak);
	number(part, "memory.max", &s->memory_limit);
	keyed(part, "memory.events", "max", 1, &s->memory_failures);
	keyed(part, "memory.stat", "file", 1, &s->memory_cache);
	number(part, "memory.swap.current", &s->swap);
	number(part, "memory.swap.max", &s->swap_limit);
}

static void add_words(const char *text, struct cgroup_stat *s)
{
	static const char *const keys[] = { "rbytes=", "wbytes=", "rios=",
					    "wios=" };
	uint64_t *const to[] = { &s->io_read_bytes, &s->io_write_bytes,
				 &s->io_reads, &s->io_writes };
	unsigned long long n;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (const char *p = strstr(text, keys[i]); p;
		     p = strstr(p + 1, keys[i]))
			if (sscanf(p + strlen(keys[i]), "%llu", &n) == 1)
				*to[i] += n;
}

/* "8:0 Read 4096" */
static void add_lines(struct cg_part *part, const char *file, uint64_t *reads,
		      uint64_t *writes)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL, what[16];
	unsigned long long n;

	if (cg_read(part, file, &text) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%*s %15s %llu", what, &n) != 2)
			continue;
		if (!strcmp(what, "Read"))
			*reads += n;
		else if (!strcmp(what, "Write"))
			*writes += n;
	}
}

static void stat_io(struct cgroup *cg, struct cgroup_stat *s)
{
	struct cg_part *part = cg_of(cg, "blkio");
	_cleanup_free_ char *text = NULL;

	if (!part)
		return;
	if (part->v2) {
		if (cg_read(part, "io.stat", &text) == 0)
			add_words(text, s);
		return;
	}
	add_lines(part, "blkio.throttle.io_service_bytes_recursive",
		  &s->io_read_bytes, &s->io_write_bytes);
	add_lines(part, "blkio.throttle.io_serviced_recursive", &s->io_reads,
		  &s->io_writes);
}

int cgroup_oom_kills(struct cgroup *cg, uint64_t *ret, struct err *err)
{
	struct cg_part *part = cg_of(cg, "memory");
	const char *file;
	int r;

	if (!part)
		return err_set(err, -EOPNOTSUPP,
			       "this host has no memory controller");
	file = part->v2 ? "memory.events" : "memory.oom_control";
	r = cg_read_key(part, file, "oom_kill", ret);
	if (r == -ENOENT && cg_fd(part) >= 0 && !cg_has(part, file))
		r = -EOPNOTSUPP;
	return r < 0 ? err_set(err, r, "read oom_kill of %s/%s: %s", part->dir,
			       file, strerror(-r))
		     : 0;
}

int cgroup_stat(struct cgroup *cg, struct cgroup_stat *ret, struct err *err)
{
	struct cgroup_stat s = { 0 };
	struct cg_part *pids = cg_of(cg, "pids");

	for (size_t i = 0; i < cg->count; i++) {
		int fd = cg_fd(&cg->parts[i]);

		if (fd < 0)
			return err_set(err, fd, "cgroup %s: %s",
				       cg->parts[i].dir, strerror(-fd));
	}
	stat_cpu(cg, &s);
	stat_memory(cg, &s);
	stat_io(cg, &s);
	if (pids) {
		number(pids, "pids.current", &s.pids);
		number(pids, "pids.max", &s.pids_limit);
	}
	*ret = s;
	return 0;
}
