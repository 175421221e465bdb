/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Namespaces by descriptor, and sysctls, in a namespace of the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/netns.h"
#include "lib/nlk.h"

static void opens_a_namespace_only(void **state)
{
	char path[] = "/tmp/berth-test-netns-XXXXXX";
	_cleanup_close_ int fd = netns_open("/proc/self/ns/net", NULL);
	_cleanup_close_ int plain = mkstemp(path);
	struct err err = { 0 };

	(void)state;
	assert_true(fd >= 0 && plain >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(netns_open(path, &err), -EINVAL);
	assert_int_equal(netns_open("/proc/self/ns/mnt", &err), -EINVAL);
	unlink(path);
	assert_int_equal(netns_open(path, &err), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(netns_open(path, &err), -EINVAL); /* and no wait */
	unlink(path);
}

static void cookie_is_the_namespaces_own(void **state)
{
	uint64_t before, again, after;

	(void)state;
	assert_int_equal(netns_cookie(&before, NULL), 0);
	assert_int_equal(netns_cookie(&again, NULL), 0);
	assert_int_equal(before, again);
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: unshare: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(netns_cookie(&after, NULL), 0);
	assert_true(before != after);
}

static void boot_id_is_a_uuid(void **state)
{
	char id[37], again[37];

	(void)state;
	assert_int_equal(netns_boot_id(id, NULL), 0);
	assert_int_equal(strlen(id), 36);
	assert_int_equal(netns_boot_id(again, NULL), 0);
	assert_string_equal(id, again);
}

static void sysctl_reads_writes_and_stays_below(void **state)
{
	struct err err = { 0 };
	char buf[32], tiny[2];

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: unshare: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(sysctl_set("net/ipv4/conf/lo/forwarding", "1", &err),
			 0);
	assert_int_equal(sysctl_get("net/ipv4/conf/lo/forwarding", buf,
				    sizeof(buf), &err),
			 0);
	assert_string_equal(buf, "1");
	assert_int_equal(sysctl_get("net/ipv4/ip_local_port_range", tiny,
				    sizeof(tiny), &err),
			 -EMSGSIZE);
	assert_int_equal(sysctl_get("net/ipv4/nothing", buf, sizeof(buf), &err),
			 -ENOENT);
	assert_int_equal(
		sysctl_get("../../etc/hostname", buf, sizeof(buf), &err),
		-EINVAL);
	assert_int_equal(sysctl_set("/net/ipv4/ip_forward", "1", &err),
			 -EINVAL);
	assert_int_equal(
		sysctl_set("net/ipv4/conf/lo/mc_forwarding", "1", &err),
		-EACCES);
}

/* Below 1280 the kernel takes a link's IPv6 settings away; what it brings back
 * has its own defaults. */
static void ip6_of_a_small_link(void **state)
{
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	const struct nlk_bridge_conf conf = { .name = "small.0",
					      .alias = "berth:test:small",
					      .mtu = 1000 };
	struct nlk_link link;
	struct err err = { 0 };
	char buf[8];

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: unshare: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(nlk_open(&nlk, &err), 0);
	assert_int_equal(nlk_bridge_add(nlk, &conf, &err), 0);
	assert_int_equal(nlk_link_get(nlk, "small.0", 0, &link, &err), 0);
	assert_int_equal(nlk_link_mtu(nlk, link.index, 1000, &err), 0);
	assert_false(sysctl_has_ip6("small.0"));
	assert_int_equal(sysctl_set_ip6("small.0", "accept_ra", "0", &err), 0);
	assert_string_equal(err.msg, "");
	if (!sysctl_has_ip6("lo"))
		return; /* a kernel without */
	assert_int_equal(nlk_link_mtu(nlk, link.index, 1280, &err), 0);
	assert_true(sysctl_has_ip6("small.0"));
	assert_int_equal(sysctl_set_ip6("small.0", "accept_ra", "0", &err), 0);
	assert_int_equal(sysctl_get("net/ipv6/conf/small.0/accept_ra", buf,
				    sizeof(buf), &err),
			 0);
	assert_string_equal(buf, "0");
	assert_int_equal(sysctl_set_ip6("small.0", "no_such_key", "0", &err),
			 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_a_namespace_only),
		cmocka_unit_test(cookie_is_the_namespaces_own),
		cmocka_unit_test(boot_id_is_a_uuid),
		cmocka_unit_test(sysctl_reads_writes_and_stays_below),
		cmocka_unit_test(ip6_of_a_small_link),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
