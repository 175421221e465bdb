/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket hooks' user side: load, pin, attach, and keep the maps.
 *
 * Pins in the driver's directory: sock_pub, sock_range, sock_held, sock_peer,
 * sock_meta (maps) and sock_link_<hook>.  A daemon that starts anew takes the
 * maps as they are, if their layout is its own, and puts its programs into the
 * links in place of the old ones: no connection sees a moment without them.
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
#include <sys/stat.h>

#include "bpf/sock.skel.h"
#include "dataplane/ebpf/pin.h"
#include "dataplane/ebpf/pin_map.h"
#include "dataplane/ebpf/sock_entry.h"
#include "lib/fail.h"
#include "lib/netns.h"

DEFINE_CLEANUP(struct sock_bpf, sock_bpf__destroy)

#define SOCK_PROGS 10

struct sock {
	struct pin_dir pins;
	char cgroup[PIN_PATH_MAX];
	uint64_t cookie;       /* of our network namespace */
	bool foreign;          /* the pins are of another namespace */
	struct sock_bpf *skel; /* owned; NULL: not attached */
	struct bpf_link *links[SOCK_PROGS]; /* owned; pinned */
	bool loading;
	bool late;                  /* sock_load_end() failed: still loading */
	struct sock_entries wanted; /* while loading */
	uint64_t dropped[65536 / 64];
};

/* ---- open --------------------------------------------------------------- */

/* Whose are the pins? Return: 0; -EPROTO. */
static int look_at_meta(struct sock *s, struct err *err)
{
	char path[PIN_PATH_MAX];
	_cleanup_close_ int fd =
		bpf_obj_get(pin_path(&s->pins, "sock_meta", path));
	struct sock_meta meta = { 0 };
	struct bpf_map_info info = { 0 };
	__u32 zero = 0, len = sizeof(info);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ||
	    info.value_size != sizeof(meta) ||
	    bpf_map_lookup_elem(fd, &zero, &meta) < 0 ||
	    meta.layout != SOCK_LAYOUT)
		return err_set(err, -EPROTO,
			       "%s: made by another version of this program; "
			       "stop its networks with that version, or remove "
			       "%s/sock_*",
			       path, s->pins.path);
	s->foreign = meta.netns_cookie != s->cookie;
	return 0;
}

static int find_cgroup(struct sock *s, const char *given, struct err *err)
{
	struct stat st;

	if (!given)
		return pin_cgroup(s->cgroup, sizeof(s->cgroup), err);
	if (snprintf(s->cgroup, sizeof(s->cgroup), "%s", given) >=
	    (int)sizeof(s->cgroup))
		return err_set(err, -ENAMETOOLONG, "cgroup %.80s...: too long",
			       given);
	if (stat(given, &st) < 0)
		return err_set(err, -errno, "cgroup %s: %s", given,
			       strerror(errno));
	return 0;
}

int sock_open(const struct sock_config *cfg, struct sock **ret, struct err *err)
{
	_cleanup_(sock_closep) struct sock *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "socket hooks: out of memory");
	s->pins.lock = -EBADF;
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
	sock_bpf__destroy(take_ptr(s->skel));
}

void sock_close(struct sock *sock)
{
	if (!sock)
		return;
	let_go(sock);
	pin_fini(&sock->pins);
	sock_entries_fini(&sock->wanted);
	free(sock);
}

struct pin_dir *sock_pins(struct sock *sock)
{
	return &sock->pins;
}

/* ---- attach ------------------------------------------------------------- */

static int load(struct sock *s, struct sock_bpf **ret, struct err *err)
{
	_cleanup_(sock_bpf__destroyp) struct sock_bpf *skel = sock_bpf__open();
	const struct sock_meta meta = { .netns_cookie = s->cookie,
					.layout = SOCK_LAYOUT };
	const __u32 zero = 0;
	int r;

	if (!skel)
		return err_set(err, -errno, "open: %s", strerror(errno));
	skel->rodata->netns_cookie = s->cookie;
	skel->rodata->claim_mark = SOCK_CLAIM_MARK;
	skel->rodata->can_set_retval =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
					BPF_FUNC_set_retval, NULL) == 1;
	r = pin_reuse_maps(&s->pins, skel->obj, "sock_", err);
	if (r < 0)
		return r;
	r = sock_bpf__load(skel);
	if (r < 0)
		return err_set(err, r, "load: %s%s", strerror(-r),
			       r == -EPERM ? " (needs CAP_BPF and "
					     "CAP_NET_ADMIN)"
					   : "");
	r = bpf_map__update_elem(skel->maps.sock_meta, &zero, sizeof(zero),
				 &meta, sizeof(meta), BPF_ANY);
	if (r < 0)
		return err_set(err, r, "sock_meta: %s", strerror(-r));
	r = pin_maps(&s->pins, skel->obj, "sock_", err);
	if (r < 0)
		return r;
	*ret = take_ptr(skel);
	return 0;
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
		r = attach_one(s, prog, cgroup, &s->links[i++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int attach_in_dir(struct sock *s, bool fresh, struct err *err)
{
	int r = load(s, &s->skel, err);

	if (r == 0)
		r = attach_all(s, err);
	if (r == 0)
		return 0;
	/* what an earlier daemon left works on; what is new goes */
	let_go(s);
	if (fresh) {
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
	if (r < 0)
		return err_wrap(err, r, "socket hooks");
	sock->foreign = false;
	fresh = !pin_exists(&sock->pins, "sock_meta");
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
	sock->foreign = false;
	sock->loading = sock->late = false;
	sock_entries_fini(&sock->wanted);
	r = pin_remove(&sock->pins, "sock_", err);
	if (r < 0)
		return err_wrap(err, r, "socket hooks");
	pin_rmdir(&sock->pins);
	return 0;
}

/* ---- entries ------------------------------------------------------------ */

static struct bpf_map *map_of(const struct sock *s, enum sock_table table)
{
	struct bpf_map *const maps[SOCK_TABLE_MAX] = {
		[SOCK_PUB] = s->skel->maps.sock_pub,
		[SOCK_RANGE] = s->skel->maps.sock_range,
		[SOCK_HELD] = s->skel->maps.sock_held,
	};

	return maps[table];
}

static const void *key_of(const struct sock_entry *e)
{
	if (e->table == SOCK_PUB)
		return &e->key.key;
	return &e->key;
}

static const void *value_of(const struct sock_entry *e)
{
	if (e->table == SOCK_HELD)
		return &e->hold;
	return &e->dst;
}

static int table_error(int r, enum sock_table table, struct err *err)
{
	static const char *const names[SOCK_TABLE_MAX] = {
		[SOCK_PUB] = "published ports",
		[SOCK_RANGE] = "published port ranges",
		[SOCK_HELD] = "held port ranges",
	};

	if (r == -E2BIG || r == -ENOSPC)
		return err_set(err, -E2BIG,
			       "socket hooks: the table of %s is full",
			       names[table]);
	return err_set(err, r, "socket hooks: %s: %s", names[table],
		       strerror(-r));
}

/* What is there under @e's very key. Return: 1; 0; -errno. */
static int look(struct sock *s, const struct sock_entry *e,
		struct sock_dst *ret, struct err *err)
{
	int r = bpf_map_lookup_elem(bpf_map__fd(map_of(s, e->table)), key_of(e),
				    ret);

	if (r < 0 && r != -ENOENT)
		return table_error(r, e->table, err);
	return r == 0 && ret->bits == e->key.bits;
}

/* Add one that must not be there in another form; *@added: it was not there. */
static int add_entry(struct sock *s, const struct sock_entry *e, bool *added,
		     struct err *err)
{
	int fd = bpf_map__fd(map_of(s, e->table)), r = 0;
	struct sock_dst old = { 0 };

	/* BPF_NOEXIST means nothing to a trie before Linux 6.13 */
	if (e->table != SOCK_PUB)
		r = look(s, e, &old, err);
	if (r < 0)
		return r;
	if (r == 0)
		r = bpf_map_update_elem(fd, key_of(e), &e->dst, BPF_NOEXIST);
	else
		r = -EEXIST;
	*added = r == 0;
	if (r != -EEXIST)
		return r < 0 ? table_error(r, e->table, err) : 0;
	r = look(s, e, &old, err);
	if (r > 0 && memcmp(&old, &e->dst, sizeof(old)) == 0)
		return 0;
	return err_set(err, -EEXIST,
		       "socket hooks: host port %u leads elsewhere",
		       ntohs(e->key.key.port));
}

static void delete_entry(struct sock *s, const struct sock_entry *e)
{
	struct sock_dst old = { 0 };

	/* one that leads elsewhere belongs to somebody else by now */
	if (look(s, e, &old, NULL) > 0 &&
	    memcmp(&old, &e->dst, sizeof(old)) == 0)
		(void)bpf_map_delete_elem(bpf_map__fd(map_of(s, e->table)),
					  key_of(e));
}

/* @step: +1 or -1. */
static int count_entry(struct sock *s, const struct sock_entry *e, int step,
		       struct err *err)
{
	int fd = bpf_map__fd(map_of(s, e->table)), r;
	struct sock_hold hold = { 0 };

	r = bpf_map_lookup_elem(fd, key_of(e), &hold);
	if (r < 0 && r != -ENOENT)
		return table_error(r, e->table, err);
	if (hold.bits != e->key.bits)
		hold = (struct sock_hold){ .bits = e->key.bits };
	if (step < 0 && hold.refs <= 1) {
		r = bpf_map_delete_elem(fd, key_of(e));
		return r < 0 && r != -ENOENT ? table_error(r, e->table, err)
					     : 0;
	}
	hold.refs = step < 0 ? hold.refs - 1 : hold.refs + 1;
	r = bpf_map_update_elem(fd, key_of(e), &hold, BPF_ANY);
	return r < 0 ? table_error(r, e->table, err) : 0;
}

static int add_all(struct sock *s, struct sock_entries *l, struct err *err)
{
	size_t done = 0;
	bool added;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->count; i++) {
		r = FAILPOINT("sock.publish");
		if (r < 0)
			err_set(err, r, "socket hooks: %s", strerror(-r));
		else
			r = add_entry(s, &l->e[i], &added, err);
		if (r == 0 && added)
			l->e[done++] = l->e[i];
	}
	if (r == 0)
		return 0;
	while (done > 0)
		delete_entry(s, &l->e[--done]);
	return r;
}

static int expand(const struct portmap *ports, const struct ip_addr *ip4,
		  const struct ip_addr *ip6, struct sock_entries *l,
		  struct err *err)
{
	return sock_entries_publish(l, ports, ip4, ip6, SOCK_SINGLES_MAX, err);
}

/* What an earlier daemon left is put right before anything is added to it. */
static int catch_up(struct sock *sock, struct err *err)
{
	return sock->late ? sock_load_end(sock, err) : 0;
}

int sock_publish_add(struct sock *sock, const struct portmap *ports,
		     const struct ip_addr *ip4, const struct ip_addr *ip6,
		     struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int r = catch_up(sock, err);

	if (r < 0)
		return r;
	if (sock->loading)
		return expand(ports, ip4, ip6, &sock->wanted, err);
	r = expand(ports, ip4, ip6, &l, err);
	if (r < 0 || l.count == 0)
		return r;
	r = sock_attach(sock, err);
	return r < 0 ? r : add_all(sock, &l, err);
}

int sock_publish_del(struct sock *sock, const struct portmap *ports,
		     const struct ip_addr *ip4, const struct ip_addr *ip6,
		     struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int r = expand(ports, ip4, ip6, &l, err);

	if (r == 0 && sock->loading)
		sock_entries_remove(&sock->wanted, &l);
	else if (r == 0 && sock->skel)
		for (size_t i = 0; i < l.count; i++)
			delete_entry(sock, &l.e[i]);
	return r;
}

int sock_range_hold(struct sock *sock, const struct port_range *r,
		    struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	size_t done = 0;
	int code = catch_up(sock, err);

	if (code < 0)
		return code;
	if (sock->loading)
		return sock_entries_hold(&sock->wanted, r, err);
	code = sock_entries_hold(&l, r, err);
	if (code == 0)
		code = sock_attach(sock, err);
	while (code == 0 && done < l.count) {
		code = count_entry(sock, &l.e[done], 1, err);
		if (code == 0)
			done++;
	}
	if (code < 0)
		while (done > 0)
			(void)count_entry(sock, &l.e[--done], -1, NULL);
	return code;
}

int sock_range_release(struct sock *sock, const struct port_range *r,
		       struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int code = sock_entries_hold(&l, r, err);

	if (code == 0 && sock->loading) {
		sock_entries_remove(&sock->wanted, &l);
		return 0;
	}
	for (size_t i = 0; code == 0 && sock->skel && i < l.count; i++)
		code = count_entry(sock, &l.e[i], -1, err);
	return code;
}

/* ---- load --------------------------------------------------------------- */

void sock_load_begin(struct sock *sock)
{
	sock_entries_fini(&sock->wanted);
	sock->loading = true;
	sock->late = false;
}

static void note_dropped(struct sock *s, const struct sock_prefix *key)
{
	uint32_t count = 1u << (SOCK_KEY_BITS + 16 - key->bits);
	uint32_t first = ntohs(key->key.port) & ~(count - 1);

	for (uint32_t p = first; p < first + count && p < 65536; p++)
		s->dropped[p / 64] |= 1ull << p % 64;
}

const uint64_t *sock_load_dropped(const struct sock *sock)
{
	return sock->dropped;
}

/* Delete what is in @table and not wanted: first all such keys, then each, as
 * a walk over a map that shrinks starts again. */
static int drop_unwanted(struct sock *s, enum sock_table table, struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries old = { 0 };
	int fd = bpf_map__fd(map_of(s, table)), r = 0;
	struct sock_entry e = { .table = table,
				.key.bits = SOCK_KEY_BITS + 16 };
	void *key = table == SOCK_PUB ? (void *)&e.key.key : (void *)&e.key;
	void *from = NULL;

	while (r == 0 && bpf_map_get_next_key(fd, from, key) == 0) {
		from = key;
		if (!sock_entries_find(&s->wanted, table, &e.key))
			r = sock_entries_append(&old, &e, err);
	}
	for (size_t i = 0; r == 0 && i < old.count; i++) {
		r = bpf_map_delete_elem(fd, key_of(&old.e[i]));
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			r = table_error(r, table, err);
		else if (table == SOCK_HELD)
			note_dropped(s, &old.e[i].key);
	}
	return r;
}

static int sync_maps(struct sock *s, struct err *err)
{
	int r = 0;

	sock_entries_sort(&s->wanted);
	for (size_t i = 0; r == 0 && i < s->wanted.count; i++) {
		const struct sock_entry *e = &s->wanted.e[i];

		r = bpf_map_update_elem(bpf_map__fd(map_of(s, e->table)),
					key_of(e), value_of(e), BPF_ANY);
		if (r < 0)
			r = table_error(r, e->table, err);
	}
	for (int t = 0; r == 0 && t < SOCK_TABLE_MAX; t++)
		r = drop_unwanted(s, (enum sock_table)t, err);
	return r;
}

int sock_load_end(struct sock *sock, struct err *err)
{
	int r = 0;

	if (!sock->loading)
		return 0;
	if (sock->wanted.count || pin_exists(&sock->pins, "sock_meta")) {
		r = sock_attach(sock, err);
		if (r == 0)
			r = sync_maps(sock, err);
	}
	sock->late = r < 0;
	if (r < 0)
		return r;
	sock->loading = false;
	sock_entries_fini(&sock->wanted);
	return 0;
}

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
