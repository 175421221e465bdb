// SPDX-License-Identifier: GPL-2.0-or-later
/* A link into a namespace and out of it, by netlink. */
#include "netctl/sandbox.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "lib/netns.h"
#include "lib/nlk.h"

#define NAMES_MAX 1000 /* eth0 to eth999 */

int sandbox_path(const char *word, char **ret, struct err *err)
{
	int n;

	if (strchr(word, '/')) {
		*ret = realpath(word, NULL);
		if (!*ret)
			*ret = strdup(word);
		n = *ret ? 0 : -1;
	} else if (word[strspn(word, "0123456789")] == '\0') {
		n = asprintf(ret, "/proc/%s/ns/net", word);
	} else if (word[0] == '.') {
		return err_set(err, -EINVAL,
			       "\"%s\" is no name of a network namespace",
			       word);
	} else {
		n = asprintf(ret, "/run/netns/%s", word);
	}
	return n < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

int sandbox_open(const char *path, struct sandbox_id *ret_id, struct err *err)
{
	_cleanup_close_ int fd = netns_open(path, err);
	struct stat st, own;
	char boot[37];
	int r;

	if (fd < 0)
		return fd;
	r = netns_boot_id(boot, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || stat("/proc/self/ns/net", &own) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (st.st_dev == own.st_dev && st.st_ino == own.st_ino)
		return err_set(err, -EINVAL,
			       "%s is the network namespace of the host itself",
			       path);
	snprintf(ret_id->s, sizeof(ret_id->s), "%.8s:%llu:%llu", boot,
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return take_fd(fd);
}

/* ---- in ----------------------------------------------------------------- */

struct ip6_off {
	const char *link;
	bool off;
};

static int set_ip6(void *ctx, struct err *err)
{
	const struct ip6_off *s = ctx;

	if (!s->off && !sysctl_has_ip6(s->link))
		return err_set(
			err, -EOPNOTSUPP,
			"%s can have no IPv6 address: IPv6 is off in the "
			"kernel, or its MTU is below 1280",
			s->link);
	return sysctl_set_ip6(s->link, "disable_ipv6", s->off ? "1" : "0", err);
}

static int choose_name(struct nlk *in, const struct sandbox_plug *plug,
		       char ret[static IFNAMSIZ], struct err *err)
{
	struct nlk_link link;

	if (plug->name) {
		if (strlen(plug->name) >= IFNAMSIZ)
			return err_set(err, -EINVAL,
				       "interface name \"%s\" is longer than "
				       "%d characters",
				       plug->name, IFNAMSIZ - 1);
		if (nlk_link_get(in, plug->name, 0, &link, NULL) == 0)
			return err_set(err, -EEXIST,
				       "there is an interface %s in the "
				       "namespace",
				       plug->name);
		snprintf(ret, IFNAMSIZ, "%s", plug->name);
		return 0;
	}
	for (int i = 0; i < NAMES_MAX; i++) {
		int n = snprintf(ret, IFNAMSIZ, "%s%d", plug->prefix, i);

		if (n < 0 || n >= IFNAMSIZ)
			break;
		if (nlk_link_get(in, ret, 0, &link, NULL) < 0)
			return 0;
	}
	return err_set(err, -ENOSPC, "no name %s0, %s1 ... is free",
		       plug->prefix, plug->prefix);
}

static int find_default(void *ctx, const struct nlk_route *r)
{
	if (r->dst.len == 0 && r->type == 1 /* unicast */ &&
	    (r->table == 0 || r->table == 254 /* main */))
		*(bool *)ctx = true;
	return 0;
}

static int add_gateway(struct nlk *in, int index, const struct ip_addr *gateway,
		       bool *added, struct err *err)
{
	struct nlk_route r = { .gateway = *gateway, .oif = index };
	bool there = false;
	int code =
		nlk_route_each(in, gateway->family, find_default, &there, err);

	if (code < 0 || there)
		return code;
	r.dst.addr.family = gateway->family;
	code = nlk_route_add(in, &r, err);
	*added |= code == 0;
	return code;
}

static int add_routes(struct nlk *in, int index,
		      const struct sandbox_plug *plug, bool *ret_default,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < plug->route_count && r == 0; i++) {
		const struct sandbox_route *from = &plug->routes[i];
		struct nlk_route route = {
			.dst = from->dst,
			.gateway = from->via,
			.oif = index,
		};

		r = nlk_route_add(in, &route, err);
		if (r == -EEXIST)
			r = 0;
	}
	for (size_t i = 0; i < 2 && r == 0 && !plug->no_default; i++)
		if (plug->gateways[i].family)
			r = add_gateway(in, index, &plug->gateways[i],
					ret_default, err);
	return r;
}

/* The link is in there, down, under the name it had. */
static int set_up(int netns, struct nlk *in, const struct sandbox_plug *plug,
		  char ret_name[static IFNAMSIZ], bool *ret_default,
		  struct err *err)
{
	struct ip6_off ip6 = { .link = ret_name, .off = true };
	struct nlk_link link, lo;
	int r = nlk_link_get(in, plug->src, 0, &link, err);

	if (r == 0)
		r = choose_name(in, plug, ret_name, err);
	if (r < 0)
		return r;
	r = nlk_link_up(in, link.index, false, err);
	if (r == 0)
		r = nlk_link_rename(in, link.index, ret_name, err);
	if (r == 0 && !mac_is_none(&plug->mac) &&
	    !mac_equal(&plug->mac, &link.mac))
		r = nlk_link_mac(in, link.index, &plug->mac, err);
	for (size_t i = 0; i < 2; i++)
		if (plug->addrs[i].addr.family == AF_INET6)
			ip6.off = false;
	if (r == 0)
		r = netns_run(netns, set_ip6, &ip6, err);
	for (size_t i = 0; i < 2 && r == 0; i++)
		if (plug->addrs[i].addr.family)
			r = nlk_addr_add(in, link.index, &plug->addrs[i], err);
	if (r == 0)
		r = FAILPOINT("sandbox.addressed");
	if (r == 0 && nlk_link_get(in, "lo", 0, &lo, NULL) == 0)
		r = nlk_link_up(in, lo.index, true, err);
	if (r == 0)
		r = nlk_link_up(in, link.index, true, err);
	if (r == 0)
		r = add_routes(in, link.index, plug, ret_default, err);
	return r;
}

int sandbox_plug(int netns, const struct sandbox_plug *plug,
		 char ret_name[static IFNAMSIZ], bool *ret_default,
		 struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *host = NULL, *in = NULL;
	struct nlk_link link;
	int r = nlk_open(&host, err);

	*ret_default = false;
	ret_name[0] = '\0';
	if (r == 0)
		r = nlk_open_in(netns, &in, err);
	if (r == 0)
		r = nlk_link_get(host, plug->src, 0, &link, err);
	if (r == 0)
		r = nlk_link_netns(host, link.index, netns, err);
	if (r < 0)
		return r;
	r = set_up(netns, in, plug, ret_name, ret_default, err);
	if (r < 0)
		sandbox_pull(netns, *ret_name ? ret_name : plug->src, plug->src,
			     NULL);
	return r;
}

/* ---- out ---------------------------------------------------------------- */

static int pull_named(struct nlk *in, const char *name, const char *src,
		      int host, struct err *err)
{
	struct nlk_link link;
	int r = nlk_link_get(in, name, 0, &link, err);

	if (r < 0)
		return r == -ENODEV ? 0 : r;
	r = nlk_link_up(in, link.index, false, err);
	if (r == 0 && strcmp(name, src) != 0)
		r = nlk_link_rename(in, link.index, src, err);
	return r < 0 ? r : nlk_link_netns(in, link.index, host, err);
}

int sandbox_pull(int netns, const char *name, const char *src, struct err *err)
{
	_cleanup_close_ int host =
		open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_(nlk_closep) struct nlk *in = NULL;
	int r;

	if (host < 0)
		return err_set(err, -errno, "/proc/self/ns/net: %s",
			       strerror(errno));
	r = nlk_open_in(netns, &in, err);
	if (r == 0 && *name)
		r = pull_named(in, name, src, host, err);
	/* killed before it had its name */
	return r < 0 ? r : pull_named(in, src, src, host, err);
}
