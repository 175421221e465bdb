// SPDX-License-Identifier: GPL-2.0-or-later
/* A link into a namespace and out of it, by netlink. */
#include "netctl/sandbox.h"

#include <dirent.h>
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

/* As realpath(), but the last part may be gone.  Owned; NULL: out of memory. */
static char *whole_path(const char *word)
{
	_cleanup_free_ char *dir = strdup(word);
	_cleanup_free_ char *real = NULL;
	char *slash = dir ? strrchr(dir, '/') : NULL;
	char *out = NULL;

	if (!slash)
		return NULL;
	*slash = '\0';
	real = realpath(*dir ? dir : "/", NULL);
	if (!real)
		return strdup(word);
	if (asprintf(&out, "%s/%s", strcmp(real, "/") == 0 ? "" : real,
		     slash + 1) < 0)
		return NULL;
	return out;
}

int sandbox_path(const char *word, char **ret, struct err *err)
{
	bool is_pid = word[strspn(word, "0123456789")] == '\0';

	*ret = NULL;
	if (strchr(word, '/')) {
		*ret = whole_path(word);
	} else if (!*word || word[0] == '.') {
		return err_set(err, -EINVAL,
			       "\"%s\" is no name of a network namespace",
			       word);
	} else if (asprintf(ret, "/run/netns/%s", word) < 0) {
		*ret = NULL;
	} else if (is_pid && access(*ret, F_OK) < 0) {
		free(take_ptr(*ret));
		if (asprintf(ret, "/proc/%s/ns/net", word) < 0)
			*ret = NULL;
	}
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int get_cookie(void *ctx, struct err *err)
{
	return netns_cookie(ctx, err);
}

static int id_of(int fd, struct sandbox_id *ret, struct err *err)
{
	uint64_t cookie = 0;
	struct stat st;
	char boot[37];
	int r = netns_boot_id(boot, err);

	if (r == 0)
		r = netns_run(fd, get_cookie, &cookie, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "network namespace: %s",
			       strerror(errno));
	snprintf(ret->s, sizeof(ret->s), "%.8s:%llx:%llu", boot,
		 (unsigned long long)cookie, (unsigned long long)st.st_ino);
	return 0;
}

int sandbox_open(const char *path, struct sandbox_id *ret_id, struct err *err)
{
	_cleanup_close_ int fd = netns_open(path, err);
	int r = fd < 0 ? fd : id_of(fd, ret_id, err);

	return r < 0 ? r : take_fd(fd);
}

bool sandbox_is_own(const struct sandbox_id *id)
{
	struct sandbox_id own;
	_cleanup_close_ int fd = sandbox_open("/proc/self/ns/net", &own, NULL);

	return fd >= 0 && strcmp(own.s, id->s) == 0;
}

static int open_same(const char *path, const char *id, struct err *err)
{
	struct sandbox_id now;
	_cleanup_close_ int fd = sandbox_open(path, &now, err);

	if (fd < 0)
		return fd;
	return strcmp(now.s, id) == 0 ? take_fd(fd) : -ENOENT;
}

/* A process whose namespace has that inode, and then the rest of @id as well. */
static int find_process(const char *id, struct err *err)
{
	const char *inode = strrchr(id, ':');
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = -ENOENT;

	if (!proc)
		return err_set(err, -errno, "/proc: %s", strerror(errno));
	while (inode && r == -ENOENT && (entry = readdir(proc))) {
		char path[64], number[32];
		struct stat st;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net",
			 entry->d_name);
		if (stat(path, &st) < 0)
			continue; /* ended meanwhile */
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)st.st_ino);
		if (strcmp(number, inode + 1) == 0)
			r = open_same(path, id, NULL);
	}
	closedir(proc);
	return r < 0 ? err_set(err, r, "network namespace: %s", strerror(-r))
		     : r;
}

int sandbox_find(const char *path, const char *id, struct err *err)
{
	int fd = open_same(path, id, err);

	if (fd >= 0 ||
	    (fd != -ENOENT && fd != -ESRCH && fd != -EINVAL && fd != -ENOTDIR))
		return fd;
	return find_process(id, err);
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

int sandbox_name(int netns, const char *prefix, const char *name,
		 char ret[static IFNAMSIZ], struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *in = NULL;
	struct nlk_link link;
	int r = nlk_open_in(netns, &in, err);

	if (r < 0)
		return r;
	if (name) {
		if (strlen(name) >= IFNAMSIZ)
			return err_set(err, -EINVAL,
				       "interface name \"%s\" is longer than "
				       "%d characters",
				       name, IFNAMSIZ - 1);
		if (nlk_link_get(in, name, 0, &link, NULL) == 0)
			return err_set(err, -EEXIST,
				       "there is an interface %s in the "
				       "namespace",
				       name);
		snprintf(ret, IFNAMSIZ, "%s", name);
		return 0;
	}
	for (int i = 0; i < NAMES_MAX; i++) {
		int n = snprintf(ret, IFNAMSIZ, "%s%d", prefix, i);

		if (n < 0 || n >= IFNAMSIZ)
			break;
		if (nlk_link_get(in, ret, 0, &link, NULL) < 0)
			return 0;
	}
	return err_set(err, -ENOSPC, "no name %s0, %s1 ... is free", prefix,
		       prefix);
}

int sandbox_mac(const char *link, struct mac_addr *ret, struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *host = NULL;
	struct nlk_link got;
	int r = nlk_open(&host, err);

	if (r == 0)
		r = nlk_link_get(host, link, 0, &got, err);
	if (r == 0)
		*ret = got.mac;
	return r;
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

		if (plug->no_default && from->dst.len == 0)
			continue;
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
		  bool *ret_default, struct err *err)
{
	struct ip6_off ip6 = { .link = plug->name, .off = true };
	struct nlk_link link, lo;
	int r = nlk_link_get(in, plug->src, 0, &link, err);

	if (r < 0)
		return r;
	r = nlk_link_up(in, link.index, false, err);
	if (r == 0 && strcmp(plug->name, plug->src) != 0)
		r = nlk_link_rename(in, link.index, plug->name, err);
	if (r == 0)
		r = FAILPOINT("sandbox.renamed");
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

int sandbox_plug(int netns, const struct sandbox_plug *plug, bool *ret_default,
		 struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *host = NULL, *in = NULL;
	struct nlk_link link;
	int r = nlk_open(&host, err);

	*ret_default = false;
	if (r == 0)
		r = nlk_open_in(netns, &in, err);
	if (r == 0)
		r = nlk_link_get(host, plug->src, 0, &link, err);
	if (r == 0)
		r = nlk_link_netns(host, link.index, netns, err);
	if (r < 0)
		return r;
	r = set_up(netns, in, plug, ret_default, err);
	if (r < 0) { /* with the one or the other */
		sandbox_pull(netns, plug->name, plug->src, &link.mac, NULL);
		sandbox_pull(netns, plug->name, plug->src, &plug->mac, NULL);
	}
	return r;
}

/* ---- out ---------------------------------------------------------------- */

static int pull_named(struct nlk *in, const char *name, const char *src,
		      const struct mac_addr *mac, int host, struct err *err)
{
	struct nlk_link link;
	int r = nlk_link_get(in, name, 0, &link, err);

	if (r < 0)
		return r == -ENODEV ? 0 : r;
	if (mac && !mac_equal(&link.mac, mac))
		return 0;
	r = nlk_link_up(in, link.index, false, err);
	if (r == 0 && strcmp(name, src) != 0)
		r = nlk_link_rename(in, link.index, src, err);
	return r < 0 ? r : nlk_link_netns(in, link.index, host, err);
}

int sandbox_pull(int netns, const char *name, const char *src,
		 const struct mac_addr *mac, struct err *err)
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
		r = pull_named(in, name, src, mac, host, err);
	/* killed before it had its name, which is the driver's and nobody
	 * else's */
	if (r == 0 && strcmp(name, src) != 0)
		r = pull_named(in, src, src, NULL, host, err);
	return r;
}
