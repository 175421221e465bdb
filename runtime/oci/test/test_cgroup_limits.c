/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of config.json as the texts that v1 and v2 take, in directories that
 * only look like cgroups; device rules folded. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/oci/cgroup_priv.h"

/* What a v2 cgroup looks like; cpu.max.burst is kept away for one row. */
static const char *const v2_files[][2] = {
	{ "cpu.weight", "100" },
	{ "cpu.max", "max 100000" },
	{ "cpu.max.burst", "0" },
	{ "cpu.idle", "0" },
	{ "cpuset.cpus", "" },
	{ "cpuset.mems", "" },
	{ "memory.max", "max" },
	{ "memory.low", "0" },
	{ "memory.swap.max", "max" },
	{ "memory.current", "5000" },
	{ "pids.max", "max" },
	{ "io.weight", "default 100" },
	{ "io.max", "" },
	{ "hugetlb.2MB.max", "max" },
	{ "rdma.max", "" },
};
static const char *const v1_files[][2] = {
	{ "cpu.shares", "102" },
	{ "cpu.cfs_quota_us", "-1" },
	{ "cpu.cfs_period_us", "100000" },
	{ "cpu.cfs_burst_us", "0" },
	{ "cpu.rt_period_us", "1000000" },
	{ "cpu.rt_runtime_us", "0" },
	{ "cpuset.cpus", "0" },
	{ "cpuset.mems", "0" },
	{ "memory.limit_in_bytes", "9223372036854771712" },
	{ "memory.memsw.limit_in_bytes", "9223372036854771712" },
	{ "memory.soft_limit_in_bytes", "0" },
	{ "memory.usage_in_bytes", "5000" },
	{ "memory.oom_control", "oom_kill_disable 0" },
	{ "memory.swappiness", "60" },
	{ "pids.max", "max" },
	{ "blkio.weight", "500" },
	{ "blkio.throttle.read_bps_device", "" },
	{ "hugetlb.2MB.limit_in_bytes", "0" },
	{ "hugetlb.2MB.rsvd.limit_in_bytes", "0" },
	{ "net_cls.classid", "0" },
	{ "net_prio.ifpriomap", "lo 0" },
};
#define V1_ALL "cpu,cpuset,memory,pids,blkio,hugetlb,net_cls,net_prio"

struct host {
	char mount[32];
	char dir[64];
	struct cgroup *cg;
};

static void put(const char *dir, const char *file, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void host_new(struct host *h, bool v2)
{
	const char *const(*files)[2] = v2 ? v2_files : v1_files;
	size_t n = v2 ? ARRAY_SIZE(v2_files) : ARRAY_SIZE(v1_files);
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *pair = json_object_new_array();
	struct err err = { 0 };

	strcpy(h->mount, "/tmp/berth-cgroup-XXXXXX");
	assert_non_null(mkdtemp(h->mount));
	snprintf(h->dir, sizeof(h->dir), "%s/c", h->mount);
	assert_int_equal(mkdir(h->dir, 0755), 0);
	for (size_t i = 0; i < n; i++)
		put(h->dir, files[i][0], files[i][1]);
	json_object_array_add(pair, json_object_new_string(h->mount));
	json_object_array_add(pair, json_object_new_string(h->dir));
	json_object_object_add(o, v2 ? "" : V1_ALL, pair);
	if (cgroup_load(o, &h->cg, &err) < 0)
		fail_msg("%s", err.msg);
}

static void host_free(struct host *h)
{
	cgroup_free(h->cg);
	test_rmdir(h->mount);
}

/* A real cgroup's file is replaced by what is written; ours is overwritten from
 * the start, so compare as far as the text goes. */
static void check_files(struct host *h, const char *want, const char *name)
{
	_cleanup_free_ char *list = strdup(want);
	char *save = NULL;

	for (char *w = strtok_r(list, ";", &save); w;
	     w = strtok_r(NULL, ";", &save)) {
		_cleanup_free_ char *is = NULL;
		char *value = strchr(w, '=');

		*value++ = '\0';
		assert_int_equal(cg_read(&h->cg->parts[0], w, &is), 0);
		if (strncmp(is, value, strlen(value)) != 0)
			fail_msg("%s: %s is \"%s\", not \"%s\"", name, w, is,
				 value);
	}
}

static int update(struct host *h, const char *json, struct err *err)
{
	_cleanup_(cgroup_resources_freep) struct cgroup_resources *res = NULL;
	_cleanup_(json_putp) json_object *o = NULL;
	int r = jdec_parse(json, strlen(json), &o, err);

	if (r == 0)
		r = cgroup_resources_decode(o, &res, err);
	if (r == 0)
		r = cgroup_update(h->cg, res, err);
	return r;
}

struct row {
	const char *name;
	bool v2;
	const char *json;
	const char *want; /* "file=text;..." after it, also when it fails */
	const char *msg;  /* a part of it; NULL: accepted */
};

static const struct row rows[] = {
	{ "v2: shares become a weight", true, "{\"cpu\":{\"shares\":1024}}",
	  "cpu.weight=39", NULL },
	{ "v2: quota alone keeps the period", true,
	  "{\"cpu\":{\"quota\":50000}}", "cpu.max=50000 100000", NULL },
	{ "v2: period alone keeps the quota", true,
	  "{\"cpu\":{\"period\":20000}}", "cpu.max=max 20000", NULL },
	{ "v2: no quota", true, "{\"cpu\":{\"quota\":-1,\"period\":20000}}",
	  "cpu.max=max 20000", NULL },
	{ "v2: burst and idle", true,
	  "{\"cpu\":{\"quota\":50000,\"burst\":20000,\"idle\":1}}",
	  "cpu.max.burst=20000;cpu.idle=1", NULL },
	{ "v2: no realtime", true, "{\"cpu\":{\"realtimeRuntime\":10}}", "",
	  "cpu.realtimeRuntime, realtimePeriod: no such limit" },
	{ "v2: cpuset", true, "{\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\"}}",
	  "cpuset.cpus=0-1;cpuset.mems=0", NULL },
	{ "v2: swap without memory", true,
	  "{\"memory\":{\"limit\":4096,\"swap\":12288,\"reservation\":1024}}",
	  "memory.max=4096;memory.swap.max=8192;memory.low=1024", NULL },
	{ "v2: memory of no limit", true, "{\"memory\":{\"limit\":-1}}",
	  "memory.max=max;memory.swap.max=max", NULL },
	{ "v2: swap equal to memory is no swap", true,
	  "{\"memory\":{\"limit\":4096,\"swap\":4096}}", "memory.swap.max=0",
	  NULL },
	{ "v2: swap alone", true, "{\"memory\":{\"swap\":4096}}", "",
	  "memory.swap: has no meaning without memory.limit" },
	{ "v2: kernel memory is ignored", true, "{\"memory\":{\"kernel\":1}}",
	  "memory.max=max", NULL },
	{ "v2: no swappiness", true, "{\"memory\":{\"swappiness\":0}}", "",
	  "memory.swappiness: no such limit in cgroup v2" },
	{ "v2: the OOM killer stays", true,
	  "{\"memory\":{\"disableOOMKiller\":true}}", "",
	  "memory.disableOOMKiller: no such limit" },
	{ "v2: looks before it limits", true,
	  "{\"memory\":{\"limit\":4096,\"checkBeforeUpdate\":true}}",
	  "memory.max=max", "memory.limit: 5000 bytes are in use" },
	{ "v2: pids", true, "{\"pids\":{\"limit\":7}}", "pids.max=7", NULL },
	{ "v2: pids of no limit", true, "{\"pids\":{\"limit\":-1}}",
	  "pids.max=max", NULL },
	{ "v2: weights of block devices", true,
	  "{\"blockIO\":{\"weight\":500,\"weightDevice\":[{\"major\":8,"
	  "\"minor\":0,\"weight\":1000}]}}",
	  "io.weight=8:0 10000", NULL },
	{ "v2: throttle", true,
	  "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":16,"
	  "\"rate\":1000}]}}",
	  "io.max=8:16 rbps=1000", NULL },
	{ "v2: throttle of 0 is none", true,
	  "{\"blockIO\":{\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":"
	  "16,\"rate\":0}]}}",
	  "io.max=8:16 wiops=max", NULL },
	{ "v2: weight out of range", true, "{\"blockIO\":{\"weight\":5}}", "",
	  "blockIO weight: 5 is not in 10..1000" },
	{ "v2: huge pages", true,
	  "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}",
	  "hugetlb.2MB.max=4194304", NULL },
	{ "v2: huge pages of a size there isn't", true,
	  "{\"hugepageLimits\":[{\"pageSize\":\"3MB\",\"limit\":1}]}", "",
	  "hugetlb.3MB.max: not there" },
	{ "v2: rdma", true, "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}}}",
	  "rdma.max=mlx5_1 hca_handle=3", NULL },
	{ "v2: unified by name", true,
	  "{\"unified\":{\"memory.low\":\"77\",\"cpu.weight\":\"9\"}}",
	  "memory.low=77;cpu.weight=9", NULL },
	{ "v2: unified of no such file", true,
	  "{\"unified\":{\"memory.none\":\"1\"}}", "",
	  "memory.none: not there" },
	{ "v2: unified with a path", true,
	  "{\"unified\":{\"../c/pids.max\":\"1\"}}", "pids.max=max",
	  "is not the name of a file" },
	{ "v2: a failure puts back what was changed", true,
	  "{\"cpu\":{\"shares\":1024},\"pids\":{\"limit\":5},"
	  "\"unified\":{\"memory.none\":\"1\"}}",
	  "cpu.weight=100;pids.max=max", "memory.none" },

	{ "v1: cpu", false,
	  "{\"cpu\":{\"shares\":512,\"quota\":50000,\"period\":20000,"
	  "\"burst\":100}}",
	  "cpu.shares=512;cpu.cfs_quota_us=50000;cpu.cfs_period_us=20000;"
	  "cpu.cfs_burst_us=100",
	  NULL },
	{ "v1: realtime", false,
	  "{\"cpu\":{\"realtimeRuntime\":10,\"realtimePeriod\":20}}",
	  "cpu.rt_runtime_us=10;cpu.rt_period_us=20", NULL },
	{ "v1: idle is asked and not there", false, "{\"cpu\":{\"idle\":1}}",
	  "", "cpu.idle: not there" },
	{ "v1: memory and swap", false,
	  "{\"memory\":{\"limit\":8192,\"swap\":16384,\"swappiness\":0,"
	  "\"reservation\":1,\"disableOOMKiller\":true}}",
	  "memory.limit_in_bytes=8192;memory.memsw.limit_in_bytes=16384;"
	  "memory.swappiness=0;memory.soft_limit_in_bytes=1;"
	  "memory.oom_control=1",
	  NULL },
	{ "v1: memory of no limit frees swap, too", false,
	  "{\"memory\":{\"limit\":-1}}",
	  "memory.limit_in_bytes=-1;memory.memsw.limit_in_bytes=-1", NULL },
	{ "v1: swap less than memory", false,
	  "{\"memory\":{\"limit\":8192,\"swap\":4096}}",
	  "memory.limit_in_bytes=9223372036854771712",
	  "memory.swap: 4096 is less than memory.limit" },
	{ "v1: swappiness out of range", false,
	  "{\"memory\":{\"swappiness\":101}}", "", "not in 0..100" },
	{ "v1: pids", false, "{\"pids\":{\"limit\":7}}", "pids.max=7", NULL },
	{ "v1: pids 0 says nothing", false, "{\"pids\":{\"limit\":0}}",
	  "pids.max=max", NULL },
	{ "v1: block devices", false,
	  "{\"blockIO\":{\"weight\":10,\"throttleReadBpsDevice\":[{\"major\":"
	  "8,\"rate\":5}]}}",
	  "blkio.weight=10;blkio.throttle.read_bps_device=8:0 5", NULL },
	{ "v1: huge pages and their reservation", false,
	  "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":9}]}",
	  "hugetlb.2MB.limit_in_bytes=9;hugetlb.2MB.rsvd.limit_in_bytes=9",
	  NULL },
	{ "v1: network", false,
	  "{\"network\":{\"classID\":1048577,\"priorities\":[{\"name\":"
	  "\"lo\",\"priority\":3}]}}",
	  "net_cls.classid=1048577;net_prio.ifpriomap=lo 3", NULL },
	{ "v1: no unified", false, "{\"unified\":{\"memory.low\":\"1\"}}", "",
	  "unified: this host has cgroup v1 only" },
	{ "v1: no rdma controller", false,
	  "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}}}", "", "rdma" },

	{ "a number in quotes", true, "{\"cpu\":{\"shares\":\"1024\"}}", "",
	  "cpu.shares: not a whole number" },
	{ "a device type there isn't", true,
	  "{\"devices\":[{\"allow\":true,\"type\":\"x\"}]}", "",
	  "devices[0]: type: not a, b, c or u" },
	{ "access there isn't", true,
	  "{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}", "",
	  "devices[0]: access: not of r, w and m" },
	{ "a throttle that isn't a list", true,
	  "{\"blockIO\":{\"throttleReadBpsDevice\":{}}}", "",
	  "blockIO: throttleReadBpsDevice: not an array" },
	{ "a page size with a slash", true,
	  "{\"hugepageLimits\":[{\"pageSize\":\"/2MB\"}]}", "",
	  "hugepageLimits[0].pageSize" },
};

static void limit_row(void **state)
{
	const struct row *row = *state;
	struct err err = { 0 };
	struct host h = { 0 };
	int r;

	host_new(&h, row->v2);
	r = update(&h, row->json, &err);
	if (row->msg) {
		assert_true(r < 0);
		if (!strstr(err.msg, row->msg))
			fail_msg("\"%s\" has no \"%s\"", err.msg, row->msg);
	} else if (r < 0) {
		fail_msg("%s", err.msg);
	}
	check_files(&h, row->want, row->name);
	host_free(&h);
}

static void weights_as_runc_makes_them(void **state)
{
	static const struct {
		uint64_t shares, weight;
	} is[] = { { 0, 1 },     { 2, 1 },          { 1024, 39 },
		   { 2048, 79 }, { 262144, 10000 }, { 1000000, 10000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(is); i++)
		assert_int_equal(cg_v2_weight_of_shares(is[i].shares),
				 is[i].weight);
	assert_int_equal(cg_v2_weight_of_blkio(10), 1);
	assert_int_equal(cg_v2_weight_of_blkio(500), 4950);
	assert_int_equal(cg_v2_weight_of_blkio(1000), 10000);
}

/* ---- device rules ---- */

struct fold {
	const char *name, *json;
	bool allow;
	size_t count;
	const char *msg;
};
static const struct fold folds[] = {
	{ "nothing said: the defaults", "[]", false, 11, NULL },
	{ "all allowed", "[{\"allow\":true,\"access\":\"rwm\"}]", true, 0,
	  NULL },
	{ "all denied, one allowed",
	  "[{\"allow\":true,\"access\":\"rwm\"},{\"allow\":false},"
	  "{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,"
	  "\"access\":\"r\"}]",
	  false, 12, NULL },
	{ "a device of number 0 is not any",
	  "[{\"allow\":true,\"type\":\"c\",\"major\":0,\"minor\":0}]", false,
	  12, NULL },
	{ "a right given and taken",
	  "[{\"allow\":true,\"type\":\"c\",\"major\":9,\"minor\":9},"
	  "{\"allow\":false,\"type\":\"c\",\"major\":9,\"minor\":9}]",
	  false, 11, NULL },
	{ "a hole in a wider rule",
	  "[{\"allow\":true,\"type\":\"c\",\"major\":9},"
	  "{\"allow\":false,\"type\":\"c\",\"major\":9,\"minor\":9}]",
	  false, 0, "devices[1]: devices: c 9:9 can't be taken out" },
	{ "all, but of one number",
	  "[{\"allow\":true,\"type\":\"a\",\"major\":9}]", false, 0,
	  "a rule for all devices" },
	{ "denied from all",
	  "[{\"allow\":true},{\"allow\":false,\"type\":\"c\",\"major\":10,"
	  "\"minor\":232}]",
	  true, 1, NULL },
};

static void fold_row(void **state)
{
	_cleanup_(cgroup_resources_freep) struct cgroup_resources *res = NULL;
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	const struct fold *row = *state;
	struct cg_devices d = { 0 };
	struct err err = { 0 };
	int r;

	json_object_object_add(o, "devices", json_tokener_parse(row->json));
	assert_int_equal(cgroup_resources_decode(o, &res, &err), 0);
	r = cg_devices_fold(res, &d, &err);
	if (row->msg) {
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(err.msg, row->msg));
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(d.allow, row->allow);
	assert_int_equal(d.count, row->count);
	cg_devices_free(&d);
}

/* ---- paths ---- */

static void paths_stay_inside(void **state)
{
	static const char *const is[][2] = {
		{ "", "/" },
		{ "a/b", "/a/b" },
		{ "/a//b/", "/a/b" },
		{ "../../a", "/a" },
		{ "/a/../..", "/" },
		{ "/a/./b/../c", "/a/c" },
		{ "/..a/b..", "/..a/b.." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		_cleanup_free_ char *clean = NULL;

		assert_int_equal(cg_path_clean(is[i][0], &clean), 0);
		assert_string_equal(clean, is[i][1]);
	}
}

static void a_state_file_not_ours_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"\":\"/sys\"}",
		"{\"\":[\"/sys\"]}",
		"{\"\":[\"/sys\",\"/etc/x\"]}",
		"{\"\":[\"/sys\",\"/sys\"]}",
		"{\"\":[\"/sys\",\"/sys/a/../../etc\"]}",
		"{\"\":[1,2]}",
		"[]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(json_putp) json_object *o =
			json_tokener_parse(bad[i]);
		struct cgroup *cg = NULL;

		assert_int_equal(cgroup_load(o, &cg, NULL), -EBADMSG);
		assert_null(cg);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(folds) + 3];
	size_t n = TEST_ROWS(tests, rows, limit_row);

	n += TEST_ROWS(tests + n, folds, fold_row);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(weights_as_runc_makes_them);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(paths_stay_inside);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(
		a_state_file_not_ours_is_refused);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("cgroup_limits", tests, n, NULL, NULL);
}
