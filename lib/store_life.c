// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing a store: whose life its records belong to. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/netns.h"
#include "lib/store_priv.h"

#define BIND_STATIC ((sqlite3_destructor_type)0)

bool store_was_restored(const struct store *s)
{
	return s->restored;
}

bool store_is_readonly(const struct store *s)
{
	return s->readonly;
}

const char *store_file(const struct store *s)
{
	return s->life == STORE_STATE ? "state.db" : "run.db";
}

static int meta_get(struct store *s, const char *key, char *buf, size_t size,
		    struct err *err)
{
	int r = 0, rc;
	sqlite3_stmt *st = store_stmt(s, STMT_META_GET, &r, err);

	if (!st)
		return r;
	buf[0] = '\0';
	sqlite3_bind_text(st, 1, key, -1, BIND_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		snprintf(buf, size, "%s",
			 (const char *)sqlite3_column_text(st, 0));
	else if (rc != SQLITE_DONE)
		r = store_fail(s, rc, err);
	sqlite3_reset(st);
	return r;
}

static int meta_put(struct store *s, const char *key, const char *value,
		    struct err *err)
{
	int r = 0;
	sqlite3_stmt *st = store_stmt(s, STMT_META_PUT, &r, err);

	if (!st)
		return r;
	sqlite3_bind_text(st, 1, key, -1, BIND_STATIC);
	sqlite3_bind_text(st, 2, value, -1, BIND_STATIC);
	return store_step(s, st, err);
}

/* The kernel these records were written under, against the one we run on. */
struct place {
	char boot[40], netns[24];
};

static int place_now(const struct store *s, struct place *ret, struct err *err)
{
	uint64_t cookie;
	int r = netns_boot_id(ret->boot, err);

	if (r < 0 || s->life == STORE_STATE)
		return r;
	r = netns_cookie(&cookie, err);
	if (r == 0)
		snprintf(ret->netns, sizeof(ret->netns), "%" PRIu64, cookie);
	return r;
}

static int place_read(struct store *s, struct place *ret, struct err *err)
{
	int r = meta_get(s, "boot", ret->boot, sizeof(ret->boot), err);

	if (r == 0)
		r = meta_get(s, "netns", ret->netns, sizeof(ret->netns), err);
	return r;
}

static int forget(struct store *s, struct err *err)
{
	/* Answers that some peer of before the reboot waited for go; what was
	 * begun and not finished stays, to be rolled forward or undone. */
	const char *sql = s->life == STORE_RUN
				  ? "DELETE FROM rec; DELETE FROM intent"
				  : "DELETE FROM intent WHERE state != 0";
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(s, rc, err);
}

static int life_record(struct store *s, const struct place *now, bool moved,
		       struct err *err)
{
	char epoch[24], boot_epoch[24];
	int r = moved ? forget(s, err) : 0;

	snprintf(epoch, sizeof(epoch), "%" PRId64, s->epoch);
	if (r == 0)
		r = meta_put(s, "boot", now->boot, err);
	if (r == 0)
		r = meta_put(s, "netns", now->netns, err);
	if (r == 0)
		r = meta_put(s, "life", epoch, err);
	snprintf(boot_epoch, sizeof(boot_epoch), "%" PRId64, s->boot_epoch);
	if (r == 0)
		r = meta_put(s, "boot_life", boot_epoch, err);
	return r;
}

static int life_begin(struct store *s, struct err *err)
{
	struct place now = { 0 }, then = { 0 };
	char epoch[24], boot_epoch[24];
	bool moved;
	int r = place_now(s, &now, err);

	if (r == 0)
		r = place_read(s, &then, err);
	if (r == 0)
		r = meta_get(s, "life", epoch, sizeof(epoch), err);
	if (r == 0)
		r = meta_get(s, "boot_life", boot_epoch, sizeof(boot_epoch),
			     err);
	if (r < 0)
		return r;
	moved = then.boot[0] && (strcmp(now.boot, then.boot) != 0 ||
				 strcmp(now.netns, then.netns) != 0);
	s->epoch = strtoll(epoch, NULL, 10) + 1;
	s->boot_epoch = moved ? s->epoch : strtoll(boot_epoch, NULL, 10);
	if (moved && s->life == STORE_RUN)
		s->restored = false; /* torn by a power cut: no loss */
	if (s->readonly)
		return moved && s->life == STORE_RUN
			       ? err_set(err, -EROFS,
					 "%s is read-only and describes "
					 "another "
					 "boot or network namespace",
					 s->dir)
			       : 0;
	r = store_begin(s, err);
	if (r < 0)
		return r;
	r = life_record(s, &now, moved, err);
	return store_write_end(s, true, r, err);
}

static void configure_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

static struct store *store_new(const char *dir, enum store_life life)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct store *s = calloc(1, sizeof(*s));

	pthread_once(&once, configure_sqlite);
	if (!s)
		return NULL;
	s->life = life;
	s->dir_fd = s->lock_fd = s->reserve_fd = -EBADF;
	pthread_mutex_init(&s->lock, NULL);
	s->dir = strdup(dir);
	if (!s->dir) {
		store_close(s);
		return NULL;
	}
	return s;
}

int store_open(const char *dir, enum store_life life, struct store **ret,
	       struct err *err)
{
	_cleanup_(store_closep) struct store *s = store_new(dir, life);
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "opening %s", dir);
	r = store_dir_open(s, dir, err);
	if (r == 0)
		r = store_lock(s, err);
	if (r == 0)
		r = store_files_check(s, err);
	if (r == 0)
		r = store_db_open(s, err);
	if (r == 0 && !s->readonly)
		store_reserve_open(s); /* the start itself may need it */
	if (r == 0)
		r = life_begin(s, err);
	if (r < 0)
		return r;
	if (!s->readonly) /* A store that cannot be copied still serves. */
		(void)store_copy(s, NULL);
	*ret = take_ptr(s);
	return 0;
}

static int peek(struct store *s, const char *kind, struct err *err)
{
	static const char sql[] =
		"SELECT EXISTS(SELECT 1 FROM rec WHERE kind = ?1) OR"
		" EXISTS(SELECT 1 FROM intent WHERE state IN (0, 4))";
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), r = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(st, 1, kind, -1, BIND_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = sqlite3_column_int(st, 0);
	else
		r = store_fail(s, rc, err);
	sqlite3_finalize(st);
	return r;
}

int store_peek(const char *dir, enum store_life life, const char *kind,
	       struct err *err)
{
	_cleanup_(store_closep) struct store *s = NULL;
	int r, has = 0;

	if (access(dir, F_OK) < 0) /* it is not made for this */
		return err_set(err, -errno, "%s: %m", dir);
	s = store_new(dir, life);
	if (!s)
		return err_set(err, -ENOMEM, "opening %s", dir);
	s->readonly = s->peek = true;
	r = store_dir_open(s, dir, err);
	if (r == 0)
		r = store_files_check(s, err);
	if (r == 0)
		r = store_settled(s, err);
	if (r == 0)
		r = store_db_open(s, err);
	if (r == 0)
		r = has = peek(s, kind, err);
	if (r >= 0)
		r = store_settled(s, err); /* still: nobody began to write */
	return r < 0 ? r : has;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->dirty && !s->suspect)
		(void)store_copy(s, NULL); /* the next start makes one too */
	store_db_close(s);
	if (s->reserve_fd >= 0)
		close(s->reserve_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s);
}

int store_copy_if_due(struct store *s, struct err *err)
{
	bool taken = store_enter(s);
	int r = 0;

	if (taken && s->dirty && !s->suspect && !s->readonly)
		r = store_copy(s, err);
	store_leave(s, taken);
	return r;
}
