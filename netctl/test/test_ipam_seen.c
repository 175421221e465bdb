/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Docker and the network daemons use is not lost. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "lib/store.h"
#include "netctl/ipam_seen.h"
#include "netctl/jget.h"
#include "netctl/test/fake_api.h"

static const struct fake_answer answers[] = {
	{ "GET /networks",
	  "[{\"Name\":\"lan\",\"Driver\":\"macvlan\",\"IPAM\":{\"Driver\":"
	  "\"berth-ipam\",\"Options\":{\"berth.cluster\":\"on\"},\"Config\":["
	  "{\"Subnet\":\"10.61.0.0/24\"},{\"Subnet\":\"10.62.0.0/16\","
	  "\"IPRange\":\"10.62.4.0/24\"}]}},{\"Name\":\"other\",\"IPAM\":{"
	  "\"Driver\":\"default\",\"Config\":[{\"Subnet\":\"10.63.0.0/24\"}]"
	  "}}]" },
	{ "GET /containers/json", "[]" },
	{ NULL, NULL },
};

static char dir[] = "/tmp/test_ipam_seen.XXXXXX", docker[64], state[64];

static int make_dir(void **unused)
{
	(void)unused;
	if (!mkdtemp(dir))
		return -1;
	snprintf(docker, sizeof(docker), "%s/docker.sock", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	return mkdir(state, 0700);
}

static int drop_dir(void **unused)
{
	(void)unused;
	test_rmdir(dir);
	return 0;
}

static int load(struct ipam_seen *seen, struct err *err)
{
	struct ctl ctl = { .plugin_dir = dir,
			   .state_dir = state,
			   .docker = docker,
			   .timeout_ms = 3000 };
	struct fake_api f;
	int r;

	fake_api_start(&f, docker, answers);
	r = ipam_seen_load(&ctl, seen, err);
	fake_api_end(&f);
	return r;
}

static bool is_lost(const struct ipam_seen *seen, const char *id)
{
	_cleanup_(json_putp) json_object *pool = json_object_new_object();

	jset_str(pool, "PoolID", id);
	jset_str(pool, "Pool", strchr(id, '/') + 1);
	jset_str(pool, "Created", "2020-01-01T00:00:00Z");
	return ipam_seen_pool_lost(seen, pool);
}

/* Docker names no PoolID: a network's pool may be of the cluster. */
static void pools_of_dockers_networks_are_used(void **unused)
{
	_cleanup_(ipam_seen_fini) struct ipam_seen seen = { 0 };
	struct err err = { 0 };

	(void)unused;
	assert_int_equal(load(&seen, &err), 0);
	assert_false(is_lost(&seen, "berth-local/10.61.0.0/24"));
	assert_false(is_lost(&seen, "berth-global/10.61.0.0/24"));
	assert_false(is_lost(&seen, "berth-global/10.62.0.0/16/10.62.4.0/24"));
	assert_true(is_lost(&seen, "berth-global/10.62.0.0/16"));
	assert_true(is_lost(&seen, "berth-local/10.63.0.0/24"));
	assert_true(is_lost(&seen, "berth-global/10.64.0.0/24"));
}

/* Where there is no Docker nobody says so but the administrator. */
static void no_docker_needs_force(void **unused)
{
	_cleanup_(ipam_seen_fini) struct ipam_seen seen = { 0 };
	struct ctl ctl = { .plugin_dir = dir,
			   .state_dir = state,
			   .docker = docker,
			   .timeout_ms = 3000 };
	struct err err = { 0 };

	(void)unused;
	assert_true(ipam_seen_load(&ctl, &seen, &err) < 0);
	assert_non_null(strstr(err.msg, "--force where there is no Docker"));
	ipam_seen_fini(&seen);
	ctl.force = true;
	assert_int_equal(ipam_seen_load(&ctl, &seen, &err), 0);
	assert_true(is_lost(&seen, "berth-local/10.61.0.0/24"));
}

/* What netctl made is used, whoever the driver is. */
static void own_networks_are_used(void **unused)
{
	static const char net[] =
		"{\"NetworkID\":\"n1\",\"Name\":\"shop\",\"Driver\":\"theirs\","
		"\"State\":\"there\",\"Pools\":[{\"PoolID\":"
		"\"berth-local/10.65.0.0/24\"}]}";
	static const char ep[] = "{\"EndpointID\":\"e1\",\"NetworkID\":\"n1\","
				 "\"Address\":\"10.65.0.2/24\"}";
	_cleanup_(ipam_seen_fini) struct ipam_seen seen = { 0 };
	_cleanup_(json_putp) json_object *lease = json_object_new_object();
	struct store *s = NULL;
	struct err err = { 0 };
	char path[128];

	(void)unused;
	jset_str(lease, "Address", "10.65.0.2/24");
	jset_str(lease, "Use", "endpoint");
	jset_str(lease, "Since", "2020-01-01T00:00:00Z");
	assert_int_equal(load(&seen, &err), 0);
	assert_true(is_lost(&seen, "berth-local/10.65.0.0/24"));
	assert_true(ipam_seen_lease_lost(&seen, lease));
	ipam_seen_fini(&seen);
	snprintf(path, sizeof(path), "%s/netctl", state);
	assert_int_equal(store_open(path, STORE_STATE, &s, NULL), 0);
	assert_int_equal(store_put(s, "network", "n1", "", net, NULL), 0);
	assert_int_equal(store_put(s, "endpoint", "e1", "n1", ep, NULL), 0);
	store_close(s);
	assert_int_equal(load(&seen, &err), 0);
	assert_false(is_lost(&seen, "berth-local/10.65.0.0/24"));
	assert_false(ipam_seen_lease_lost(&seen, lease));
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void stopped_daemon_may_use_anything(void **unused)
{
	_cleanup_(ipam_seen_fini) struct ipam_seen seen = { 0 };
	struct err err = { 0 };
	char path[128];

	(void)unused;
	snprintf(path, sizeof(path), "%s/berth-named", state);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/berth-named/state.db", state);
	touch(path); /* of volumes */
	assert_int_equal(load(&seen, &err), 0);
	ipam_seen_fini(&seen);
	snprintf(path, sizeof(path), "%s/berth-overlay", state);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load(&seen, &err), 0);
	ipam_seen_fini(&seen);
	snprintf(path, sizeof(path), "%s/berth-overlay/state.db", state);
	touch(path);
	assert_int_equal(load(&seen, &err), -EAGAIN);
	assert_non_null(strstr(err.msg, "berth-overlay is not running"));
	assert_non_null(strstr(err.msg, "berth-overlay'"));
	assert_int_equal(unlink(path), 0);
}

/* A life of berth-bridge, in which it makes a network or removes it. */
static void life(bool has)
{
	struct store *s = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/berth-bridge", state);
	assert_int_equal(store_open(path, STORE_STATE, &s, NULL), 0);
	if (has)
		assert_int_equal(store_put(s, "network", "n1", "", "{}", NULL),
				 0);
	else
		assert_int_equal(store_del(s, "network", "n1", NULL), 0);
	store_close(s);
}

/* Only one that has networks is in the way. */
static void stopped_daemon_without_networks_uses_nothing(void **unused)
{
	_cleanup_(ipam_seen_fini) struct ipam_seen seen = { 0 };
	struct err err = { 0 };

	(void)unused;
	life(false); /* it never had one */
	assert_int_equal(load(&seen, &err), 0);
	ipam_seen_fini(&seen);
	life(true);
	assert_int_equal(load(&seen, &err), -EAGAIN);
	assert_non_null(strstr(err.msg, "has networks on record"));
	ipam_seen_fini(&seen);
	life(false);
	assert_int_equal(load(&seen, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pools_of_dockers_networks_are_used),
		cmocka_unit_test(no_docker_needs_force),
		cmocka_unit_test(own_networks_are_used),
		cmocka_unit_test(stopped_daemon_may_use_anything),
		cmocka_unit_test(stopped_daemon_without_networks_uses_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
