/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pool and our records of it, as a kill leaves them: the device-mapper is played
 * by this test, which knows the numbers in the pool and its transaction id.
 */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/loop.h"
#include "volplugins/thin/pool.h"

#define NUMBERS 64

/* ---- the kernel's part ---------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	bool there[NUMBERS];
	uint64_t transaction;
	char names[8][DMX_NAME_MAX], tables[8][DMX_PARAMS_MAX];
	uint64_t sectors[8];
	bool live[8], foreign[8];
	unsigned int made;  /* devices */
	unsigned int full;  /* per cent */
	const char *refuse; /* a message that begins so fails */
	unsigned int busy;  /* this number is open until it is let go */
	bool disk_full;     /* of state.db */
	bool little;        /* room for pool.img */
	bool late;          /* no record, once the pool's device is there */
	bool restored;      /* state.db is its last copy */
	bool hangs;         /* the pool's disk */
	unsigned int waits; /* for that */
	pthread_cond_t goes_on;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .goes_on = PTHREAD_COND_INITIALIZER };

static int slot(const char *name)
{
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
	int i = slot("");

	(void)uuid;
	(void)err;
	assert_true(slot(name) < 0 && i >= 0);
	pthread_mutex_lock(&fake.lock);
	snprintf(fake.names[i], DMX_NAME_MAX, "%s", name);
	snprintf(fake.tables[i], DMX_PARAMS_MAX, "%s", t->params);
	fake.sectors[i] = t->sectors;
	fake.live[i] = true;
	fake.made++;
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

int __wrap_dmx_remove(const char *name, struct err *err);
int __wrap_dmx_remove(const char *name, struct err *err)
{
	int i = slot(name);

	(void)err;
	if (i >= 0 && !fake.foreign[i])
		fake.names[i][0] = '\0';
	return 0;
}

int __wrap_dmx_remove_last(const char *name, struct err *err);
int __wrap_dmx_remove_last(const char *name, struct err *err)
{
	const char *number = strrchr(name, '-') + 1;

	(void)err;
	if (strtoul(number, NULL, 10) == fake.busy)
		fake.busy = 0;
	return 0;
}

int __wrap_dmx_reload(const char *name, const struct dmx_table *t,
		      struct err *err);
int __wrap_dmx_reload(const char *name, const struct dmx_table *t,
		      struct err *err)
{
	(void)err;
	fake.sectors[slot(name)] = t->sectors;
	return 0;
}

int __wrap_dmx_resume(const char *name, struct err *err);
int __wrap_dmx_resume(const char *name, struct err *err)
{
	(void)name;
	(void)err;
	return 0;
}

int __wrap_dmx_find(const char *name, struct dmx_info *ret, struct err *err);
int __wrap_dmx_find(const char *name, struct dmx_info *ret, struct err *err)
{
	if (slot(name) < 0)
		return -ENOENT;
	if (fake.foreign[slot(name)])
		return err_set(err, -EPERM, "%s is somebody else's", name);
	*ret = (struct dmx_info){ .live = fake.live[slot(name)] };
	return 0;
}

int __wrap_dmx_table(const char *name, const char *target, char *buf,
		     size_t size, uint64_t *ret, struct err *err);
int __wrap_dmx_table(const char *name, const char *target, char *buf,
		     size_t size, uint64_t *ret, struct err *err)
{
	int i = slot(name);

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
	(void)prefix;
	(void)fn;
	(void)ctx;
	(void)err;
	return 0;
}

int __wrap_dmx_open(const char *name, int flags, char *path, struct err *err);
int __wrap_dmx_open(const char *name, int flags, char *path, struct err *err)
{
	(void)name;
	(void)path;
	(void)err;
	return open("/dev/null", flags | O_CLOEXEC);
}

struct tool;
int __wrap_tool_run(const struct tool *t, int file, struct err *err);
int __wrap_tool_run(const struct tool *t, int file, struct err *err)
{
	(void)t;
	(void)file;
	(void)err;
	return 0;
}

static void wait_for_disk(void)
{
	fake.waits++;
	while (fake.hangs)
		pthread_cond_wait(&fake.goes_on, &fake.lock);
	fake.waits--;
}

int __wrap_dmx_status(const char *name, const char *target, char *buf,
		      size_t size, struct err *err);
int __wrap_dmx_status(const char *name, const char *target, char *buf,
		      size_t size, struct err *err)
{
	(void)name;
	(void)target;
	(void)err;
	pthread_mutex_lock(&fake.lock);
	wait_for_disk();
	snprintf(buf, size,
		 "%" PRIu64 " 1/1024 %u/100 - rw no_discard_passdown "
		 "error_if_no_space - 20",
		 fake.transaction, fake.full);
	pthread_mutex_unlock(&fake.lock);
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
	int r;

	(void)name;
	(void)err;
	pthread_mutex_lock(&fake.lock);
	wait_for_disk();
	r = obey(text);
	pthread_mutex_unlock(&fake.lock);
	return r;
}

int __real_store_put(struct store *s, const char *kind, const char *id,
		     const char *parent, const char *json, struct err *err);
int __wrap_store_put(struct store *s, const char *kind, const char *id,
		     const char *parent, const char *json, struct err *err);
int __wrap_store_put(struct store *s, const char *kind, const char *id,
		     const char *parent, const char *json, struct err *err)
{
	return fake.disk_full || (fake.late && fake.made == 3)
		       ? err_set(err, -ENOSPC, "full")
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

/* ---- a daemon's life -------------------------------------------------------------- */

struct life {
	char dir[64];
	int fd;
	struct store *store;
	struct thin_config config;
	struct thin_pool pool;
};

static void start(struct life *l)
{
	struct err err = { 0 };

	if (store_open(l->dir, STORE_STATE, &l->store, &err) < 0 ||
	    thin_pool_open(&l->pool, l->fd, l->store, &l->config, &err) < 0)
		fail_msg("%s", err.msg);
}

static void stop(struct life *l)
{
	thin_pool_close(&l->pool);
	store_close(take_ptr(l->store));
}

static int setup(void **state)
{
	struct life *l = calloc(1, sizeof(*l));

	if (loop_probe(NULL) < 0) {
		print_message("SKIP: no loop devices here\n");
		exit(0);
	}
	memset(fake.there, 0, sizeof(fake.there));
	memset(fake.names, 0, sizeof(fake.names));
	memset(fake.foreign, 0, sizeof(fake.foreign));
	fake.transaction = 0;
	fake.made = 0;
	fake.full = 0;
	fake.refuse = NULL;
	fake.busy = 0;
	fake.disk_full = fake.little = fake.late = fake.restored = false;
	snprintf(l->dir, sizeof(l->dir), "/tmp/berth-thin-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	l->fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->config.size = 64 << 20;
	start(l);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct life *l = *state;

	stop(l);
	close(l->fd);
	test_rmdir(l->dir);
	free(l);
	return 0;
}

static void restart(struct life *l)
{
	stop(l);
	start(l);
}

static uint32_t device(struct life *l)
{
	struct err err = { 0 };
	uint32_t n = 0;

	if (thin_pool_use(&l->pool, true, &err) < 0 ||
	    thin_device_add(&l->pool, 0, &n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

static void give(struct life *l, uint32_t n)
{
	const struct thin_change c = { .keep = n, .put = "v", .json = "{}" };

	assert_int_equal(thin_change(&l->pool, &c, NULL), 0);
}

/* Both orders: what lies in the pool when its number was written down only. */
static void undone_unless_given(void **state)
{
	struct life *l = *state;
	uint32_t kept = device(l), lost;

	give(l, kept);
	lost = device(l);
	assert_true(fake.there[kept] && fake.there[lost]);
	restart(l);
	assert_true(fake.there[kept]);
	assert_false(fake.there[lost]);
	assert_string_equal(l->pool.doubt.msg, "");
	/* a number is never used twice */
	assert_int_equal(device(l), lost + 1);
}

/* Killed before the message: there is nothing to delete. */
static void written_down_but_not_made(void **state)
{
	struct life *l = *state;
	uint32_t n = device(l), *left = NULL;
	size_t count = 1;

	give(l, n);
	fake.refuse = "create_thin";
	assert_int_equal(thin_device_add(&l->pool, 0, &n, NULL), -EIO);
	fake.refuse = NULL;
	restart(l);
	assert_string_equal(l->pool.doubt.msg, "");
	assert_int_equal(thin_record_doomed(&l->pool, &left, &count, NULL), 0);
	assert_int_equal(count, 0);
	free(left);
}

/* Killed between the message and the transaction id. */
static void made_but_not_counted(void **state)
{
	struct life *l = *state;
	uint32_t n = device(l), next = n + 1;

	give(l, n);
	fake.refuse = "set_transaction_id";
	assert_int_equal(thin_device_add(&l->pool, 0, &n, NULL), -EIO);
	fake.there[next] = true; /* taking it back was cut off, too */
	restart(l);
	fake.refuse = NULL;
	restart(l);
	assert_false(fake.there[next]);
	assert_string_equal(l->pool.doubt.msg, "");
	assert_int_equal(device(l), next + 1);
}

/* A removed one goes, whenever that is. */
static void deleted_at_the_next_start(void **state)
{
	struct life *l = *state;
	uint32_t n = device(l);
	const struct thin_change c = { .doom = n, .del = "v" };

	give(l, n);
	fake.refuse = "delete";
	assert_int_equal(thin_change(&l->pool, &c, NULL), 0);
	assert_int_equal(thin_device_del(&l->pool, n, NULL), -EIO);
	assert_true(fake.there[n]);
	fake.refuse = NULL;
	restart(l);
	assert_false(fake.there[n]);
}

/* gc, while another request makes a volume. */
static void gc_leaves_what_is_being_made(void **state)
{
	struct life *l = *state;
	uint32_t n = device(l), dropped = device(l);

	assert_int_equal(thin_device_settle(&l->pool, NULL, NULL), 0);
	assert_true(fake.there[n] && fake.there[dropped]);
	give(l, n);
	/* it had read the list before */
	assert_int_equal(thin_device_del(&l->pool, n, NULL), 0);
	assert_true(fake.there[n]);

	/* whoever made it gave it up, and could not delete it then */
	fake.refuse = "delete";
	assert_int_equal(thin_device_del(&l->pool, dropped, NULL), -EIO);
	fake.refuse = NULL;
	assert_int_equal(thin_device_settle(&l->pool, NULL, NULL), 0);
	assert_false(fake.there[dropped]);
	assert_true(fake.there[n]);
}

/* Killed between making its device in the kernel and saying that it goes with
 * the last user. */
static void deleted_though_its_device_stayed(void **state)
{
	struct life *l = *state;
	uint32_t n = device(l);

	fake.busy = n;
	restart(l);
	assert_false(fake.there[n]);
}

/* The host's disk is full: the pool must not get ahead of its record. */
static void no_message_without_its_record(void **state)
{
	struct life *l = *state;
	uint32_t n = device(l), dropped, m;
	uint64_t transaction;

	give(l, n);
	dropped = device(l);
	transaction = fake.transaction;
	fake.disk_full = true;
	assert_int_equal(thin_device_add(&l->pool, 0, &m, NULL), -ENOSPC);
	assert_int_equal(thin_device_del(&l->pool, dropped, NULL), -ENOSPC);
	assert_true(fake.transaction == transaction);
	fake.disk_full = false;
	restart(l);
	assert_string_equal(l->pool.doubt.msg, "");
	assert_false(fake.there[dropped]);
	assert_true(fake.there[n]);
}

/* The pool is up, and that could not be written down: made anew, it is not to be
 * below one that is up. */
static void begun_again_from_nothing(void **state)
{
	struct life *l = *state;

	fake.late = true; /* for the record that it is ready */
	assert_int_equal(thin_pool_use(&l->pool, true, NULL), -ENOSPC);
	fake.late = false;
	assert_int_equal(fake.made, 3);
	assert_int_equal(thin_pool_use(&l->pool, true, NULL), 0);
	assert_int_equal(fake.made, 6);
}

/* Killed between the pool's name and its table. */
static void without_a_table(void **state)
{
	struct life *l = *state;
	struct err err = { 0 };
	uint32_t n = device(l);
	char name[DMX_NAME_MAX];

	give(l, n);
	stop(l);
	snprintf(name, sizeof(name), "%s-pool", l->pool.prefix);
	snprintf(fake.names[0], DMX_NAME_MAX, "%s", name);
	fake.live[0] = false;
	start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);
	assert_true(slot(name) >= 0 && fake.live[slot(name)]);
}

static void not_with_somebody_elses_device(void **state)
{
	struct life *l = *state;
	struct err err = { 0 };
	char name[DMX_NAME_MAX];

	give(l, device(l));
	stop(l);
	snprintf(name, sizeof(name), "%s-pool", l->pool.prefix);
	snprintf(fake.names[7], DMX_NAME_MAX, "%s", name);
	fake.live[7] = fake.foreign[7] = true;
	start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, name));
	assert_non_null(strstr(err.msg, "somebody else's"));
	assert_int_equal(slot(name), 7);
}

static void records_of_another_moment(void **state)
{
	struct life *l = *state;
	struct err err = { 0 };
	uint32_t n = device(l), m;

	give(l, n);
	fake.transaction += 3; /* made by those who are not in this state.db */
	fake.there[n + 1] = fake.there[n + 2] = true;
	restart(l);
	assert_int_equal(thin_device_add(&l->pool, 0, &m, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "--pool-transaction 4"));
	assert_int_equal(thin_device_del(&l->pool, n, NULL), -EUCLEAN);
	assert_true(fake.there[n]);

	/* the wrong number is no word either */
	l->config.accept = true;
	l->config.transaction = 3;
	restart(l);
	assert_int_equal(thin_device_add(&l->pool, 0, &m, NULL), -EUCLEAN);
	l->config.transaction = 4;
	restart(l);
	assert_int_equal(thin_device_add(&l->pool, 0, &m, &err), 0);
	assert_true(m > n + 2);
	assert_true(fake.there[n + 1] && fake.there[n + 2]);
}

/* Doomed then, a volume now. */
static void doomed_at_another_moment(void **state)
{
	struct life *l = *state;
	uint32_t kept = device(l), then, again;

	give(l, kept);
	then = device(l);
	fake.transaction += 2;
	l->config.accept = true;
	l->config.transaction = fake.transaction;
	restart(l);
	assert_string_equal(l->pool.doubt.msg, "");
	restart(l);
	assert_true(fake.there[kept] && fake.there[then]);

	/* one that was given without a message: the transaction is the same; and the
	 * pool can't be used in the life that knows of it */
	again = device(l);
	stop(l);
	fake.restored = true;
	assert_int_equal(renameat(l->fd, "pool.img", l->fd, "moved"), 0);
	start(l);
	stop(l);
	fake.restored = false;
	assert_int_equal(renameat(l->fd, "moved", l->fd, "pool.img"), 0);
	start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, NULL), 0);
	assert_true(fake.there[again]);
}

static void nothing_new_in_a_full_pool(void **state)
{
	struct life *l = *state;
	struct err err = { 0 };

	give(l, device(l));
	fake.full = 89;
	assert_int_equal(thin_pool_room(&l->pool, &err), 0);
	fake.full = 90;
	assert_int_equal(thin_pool_room(&l->pool, &err), -ENOSPC);
}

static void disk_hangs(bool hangs)
{
	pthread_mutex_lock(&fake.lock);
	fake.hangs = hangs;
	pthread_cond_broadcast(&fake.goes_on);
	pthread_mutex_unlock(&fake.lock);
}

static void *make_one(void *arg)
{
	uint32_t n;

	return (void *)(intptr_t)thin_device_add(arg, 0, &n, NULL);
}

/* As Get does. */
static void *tell(void *arg)
{
	char why[ERR_MSG_MAX];
	struct thin_status s;
	uint64_t n;

	assert_null(thin_pool_trouble(arg, why, sizeof(why)));
	assert_int_equal(thin_device_mapped(arg, 1, &n, NULL), -ENOENT);
	return (void *)(intptr_t)thin_pool_seen(arg, &s, &n, NULL);
}

/* @waits: threads that wait for the disk. */
static bool is_waited(unsigned int waits)
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

static void told_while_the_pool_hangs(void **state)
{
	struct life *l = *state;
	pthread_t maker, asker;
	struct timespec until;
	char why[ERR_MSG_MAX] = "";
	void *made, *told;
	int r;

	give(l, device(l));
	disk_hangs(true);
	assert_int_equal(pthread_create(&maker, NULL, make_one, &l->pool), 0);
	assert_true(is_waited(1));
	assert_int_equal(pthread_create(&asker, NULL, tell, &l->pool), 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	r = pthread_timedjoin_np(asker, &told, &until);
	/* the thread that looks may write down an answer of before */
	for (int i = 0; r == 0 && !*why && i < 2000; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		pthread_mutex_lock(&l->pool.seen.lock);
		l->pool.seen.at -= THIN_SILENT_S;
		pthread_mutex_unlock(&l->pool.seen.lock);
		(void)thin_pool_trouble(&l->pool, why, sizeof(why));
	}
	disk_hangs(false);
	pthread_join(maker, &made);
	if (r != 0)
		pthread_join(asker, &told);
	assert_int_equal(r, 0);
	assert_non_null(strstr(why, "has not answered for "));
	assert_null(told);
	assert_null(made);
}

static void not_without_its_image(void **state)
{
	struct life *l = *state;
	struct err err = { 0 };

	give(l, device(l));
	stop(l);
	assert_int_equal(renameat(l->fd, "pool.img", l->fd, "moved"), 0);
	start(l);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "restart berth-thin"));
	assert_int_equal(faccessat(l->fd, "pool.img", F_OK, 0), -1);
	stop(l);

	/* cut: not for the kernel to find out, nor to be made as long again */
	assert_int_equal(renameat(l->fd, "moved", l->fd, "pool.img"), 0);
	{
		_cleanup_close_ int fd = openat(l->fd, "pool.img", O_RDWR);

		assert_int_equal(ftruncate(fd, 32 << 20), 0);
	}
	start(l);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "was cut"));
	stop(l);
	l->config.size = 0;
	start(l);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "was cut"));
}

/* The host's disk has less than was asked for: it is not left full. */
static void no_room_for_its_image(void **state)
{
	struct life *l = *state;
	struct err err = { 0 };
	struct stat st;

	fake.little = true;
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "--pool-size"));
	assert_int_equal(fstatat(l->fd, "pool.img", &st, 0), 0);
	assert_int_equal(st.st_blocks, 0);

	fake.little = false;
	give(l, device(l));
	fake.little = true;
	l->config.size = 128 << 20;
	restart(l);
	assert_int_equal(fstatat(l->fd, "pool.img", &st, 0), 0);
	assert_int_equal(st.st_size, 64 << 20);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);
}

static void another_pool_is_refused(void **state)
{
	struct life *l = *state;
	struct err err = { 0 };
	char c;

	give(l, device(l));
	stop(l);
	{
		_cleanup_close_ int fd = openat(l->fd, "pool.img", O_RDWR);

		assert_int_equal(pread(fd, &c, 1, 24), 1);
		c = c == '0' ? '1' : '0';
		assert_int_equal(pwrite(fd, &c, 1, 24), 1);
	}
	start(l);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "another pool"));
}

static void grows_with_its_image(void **state)
{
	struct life *l = *state;
	uint64_t before;

	give(l, device(l));
	before = l->pool.data_sectors;
	l->config.size = 128 << 20;
	restart(l);
	assert_int_equal(l->pool.data_sectors - before, 128 << 10);
	assert_int_equal(thin_pool_use(&l->pool, false, NULL), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(undone_unless_given),
		TEST(written_down_but_not_made),
		TEST(made_but_not_counted),
		TEST(deleted_at_the_next_start),
		TEST(gc_leaves_what_is_being_made),
		TEST(deleted_though_its_device_stayed),
		TEST(no_message_without_its_record),
		TEST(begun_again_from_nothing),
		TEST(without_a_table),
		TEST(not_with_somebody_elses_device),
		TEST(records_of_another_moment),
		TEST(doomed_at_another_moment),
		TEST(nothing_new_in_a_full_pool),
		TEST(told_while_the_pool_hangs),
		TEST(not_without_its_image),
		TEST(no_room_for_its_image),
		TEST(another_pool_is_refused),
		TEST(grows_with_its_image),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
