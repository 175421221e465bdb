/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dataplane/ebpf/test/nat_env.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/test/test.h"

void nat_env_open(struct nat_env *e, const struct host *h, uint32_t est_max)
{
	const struct sock_config sock = { .driver = "test",
					  .bpf_dir = h->bpffs,
					  .cgroup = h->cgroup };
	struct nat_config cfg = { .new_max = 1024, .est_max = est_max };

	NAT_CHECK(e, sock_open(&sock, &e->sock, &e->err));
	cfg.pins = sock_pins(e->sock);
	NAT_CHECK(e, guard_open(cfg.pins, &e->guard, &e->err));
	NAT_CHECK(e, tc_open(cfg.pins, true, &e->tc, &e->err));
	NAT_CHECK(e, nlk_open(&e->nlk, &e->err));
	cfg.tc = e->tc;
	cfg.nlk = e->nlk;
	cfg.others = sock_is_other(e->sock) || guard_is_other(e->guard);
	NAT_CHECK(e, nat_open(&cfg, &e->nat, &e->dropped, &e->err));
	NAT_CHECK(e, nat_stats_open(cfg.pins, &e->stats, &e->err));
}

void nat_env_attach(struct nat_env *e)
{
	NAT_CHECK(e, sock_attach(e->sock, &e->err));
	NAT_CHECK(e, guard_start(e->guard, &e->err)); /* its maps are shared */
	NAT_CHECK(e, nat_attach(e->nat, &e->err));
}

void nat_env_close(struct nat_env *e)
{
	nat_stats_close(take_ptr(e->stats));
	nat_close(take_ptr(e->nat));
	tc_close(take_ptr(e->tc));
	nlk_close(take_ptr(e->nlk));
	guard_close(take_ptr(e->guard));
	sock_close(take_ptr(e->sock));
}

void nat_env_leave(struct nat_env *e, const struct host *h)
{
	host_enter(h, h->net);
	NAT_CHECK(e, nat_detach(e->nat, &e->err));
	NAT_CHECK(e, guard_stop(e->guard, &e->err));
	NAT_CHECK(e, sock_detach(e->sock, &e->err));
	nat_env_close(e);
	host_sh("test ! -e %s/berth", h->bpffs);
}

int nat_env_up(void **state, const struct host *host, uint32_t est_max)
{
	struct nat_env *e = calloc(1, sizeof(*e));

	*state = e;
	if (!e || !host->usable)
		return e ? 0 : -1;
	host_enter(host, host->net);
	nat_env_open(e, host, est_max);
	assert_false(e->dropped);
	nat_env_attach(e);
	return 0;
}

int nat_env_down(void **state, const struct host *host)
{
	struct nat_env *e = *state;

	if (host->usable)
		nat_env_leave(e, host);
	free(e);
	return 0;
}

int nat_env_map(const struct host *h, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/berth/v1/test/%s", h->bpffs, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}
