/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket hooks' life: load, pin, attach; what is in the maps is in
 * sock_maps.c.
 *
 * Pins in the driver's directory: sock_any, sock_pub, sock_range, sock_ip6,
 * sock_pool, sock_held, sock_port, sock_peer, sock_meta, nat_local, nat_stat (maps)
 * and sock_link_<hook>.  A daemon that starts anew takes the
 * maps as they are, if their layout is its own, and puts its programs into the
 * links in place of the old ones: no connection sees a moment without them.
 * Of another layout they give way to new ones as soon as these are loaded; the
 * old programs keep the old maps until the new ones are filled.  So long
 * sock_meta says no layout at all: who is killed there begins again.
 * Pins of another network namespace whose daemon is gone (its lock is free)
 * are removed.
 */
#include "dataplane/ebpf/sock.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "dataplane/dataplane.h"
#include "dataplane/ebpf/nat_stat.h"
#include "dataplane/ebpf/sock_priv.h"
#include "lib/fail.h"
#include "lib/netns.h"

#define A_LINK "sock_link_connect4" /* the hooks are there */

/* ---- open --------------------------------------------------------------- */

static struct maps_meta meta_of(const struct sock *s)
{
	return (struct maps_meta){ .netns_cookie = s->cookie,
				   .layout = MAPS_SOCK_LAYOUT };
}

/* Whose are the pins? */
static int look_at_meta(struct sock *s, struct err *err)
{
	const struct maps_meta ours = meta_of(s);
	int r = maps_owner(&s->pins, "sock_meta", &ours, err);

	if (r < 0)
		return r;
	/* without it: killed between the old ones' end and the new ones */
	s->other = r == MAPS_OTHER ||
		   (r == MAPS_NONE && pin_exists(&s->pins, A_LINK));
	s->foreign = r == MAPS_FOREIGN;
	return 0;
}

static int find_cgroup(struct sock *s, const char *given, struct err *err)
{
	struct stat st, all = { 0 };
	int r;

	if (!given)
		return pin_cgroup(s->cgroup, sizeof(s->cgroup), &s->everybody,
				  err);
	r = pin_cgroup(s->cgroup, sizeof(s->cgroup), &s->everybody, NULL);
	s->everybody = r == 0 && s->everybody && stat(s->cgroup, &all) == 0;
	if (snprintf(s->cgroup, sizeof(s->cgroup), "%s", given) >=
	    (int)sizeof(s->cgroup))
		return err_set(err, -ENAMETOOLONG, "cgroup %.80s...: too long",
			       given);
	if (stat(given, &st) < 0)
		return err_set(err, -errno, "cgroup %s: %s", given,
			       strerror(errno));
	s->everybody = s->everybody && st.st_dev == all.st_dev &&
		       st.st_ino == all.st_ino;
	return 0;
}

bool sock_is_other(const struct sock *sock)
{
	return sock->other;
}

bool sock_sees_everybody(const struct sock *sock)
{
	return sock->everybody;
}

static uint32_t mark_of(const char *driver)
{
	static const char *const drivers[] = DP_DRIVERS;

	for (uint32_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return SOCK_CLAIM_MARK + i;
	return SOCK_CLAIM_MARK;
}

uint32_t sock_claim_mark(const struct sock *s)
{
	return s->mark;
}

int sock_open(const struct sock_config *cfg, struct sock **ret, struct err *err)
{
	_cleanup_(sock_closep) struct sock *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "socket hooks: out of memory");
	s->pins.lock = -EBADF;
	s->mark = mark_of(cfg->driver);
	pin_quiet_libbpf();
	r = netns_cookie(&s->cookie, err);
	if (r == 0)
		r = find_cgroup(s, cfg->cgroup, err);
	if (r == 0)
		r = pin_init(&s->pins, cfg->bpf_dir, cfg->driver, err);
	if (r == 0)
		r = pin_lock(&s->pins, err);
	if (r > 0)
		r = look_at_meta(s, err);
	if (r < 0)
		return err_wrap(err, r, "socket hooks");
	*ret = take_ptr(s);
	return 0;
}

/* What is pinned stays in the kernel. */
static void let_go(struct sock *s)
{
	for (size_t i = 0; i < SOCK_PROGS; i++)
		bpf_link__destroy(take_ptr(s->links[i]));
	if (s->ports)
		(void)munmap(take_ptr(s->ports), SOCK_PORT_SIZE);
	if (s->any)
		(void)munmap(take_ptr(s->any), SOCK_ANY_SIZE);
	sock_ip6_fini(s);
	sock_bpf__destroy(take_ptr(s->skel));
}

void sock_close(struct sock *sock)
{
	if (!sock)
		return;
	let_go(sock);
	pin_fini(&sock->pins);
	sock_entries_fini(&sock->wanted);
	free(sock->wanted_ports);
	free(sock);
}

struct pin_dir *sock_pins(struct sock *sock)
{
	return &sock->pins;
}

/* ---- attach ------------------------------------------------------------- */

/* Pins that are no maps; and maps that nat.h has as well. */
static const char *const links[] = { "sock_link_*", NULL };
static const char *const shared[] = { "nat_local", "nat_stat", NULL };

static int remove_shared(struct sock *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && shared[i]; i++)
		r = pin_remove(&s->pins, shared[i], err);
	return r;
}

static int load(struct sock *s, struct sock_bpf **ret, struct err *err)
{
	_cleanup_(sock_bpf__destroyp) struct sock_bpf *skel = sock_bpf__open();
	const struct maps_meta meta = meta_of(s);
	int r = 0;

	if (!skel)
		return err_set(err, -errno, "open: %s", strerror(errno));
	skel->rodata->netns_cookie = s->cookie;
	skel->rodata->claim_mark = s->mark;
	skel->rodata->can_set_retval =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
					BPF_FUNC_set_retval, NULL) == 1;
	(void)bpf_map__set_max_entries(
		skel->maps.nat_stat,
		nat_stats_size(libbpf_num_possible_cpus()));
	if (!s->other)
		r = maps_reuse(&s->pins, skel->obj, err);
	if (r < 0)
		return r;
	r = sock_bpf__load(skel);
	if (r < 0)
		return err_set(err, r, "load: %s%s", strerror(-r),
			       r == -EPERM ? " (needs CAP_BPF and "
					     "CAP_NET_ADMIN)"
					   : "");
	if (s->other)
		r = maps_replace(&s->pins, "sock_", links, shared, skel->obj,
				 err);
	else
		r = maps_mark(skel->maps.sock_meta, &meta, err);
	if (r == 0 && !s->other)
		r = maps_pin(&s->pins, skel->obj, err);
	if (r < 0)
		return r;
	*ret = take_ptr(skel);
	return 0;
}

static int map_one(const struct bpf_map *map, size_t size, uint64_t **ret,
		   struct err *err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	if (p == MAP_FAILED)
		return err_set(err, -errno, "map %s: %s", bpf_map__name(map),
			       strerror(errno));
	*ret = p;
	return 0;
}

static int map_ports(struct sock *s, struct err *err)
{
	int r = map_one(s->skel->maps.sock_port, SOCK_PORT_SIZE, &s->ports,
			err);

	return r < 0 ? r
		     : map_one(s->skel->maps.sock_any, SOCK_ANY_SIZE, &s->any,
			       err);
}

/* "sock_link_connect4" for program sock_connect4. */
static const char *link_pin(const struct sock *s, const struct bpf_program *p,
			    char buf[static PIN_PATH_MAX])
{
	char name[64];

	snprintf(name, sizeof(name), "sock_link_%s",
		 bpf_program__name(p) + strlen("sock_"));
	return pin_path(&s->pins, name, buf);
}

/* Is @link attached, and to our cgroup? */
static bool is_attached(const struct sock *s, const struct bpf_link *link)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	struct stat st;

	return bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len) == 0 &&
	       stat(s->cgroup, &st) == 0 &&
	       info.cgroup.cgroup_id == (uint64_t)st.st_ino;
}

static void bpf_link__destroyp(struct bpf_link **link)
{
	bpf_link__destroy(*link);
}

/* The link an earlier daemon pinned, with our program in it. NULL: none. */
static struct bpf_link *take_over(struct sock *s, struct bpf_program *prog)
{
	char path[PIN_PATH_MAX];
	_cleanup_(bpf_link__destroyp) struct bpf_link *link =
		bpf_link__open(link_pin(s, prog, path));

	if (!link || !is_attached(s, link) ||
	    bpf_link__update_program(link, prog) < 0)
		return NULL;
	return take_ptr(link);
}

static int attach_one(struct sock *s, struct bpf_program *prog, int cgroup,
		      struct bpf_link **ret, struct err *err)
{
	_cleanup_(bpf_link__destroyp) struct bpf_link *link =
		take_over(s, prog);
	char path[PIN_PATH_MAX];
	int r;

	if (!link) {
		link = bpf_program__attach_cgroup(prog, cgroup);
		if (!link)
			return err_set(err, -errno, "%s at cgroup %s: %s",
				       bpf_program__name(prog), s->cgroup,
				       strerror(errno));
		link_pin(s, prog, path);
		/* the old one, if there is one, is detached or elsewhere */
		(void)unlink(path);
		r = bpf_link__pin(link, path);
		if (r < 0)
			return err_set(err, r, "%s: %s", path, strerror(-r));
	}
	*ret = take_ptr(link);
	return 0;
}

static int attach_all(struct sock *s, struct err *err)
{
	_cleanup_close_ int cgroup =
		open(s->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bpf_program *prog;
	size_t i = 0;
	int r = 0;

	if (cgroup < 0)
		return err_set(err, -errno, "cgroup %s: %s", s->cgroup,
			       strerror(errno));
	bpf_object__for_each_program(prog, s->skel->obj)
	{
		if (r == 0)
			r = FAILPOINT("sock.attach");
		if (r < 0)
			return err_set(err, r, "%s: %s",
				       bpf_program__name(prog), strerror(-r));
		if (!s->links[i]) /* else it came that far before */
			r = attach_one(s, prog, cgroup, &s->links[i], err);
		if (r < 0)
			return r;
		i++;
	}
	return 0;
}

/* Hooks that another version had and we have not. */
static int remove_odd_links(struct sock *s, struct err *err)
{
	const char *keep[SOCK_PROGS + 1] = { NULL };
	char paths[SOCK_PROGS][PIN_PATH_MAX];
	struct bpf_program *prog;
	size_t n = 0;

	bpf_object__for_each_program(prog, s->skel->obj)
	{
		keep[n] = strrchr(link_pin(s, prog, paths[n]), '/') + 1;
		n++;
	}
	return pin_remove_but(&s->pins, "sock_link_", keep, err);
}

int sock_switch(struct sock *s, struct err *err)
{
	const struct maps_meta meta = meta_of(s);
	int r;

	if (!s->other)
		return 0;
	r = attach_all(s, err);
	if (r == 0)
		r = remove_odd_links(s, err);
	if (r == 0)
		r = maps_mark(s->skel->maps.sock_meta, &meta, err);
	if (r < 0)
		return err_wrap(err, r, "socket hooks");
	s->other = false;
	return 0;
}

static int attach_in_dir(struct sock *s, bool fresh, struct err *err)
{
	int r = load(s, &s->skel, err);

	if (r == 0)
		r = map_ports(s, err);
	if (r == 0)
		r = sock_ip6_read(s, err);
	if (r == 0 && !s->other)
		r = attach_all(s, err);
	else if (r == 0 && !s->loading) /* nobody will fill them first */
		r = sock_switch(s, err);
	if (r == 0)
		return 0;
	/* what an earlier daemon left works on; what is new goes */
	let_go(s);
	if (fresh) {
		(void)remove_shared(s, NULL);
		(void)pin_remove(&s->pins, "sock_", NULL);
		pin_rmdir(&s->pins);
	}
	return r;
}

int sock_attach(struct sock *sock, struct err *err)
{
	bool fresh;
	int r;

	if (sock->skel)
		return 0;
	r = pin_make(&sock->pins, err);
	if (r == 0 && sock->foreign)
		r = pin_remove(&sock->pins, "sock_", err);
	if (r == 0 && sock->foreign) /* that namespace's as well */
		r = pin_remove(&sock->pins, "nat_", err);
	if (r < 0)
		return err_wrap(err, r, "socket hooks");
	sock->foreign = false;
	fresh = !sock->other && !pin_exists(&sock->pins, "sock_meta");
	r = attach_in_dir(sock, fresh, err);
	return r < 0 ? err_wrap(err, r, "socket hooks") : 0;
}

int sock_detach(struct sock *sock, struct err *err)
{
	int r;

	/* The kernel detaches an unpinned link some time later: not before
	 * the next ones may be attached. */
	for (size_t i = 0; i < SOCK_PROGS; i++)
		if (sock->links[i])
			(void)bpf_link__detach(sock->links[i]);
	let_go(sock);
	sock->foreign = sock->other = false;
	sock->loading = sock->late = false;
	sock_entries_fini(&sock->wanted);
	free(take_ptr(sock->wanted_ports));
	r = remove_shared(sock, err);
	if (r == 0)
		r = pin_remove(&sock->pins, "sock_", err);
	if (r < 0)
		return err_wrap(err, r, "socket hooks");
	pin_rmdir(&sock->pins);
	return 0;
}

/* ---- check -------------------------------------------------------------- */

int sock_check(struct sock *sock, void (*fn)(void *ctx, const char *line),
	       void *ctx, struct err *err)
{
	struct bpf_program *prog;
	char path[PIN_PATH_MAX], line[PIN_PATH_MAX + 64];
	int n = 0;

	(void)err;
	if (sock->late) {
		fn(ctx, "socket hooks are not up to date: 127.0.0.1 and ::1 "
			"may not reach published ports, the daemon's log says "
			"why; tried again every second");
		n++;
	}
	if (!sock->skel)
		return n;
	bpf_object__for_each_program(prog, sock->skel->obj)
	{
		_cleanup_(bpf_link__destroyp) struct bpf_link *link =
			bpf_link__open(link_pin(sock, prog, path));

		if (link && is_attached(sock, link))
			continue;
		snprintf(line, sizeof(line), "socket hook %s: %s", path,
			 link ? "not attached to the cgroup"
			      : "its pin is missing");
		fn(ctx, line);
		n++;
	}
	return n;
}
