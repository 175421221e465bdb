/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device-mapper by libdevmapper.
 *
 * The library keeps the nodes in /dev/mapper that it is to make in a list of its
 * own, for the whole process: what makes or removes devices goes through one
 * lock, what may take long (suspending, messages) does not.  What it says when
 * it fails comes by a callback, on the thread that called.
 */
#include "lib/dmx.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "lib/base.h"

#define REMOVE_TRIES 100
#define REMOVE_MS    20

static pthread_mutex_t nodes = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local char said[200]; /* the first complaint of a call */

static void unlockp(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static void taskp(struct dm_task **t)
{
	if (*t)
		dm_task_destroy(*t);
}

__attribute__((format(printf, 5, 6))) static void
note(int level, const char *file, int line, int code, const char *fmt, ...)
{
	va_list args;

	(void)file;
	(void)line;
	(void)code;
	if ((level & 7) > 4 || said[0]) /* _LOG_WARN; not exported */
		return;
	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
}

static void setup(void)
{
	dm_log_with_errno_init(note);
	dm_udev_set_sync_support(0);
}

void dmx_listen(void)
{
	pthread_once(&once, setup);
	dm_log_with_errno_init(note);
}

/* ---- one ioctl ------------------------------------------------------------ */

/* @name: NULL: none. */
static struct dm_task *task(int type, const char *name)
{
	_cleanup_(taskp) struct dm_task *t = NULL;

	pthread_once(&once, setup);
	said[0] = '\0';
	t = dm_task_create(type);
	if (!t || (name && !dm_task_set_name(t, name)))
		return NULL;
	return take_ptr(t);
}

/* The kernel says ENXIO of a device that is not there. */
static int code_of(struct dm_task *t)
{
	int code = dm_task_get_errno(t);

	return code == ENXIO ? -ENOENT : code > 0 ? -code : -EIO;
}

static int run(struct dm_task *t, const char *what, const char *name,
	       struct err *err)
{
	int r;

	if (dm_task_run(t))
		return 0;
	r = code_of(t);
	if (r == -ENOENT)
		return err_set(err, r, "%s device %s: there is none", what,
			       name);
	return err_set(err, r, "%s device %s: %s", what, name, strerror(-r));
}

/* The same of what makes and removes nodes. */
static int run_nodes(struct dm_task *t, const char *what, const char *name,
		     struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &nodes;
	int r;

	pthread_mutex_lock(held);
	r = run(t, what, name, err);
	dm_task_update_nodes();
	return r;
}

static int no_task(struct err *err)
{
	return err_set(err, -ENOMEM, "device-mapper: %s",
		       said[0] ? said : "out of memory");
}

int dmx_probe(struct err *err)
{
	_cleanup_(taskp) struct dm_task *t = task(DM_DEVICE_VERSION, NULL);

	if (t && dm_task_run(t))
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "this kernel has no device-mapper (modprobe dm_mod): %s",
		       said[0] ? said : "no answer");
}

static int check_ours(const char *name, struct dm_task *t, struct err *err)
{
	const char *uuid = dm_task_get_uuid(t);

	if (strncmp(uuid, DMX_UUID_OURS, strlen(DMX_UUID_OURS)) == 0)
		return 0;
	return err_set(err, -EPERM,
		       "device %s is somebody else's (its uuid is \"%s\"): "
		       "rename it (dmsetup rename), or remove it",
		       name, uuid);
}

static int look(struct dm_task *d, const char *name, struct dm_info *info,
		struct err *err)
{
	int r;

	/* a device that hangs must not hold up who only asks */
	if (!d || !dm_task_no_open_count(d) || !dm_task_no_flush(d))
		return no_task(err);
	r = run(d, "look at", name, err);
	if (r < 0)
		return r;
	if (!dm_task_get_info(d, info))
		return err_set(err, -EIO, "look at device %s: %s", name, said);
	return info->exists ? check_ours(name, d, err)
			    : err_set(err, -ENOENT,
				      "look at device %s: there is none", name);
}

/* A table that is in use. */
struct lines {
	struct line {
		char target[32], params[DMX_PARAMS_MAX];
		struct dmx_table t; /* .sectors 0: there is none */
	} at[DMX_LINES];
	uint64_t sectors; /* of all */
};

static void wipep(struct lines *l)
{
	explicit_bzero(l->at, sizeof(l->at));
}

static void note_line(struct line *l, const char *target, const char *params,
		      uint64_t sectors, bool readonly)
{
	snprintf(l->target, sizeof(l->target), "%s", target ? target : "");
	snprintf(l->params, sizeof(l->params), "%s", params ? params : "");
	l->t = (struct dmx_table){ .target = l->target,
				   .sectors = target ? sectors : 0,
				   .params = l->params,
				   .readonly = readonly,
				   .secret = true };
}

static int lines_of(int type, const char *name, struct lines *ret,
		    struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = task(type, name);
	struct dm_info info = { 0 };
	void *more = NULL;
	int r;

	/* the answer may have a key in it */
	if (d && !dm_task_secure_data(d))
		return no_task(err);
	r = look(d, name, &info, err);
	if (r < 0)
		return r;
	ret->sectors = 0;
	for (size_t i = 0; i == 0 || more; i++) {
		char *kind = NULL, *params = NULL;
		uint64_t start = 0, length = 0;

		if (i == DMX_LINES)
			return err_set(err, -EUCLEAN,
				       "device %s has more lines than %d", name,
				       DMX_LINES);
		more = dm_get_next_target(d, more, &start, &length, &kind,
					  &params);
		note_line(&ret->at[i], kind, params, length, info.read_only);
		ret->sectors += ret->at[i].t.sectors;
		if (i && kind)
			ret->at[i - 1].t.next = &ret->at[i].t;
	}
	return 0;
}

/* ---- making, changing, removing -------------------------------------------- */

static int fill(struct dm_task *t, const struct dmx_table *table)
{
	const struct dmx_table *l = table;
	uint64_t start = 0;

	do {
		if (!dm_task_add_target(t, start, l->sectors, l->target,
					l->params))
			return 0;
		start += l->sectors;
		l = l->next;
	} while (l);
	return (!table->readonly || dm_task_set_ro(t)) &&
	       (!table->secret || dm_task_secure_data(t));
}

int dmx_create(const char *name, const char *uuid, const struct dmx_table *t,
	       struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = task(DM_DEVICE_CREATE, name);
	struct dmx_info info;
	struct err why = { 0 };
	int r, there = -ENOENT;

	if (!d || !dm_task_set_uuid(d, uuid) || !fill(d, t))
		return no_task(err);
	r = run_nodes(d, "make", name, err);
	/* the kernel calls a name that is taken busy */
	if (r == -EBUSY)
		there = dmx_find(name, &info, &why);
	if (there == 0)
		return err_set(err, -EEXIST, "make device %s: there is one",
			       name);
	if (there == -EPERM)
		return err_set(err, there, "%s", why.msg);
	if (r < 0 && said[0])
		return err_set(err, r, "make device %s (%s): %s", name,
			       t->target, strerror(-r));
	return r;
}

static int simple(int type, const char *what, const char *name, struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = task(type, name);

	return d ? run_nodes(d, what, name, err) : no_task(err);
}

static int load(const char *name, const struct dmx_table *t, struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = task(DM_DEVICE_RELOAD, name);

	return d && fill(d, t) ? run(d, "load a table into", name, err)
			       : no_task(err);
}

/* It is suspended, with the new table in use or still the old one. */
static void go_back(const char *name, const struct lines *old)
{
	if (old->sectors && load(name, &old->at[0].t, NULL) == 0 &&
	    dmx_resume(name, NULL) == 0)
		return;
	(void)simple(DM_DEVICE_CLEAR, "clear", name, NULL);
	(void)dmx_resume(name, NULL);
}

int dmx_reload(const char *name, const struct dmx_table *t, struct err *err)
{
	_cleanup_(wipep) struct lines old = { 0 };
	int r = lines_of(DM_DEVICE_TABLE, name, &old, err);

	if (r == 0)
		r = load(name, t, err);
	if (r < 0)
		return r;
	r = dmx_suspend(name, err);
	if (r < 0) {
		(void)simple(DM_DEVICE_CLEAR, "clear", name, NULL);
		return r;
	}
	r = dmx_resume(name, err);
	if (r < 0)
		go_back(name, &old);
	return r;
}

int dmx_suspend(const char *name, struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = NULL;
	struct dmx_info info;
	int r = dmx_find(name, &info, err);

	if (r < 0)
		return r;
	d = task(DM_DEVICE_SUSPEND, name);
	return d ? run(d, "suspend", name, err) : no_task(err);
}

int dmx_resume(const char *name, struct err *err)
{
	struct dmx_info info;
	int r = dmx_find(name, &info, err);

	return r < 0 ? r : simple(DM_DEVICE_RESUME, "resume", name, err);
}

int dmx_remove(const char *name, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = REMOVE_MS * 1000000 };
	struct dmx_info info;
	int r = dmx_find(name, &info, err);

	if (r == 0)
		r = -EBUSY;
	for (int i = 0; r == -EBUSY && i < REMOVE_TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		r = simple(DM_DEVICE_REMOVE, "remove", name, err);
	}
	return r == -ENOENT ? 0 : r;
}

int dmx_remove_last(const char *name, struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = NULL;
	struct dmx_info info;
	int r = dmx_find(name, &info, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	d = task(DM_DEVICE_REMOVE, name);
	if (!d || !dm_task_deferred_remove(d))
		return no_task(err);
	r = run_nodes(d, "let go", name, err);
	return r == -ENOENT ? 0 : r;
}

int dmx_message(const char *name, const char *text, struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = NULL;
	struct dmx_info info;
	int r = dmx_find(name, &info, err);

	if (r < 0)
		return r;
	d = task(DM_DEVICE_TARGET_MSG, name);
	if (!d || !dm_task_set_sector(d, 0) || !dm_task_set_message(d, text))
		return no_task(err);
	return run(d, text, name, err);
}

/* ---- looking ---------------------------------------------------------------- */

int dmx_find(const char *name, struct dmx_info *ret, struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = task(DM_DEVICE_INFO, name);
	struct dm_info info = { 0 };
	int r = d ? run(d, "look at", name, err) : no_task(err);

	if (r < 0)
		return r;
	if (!dm_task_get_info(d, &info))
		return err_set(err, -EIO, "look at device %s: %s", name, said);
	if (!info.exists)
		return err_set(err, -ENOENT, "look at device %s: there is none",
			       name);
	r = check_ours(name, d, err);
	if (r < 0)
		return r;
	*ret = (struct dmx_info){
		.dev = makedev(info.major, info.minor),
		.users = info.open_count,
		.suspended = info.suspended,
		.live = info.live_table,
		.events = info.event_nr,
	};
	snprintf(ret->uuid, sizeof(ret->uuid), "%s", dm_task_get_uuid(d));
	return 0;
}

/* One of @target: what comes after that. */
static int params_of(int type, const char *name, const char *target, char *buf,
		     size_t size, uint64_t *ret_sectors, struct err *err)
{
	_cleanup_(wipep) struct lines l = { 0 };
	int r = lines_of(type, name, &l, err);

	if (r < 0)
		return r;
	if (strcmp(l.at[0].target, target) != 0)
		return err_set(err, -EUCLEAN, "device %s is a %s, not a %s",
			       name,
			       l.at[0].target[0] ? l.at[0].target
						 : "device without a table",
			       target);
	snprintf(buf, size, "%s", l.at[0].params);
	if (ret_sectors)
		*ret_sectors = l.sectors;
	return 0;
}

int dmx_status(const char *name, const char *target, char *buf, size_t size,
	       struct err *err)
{
	return params_of(DM_DEVICE_STATUS, name, target, buf, size, NULL, err);
}

int dmx_table(const char *name, const char *target, char *buf, size_t size,
	      uint64_t *ret_sectors, struct err *err)
{
	return params_of(DM_DEVICE_TABLE, name, target, buf, size, ret_sectors,
			 err);
}

int dmx_each(const char *prefix, int (*fn)(void *ctx, const char *name),
	     void *ctx, struct err *err)
{
	_cleanup_(taskp) struct dm_task *d = task(DM_DEVICE_LIST, NULL);
	const struct dm_names *n;
	int r = d ? run(d, "list", "mapper", err) : no_task(err);

	if (r < 0)
		return r;
	n = dm_task_get_names(d);
	while (r == 0 && n && n->dev) {
		if (strncmp(n->name, prefix, strlen(prefix)) == 0)
			r = fn(ctx, n->name);
		if (!n->next)
			break;
		n = (const void *)((const char *)n + n->next);
	}
	return r;
}

int dmx_open(const char *name, int flags, char path[static DMX_PATH_MAX],
	     struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct dmx_info info;
	struct stat st;
	int r = dmx_find(name, &info, err);

	if (r < 0)
		return r;
	snprintf(path, DMX_PATH_MAX, "/dev/dm-%u", minor(info.dev));
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(err, errno == ENXIO ? -ENOENT : -errno,
			       "open %s (device %s): %s", path, name,
			       strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) ||
	    st.st_rdev != info.dev)
		return err_set(err, -ENOENT, "%s is not device %s", path, name);
	return take_fd(fd);
}

/* ---- events ----------------------------------------------------------------- */

/* libdevmapper arms a descriptor that it gives to nobody. */
int dmx_events_arm(int fd, struct err *err)
{
	struct dm_ioctl arm = {
		.version = { 4, 37, 0 },
		.data_size = sizeof(arm),
	};

	if (ioctl(fd, DM_DEV_ARM_POLL, &arm) == 0)
		return 0;
	return err_set(err, errno == ENOTTY ? -EOPNOTSUPP : -errno,
		       "events of device-mapper: %s", strerror(errno));
}

int dmx_events_open(struct err *err)
{
	_cleanup_close_ int fd =
		open("/dev/mapper/control", O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_set(err,
			       errno == ENOENT || errno == ENODEV ? -EOPNOTSUPP
								  : -errno,
			       "/dev/mapper/control: %s", strerror(errno));
	r = dmx_events_arm(fd, err);
	return r < 0 ? r : take_fd(fd);
}
