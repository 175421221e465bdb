/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that a pool is made of: its metadata, its data, and itself. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "volplugins/fs/tool.h"
#include "volplugins/thin/lower.h"

static const char *const part_names[] = { "meta", "data", "pool" };

void thin_part_name(const struct thin_pool *p, enum thin_part part,
		    char name[static DMX_NAME_MAX])
{
	snprintf(name, DMX_NAME_MAX, "%s-%s", p->prefix, part_names[part]);
}

static int part_make(const struct thin_pool *p, enum thin_part part,
		     const struct dmx_table *t, struct err *err)
{
	char name[DMX_NAME_MAX], uuid[DMX_UUID_MAX];

	thin_part_name(p, part, name);
	snprintf(uuid, sizeof(uuid), "BERTH-%s-%s", p->layout.uuid,
		 part_names[part]);
	return dmx_create(name, uuid, t, err);
}

void thin_parts_drop(const struct thin_pool *p)
{
	char name[DMX_NAME_MAX];

	for (int i = THIN_POOL; i >= THIN_META; i--) {
		thin_part_name(p, (enum thin_part)i, name);
		(void)dmx_remove(name, NULL);
	}
}

/* thin_check is asked before the kernel is: nothing is ever repaired here. */
static int meta_check(struct thin_pool *p, struct err *err)
{
	static const char *const argv[] = { "/usr/sbin/thin_check", "-q",
					    TOOL_FILE, NULL };
	static const struct tool check = { "thin-provisioning-tools", argv };
	char name[DMX_NAME_MAX], path[DMX_PATH_MAX];
	_cleanup_close_ int fd = -EBADF;
	struct err why = { 0 };
	int r;

	thin_part_name(p, THIN_META, name);
	fd = dmx_open(name, O_RDONLY, path, err);
	if (fd < 0)
		return fd;
	r = tool_run(&check, fd, &why);
	if (r == -EIO) /* it ended, and found something */
		return err_set(err, -EUCLEAN,
			       "the pool's metadata is damaged (%.150s); "
			       "nothing was changed, it is /dev/mapper/%s. See "
			       "\"A damaged pool\" in docs/volumes/thin.md "
			       "(thin_repair), then restart berth-thin",
			       why.msg, name);
	if (r < 0)
		thin_watch_later(p);
	return r < 0 ? err_set(err, r,
			       "the pool's metadata was not checked (%.200s), "
			       "so the pool is not used",
			       why.msg)
		     : 0;
}

static void dev_of(const struct thin_pool *p, enum thin_part part,
		   char buf[static 24])
{
	char name[DMX_NAME_MAX];
	struct dmx_info info = { 0 };

	thin_part_name(p, part, name);
	(void)dmx_find(name, &info, NULL);
	snprintf(buf, 24, "%u:%u", major(info.dev), minor(info.dev));
}

static void pool_line(const struct thin_pool *p, uint64_t data_sectors,
		      char *buf, size_t size)
{
	char meta[24], data[24];

	dev_of(p, THIN_META, meta);
	dev_of(p, THIN_DATA, data);
	thin_table_print(&p->layout, meta, data, data_sectors,
			 p->config->device != NULL, buf, size);
}

/* The tables of what is below the pool. */
struct below {
	char line[2][64];
	struct dmx_table t[2]; /* the first is it */
};

static void below_data(const struct thin_pool *p, const struct thin_lower *l,
		       struct below *ret)
{
	snprintf(ret->line[0], sizeof(ret->line[0]), "%s %" PRIu64, l->dev,
		 p->layout.data_start);
	ret->t[0] = (struct dmx_table){
		.target = "linear",
		.sectors = thin_layout_data(&p->layout, l->bytes),
		.params = ret->line[0],
	};
}

static void below_meta(const struct thin_pool *p, const struct thin_lower *l,
		       struct below *ret)
{
	snprintf(ret->line[0], sizeof(ret->line[0]), "%s %d", l->dev,
		 THIN_META_START);
	snprintf(ret->line[1], sizeof(ret->line[1]), "%s 0", l->more_dev);
	ret->t[0] = (struct dmx_table){
		.target = "linear",
		.sectors = p->layout.meta_sectors,
		.params = ret->line[0],
		.next = l->more ? &ret->t[1] : NULL,
	};
	ret->t[1] = (struct dmx_table){ .target = "linear",
					.sectors = l->more,
					.params = ret->line[1] };
}

/* Not active: from what is on the device. */
int thin_parts_up(struct thin_pool *p, const struct thin_lower *l, bool check,
		  struct err *err)
{
	char line[DMX_PARAMS_MAX];
	struct dmx_table pool = { .target = "thin-pool", .params = line };
	struct below meta, data;
	int r;

	thin_parts_drop(p); /* half of it, of a killed daemon */
	below_meta(p, l, &meta);
	below_data(p, l, &data);
	r = part_make(p, THIN_META, meta.t, err);
	if (r == 0)
		r = FAILPOINT("thin.pool.lower");
	if (r == 0 && check) {
		r = meta_check(p, err);
		if (r == -EUCLEAN)
			return r; /* whoever repairs it needs the device */
	}
	if (r == 0)
		r = part_make(p, THIN_DATA, data.t, err);
	if (r == 0) {
		pool.sectors = data.t[0].sectors;
		pool_line(p, pool.sectors, line, sizeof(line));
		r = part_make(p, THIN_POOL, &pool, err);
	}
	if (r == 0)
		r = FAILPOINT("thin.pool.up");
	if (r < 0)
		thin_parts_drop(p);
	return r < 0 ? err_wrap(err, r, "thin pool on %s", l->name) : 0;
}

/* It is: on what it should be? */
int thin_parts_same(const struct thin_pool *p, const struct thin_lower *l,
		    struct err *err)
{
	char name[DMX_NAME_MAX], line[DMX_PARAMS_MAX];
	size_t n = strlen(l->dev);
	int r;

	thin_part_name(p, THIN_META, name);
	r = dmx_table(name, "linear", line, sizeof(line), NULL, err);
	if (r < 0)
		return r;
	if (strncmp(line, l->dev, n) == 0 && line[n] == ' ')
		return 0;
	return err_set(err, -EUCLEAN,
		       "the pool is active on device %.20s, not on %s (%s): "
		       "stop what uses its volumes, then berth-thin, and start "
		       "it again",
		       line, l->name, l->dev);
}

/* @sectors of data, and all of the metadata there is now. */
static int reload_pool(const struct thin_pool *p, uint64_t sectors,
		       struct err *err)
{
	char name[DMX_NAME_MAX], line[DMX_PARAMS_MAX];
	const struct dmx_table t = { .target = "thin-pool",
				     .sectors = sectors,
				     .params = line };

	pool_line(p, sectors, line, sizeof(line));
	thin_part_name(p, THIN_POOL, name);
	return dmx_reload(name, &t, err);
}

/* The linear device first, then the pool. */
static int grow_data(const struct thin_pool *p, const struct thin_lower *l,
		     uint64_t have, struct err *err)
{
	char name[DMX_NAME_MAX];
	struct below data;
	int r;

	below_data(p, l, &data);
	if (data.t[0].sectors <= have)
		return 0;
	thin_part_name(p, THIN_DATA, name);
	r = dmx_reload(name, data.t, err);
	if (r == 0)
		r = FAILPOINT("thin.pool.grown-data");
	return r == 0 ? reload_pool(p, data.t[0].sectors, err) : r;
}

/* The pool looks how large its metadata is when it is loaded; a kill may have come before
 * that. */
static int grow_meta(struct thin_pool *p, const struct thin_lower *l,
		     struct err *err)
{
	char name[DMX_NAME_MAX], line[DMX_PARAMS_MAX];
	uint64_t have = 0, data = 0;
	struct thin_status s = { 0 };
	struct below meta;
	int r;

	if (!l->more)
		return 0;
	thin_part_name(p, THIN_META, name);
	r = dmx_table(name, "linear", line, sizeof(line), &have, err);
	below_meta(p, l, &meta);
	if (r == 0 && have < meta.t[0].sectors + l->more)
		r = dmx_reload(name, meta.t, err);
	if (r == 0)
		r = FAILPOINT("thin.pool.grown-meta");
	if (r == 0)
		r = thin_watch_ask(p, &s, err);
	if (r < 0 || !thin_status_writable(&s) ||
	    s.total_meta >= (meta.t[0].sectors + l->more) / 8)
		return r;
	thin_part_name(p, THIN_POOL, name);
	r = dmx_table(name, "thin-pool", line, sizeof(line), &data, err);
	return r == 0 ? reload_pool(p, data, err) : r;
}

int thin_parts_grow(struct thin_pool *p, const struct thin_lower *l,
		    struct err *err)
{
	char name[DMX_NAME_MAX], line[DMX_PARAMS_MAX];
	uint64_t have = 0;
	int r;

	thin_part_name(p, THIN_POOL, name);
	r = dmx_table(name, "thin-pool", line, sizeof(line), &have, err);
	if (r == 0)
		r = dmx_resume(name, err); /* an earlier life's, killed */
	if (r == 0)
		r = grow_meta(p, l, err);
	if (r == 0)
		r = grow_data(p, l, have, err);
	return r < 0 ? err_wrap(err, r, "make the pool larger") : 0;
}
