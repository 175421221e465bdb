/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a container's state, and its one lock. */
#include "runtime/oci/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/jdec.h"

#define STATE_FILE "state.json"
#define STATE_TEMP "state.json.new"
/* the annotations are config.json's; 1 MiB for the rest */
#define FILE_MAX (SPEC_SIZE_MAX + (1u << 20))

/* state.json, decoded; the texts lie in the document */
struct saved {
	const char *id, *bundle, *rootfs, *created, *owner;
	uint32_t pid;
	uint64_t start;
	json_object *cgroups, *annotations;
	bool creating, unclaimed, keep_keyring;
};

static const struct jdec_field saved_fields[] = {
	JDEC_FIELD("id", JDEC_TEXT, struct saved, id, JDEC_REQUIRED),
	JDEC_FIELD("bundle", JDEC_TEXT, struct saved, bundle, 0),
	JDEC_FIELD("rootfs", JDEC_TEXT, struct saved, rootfs, 0),
	JDEC_FIELD("created", JDEC_TEXT, struct saved, created, 0),
	JDEC_FIELD("owner", JDEC_TEXT, struct saved, owner, 0),
	JDEC_FIELD("pid", JDEC_U32, struct saved, pid, 0),
	JDEC_FIELD("start", JDEC_U64, struct saved, start, 0),
	JDEC_FIELD("cgroups", JDEC_MAP, struct saved, cgroups, 0),
	JDEC_FIELD("cgroupsUnclaimed", JDEC_BOOL, struct saved, unclaimed, 0),
	JDEC_FIELD("creating", JDEC_BOOL, struct saved, creating, 0),
	JDEC_FIELD("noNewKeyring", JDEC_BOOL, struct saved, keep_keyring, 0),
	JDEC_FIELD("annotations", JDEC_MAP, struct saved, annotations, 0),
	{ 0 },
};

int state_id_valid(const char *id, struct err *err)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
	size_t len = strlen(id);

	if (len == 0 || len > STATE_ID_MAX || len > NAME_MAX ||
	    strspn(id, ok) != len || strcmp(id, ".") == 0 ||
	    strcmp(id, "..") == 0)
		return err_set(
			err, -EINVAL,
			"container id \"%.64s\": not 1 to %d of letters, "
			"digits and \"_+-.\"",
			id, NAME_MAX);
	return 0;
}

/* Return: 0; -EAGAIN when it would have to wait (LOCK_NB); -ENOENT; -errno. */
static int lock(struct state *st, int how, struct err *err)
{
	struct stat now;

	if (flock(st->dir, how) < 0 || fstat(st->dir, &now) < 0)
		return errno == EWOULDBLOCK
			       ? -EAGAIN
			       : err_set(err, -errno, "container %s: lock: %s",
					 st->id, strerror(errno));
	/* "does not exist" is what containerd and podman look for */
	return now.st_nlink == 0
		       ? err_set(err, -ENOENT,
				 "container \"%s\" does not exist", st->id)
		       : 0;
}

int state_lock(struct state *st, struct err *err)
{
	return lock(st, LOCK_EX, err);
}

void state_unlock(struct state *st)
{
	(void)flock(st->dir, LOCK_UN);
}

static struct state *alloc_state(const char *id)
{
	_cleanup_(state_freep) struct state *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->dir = -EBADF;
	st->id = strdup(id);
	return st->id ? take_ptr(st) : NULL;
}

static int make_root(const char *root, struct err *err)
{
	char path[PATH_MAX];

	if (strlen(root) >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "--root: too long");
	memcpy(path, root, strlen(root) + 1);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(path, 0711); /* the last one tells */
		*p = '/';
	}
	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return err_set(err, -errno, "--root %s: %s", root,
			       strerror(errno));
	return 0;
}

static int open_dir(const char *root, struct state *st)
{
	_cleanup_close_ int top =
		open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return -errno;
	st->dir = openat(top, st->id,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return st->dir < 0 ? -errno : 0;
}

int state_new(const char *root, const char *id, struct state **ret,
	      struct err *err)
{
	_cleanup_(state_freep) struct state *st = alloc_state(id);
	char path[PATH_MAX];
	int r = state_id_valid(id, err);

	if (!st)
		return err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = make_root(root, err);
	if (r < 0)
		return r;
	if (snprintf(path, sizeof(path), "%s/%s", root, id) >=
	    (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "--root: too long");
	if (mkdir(path, 0711) < 0)
		return err_set(err, -errno,
			       errno == EEXIST
				       ? "container %s: id is already in use"
				       : "container %s: no directory for its "
					 "state",
			       id);
	r = open_dir(root, st);
	if (r < 0)
		return err_set(err, r, "container %s: %s", id, strerror(-r));
	r = state_lock(st, err); /* 'delete' may have come before it */
	if (r < 0)
		return r;
	*ret = take_ptr(st);
	return 0;
}

static char *copy_text(const char *s)
{
	return strdup(s ? s : "");
}

/* What from_saved() has given. */
static void forget(struct state *st)
{
	json_object_put(take_ptr(st->cgroups));
	json_object_put(take_ptr(st->annotations));
	free(take_ptr(st->bundle));
	free(take_ptr(st->rootfs));
	free(take_ptr(st->created));
	free(take_ptr(st->owner));
}

static int from_saved(struct state *st, const struct saved *in)
{
	st->bundle = copy_text(in->bundle);
	st->rootfs = copy_text(in->rootfs);
	st->created = copy_text(in->created);
	st->owner = copy_text(in->owner);
	st->pid = (pid_t)in->pid;
	st->start = in->start;
	st->cgroups = json_object_get(in->cgroups);
	st->creating = in->creating;
	st->unclaimed = in->unclaimed;
	st->keep_keyring = in->keep_keyring;
	st->annotations = json_object_get(in->annotations);
	return st->bundle && st->rootfs && st->created && st->owner ? 0
								    : -ENOMEM;
}

static int load(struct state *st, struct err *err)
{
	_cleanup_close_ int fd =
		openat(st->dir, STATE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(json_putp) json_object *doc = NULL;
	_cleanup_free_ char *text = NULL;
	struct saved in = { 0 };
	struct stat is;
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT && st->peeked)
		return -EAGAIN;
	/* killed before the first state was written: a container all the same */
	if (fd < 0 && errno == ENOENT)
		return from_saved(st, &in);
	if (fd < 0 || fstat(fd, &is) < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if (is.st_size > FILE_MAX)
		return err_set(err, -EFBIG, "larger than %u MiB",
			       FILE_MAX >> 20);
	text = malloc((size_t)is.st_size + 1);
	n = text ? read(fd, text, (size_t)is.st_size) : -1;
	if (n < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	r = jdec_parse(text, (size_t)n, &doc, err);
	if (r == 0)
		r = jdec_object(doc, saved_fields, &in, err);
	if (r == 0 && strcmp(in.id, st->id) != 0)
		r = err_set(err, -EBADMSG, "is of container %.64s", in.id);
	if (r < 0)
		return r;
	r = from_saved(st, &in);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

/* The directory of @id, not locked. */
static int find(const char *root, const char *id, struct state **ret,
		struct err *err)
{
	_cleanup_(state_freep) struct state *st = alloc_state(id);
	int r = state_id_valid(id, err);

	if (!st)
		return err_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	r = open_dir(root, st);
	if (r == -ENOENT)
		return err_set(err, r, "container \"%s\" does not exist", id);
	if (r < 0)
		return err_set(err, r, "container %s: %s", id, strerror(-r));
	*ret = take_ptr(st);
	return 0;
}

static int load_or_tell(struct state *st, struct err *err)
{
	int r = load(st, err);

	return r < 0 && r != -EAGAIN
		       ? err_wrap(err, r, "container %s: " STATE_FILE, st->id)
		       : r;
}

/* Nobody works on it: all is written, and the flag is of a 'create' that was
 * killed. */
static int load_unused(struct state *st, struct err *err)
{
	int r;

	forget(st);
	st->peeked = false;
	r = load_or_tell(st, err);
	st->peeked = true;
	st->creating = false;
	state_unlock(st);
	return r;
}

static int peek(struct state *st, struct err *err)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	int r, held;

	st->peeked = true;
	for (;;) {
		r = load_or_tell(st, err);
		if (r < 0 ? r != -EAGAIN : !st->creating)
			return r;
		held = FAILPOINT("oci.peek");
		if (held == 0)
			held = lock(st, LOCK_SH | LOCK_NB, err);
		if (held == 0)
			return load_unused(st, err);
		if (held != -EAGAIN)
			return held;
		if (r == 0)
			return 0;
		/* where nothing is written yet, or no more, it is soon decided;
		 * but who has the lock may keep it for long after that */
		nanosleep(&nap, NULL);
	}
}

static int open_locked(struct state *st, struct err *err)
{
	int r = state_lock(st, err);

	return r == 0 ? load_or_tell(st, err) : r;
}

int state_open(const char *root, const char *id, struct state **ret,
	       struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	int r = find(root, id, &st, err);

	if (r == 0)
		r = open_locked(st, err);
	if (r == 0)
		*ret = take_ptr(st);
	return r;
}

int state_peek(const char *root, const char *id, struct state **ret,
	       struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	int r = find(root, id, &st, err);

	if (r == 0)
		r = peek(st, err);
	if (r == 0)
		*ret = take_ptr(st);
	return r;
}

void state_free(struct state *st)
{
	if (!st)
		return;
	closep(&st->dir);
	forget(st);
	free(st->id);
	free(st);
}

static const char *text_or(const char *s)
{
	return s ? s : "";
}

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text), done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, text + done, len - done);
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int state_save(struct state *st, struct err *err)
{
	const struct saved out = {
		.id = st->id,
		.bundle = text_or(st->bundle),
		.rootfs = text_or(st->rootfs),
		.created = text_or(st->created),
		.owner = text_or(st->owner),
		.pid = (uint32_t)st->pid,
		.start = st->start,
		.cgroups = st->cgroups,
		.creating = st->creating,
		.unclaimed = st->unclaimed,
		.keep_keyring = st->keep_keyring,
		.annotations = st->annotations,
	};
	_cleanup_(json_putp) json_object *doc =
		jdec_to_json(saved_fields, &out);
	_cleanup_close_ int fd = openat(
		st->dir, STATE_TEMP,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	const char *text =
		doc ? json_object_to_json_string_ext(
			      doc, JSON_C_TO_STRING_PLAIN |
					   JSON_C_TO_STRING_NOSLASHESCAPE)
		    : NULL;
	int r = FAILPOINT("oci.state");

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (strlen(text) > FILE_MAX) /* or it could never be read again */
		r = -EFBIG;
	if (r == 0 && fd < 0)
		r = -errno;
	if (r == 0)
		r = write_all(fd, text);
	if (r == 0 && renameat(st->dir, STATE_TEMP, st->dir, STATE_FILE) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "container %s: " STATE_FILE ": %s",
			       st->id, strerror(-r));
	return 0;
}

int state_remove(const char *root, struct state *st, struct err *err)
{
	static const char *const files[] = { STATE_FIFO, STATE_CONFIG,
					     STATE_TEMP, STATE_FILE };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (unlinkat(st->dir, files[i], 0) < 0 && errno != ENOENT)
			return err_set(err, -errno, "container %s: %s: %s",
				       st->id, files[i], strerror(errno));
	snprintf(path, sizeof(path), "%s/%s", root, st->id);
	if (rmdir(path) < 0 && errno != ENOENT)
		return err_set(err, -errno, "container %s: %s: %s", st->id,
			       path, strerror(errno));
	return 0;
}

uint64_t state_start_of(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], buf[1024], *p, how;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	p = strrchr(buf, ')'); /* the name may hold anything */
	if (!p || sscanf(p + 1,
			 " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
			 "%*d %*d %*d %*d %*d %*d %llu",
			 &how, &start) != 2)
		return 0;
	return how == 'Z' || how == 'X' ? 0 : start;
}

int state_pidfd(const struct state *st)
{
	_cleanup_close_ int fd = -EBADF;

	if (st->pid <= 0)
		return -ESRCH;
	fd = pidfd_open(st->pid, 0);
	/* the descriptor first: what is read after it is of the same process,
	 * or that is dead and so is the descriptor */
	if (fd < 0 || state_start_of(st->pid) != st->start)
		return -ESRCH;
	return take_fd(fd);
}

int state_cgroup(const struct state *st, struct cgroup **ret, struct err *err)
{
	*ret = NULL;
	return st->cgroups && !st->unclaimed
		       ? cgroup_load(st->cgroups, ret, err)
		       : 0;
}

int state_drop_unclaimed(const struct state *st, struct err *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	int r;

	if (!st->cgroups || !st->unclaimed)
		return 0;
	r = cgroup_load(st->cgroups, &cg, err);
	if (r == 0)
		cgroup_drop(cg);
	return r;
}

int state_status(const struct state *st, enum status *ret, struct err *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	_cleanup_close_ int fd = state_pidfd(st);
	int r;

	if (st->peeked && st->creating) {
		*ret = STATUS_CREATING;
		return 0;
	}
	if (fd < 0) {
		*ret = STATUS_STOPPED;
		return 0;
	}
	r = state_cgroup(st, &cg, err);
	if (r == 0 && cg)
		r = cgroup_frozen(cg, err);
	if (r < 0)
		return r;
	if (r > 0)
		*ret = STATUS_PAUSED; /* one that is only created as well */
	else if (faccessat(st->dir, STATE_FIFO, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		*ret = STATUS_CREATED;
	else
		*ret = STATUS_RUNNING;
	return 0;
}

static int other_cgroup(const char *root, const char *id,
			const struct state *st, struct err *err)
{
	_cleanup_(state_freep) struct state *other = alloc_state(id);
	int r = other ? open_dir(root, other) : -ENOMEM;

	if (r == -ENOENT) /* deleted meanwhile */
		return 0;
	if (r == 0)
		r = load(other, err); /* replaced whole: no lock is needed */
	if (r < 0)
		return err_wrap(err, r, "container %s", id);
	if (other->cgroups && json_object_equal(other->cgroups, st->cgroups))
		return err_set(err, -EBUSY,
			       "it is container %s's: delete that one, or "
			       "choose another cgroupsPath",
			       id);
	return 0;
}

int state_cgroup_unused(const char *root, const struct state *st,
			struct err *err)
{
	DIR *dir = opendir(root);
	struct dirent *e;
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "--root %s: %s", root,
			       strerror(errno));
	while (r == 0 && (e = readdir(dir)))
		if (state_id_valid(e->d_name, NULL) == 0 &&
		    strcmp(e->d_name, st->id) != 0)
			r = other_cgroup(root, e->d_name, st, err);
	closedir(dir);
	return r;
}

const char *state_status_name(enum status status)
{
	static const char *const names[] = {
		[STATUS_CREATING] = "creating", [STATUS_CREATED] = "created",
		[STATUS_RUNNING] = "running",   [STATUS_PAUSED] = "paused",
		[STATUS_STOPPED] = "stopped",
	};

	return names[status];
}

struct view {
	const char *version, *id, *status, *bundle, *rootfs, *created, *owner;
	json_object *annotations;
};

static const struct jdec_field view_fields[] = {
	JDEC_FIELD("ociVersion", JDEC_TEXT, struct view, version, 0),
	JDEC_FIELD("id", JDEC_TEXT, struct view, id, 0),
	JDEC_FIELD("status", JDEC_TEXT, struct view, status, 0),
	JDEC_FIELD("bundle", JDEC_TEXT, struct view, bundle, 0),
	JDEC_FIELD("rootfs", JDEC_TEXT, struct view, rootfs, 0),
	JDEC_FIELD("created", JDEC_TEXT, struct view, created, 0),
	JDEC_FIELD("owner", JDEC_TEXT, struct view, owner, 0),
	JDEC_FIELD("annotations", JDEC_MAP, struct view, annotations, 0),
	{ 0 },
};

json_object *state_json(const struct state *st, enum status status, bool full)
{
	struct view v = {
		.version = OCI_SPEC_VERSION,
		.id = st->id,
		.status = state_status_name(status),
		.bundle = text_or(st->bundle),
		.annotations = st->annotations,
	};
	json_object *obj, *pid;

	if (full) {
		v.rootfs = text_or(st->rootfs);
		v.created = text_or(st->created);
		v.owner = text_or(st->owner);
	}
	obj = jdec_to_json(view_fields, &v);
	/* 0 is to be told, too */
	pid = json_object_new_int(status == STATUS_STOPPED ? 0 : st->pid);
	if (obj && (full || status != STATUS_STOPPED))
		json_object_object_add(obj, "pid", pid);
	else
		json_object_put(pid);
	return obj;
}
