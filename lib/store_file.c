// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file of a store: who may use it, is it whole, and what if not.
 *
 * Beside FILE (state.db or run.db) lie
 *   FILE.lock         held (flock) for the life of the handle, has the pid
 *   FILE.bak          the last good copy, made at open and at close
 *   FILE.reserve      blocks held back for deletes on a full disk
 *   FILE.rewritten    what was committed, after a failed write
 *   FILE.damaged-<n>  what did not pass the check, kept for a human
 *   FILE.v<N>         the file as it was before a newer program migrated it
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/store_priv.h"

#define CACHE_KIB      256
#define BUSY_MS        2000 /* somebody has it open with sqlite3(1) */
#define WAL_PAGES      128
#define VERSION_OFFSET 60 /* user_version in the header, big endian */
#define VERSION_SANE   1000

static int open_at(const struct store *s, const char *suffix, int flags)
{
	return openat(s->dir_fd, store_name(s, suffix).s,
		      flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

static bool exists_at(const struct store *s, const char *suffix)
{
	return faccessat(s->dir_fd, store_name(s, suffix).s, F_OK,
			 AT_SYMLINK_NOFOLLOW) == 0;
}

static int rename_at(const struct store *s, const char *from, const char *to)
{
	return renameat(s->dir_fd, store_name(s, from).s, s->dir_fd,
			store_name(s, to).s) < 0
		       ? -errno
		       : 0;
}

static void unlink_at(const struct store *s, const char *suffix)
{
	unlinkat(s->dir_fd, store_name(s, suffix).s, 0);
}

/* ---- directory, lock, owners ------------------------------------------- */

int store_dir_open(struct store *s, const char *dir, struct err *err)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST && errno != EROFS)
		return err_set(err, -errno, "making %s: %m", dir);
	s->dir_fd = open(dir, O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir_fd < 0)
		/* O_DIRECTORY says ENOTDIR for a link too */
		return err_set(err, errno == ENOTDIR ? -ELOOP : -errno,
			       "%s must be a directory of its own: %m", dir);
	if (fstat(s->dir_fd, &st) < 0)
		return err_set(err, -errno, "%s: %m", dir);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return err_set(err, -EPERM,
			       "%s must belong to uid %u and be writable by "
			       "nobody else (it is uid %u, mode %03o)",
			       dir, geteuid(), st.st_uid, st.st_mode & 0777);
	return 0;
}

static int busy(const struct store *s, struct err *err)
{
	char pid[16] = "";

	if (pread(s->lock_fd, pid, sizeof(pid) - 1, 0) < 0)
		pid[0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	return err_set(err, -EBUSY,
		       "%s in %s is in use by pid %s: this daemon runs already",
		       store_name(s, "").s, s->dir, pid[0] ? pid : "?");
}

int store_lock(struct store *s, struct err *err)
{
	char pid[16];
	struct stat st;
	int n;

	s->lock_fd = open_at(s, ".lock", O_RDWR | O_CREAT);
	if (s->lock_fd < 0 && (errno == EROFS || errno == EACCES)) {
		s->readonly = true;
		s->lock_fd = open_at(s, ".lock", O_RDONLY);
		if (s->lock_fd < 0 && errno == ENOENT)
			return 0; /* never used yet: nobody to lock out */
	}
	if (s->lock_fd < 0 || fstat(s->lock_fd, &st) < 0)
		return err_set(err, -errno, "%s in %s: %m",
			       store_name(s, ".lock").s, s->dir);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return err_set(err, -EPERM, "%s in %s is not a file of ours",
			       store_name(s, ".lock").s, s->dir);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? busy(s, err)
			       : err_set(err, -errno, "locking %s: %m", s->dir);
	if (s->readonly)
		return 0;
	n = snprintf(pid, sizeof(pid), "%d\n", getpid());
	/* Only for the message of who comes second. */
	if (ftruncate(s->lock_fd, 0) == 0)
		(void)!pwrite(s->lock_fd, pid, (size_t)n, 0);
	return 0;
}

int store_files_check(struct store *s, struct err *err)
{
	static const char *const suffixes[] = { "",          "-wal", "-shm",
						".bak",      ".new", ".reserve",
						".rewritten" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		struct store_name n = store_name(s, suffixes[i]);
		struct stat st;

		if (fstatat(s->dir_fd, n.s, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return err_set(err, -errno, "%s in %s: %m", n.s,
				       s->dir);
		}
		if (S_ISLNK(st.st_mode))
			return err_set(err, -ELOOP,
				       "%s in %s is a link: refused", n.s,
				       s->dir);
		if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		    (st.st_mode & 022))
			return err_set(err, -EPERM,
				       "%s in %s must be a file of uid %u that "
				       "nobody else can write",
				       n.s, s->dir, geteuid());
	}
	return 0;
}

int store_settled(const struct store *s, struct err *err)
{
	struct stat st;

	if (fstatat(s->dir_fd, store_name(s, "").s, &st, AT_SYMLINK_NOFOLLOW) <
	    0)
		return err_set(err, -errno, "%s in %s: %m", store_name(s, "").s,
			       s->dir);
	if (exists_at(s, ".rewritten") ||
	    (fstatat(s->dir_fd, store_name(s, "-wal").s, &st,
		     AT_SYMLINK_NOFOLLOW) == 0 &&
	     st.st_size > 0))
		return err_set(err, -EAGAIN,
			       "what its daemon wrote last is not in %s of %s "
			       "yet: it runs, or was killed",
			       store_name(s, "").s, s->dir);
	return 0;
}

/* ---- one file, opened -------------------------------------------------- */

static void db_path(const struct store *s, const char *suffix, char *buf,
		    size_t size)
{
	snprintf(buf, size, "%s/%s", s->dir, store_name(s, suffix).s);
}

void store_db_close(struct store *s)
{
	for (size_t i = 0; i < STMT_MAX; i++)
		sqlite3_finalize(take_ptr(s->stmts[i]));
	sqlite3_close_v2(take_ptr(s->db));
}

/*
 * Exclusive before the first access: the log's index is then in our memory.  In
 * FILE-shm, which is mapped, a write that finds no block on a full disk (btrfs
 * needs a new one for each) is a SIGBUS.
 */
static int db_configure(struct store *s, struct err *err)
{
	char sql[256];
	int rc;

	sqlite3_busy_timeout(s->db, BUSY_MS);
	snprintf(sql, sizeof(sql),
		 "PRAGMA locking_mode=EXCLUSIVE;"
		 "PRAGMA cache_size=-%d;PRAGMA mmap_size=0;"
		 "PRAGMA temp_store=MEMORY;"
		 "PRAGMA synchronous=%s;%s"
		 "PRAGMA wal_autocheckpoint=%d;",
		 CACHE_KIB, s->life == STORE_STATE ? "FULL" : "OFF",
		 s->readonly ? "" : "PRAGMA journal_mode=WAL;", WAL_PAGES);
	rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	s->unsynced = s->unspilled = false;
	return rc == SQLITE_OK ? 0 : store_fail(s, rc, err);
}

/*
 * On a read-only disk no lock for writing can be had: SQLite has to be told that
 * nobody writes, and with a log that it need not lock.
 */
static int db_handle_readonly(struct store *s)
{
	char path[4096], uri[3 * 4096 + 32] = "file:", *to = uri + 5;
	struct stat st;

	db_path(s, "", path, sizeof(path));
	if (!s->peek &&
	    fstatat(s->dir_fd, store_name(s, "-wal").s, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_size > 0)
		return sqlite3_open_v2(path, &s->db,
				       SQLITE_OPEN_READONLY |
					       SQLITE_OPEN_NOMUTEX,
				       "unix-none");
	for (const char *p = path; *p; p++)
		to += sprintf(to, strchr("?#%", *p) ? "%%%02x" : "%c",
			      (unsigned int)*p);
	strcpy(to, "?immutable=1");
	return sqlite3_open_v2(uri, &s->db,
			       SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
				       SQLITE_OPEN_URI,
			       NULL);
}

static int db_handle(struct store *s)
{
	char path[4096];

	if (s->readonly)
		return db_handle_readonly(s);
	db_path(s, "", path, sizeof(path));
	return sqlite3_open_v2(path, &s->db,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			       NULL);
}

/*
 * Open FILE as it is and check it.  -EUCLEAN: it is damaged.
 * From here on nobody else in this process may open and close FILE: its locks,
 * fcntl's, would go.
 */
static int db_try(struct store *s, struct err *err)
{
	int rc, r;

	if (!s->readonly) {
		_cleanup_close_ int fd = open_at(s, "", O_RDWR | O_CREAT);

		if (fd < 0) /* made here for its mode, 0600 */
			return err_set(err, -errno, "%s in %s: %m",
				       store_name(s, "").s, s->dir);
	}
	rc = db_handle(s);
	if (rc != SQLITE_OK)
		return store_fail(s, rc, err);
	r = db_configure(s, err);
	if (r < 0)
		return r;
	r = store_db_check(s->db, err);
	return r < 0 ? err_wrap(err, r, "%s in %s", store_name(s, "").s, s->dir)
		     : 0;
}

/*
 * The schema's version as the header has it, so that a file of a newer program
 * is recognized without letting SQLite touch it.
 * Return: the version; 0 for a new file; -EUCLEAN: no header.
 */
static int version_read(const struct store *s)
{
	_cleanup_close_ int fd = open_at(s, "", O_RDONLY);
	unsigned char h[VERSION_OFFSET + 4];
	ssize_t n = fd < 0 ? 0 : pread(fd, h, sizeof(h), 0);
	uint32_t v;

	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(h) || memcmp(h, "SQLite format 3", 16) != 0)
		return -EUCLEAN;
	v = (uint32_t)h[VERSION_OFFSET] << 24 |
	    (uint32_t)h[VERSION_OFFSET + 1] << 16 |
	    (uint32_t)h[VERSION_OFFSET + 2] << 8 | h[VERSION_OFFSET + 3];
	return v < VERSION_SANE ? (int)v : -EUCLEAN;
}

/* ---- copies ------------------------------------------------------------ */

static int copy_db(sqlite3 *from, const char *path)
{
	sqlite3 *to = NULL;
	sqlite3_backup *b;
	int rc = sqlite3_open_v2(
		path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to,
				  "PRAGMA cache_size=-64;"
				  "PRAGMA journal_mode=OFF;"
				  "PRAGMA synchronous=OFF",
				  NULL, NULL, NULL);
	b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", from, "main")
			    : NULL;
	if (b) {
		rc = sqlite3_backup_step(b, -1);
		sqlite3_backup_finish(b);
	} else if (rc == SQLITE_OK) {
		rc = sqlite3_errcode(to);
	}
	sqlite3_close_v2(to);
	return rc == SQLITE_DONE            ? 0
	       : (rc & 0xff) == SQLITE_FULL ? -ENOSPC
					    : -EIO;
}

/* A copy of what is committed, on disk, under @suffix; through FILE.new. */
static int copy_to(struct store *s, const char *suffix, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char path[4096];
	int r;

	unlink_at(s, ".new");
	fd = open_at(s, ".new", O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return err_set(err, -errno, "copying %s: %m", s->dir);
	db_path(s, ".new", path, sizeof(path));
	r = copy_db(s->db, path);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = rename_at(s, ".new", suffix);
	if (r == 0 && fsync(s->dir_fd) < 0)
		r = -errno;
	if (r < 0) {
		unlink_at(s, ".new");
		return err_set(err, r, "copying %s in %s: %s",
			       store_name(s, "").s, s->dir, strerror(-r));
	}
	return 0;
}

int store_copy(struct store *s, struct err *err)
{
	int r = copy_to(s, ".bak", err);

	if (r == 0)
		s->dirty = false;
	return r;
}

/* Move FILE out of the way under the next free name. */
static int set_aside(struct store *s, struct err *err)
{
	char suffix[24], wal[32];
	int r;

	for (int n = 1;; n++) {
		snprintf(suffix, sizeof(suffix), ".damaged-%d", n);
		if (!exists_at(s, suffix))
			break;
	}
	r = rename_at(s, "", suffix);
	if (r < 0)
		return err_set(err, r, "moving the damaged %s in %s: %s",
			       store_name(s, "").s, s->dir, strerror(-r));
	snprintf(wal, sizeof(wal), "%s-wal", suffix);
	(void)rename_at(s, "-wal", wal); /* there may be none */
	unlink_at(s, "-shm");
	return 0;
}

static int plain_copy(const struct store *s, const char *from, const char *to)
{
	_cleanup_close_ int in = open_at(s, from, O_RDONLY);
	_cleanup_close_ int out = -EBADF;
	ssize_t n;

	if (in < 0)
		return -errno;
	unlink_at(s, ".new");
	out = open_at(s, ".new", O_WRONLY | O_CREAT | O_EXCL);
	if (out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	if (n < 0 || fsync(out) < 0)
		return -errno;
	return rename_at(s, ".new", to);
}

/* FILE is damaged (or gone): put the copy in its place. */
static int restore(struct store *s, bool damaged, struct err *err)
{
	bool copy = exists_at(s, ".bak");
	int r;

	store_db_close(s);
	if (s->readonly || (!copy && s->life == STORE_STATE))
		return err_wrap(
			err, -EUCLEAN,
			"%s, there is no copy to put in its place; move "
			"%s/%s away to start with nothing",
			s->readonly ? "the disk is read-only" : "damaged",
			s->dir, store_name(s, "").s);
	r = damaged ? set_aside(s, err) : 0;
	if (r == 0 && copy)
		r = plain_copy(s, ".bak", "");
	if (r < 0)
		return err_wrap(err, r, "restoring %s in %s",
				store_name(s, "").s, s->dir);
	s->restored = true;
	return db_try(s, err);
}

/* FILE.rewritten is whole and nothing was committed since: it becomes FILE,
 * also at the next start, where a crash came in between. */
static int take_rewritten(struct store *s, struct err *err)
{
	int r;

	if (!exists_at(s, ".rewritten"))
		return 0;
	r = exists_at(s, "") ? set_aside(s, err) : 0;
	if (r < 0)
		return r;
	unlink_at(s, "-wal"); /* the old one's */
	unlink_at(s, "-shm");
	r = rename_at(s, ".rewritten", "");
	return r < 0 ? err_set(err, r, "replacing %s in %s: %s",
			       store_name(s, "").s, s->dir, strerror(-r))
		     : 0;
}

/* ---- versions ---------------------------------------------------------- */

static int migrate(struct store *s, int version, struct err *err)
{
	char keep[24];
	int r;

	if (version > 0) {
		/* The old file stays as it was, under its version. */
		snprintf(keep, sizeof(keep), ".v%d", version);
		r = copy_to(s, keep, err);
		if (r < 0)
			return r;
	}
	r = store_migrate(s->db, store_steps, version, STORE_SCHEMA, err);
	if (r < 0)
		return err_wrap(err, r, "%s in %s: making schema %d",
				store_name(s, "").s, s->dir, STORE_SCHEMA);
	/* The header must say so without the log. */
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
				  NULL);
	return 0;
}

static int too_new(const struct store *s, int version, struct err *err)
{
	return err_set(
		err, -EPROTONOSUPPORT,
		"%s in %s has schema %d, this program knows up to %d: it "
		"was written by a newer Berth; run that one",
		store_name(s, "").s, s->dir, version, STORE_SCHEMA);
}

int store_db_open(struct store *s, struct err *err)
{
	int r = s->readonly ? 0 : take_rewritten(s, err), version;
	bool there = exists_at(s, "");

	if (r < 0)
		return r;
	version = version_read(s);
	if (version > STORE_SCHEMA)
		return too_new(s, version, err);
	if (version < 0)
		r = err_set(err, -EUCLEAN, "%s in %s is no database",
			    store_name(s, "").s, s->dir);
	else if (version == 0 && exists_at(s, ".bak") && !exists_at(s, "-wal"))
		r = err_set(err, -EUCLEAN, "%s in %s is empty or gone",
			    store_name(s, "").s, s->dir);
	else
		r = db_try(s, err);
	/* What the log says is newer than the header. */
	if (r == 0)
		version = store_db_version(s->db, err);
	if (r == 0 && version == 0 && exists_at(s, ".bak"))
		r = err_set(err, -EUCLEAN, "%s in %s is empty",
			    store_name(s, "").s, s->dir);
	if (r == -EUCLEAN) {
		r = restore(s, there, err);
		version = r == 0 ? store_db_version(s->db, err) : version;
	}
	if (r == 0 && version < 0)
		r = version;
	if (r == 0 && version > STORE_SCHEMA)
		return too_new(s, version, err);
	if (r == 0 && !s->readonly)
		unlink_at(s, "-shm"); /* an earlier Berth's, killed */
	if (r == 0 && version < STORE_SCHEMA)
		r = s->readonly ? err_set(err, -EROFS,
					  "%s in %s is read-only and empty",
					  store_name(s, "").s, s->dir)
				: migrate(s, version, err);
	return r;
}

/*
 * After a failed write or fsync the kernel may have dropped pages that SQLite
 * believes written.  What was committed is read once more, goes to a new file,
 * and the old one is set aside.  Without a handle an earlier attempt came as
 * far as that new file.
 */
int store_rewrite(struct store *s, struct err *err)
{
	int r = s->db ? copy_to(s, ".rewritten", err) : 0;

	if (r < 0)
		return err_wrap(err, r, "after a failed write");
	store_db_close(s);
	r = take_rewritten(s, err);
	if (r == 0)
		r = db_try(s, err);
	if (r < 0) {
		store_db_close(s);
		return r;
	}
	s->suspect = false;
	s->restored = true;
	return 0;
}
