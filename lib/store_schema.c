// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables of a store, version by version, and the check of their content. */
#include <stdio.h>
#include <string.h>

#include "lib/store_priv.h"

/* Step i takes a file from version i to i + 1; a new file is version 0.  Steps
 * that were released are never edited. */
const char *const store_steps[STORE_SCHEMA] = {
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE rec(n INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
	" id TEXT NOT NULL, parent TEXT NOT NULL, body TEXT NOT NULL,"
	" sum INTEGER NOT NULL, UNIQUE(kind, id));"
	"CREATE INDEX rec_parent ON rec(kind, parent);"
	/* state: enum intent_state; life: of begin; done_life: of the answer;
	 * done_ms: CLOCK_BOOTTIME of the answer */
	"CREATE TABLE intent(n INTEGER PRIMARY KEY AUTOINCREMENT,"
	" state INTEGER NOT NULL, life INTEGER NOT NULL,"
	" done_life INTEGER NOT NULL DEFAULT 0,"
	" done_ms INTEGER NOT NULL DEFAULT 0, method TEXT NOT NULL,"
	" key TEXT NOT NULL, body TEXT NOT NULL, sum INTEGER NOT NULL,"
	" answer TEXT NOT NULL DEFAULT '');",
};

static int run(sqlite3 *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		return 0;
	return err_set(err, rc == SQLITE_FULL ? -ENOSPC : -EIO, "%s",
		       sqlite3_errmsg(db));
}

int store_migrate(sqlite3 *db, const char *const *steps, int from, int count,
		  struct err *err)
{
	char version[64];
	int r = run(db, "BEGIN IMMEDIATE", err);

	for (int i = from; i < count && r == 0; i++)
		r = run(db, steps[i], err);
	snprintf(version, sizeof(version), "PRAGMA user_version=%d", count);
	if (r == 0)
		r = run(db, version, err);
	if (r == 0)
		r = run(db, "COMMIT", err);
	if (r < 0)
		(void)run(db, "ROLLBACK", NULL); /* the first failure counts */
	return r;
}

static void finalizep(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
}

/* Does each row's last column equal the sum of the texts before it? */
static int check_sums(sqlite3 *db, const char *sql, struct err *err)
{
	_cleanup_(finalizep) sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		const char *texts[4] = { "", "", "", "" };
		size_t count;

		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		count = (size_t)sqlite3_column_count(st) - 1;
		for (size_t i = 0; i < count && i < 4; i++)
			texts[i] =
				(const char *)sqlite3_column_text(st, (int)i);
		if ((int64_t)store_sum(texts, count) !=
		    sqlite3_column_int64(st, (int)count))
			return err_set(err, -EUCLEAN,
				       "the record of %s \"%s\" is damaged",
				       texts[0] ? texts[0] : "?",
				       texts[1] ? texts[1] : "?");
	}
	if (rc != SQLITE_DONE)
		return err_set(err, -EUCLEAN, "%s", sqlite3_errmsg(db));
	return 0;
}

static int check_pages(sqlite3 *db, struct err *err)
{
	_cleanup_(finalizep) sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL);
	const char *text;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_NOMEM)
		return err_set(err, -ENOMEM, "checking the file");
	if (rc != SQLITE_ROW)
		return err_set(err, -EUCLEAN, "%s", sqlite3_errmsg(db));
	text = (const char *)sqlite3_column_text(st, 0);
	if (!text || strcmp(text, "ok") != 0)
		return err_set(err, -EUCLEAN, "%s", text ? text : "no memory");
	return 0;
}

int store_db_version(sqlite3 *db, struct err *err)
{
	_cleanup_(finalizep) sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return err_set(err, -EUCLEAN, "%s", sqlite3_errmsg(db));
	return sqlite3_column_int(st, 0);
}

int store_db_check(sqlite3 *db, struct err *err)
{
	int r = check_pages(db, err);

	if (r == 0)
		r = store_db_version(db, err);
	if (r <= 0)
		return r;
	r = check_sums(db, "SELECT kind, id, parent, body, sum FROM rec", err);
	if (r == 0)
		r = check_sums(db, "SELECT method, key, body, sum FROM intent",
			       err);
	return r;
}
