/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "volplugins/thin/fake_pool.h"

#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/loop.h"

struct fake_pool fake = { .lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
			  .goes_on = PTHREAD_COND_INITIALIZER,
			  .bell = -EBADF };

static pthread_mutex_t *hold(void)
{
	pthread_mutex_lock(&fake.lock);
	return &fake.lock;
}

static void let_go(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* To the end of the block: the pool's watcher is another thread. */
#define HOLD() \
	_cleanup_(let_go) pthread_mutex_t *held __attribute__((unused)) = hold()

int fake_slot(const char *name)
{
	HOLD();
	for (int i = 0; i < 8; i++)
		if (strcmp(fake.names[i], name) == 0)
			return i;
	return -ENOENT;
}

int __wrap_dmx_probe(struct err *err);
int __wrap_dmx_probe(struct err *err)
{
	(void)err;
	return 0;
}

int __wrap_dmx_create(const char *name, const char *uuid,
		      const struct dmx_table *t, struct err *err);
int __wrap_dmx_create(const char *name, const char *uuid,
		      const struct dmx_table *t, struct err *err)
{
	HOLD();
	int i = fake_slot("");

	(void)uuid;
	(void)err;
	assert_true(fake_slot(name) < 0 && i >= 0);
	snprintf(fake.names[i], DMX_NAME_MAX, "%s", name);
	snprintf(fake.tables[i], DMX_PARAMS_MAX, "%s", t->params);
	fake.sectors[i] = t->sectors + (t->next ? t->next->sectors : 0);
	fake.live[i] = true;
	fake.made++;
	return 0;
}

int __wrap_dmx_remove(const char *name, struct err *err);
int __wrap_dmx_remove(const char *name, struct err *err)
{
	HOLD();
	int i = fake_slot(name);

	(void)err;
	if (i >= 0 && !fake.foreign[i])
		fake.names[i][0] = '\0';
	return 0;
}

int __wrap_dmx_remove_last(const char *name, struct err *err);
int __wrap_dmx_remove_last(const char *name, struct err *err)
{
	HOLD();
	const char *number = strrchr(name, '-') + 1;

	(void)err;
	if (fake_slot(name) >= 0)
		fake.last[fake_slot(name)] = true;
	if (strtoul(number, NULL, 10) == fake.busy)
		fake.busy = 0;
	return 0;
}

int __wrap_dmx_reload(const char *name, const struct dmx_table *t,
		      struct err *err);
int __wrap_dmx_reload(const char *name, const struct dmx_table *t,
		      struct err *err)
{
	HOLD();
	(void)err;
	fake.sectors[fake_slot(name)] =
		t->sectors + (t->next ? t->next->sectors : 0);
	fake.reloads++;
	return 0;
}

int __wrap_dmx_resume(const char *name, struct err *err);
int __wrap_dmx_resume(const char *name, struct err *err)
{
	HOLD();
	size_t n = strlen(fake.resumed);
	int i = fake_slot(name);

	(void)err;
	if (i < 0 || !fake.suspended[i])
		return 0;
	fake.suspended[i] = false;
	snprintf(fake.resumed + n, sizeof(fake.resumed) - n, "%s ", name);
	return 0;
}

int __wrap_dmx_find(const char *name, struct dmx_info *ret, struct err *err);
int __wrap_dmx_find(const char *name, struct dmx_info *ret, struct err *err)
{
	HOLD();
	if (fake_slot(name) < 0)
		return -ENOENT;
	if (fake.foreign[fake_slot(name)])
		return err_set(err, -EPERM, "%s is somebody else's", name);
	*ret = (struct dmx_info){ .live = fake.live[fake_slot(name)],
				  .suspended = fake.suspended[fake_slot(name)],
				  .events = fake.events };
	return 0;
}

int __wrap_dmx_table(const char *name, const char *target, char *buf,
		     size_t size, uint64_t *ret, struct err *err);
int __wrap_dmx_table(const char *name, const char *target, char *buf,
		     size_t size, uint64_t *ret, struct err *err)
{
	HOLD();
	int i = fake_slot(name);

	(void)target;
	(void)err;
	if (i < 0)
		return i;
	snprintf(buf, size, "%s", fake.tables[i]);
	if (ret)
		*ret = fake.sectors[i];
	return 0;
}

int __wrap_dmx_each(const char *prefix, int (*fn)(void *ctx, const char *name),
		    void *ctx, struct err *err);
int __wrap_dmx_each(const char *prefix, int (*fn)(void *ctx, const char *name),
		    void *ctx, struct err *err)
{
	char name[DMX_NAME_MAX];
	int r = 0;

	(void)err;
	for (int i = 0; r == 0 && i < 8; i++) {
		pthread_mutex_lock(&fake.lock);
		snprintf(name, sizeof(name), "%s", fake.names[i]);
		pthread_mutex_unlock(&fake.lock);
		if (name[0] && strncmp(name, prefix, strlen(prefix)) == 0)
			r = fn(ctx, name);
	}
	return r;
}

int __wrap_dmx_open(const char *name, int flags, char *path, struct err *err);
int __wrap_dmx_open(const char *name, int flags, char *path, struct err *err)
{
	(void)name;
	(void)path;
	(void)err;
	return open("/dev/null", flags | O_CLOEXEC);
}

/* Armed: it has no event of before. */
int __wrap_dmx_events_arm(int fd, struct err *err);
int __wrap_dmx_events_arm(int fd, struct err *err)
{
	HOLD();
	eventfd_t count;

	(void)err;
	(void)eventfd_read(fd, &count);
	fake.told = true;
	return 0;
}

int __wrap_dmx_events_open(struct err *err);
int __wrap_dmx_events_open(struct err *err)
{
	int fd = -EBADF;
	bool deaf;

	pthread_mutex_lock(&fake.lock);
	deaf = fake.deaf > 0;
	fake.deaf -= deaf;
	pthread_mutex_unlock(&fake.lock);
	if (deaf)
		return err_set(err, -EOPNOTSUPP, "no device-mapper yet");
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	FAKE(closep(&fake.bell); fake.bell = fcntl(fd, F_DUPFD_CLOEXEC, 0));
	(void)__wrap_dmx_events_arm(fd, err);
	return fd;
}

bool fake_event(bool of_pool)
{
	bool told = false;

	for (int i = 0; !told && i < 2000; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		pthread_mutex_lock(&fake.lock);
		told = fake.told;
		if (told) {
			fake.told = false;
			fake.events += of_pool;
			eventfd_write(fake.bell, 1);
		}
		pthread_mutex_unlock(&fake.lock);
	}
	return told;
}

static void wait_for_disk(void)
{
	fake.waits++;
	while (fake.hangs)
		pthread_cond_wait(&fake.goes_on, &fake.lock);
	fake.waits--;
}

struct tool;
int __wrap_tool_run(const struct tool *t, int file, struct err *err);
int __wrap_tool_run(const struct tool *t, int file, struct err *err)
{
	HOLD();
	(void)t;
	(void)file;
	wait_for_disk();
	fake.checks++;
	return fake.check < 0 ? err_set(err, fake.check, "thin_check said so")
			      : 0;
}

uint64_t fake_meta_sectors(void)
{
	for (int i = 0; i < 8; i++)
		if (strstr(fake.names[i], "-meta"))
			return fake.sectors[i];
	return 8 * 1024;
}

int __wrap_dmx_status(const char *name, const char *target, char *buf,
		      size_t size, struct err *err);
int __wrap_dmx_status(const char *name, const char *target, char *buf,
		      size_t size, struct err *err)
{
	HOLD();
	(void)name;
	(void)target;
	(void)err;
	wait_for_disk();
	fake.looks++;
	if (fake.gave_up) {
		snprintf(buf, size, "Fail");
		return 0;
	}
	snprintf(buf, size,
		 "%" PRIu64 " %u/%" PRIu64 " %u/100 - rw no_discard_passdown "
		 "error_if_no_space - 20",
		 fake.transaction, fake.meta, fake_meta_sectors() / 8,
		 fake.full);
	return 0;
}

static int obey(const char *text)
{
	uint64_t from, to;
	unsigned int n, origin;

	if (fake.refuse && strncmp(text, fake.refuse, strlen(fake.refuse)) == 0)
		return -EIO;
	if (sscanf(text, "set_transaction_id %" SCNu64 " %" SCNu64, &from,
		   &to) == 2) {
		if (from != fake.transaction)
			return -EINVAL;
		fake.transaction = to;
		return 0;
	}
	if (sscanf(text, "create_snap %u %u", &n, &origin) == 2) {
		if (!fake.there[origin])
			return -ENODATA;
	} else if (sscanf(text, "delete %u", &n) == 1) {
		if (!fake.there[n])
			return -ENODATA;
		if (fake.busy == n)
			return -EBUSY;
		fake.there[n] = false;
		return 0;
	} else if (sscanf(text, "create_thin %u", &n) != 1) {
		return -EINVAL;
	}
	if (fake.there[n])
		return -EEXIST;
	fake.there[n] = true;
	return 0;
}

int __wrap_dmx_message(const char *name, const char *text, struct err *err);
int __wrap_dmx_message(const char *name, const char *text, struct err *err)
{
	HOLD();
	int r;

	(void)name;
	(void)err;
	wait_for_disk();
	r = obey(text);
	return r;
}

int __real_store_put(struct store *s, const char *kind, const char *id,
		     const char *parent, const char *json, struct err *err);
int __wrap_store_put(struct store *s, const char *kind, const char *id,
		     const char *parent, const char *json, struct err *err);
int __wrap_store_put(struct store *s, const char *kind, const char *id,
		     const char *parent, const char *json, struct err *err)
{
	bool full;

	FAKE(full = fake.disk_full || (fake.late && fake.made == 3));
	return full ? err_set(err, -ENOSPC, "full")
		    : __real_store_put(s, kind, id, parent, json, err);
}

bool __wrap_store_was_restored(const struct store *s);
bool __wrap_store_was_restored(const struct store *s)
{
	(void)s;
	return fake.restored;
}

int __real_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len)
{
	int r = __real_fallocate(fd, mode, at,
				 fake.little ? len - (4 << 20) : len);

	if (r < 0 || !fake.little)
		return r;
	errno = ENOSPC; /* as ext4: what there was is taken */
	return -1;
}

void fake_disk_hangs(bool hangs)
{
	pthread_mutex_lock(&fake.lock);
	fake.hangs = hangs;
	pthread_cond_broadcast(&fake.goes_on);
	pthread_mutex_unlock(&fake.lock);
}

/* @waits: threads that wait for the disk. */
bool fake_is_waited(unsigned int waits)
{
	bool r = false;

	for (int i = 0; !r && i < 2000; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		pthread_mutex_lock(&fake.lock);
		r = fake.waits >= waits;
		pthread_mutex_unlock(&fake.lock);
	}
	return r;
}

/* ---- a daemon's life -------------------------------------------------------------- */

void fake_pool_start(struct pool_life *l)
{
	struct err err = { 0 };

	if (store_open(l->dir, STORE_STATE, &l->store, &err) < 0 ||
	    thin_pool_open(&l->pool, l->fd, l->store, &l->config, &err) < 0)
		fail_msg("%s", err.msg);
	/* taken up, if it can be */
	if (!l->deferred && thin_pool_use(&l->pool, false, NULL) == 0)
		(void)thin_device_settle(&l->pool, NULL, NULL);
}

void fake_pool_stop(struct pool_life *l)
{
	thin_pool_close(&l->pool);
	store_close(take_ptr(l->store));
}

int fake_pool_setup(void **state)
{
	struct pool_life *l = calloc(1, sizeof(*l));

	if (loop_probe(NULL) < 0) {
		print_message("SKIP: no loop devices here\n");
		exit(0);
	}
	memset(fake.there, 0, sizeof(fake.there));
	memset(fake.names, 0, sizeof(fake.names));
	memset(fake.foreign, 0, sizeof(fake.foreign));
	memset(fake.suspended, 0, sizeof(fake.suspended));
	memset(fake.last, 0, sizeof(fake.last));
	fake.resumed[0] = '\0';
	fake.transaction = 0;
	fake.made = 0;
	fake.full = 0;
	fake.meta = 1;
	fake.reloads = 0;
	fake.refuse = NULL;
	fake.busy = 0;
	fake.check = 0;
	fake.checks = 0;
	fake.events = 0;
	fake.told = false;
	fake.deaf = 0;
	fake.gave_up = fake.disk_full = fake.little = fake.late =
		fake.restored = false;
	snprintf(l->dir, sizeof(l->dir), "/tmp/berth-thin-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	l->fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->config.size = 64 << 20;
	fake_pool_start(l);
	*state = l;
	return 0;
}

int fake_pool_teardown(void **state)
{
	struct pool_life *l = *state;

	fake_pool_stop(l);
	close(l->fd);
	test_rmdir(l->dir);
	free(l);
	return 0;
}

void fake_pool_restart(struct pool_life *l)
{
	fake_pool_stop(l);
	fake_pool_start(l);
}

uint32_t fake_pool_device(struct pool_life *l)
{
	struct err err = { 0 };
	uint32_t n = 0;

	if (thin_pool_use(&l->pool, true, &err) < 0 ||
	    thin_device_add(&l->pool, &n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

void fake_pool_give(struct pool_life *l, uint32_t n)
{
	const struct thin_change c = { .keep = n, .put = "v", .json = "{}" };

	assert_int_equal(thin_change(&l->pool, &c, NULL), 0);
}
