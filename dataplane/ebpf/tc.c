/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs at the tc hooks.
 *
 * With tcx what is pinned is the link: it lives without us and knows whether
 * its interface still does.  With clsact the filter is the interface's and told
 * by its handle; the pin, of the program, says where to look for one.
 */
#include "dataplane/ebpf/tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/nlk.h"

/* Linux 6.6; the headers that this is built with may be older. */
#define TCX_ATTACH_IN  ((enum bpf_attach_type)46)
#define TCX_ATTACH_OUT ((enum bpf_attach_type)47)
#define TCX_LINK       11u       /* BPF_LINK_TYPE_TCX */
#define TCX_BEFORE     (1u << 3) /* BPF_F_BEFORE: without a relative, the first */
#define TCX_MAX        64        /* programs at a hook: BPF_MPROG_MAX */

#define PRIORITY       1 /* of ours at a clsact hook */

struct tc {
	const struct pin_dir *pins;
	struct nlk *nlk; /* owned */
	uint32_t handle; /* of our filters */
	bool tcx;
};

/* One hook of one interface, and what is pinned for it. */
struct place {
	int ifindex;
	enum tc_hook hook;
	char pin[64];
	char path[PIN_PATH_MAX];
};

static const char *hook_name(enum tc_hook hook)
{
	return hook == TC_IN ? "in" : "out";
}

static struct place place_of(const struct tc *tc, const char *name, int ifindex,
			     enum tc_hook hook)
{
	struct place p = { .ifindex = ifindex, .hook = hook };

	snprintf(p.pin, sizeof(p.pin), "%s_%s_%d", name, hook_name(hook),
		 ifindex);
	pin_path(tc->pins, p.pin, p.path);
	return p;
}

static int fail(struct err *err, int r, const struct place *p, const char *what)
{
	return err_set(err, r, "interface %d, tc %sgress: %s: %s", p->ifindex,
		       p->hook == TC_IN ? "in" : "e", what, strerror(-r));
}

/* The id of a program. Return: 0: none such. */
static uint32_t prog_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

/* ---- open ----------------------------------------------------------------- */

static enum bpf_attach_type tcx_type(enum tc_hook hook)
{
	return hook == TC_IN ? TCX_ATTACH_IN : TCX_ATTACH_OUT;
}

/* Asks for a link at an interface that is not there: a kernel that knows tcx
 * misses the interface, another one does not know what is meant. */
static int probe_tcx(bool *ret, struct err *err)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_close_ int prog =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", code,
			      ARRAY_SIZE(code), NULL);
	int fd;

	if (prog < 0)
		return err_set(err, errno == EINVAL ? -EOPNOTSUPP : -errno,
			       "tc programs: %s (needs CAP_BPF and "
			       "CAP_NET_ADMIN, and CONFIG_NET_SCHED)",
			       strerror(errno));
	fd = bpf_link_create(prog, INT32_MAX, TCX_ATTACH_IN, NULL);
	*ret = fd == -ENODEV;
	closep(&fd);
	return 0;
}

/* The same for every daemon of this driver, and hardly anybody else's: a filter
 * that bears it is ours to replace and to remove. */
static uint32_t handle_of(const char *path)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return 0x62740000u | (h & 0xffffu);
}

int tc_open(const struct pin_dir *pins, bool want_tcx, struct tc **ret,
	    struct err *err)
{
	_cleanup_(tc_closep) struct tc *tc = calloc(1, sizeof(*tc));
	int r = 0;

	if (!tc)
		return err_set(err, -ENOMEM, "tc: out of memory");
	tc->pins = pins;
	tc->handle = handle_of(pins->path);
	pin_quiet_libbpf();
	if (want_tcx)
		r = probe_tcx(&tc->tcx, err);
	if (r == 0)
		r = nlk_open(&tc->nlk, err);
	if (r < 0)
		return r;
	*ret = take_ptr(tc);
	return 0;
}

void tc_close(struct tc *tc)
{
	if (!tc)
		return;
	nlk_close(tc->nlk);
	free(tc);
}

bool tc_has_tcx(const struct tc *tc)
{
	return tc->tcx;
}

/* ---- tcx ------------------------------------------------------------------ */

/* The pinned link, if that is what is pinned. Return: fd; -EBADF. */
static int open_link(const struct place *p, struct bpf_link_info *ret)
{
	_cleanup_close_ int fd = bpf_obj_get(p->path);
	__u32 len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, ret, &len) < 0 ||
	    ret->type != TCX_LINK)
		return -EBADF;
	return take_fd(fd);
}

/* tcx's part of bpf_link_info is laid out as xdp's; 0 once it is detached or
 * the interface is gone. */
static bool is_alive(const struct bpf_link_info *info, const struct place *p)
{
	return info->xdp.ifindex == (__u32)p->ifindex;
}

/* Is @id among the programs there?  Return: 1; 0; -ENODEV, ... */
static int tcx_runs(const struct place *p, uint32_t id)
{
	__u32 ids[TCX_MAX] = { 0 }, n = TCX_MAX;
	int r = bpf_prog_query(p->ifindex, tcx_type(p->hook), 0, NULL, ids, &n);

	if (r == -ENOENT)
		return 0;
	for (__u32 i = 0; r == 0 && i < n; i++)
		if (ids[i] == id)
			return 1;
	return r;
}

/* A link of that number may be another namespace's: its program has to run at
 * our interface.  Return: 1: done; 0: there is nothing to replace; -errno. */
static int tcx_replace(const struct place *p, int prog, struct err *err)
{
	struct bpf_link_info info;
	_cleanup_close_ int link = open_link(p, &info);
	int r;

	if (link < 0 || !is_alive(&info, p) || tcx_runs(p, info.prog_id) <= 0)
		return 0;
	r = bpf_link_update(link, prog, NULL);
	return r < 0 ? fail(err, r, p, "replace") : 1;
}

/* A link whose pin was removed is let go by the kernel a moment later; until
 * then its program is there and can't be so twice. */
static int tcx_link(const struct place *p, int prog)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	const struct timespec ms = { .tv_nsec = 1000000 };
	int fd;

	for (int i = 0; i < 100; i++) {
		fd = bpf_link_create(prog, p->ifindex, tcx_type(p->hook),
				     &opts);
		if (fd != -EEXIST)
			break;
		nanosleep(&ms, NULL);
	}
	return fd;
}

static int tcx_attach(const struct place *p, int prog, struct err *err)
{
	_cleanup_close_ int link = -EBADF;
	int r = tcx_replace(p, prog, err);

	if (r != 0)
		return r < 0 ? r : 0;
	link = tcx_link(p, prog);
	if (link < 0)
		return fail(err, link, p, "attach");
	/* what is pinned there is dead, or another interface's */
	if (unlink(p->path) < 0 && errno != ENOENT)
		return err_set(err, -errno, "%s: %s", p->path, strerror(errno));
	r = bpf_obj_pin(link, p->path);
	return r < 0 ? err_set(err, r, "%s: %s", p->path, strerror(-r)) : 0;
}

/* ---- clsact --------------------------------------------------------------- */

static struct bpf_tc_hook cls_hook(const struct place *p)
{
	return (struct bpf_tc_hook){ .sz = sizeof(struct bpf_tc_hook),
				     .ifindex = p->ifindex,
				     .attach_point = p->hook == TC_IN
							     ? BPF_TC_INGRESS
							     : BPF_TC_EGRESS };
}

/* The program in our place there. Return: its id; 0: none, or no interface. */
static uint32_t cls_runs(const struct tc *tc, const struct place *p)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = tc->handle,
		    .priority = PRIORITY);
	struct bpf_tc_hook hook = cls_hook(p);

	return bpf_tc_query(&hook, &opts) < 0 ? 0 : opts.prog_id;
}

/* Pinned first: of what a crash leaves then, a later daemon knows. */
static int cls_attach(const struct tc *tc, const struct place *p, int prog,
		      struct err *err)
{
	struct bpf_tc_hook hook = cls_hook(p);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = tc->handle,
		    .priority = PRIORITY, .flags = BPF_TC_F_REPLACE,
		    .prog_fd = prog);
	int r = bpf_tc_hook_create(&hook);

	if (r < 0 && r != -EEXIST)
		return fail(err, r == -ENOENT ? -EOPNOTSUPP : r, p, "clsact");
	if (cls_runs(tc, p) == prog_id(prog) && access(p->path, F_OK) == 0)
		return 0;
	if (unlink(p->path) < 0 && errno != ENOENT)
		return err_set(err, -errno, "%s: %s", p->path, strerror(errno));
	r = bpf_obj_pin(prog, p->path);
	if (r < 0)
		return err_set(err, r, "%s: %s", p->path, strerror(-r));
	r = bpf_tc_attach(&hook, &opts);
	if (r == 0)
		return 0;
	(void)unlink(p->path);
	return fail(err, r == -ENOENT ? -EOPNOTSUPP : r, p, "classifier bpf");
}

static int cls_detach(const struct tc *tc, const struct place *p,
		      struct err *err)
{
	struct bpf_tc_hook hook = cls_hook(p),
			   both = { .sz = sizeof(both),
				    .ifindex = p->ifindex,
				    .attach_point =
					    BPF_TC_INGRESS | BPF_TC_EGRESS };
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = tc->handle,
		    .priority = PRIORITY);
	int r;

	if (cls_runs(tc, p) == 0)
		return 0;
	r = bpf_tc_detach(&hook, &opts);
	if (r < 0 && r != -ENOENT && r != -ENODEV && r != -EINVAL)
		return fail(err, r, p, "detach");
	/* an interface without filters had no clsact before us */
	if (nlk_filter_count(tc->nlk, p->ifindex, NULL) == 0)
		(void)bpf_tc_hook_destroy(&both);
	return 0;
}

/* ---- both ----------------------------------------------------------------- */

int tc_attach(struct tc *tc, const char *name, int ifindex, enum tc_hook hook,
	      int prog, struct err *err)
{
	struct place p = place_of(tc, name, ifindex, hook);

	return tc->tcx ? tcx_attach(&p, prog, err)
		       : cls_attach(tc, &p, prog, err);
}

/* @p: as what it was pinned, not as this kernel could do it. */
static int detach(struct tc *tc, const struct place *p, struct err *err)
{
	struct bpf_link_info info;
	_cleanup_close_ int link = open_link(p, &info);
	int r = 0;

	/* else it would live on while somebody has the link open */
	if (link >= 0)
		r = bpf_link_detach(link);
	if (r < 0 && r != -ENODEV && r != -ENOLINK)
		return fail(err, r, p, "detach");
	r = link >= 0 || access(p->path, F_OK) < 0 ? 0 : cls_detach(tc, p, err);
	if (r < 0)
		return r;
	if (unlink(p->path) < 0 && errno != ENOENT)
		return err_set(err, -errno, "%s: %s", p->path, strerror(errno));
	return 0;
}

int tc_detach(struct tc *tc, const char *name, int ifindex, enum tc_hook hook,
	      struct err *err)
{
	struct place p = place_of(tc, name, ifindex, hook);

	return detach(tc, &p, err);
}

int tc_is_attached(struct tc *tc, const char *name, int ifindex,
		   enum tc_hook hook, int prog, struct err *err)
{
	struct place p = place_of(tc, name, ifindex, hook);
	uint32_t id = prog_id(prog);
	int r;

	if (id == 0)
		return fail(err, -EBADF, &p, "program");
	if (!tc->tcx)
		return cls_runs(tc, &p) == id;
	r = tcx_runs(&p, id);
	if (r == -ENODEV)
		return 0;
	return r < 0 ? fail(err, r, &p, "query") : r;
}

/* ---- sweep ---------------------------------------------------------------- */

static bool is_gone(const struct place *p)
{
	struct bpf_link_info info;
	_cleanup_close_ int link = open_link(p, &info);
	char name[IF_NAMESIZE];

	return link >= 0 ? !is_alive(&info, p)
			 : !if_indextoname((unsigned int)p->ifindex, name);
}

/* "<name>_in_12". */
static bool parse_pin(const char *pin, const char *name, int *ifindex,
		      enum tc_hook *hook)
{
	size_t len = strlen(name);
	char end;

	if (strncmp(pin, name, len) != 0)
		return false;
	*hook = TC_IN;
	if (sscanf(pin + len, "_in_%d%c", ifindex, &end) == 1)
		return true;
	*hook = TC_OUT;
	return sscanf(pin + len, "_out_%d%c", ifindex, &end) == 1;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int tc_sweep(struct tc *tc, const char *name,
	     bool (*keep)(void *ctx, int ifindex, enum tc_hook hook), void *ctx,
	     struct err *err)
{
	_cleanup_(closedirp) DIR *dir = opendir(tc->pins->path);
	const struct dirent *de;
	enum tc_hook hook;
	int ifindex, n = 0, r;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return err_set(err, -errno, "%s: %s", tc->pins->path,
			       strerror(errno));
	while ((de = readdir(dir))) {
		struct place p;

		if (!parse_pin(de->d_name, name, &ifindex, &hook))
			continue;
		p = place_of(tc, name, ifindex, hook);
		if (!is_gone(&p) && keep && keep(ctx, ifindex, hook))
			continue;
		r = detach(tc, &p, err);
		if (r < 0)
			return r;
		n++;
	}
	return n;
}
