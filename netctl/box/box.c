// SPDX-License-Identifier: GPL-2.0-or-later
/* A container's directory, lock and record. */
#include "netctl/box/box.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/tree.h"
#include "netctl/jget.h"

#define RECORD     "record"
#define RECORD_NEW "record.new"
#define RECORD_MAX (4u << 20)

/* ---- files -------------------------------------------------------------- */

/* Owned; NULL: out of memory. */
static char *root_of(const struct ctl *ctl)
{
	char *path = NULL;

	return asprintf(&path, "%s/netctl/containers", ctl->state_dir) < 0
		       ? NULL
		       : path;
}

static int make_root(const struct ctl *ctl, const char *root, struct err *err)
{
	_cleanup_free_ char *mid = NULL;

	if (asprintf(&mid, "%s/netctl", ctl->state_dir) < 0) {
		mid = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if ((mkdir(ctl->state_dir, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(mid, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(root, 0700) < 0 && errno != EEXIST))
		return err_set(err, -errno, "make %s: %s", root,
			       strerror(errno));
	return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int box_write(const struct box *b, const char *name, const char *text,
	      struct err *err)
{
	_cleanup_close_ int fd = openat(
		b->dir, name,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : write_all(fd, text, strlen(text));

	/* whatever our umask is, any user in there reads it */
	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	return r < 0 ? err_set(err, r, "write %s/%s: %s", b->path, name,
			       strerror(-r))
		     : 0;
}

int box_touch(const struct box *b, const char *name, struct err *err)
{
	return box_write(b, name, "", err);
}

bool box_has(const struct box *b, const char *name)
{
	return faccessat(b->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void box_drop(const struct box *b, const char *name)
{
	(void)unlinkat(b->dir, name, 0);
}

int box_save(struct box *b, struct err *err)
{
	const char *text =
		json_object_to_json_string_ext(b->rec, JSON_C_TO_STRING_PLAIN);
	_cleanup_close_ int fd = openat(
		b->dir, RECORD_NEW,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : text ? 0 : -ENOMEM;

	if (r == 0)
		r = write_all(fd, text, strlen(text));
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(b->dir, RECORD_NEW, b->dir, RECORD) < 0)
		r = -errno;
	if (r == 0)
		r = FAILPOINT("box.saved");
	return r < 0 ? err_set(err, r, "write %s/" RECORD ": %s", b->path,
			       strerror(-r))
		     : 0;
}

int box_reload(struct box *b, struct err *err)
{
	_cleanup_close_ int fd =
		openat(b->dir, RECORD, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	json_object *rec = NULL;
	struct stat st;
	size_t len = 0;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s/" RECORD ": %s", b->path,
			       strerror(errno));
	if (st.st_size > RECORD_MAX)
		return err_set(err, -EFBIG, "%s/" RECORD ": too large",
			       b->path);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	r = jdec_parse(text, len, &rec, err);
	if (r < 0)
		return err_wrap(err, r, "%s/" RECORD, b->path);
	json_object_put(b->rec);
	b->rec = rec;
	return 0;
}

/* ---- the record --------------------------------------------------------- */

const char *box_state(const struct box *b)
{
	return jget_str(b->rec, "State");
}

void box_set_state(struct box *b, const char *state)
{
	jset_str(b->rec, "State", state);
}

void box_text(struct box *b, const char *key, const char *value)
{
	jset_str(b->rec, key, value);
}

void box_number(struct box *b, const char *key, int64_t value)
{
	jset(b->rec, key, json_object_new_int64(value));
}

void box_flag(struct box *b, const char *key, bool value)
{
	jset(b->rec, key, json_object_new_boolean(value));
}

const char *box_now(char buf[static BOX_TIME_MAX])
{
	struct timespec t;
	struct tm tm;
	char day[24];

	(void)clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, BOX_TIME_MAX, "%.19s.%09ldZ", day, t.tv_nsec);
	return buf;
}

void box_free(struct box *b)
{
	free(take_ptr(b->path));
	closep(&b->dir);
	closep(&b->lock);
	json_object_put(take_ptr(b->rec));
	b->dir = b->lock = -1;
}

/* ---- all of them --------------------------------------------------------- */

static int is_id(const struct dirent *e)
{
	return strlen(e->d_name) == BOOK_ID_MAX - 1 &&
	       e->d_name[strspn(e->d_name, "0123456789abcdef")] == '\0';
}

int box_ids(const struct ctl *ctl, json_object **ret, struct err *err)
{
	_cleanup_free_ char *root = root_of(ctl);
	struct dirent **names = NULL;
	json_object *list = json_object_new_array();
	int n = root ? scandir(root, &names, is_id, alphasort) : -1;
	int r = 0;

	if (!root || !list)
		r = err_set(err, -ENOMEM, "out of memory");
	else if (n < 0 && errno != ENOENT)
		r = err_set(err, -errno, "%s: %s", root, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (r == 0)
			json_object_array_add(
				list, json_object_new_string(names[i]->d_name));
		free(names[i]);
	}
	free(names);
	if (r < 0)
		json_object_put(list);
	else
		*ret = list;
	return r;
}

static int open_dir(const struct ctl *ctl, const char *id, struct box *ret,
		    struct err *err)
{
	_cleanup_free_ char *root = root_of(ctl);

	*ret = (struct box){ .dir = -1, .lock = -1 };
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	if (!root || asprintf(&ret->path, "%s/%s", root, id) < 0) {
		ret->path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	ret->dir = open(ret->path,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ret->rec = json_object_new_object();
	if (ret->dir < 0)
		return err_set(err, -errno, "%s: %s", ret->path,
			       strerror(errno));
	return ret->rec ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int box_open(const struct ctl *ctl, const char *id, struct box *ret,
	     struct err *err)
{
	int r = open_dir(ctl, id, ret, err);

	if (r == 0)
		r = box_reload(ret, err);
	if (r < 0)
		box_free(ret);
	return r;
}

int box_find(const struct ctl *ctl, const char *word, struct box *ret,
	     struct err *err)
{
	_cleanup_(json_putp) json_object *ids = NULL;
	size_t prefixes = 0;
	int r = box_ids(ctl, &ids, err);

	*ret = (struct box){ .dir = -1, .lock = -1 };
	for (size_t i = 0; i < jget_len(ids) && r == 0; i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));
		struct box b;

		if (box_open(ctl, id, &b, NULL) < 0) /* half made or gone */
			continue;
		if (strcmp(jget_str(b.rec, "Name"), word) == 0 ||
		    strcmp(id, word) == 0) {
			box_free(ret);
			*ret = b;
			return 0;
		}
		if (*word && strncmp(id, word, strlen(word)) == 0) {
			box_free(ret);
			*ret = b;
			prefixes++;
		} else {
			box_free(&b);
		}
	}
	if (r == 0 && prefixes == 1)
		return 0;
	box_free(ret);
	if (r < 0)
		return r;
	return prefixes ? err_set(err, -ENOTUNIQ,
				  "%zu containers begin with \"%s\": give more "
				  "of the id",
				  prefixes, word)
			: err_set(err, -ENOENT,
				  "netctl runs no container \"%s\": 'netctl ps "
				  "-a' lists them",
				  word);
}

/* ---- made, removed -------------------------------------------------------- */

/* One at a time looks whether a name is free and takes it. */
static int lock_root(const char *root, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/lock", root) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	return take_fd(fd);
}

static int is_taken(const struct ctl *ctl, const char *name, struct err *err)
{
	struct box other;
	int r = box_find(ctl, name, &other, NULL);

	if (r == -ENOENT || r == -ENOTUNIQ)
		return 0;
	if (r == 0)
		r = strcmp(jget_str(other.rec, "Name"), name) == 0
			    ? err_set(err, -EEXIST,
				      "there is a container \"%s\" already, "
				      "%.12s: 'netctl rm' it, or take another "
				      "name",
				      name, other.id)
			    : 0;
	box_free(&other);
	return r;
}

static int fill_new(struct box *b, json_object *rec, struct err *err)
{
	char when[BOX_TIME_MAX];
	int r = box_lock(b, O_CREAT, err);

	if (r < 0)
		return r;
	json_object_put(b->rec);
	b->rec = json_object_get(rec);
	box_text(b, "ID", b->id);
	if (!*jget_str(rec, "Name")) {
		char name[13];

		snprintf(name, sizeof(name), "%.12s", b->id);
		box_text(b, "Name", name);
	}
	box_text(b, "Created", box_now(when));
	box_text(b, "Started", "");
	box_text(b, "Finished", "");
	box_text(b, "Error", "");
	box_number(b, "ExitCode", 0);
	box_number(b, "RestartCount", 0);
	box_number(b, "Pid", 0);
	box_set_state(b, BOX_CREATING);
	return box_save(b, err);
}

int box_new(const struct ctl *ctl, json_object *rec, struct box *ret,
	    struct err *err)
{
	_cleanup_free_ char *root = root_of(ctl), *path = NULL;
	_cleanup_close_ int all = -1;
	char id[BOOK_ID_MAX];
	int r = root ? make_root(ctl, root, err)
		     : err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = book_new_id(id, err);
	if (r < 0)
		return r;
	all = lock_root(root, err);
	if (all < 0)
		return all;
	r = *jget_str(rec, "Name") ? is_taken(ctl, jget_str(rec, "Name"), err)
				   : 0;
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/%s", root, id) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (mkdir(path, 0700) < 0)
		return err_set(err, -errno, "make %s: %s", path,
			       strerror(errno));
	r = open_dir(ctl, id, ret, err);
	if (r == 0)
		r = FAILPOINT("box.made");
	if (r == 0)
		r = fill_new(ret, rec, err);
	if (r < 0) {
		if (ret->dir < 0 || box_remove(ret, NULL) < 0)
			(void)rmdir(path);
		box_free(ret);
	}
	return r;
}

/* A file, or a directory with all in it, which is none of another file system's. */
static int unlink_one(int dir, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	fd = tree_enter(dir, name);
	if (fd < 0)
		return fd;
	r = tree_empty(fd, NULL, NULL, NULL);
	return r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : r;
}

static int unlink_all(const struct box *b, bool last)
{
	int fd = openat(b->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	/* without its record it is none, whatever else is there */
	if (last && unlinkat(b->dir, RECORD, 0) < 0 && errno != ENOENT)
		r = -errno;
	while (r == 0 && (e = readdir(d))) {
		bool is_last = strcmp(e->d_name, RECORD) == 0 ||
			       strcmp(e->d_name, BOX_LOCK) == 0;

		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 || (is_last && !last))
			continue;
		r = unlink_one(b->dir, e->d_name);
	}
	closedir(d);
	return r;
}

int box_sweep(const struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *ids = NULL;
	_cleanup_free_ char *root = root_of(ctl);
	_cleanup_close_ int all = -1;
	int r = root ? box_ids(ctl, &ids, err)
		     : err_set(err, -ENOMEM, "out of memory");

	if (r < 0 || jget_len(ids) == 0)
		return r;
	all = lock_root(root, err);
	if (all < 0)
		return all;
	for (size_t i = 0; i < jget_len(ids) && r == 0; i++) {
		struct box b;

		if (open_dir(ctl,
			     json_object_get_string(
				     json_object_array_get_idx(ids, i)),
			     &b, NULL) == 0 &&
		    !box_has(&b, RECORD))
			r = box_remove(&b, err);
		box_free(&b);
	}
	return r;
}

int box_remove(struct box *b, struct err *err)
{
	int r = unlink_all(b, false);

	if (r == 0)
		box_leave_code(b);
	if (r == 0)
		r = FAILPOINT("box.emptied");
	if (r == 0)
		r = unlink_all(b, true);
	if (r == 0)
		r = FAILPOINT("box.unlinked");
	if (r == 0 && rmdir(b->path) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_set(err, r, "remove %s: %s", b->path, strerror(-r))
		     : 0;
}
