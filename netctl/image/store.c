// SPDX-License-Identifier: GPL-2.0-or-later
/* The store: made complete in "staging", then renamed to where it is looked for. */
#include "netctl/image/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lib/arc_layer.h"
#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/tree.h"
#include "netctl/box/box.h"
#include "netctl/jget.h"

#define LAYERS     "layers"
#define IMAGES     "images"
#define STAGING    "staging"
#define FS         "fs"
#define RECORD_MAX (1u << 20)
#define BYTES_MAX  (64ull << 30) /* of what is unpacked of one image */
#define FILES_MAX  4000000u

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int store_fail(struct image_store *s, const char *name, int code,
		      struct err *err)
{
	return err_set(err, code, "%s/%s: %s", s->path, name, strerror(-code));
}

char *image_store_layer(const struct ctl *ctl, const char *diff_id)
{
	char *path = NULL;

	return asprintf(&path, "%s/netctl/images/" LAYERS "/%s/" FS,
			ctl->state_dir, diff_id) < 0
		       ? NULL
		       : path;
}

static int open_sub(struct image_store *s, const char *name, struct err *err)
{
	int fd = openat(s->dir, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? store_fail(s, name, -errno, err) : fd;
}

/* The names in a directory that look like a digest; owned array. */
static int names_in(struct image_store *s, const char *sub, json_object **ret,
		    struct err *err)
{
	int fd = open_sub(s, sub, err);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	json_object *list = json_object_new_array();
	struct dirent *e;

	while (d && list && (e = readdir(d)))
		if (strlen(e->d_name) == 64)
			json_object_array_add(
				list, json_object_new_string(e->d_name));
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	*ret = list;
	return fd < 0 ? fd : d && list ? 0 : no_memory(err);
}

/* ---- records ------------------------------------------------------------------------- */

/* Return: 0; -EBADMSG: there is none that can be read in it; -errno. */
static int read_record(struct image_store *s, const char *id, json_object **ret,
		       struct err *err)
{
	_cleanup_close_ int sub = open_sub(s, IMAGES, err);
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *text = NULL;
	ssize_t n;

	if (sub < 0)
		return sub;
	fd = openat(sub, id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return store_fail(s, id, -errno, err);
	text = malloc(RECORD_MAX + 1);
	if (!text)
		return no_memory(err);
	n = read(fd, text, RECORD_MAX + 1); /* more is broken */
	if (n < 0)
		return store_fail(s, id, -errno, err);
	return jdec_parse(text, (size_t)n, ret, err);
}

/* One that is broken, as by a disk that lost it, is as good as none: what was unpacked is
 * a cache of files that are elsewhere.  Return: 1; 0: it is gone; -errno. */
static int read_or_forget(struct image_store *s, const char *id,
			  json_object **ret, struct err *err)
{
	_cleanup_close_ int sub = -EBADF;
	struct err why = { 0 };
	int r = read_record(s, id, ret, &why);

	if (r == 0)
		return 1;
	if (r != -EBADMSG)
		return err_set(err, r, "%s", why.msg);
	cli_warn("%s/" IMAGES "/%s is broken, and deleted: %s", s->path, id,
		 why.msg);
	sub = open_sub(s, IMAGES, err);
	if (sub < 0)
		return sub;
	return unlinkat(sub, id, 0) < 0 && errno != ENOENT
		       ? store_fail(s, id, -errno, err)
		       : 0;
}

static int write_record(struct image_store *s, const char *id, json_object *o,
			struct err *err)
{
	const char *text =
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	_cleanup_close_ int stage = open_sub(s, STAGING, err);
	_cleanup_close_ int sub = stage < 0 ? -EBADF : open_sub(s, IMAGES, err);
	_cleanup_close_ int fd = -EBADF;
	_cleanup_(json_putp) json_object *again = NULL;
	size_t len = text ? strlen(text) : 0;

	if (sub < 0)
		return stage < 0 ? stage : sub;
	/* what is on the disk must be read again */
	if (len > RECORD_MAX)
		return err_set(err, -E2BIG, "the image's name is too long");
	if (text && jdec_parse(text, len, &again, NULL) < 0)
		return err_set(
			err, -EINVAL,
			"the image's name can't be kept: it is no UTF-8");
	fd = openat(stage, id, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !text || write(fd, text, len) != (ssize_t)len ||
	    fsync(fd) < 0)
		return store_fail(s, id, text && errno ? -errno : -EIO, err);
	if (renameat(stage, id, sub, id) < 0 || tree_sync(sub) < 0)
		return store_fail(s, id, -errno, err);
	return FAILPOINT("image.recorded");
}

/* ---- what is of no use any more -------------------------------------------------------- */

static int empty_staging(struct image_store *s, struct err *err)
{
	_cleanup_close_ int fd = open_sub(s, STAGING, err);

	return fd < 0 ? fd : tree_empty(fd, NULL, NULL, err);
}

/* Out of sight at once, then from the disk. */
static int drop_layer(struct image_store *s, const char *diff_id,
		      struct err *err)
{
	_cleanup_close_ int stage = open_sub(s, STAGING, err);
	_cleanup_close_ int sub = stage < 0 ? -EBADF : open_sub(s, LAYERS, err);
	int r;

	if (sub < 0)
		return stage < 0 ? stage : sub;
	if (renameat(sub, diff_id, stage, diff_id) < 0 && errno != ENOENT)
		return store_fail(s, diff_id, -errno, err);
	r = FAILPOINT("image.dropped");
	return r == 0 ? empty_staging(s, err) : r;
}

static void add_all(json_object *set, json_object *layers)
{
	for (size_t i = 0; i < jget_len(layers); i++)
		jset(set,
		     json_object_get_string(
			     json_object_array_get_idx(layers, i)),
		     json_object_new_boolean(true));
}

/* Layers of all images but @without (may be NULL), and of all containers. */
static int used_layers(struct image_store *s, json_object **ret,
		       struct err *err)
{
	_cleanup_(json_putp) json_object *ids = NULL, *boxes = NULL;
	_cleanup_(json_putp) json_object *set = json_object_new_object();
	int r = set ? names_in(s, IMAGES, &ids, err) : no_memory(err);

	for (size_t i = 0; r == 0 && i < jget_len(ids); i++) {
		_cleanup_(json_putp) json_object *o = NULL;

		r = read_or_forget(s,
				   json_object_get_string(
					   json_object_array_get_idx(ids, i)),
				   &o, err);
		add_all(set, jget_array(o, "Layers"));
		r = r < 0 ? r : 0;
	}
	if (r == 0)
		r = box_ids(s->ctl, &boxes, err);
	for (size_t i = 0; r == 0 && i < jget_len(boxes); i++) {
		struct box b = { .dir = -1, .lock = -1 };

		/* one without a record has no layers either */
		r = box_open(s->ctl,
			     json_object_get_string(
				     json_object_array_get_idx(boxes, i)),
			     &b, err);
		if (r == 0)
			add_all(set, jget_array(b.rec, "Layers"));
		box_free(&b);
		r = r == -ENOENT ? 0 : r;
	}
	if (r == 0)
		*ret = take_ptr(set);
	return r;
}

static int sweep(struct image_store *s, struct err *err)
{
	_cleanup_(json_putp) json_object *used = NULL, *there = NULL;
	int r = empty_staging(s, err);

	if (r == 0)
		r = names_in(s, LAYERS, &there, err);
	if (r == 0 && jget_len(there))
		r = used_layers(s, &used, err);
	for (size_t i = 0; r == 0 && i < jget_len(there); i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(there, i));

		if (!jget(used, id))
			r = drop_layer(s, id, err);
	}
	return r;
}

/* ---- open ---------------------------------------------------------------------------------- */

static int make_dirs(struct image_store *s, struct err *err)
{
	static const char *const subs[] = { LAYERS, IMAGES, STAGING };
	_cleanup_free_ char *mid = NULL;

	if (asprintf(&mid, "%s/netctl", s->ctl->state_dir) < 0) {
		mid = NULL;
		return no_memory(err);
	}
	if ((mkdir(s->ctl->state_dir, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(mid, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(s->path, 0700) < 0 && errno != EEXIST))
		return err_set(err, -errno, "make %s: %s", s->path,
			       strerror(errno));
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return store_fail(s, "", -errno, err);
	for (size_t i = 0; i < ARRAY_SIZE(subs); i++)
		if (mkdirat(s->dir, subs[i], 0700) < 0 && errno != EEXIST)
			return store_fail(s, subs[i], -errno, err);
	return 0;
}

static int take_lock(struct image_store *s, struct err *err)
{
	s->lock = openat(s->dir, "lock",
			 O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return store_fail(s, "lock", -errno, err);
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	cli_warn("waiting for another netctl, which is at work on the images");
	while (flock(s->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return store_fail(s, "lock", -errno, err);
	return 0;
}

void image_store_close(struct image_store *s)
{
	closep(&s->lock);
	closep(&s->dir);
	free(take_ptr(s->path));
	s->lock = s->dir = -1;
}

int image_store_open(const struct ctl *ctl, struct image_store *ret,
		     struct err *err)
{
	int r;

	*ret = (struct image_store){ .ctl = ctl, .dir = -1, .lock = -1 };
	if (asprintf(&ret->path, "%s/netctl/images", ctl->state_dir) < 0) {
		ret->path = NULL;
		return no_memory(err);
	}
	r = make_dirs(ret, err);
	if (r == 0)
		r = take_lock(ret, err);
	if (r == 0)
		r = sweep(ret, err);
	if (r < 0)
		image_store_close(ret);
	return r;
}

/* ---- add ----------------------------------------------------------------------------------- */

static bool has_layer(struct image_store *s, const char *diff_id)
{
	char name[sizeof(LAYERS) + DIGEST_HEX_MAX];

	snprintf(name, sizeof(name), LAYERS "/%s", diff_id);
	return faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int check_sum(const struct image_layer *l,
		     const struct arc_layer_sum *sum, struct err *err)
{
	if (*l->digest &&
	    (strcmp(l->digest, sum->digest) != 0 || l->size != sum->size))
		return err_set(
			err, -EBADMSG,
			"the layer %.80s has the digest %.12s... and %llu "
			"bytes: it was changed",
			l->name, sum->digest, (unsigned long long)sum->size);
	return strcmp(l->diff_id, sum->diff_id) == 0
		       ? 0
		       : err_set(err, -EBADMSG,
				 "the layer %.80s is %.12s... unpacked, and "
				 "not %.12s..., as the image says",
				 l->name, sum->diff_id, l->diff_id);
}

static int write_bytes(int dir, uint64_t bytes)
{
	_cleanup_close_ int fd = openat(
		dir, "bytes", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char text[24];
	int len = snprintf(text, sizeof(text), "%llu\n",
			   (unsigned long long)bytes);

	return fd < 0 || write(fd, text, (size_t)len) != len ? -errno : 0;
}

/* Into the directory @at of "staging".  @left: of what the whole image may have. */
static int unpack(struct image_file *f, int at, const struct image_layer *l,
		  struct arc_layer_limits *left, struct err *err)
{
	const struct arc_from from = { .ctx = f, .read = image_file_read };
	_cleanup_close_ int fs = -EBADF;
	struct arc_layer_sum sum;
	struct tree_usage usage = { 0 };
	int r;

	if (mkdirat(at, FS, 0755) < 0)
		return err_set(err, -errno, "make a layer: %s",
			       strerror(errno));
	fs = tree_open(at, FS, err);
	if (fs < 0)
		return fs;
	if (fchmod(fs, 0755) < 0)
		return err_set(err, -errno, "a layer: %s", strerror(errno));
	r = arc_layer_unpack(&from, fs, left, &sum, err);
	if (r == 0)
		r = check_sum(l, &sum, err);
	if (r == 0) {
		left->entries -= sum.entries;
		left->bytes -= sum.bytes;
	}
	if (r == 0)
		r = tree_usage(fs, &usage, NULL, NULL, err);
	if (r == 0 && write_bytes(at, usage.bytes) < 0)
		r = err_set(err, -errno, "a layer: %s", strerror(errno));
	return r;
}

static int add_layer(struct image_store *s, struct image_source *from,
		     const struct image_layer *l, struct arc_layer_limits *left,
		     struct err *err)
{
	_cleanup_(image_file_freep) struct image_file *f = NULL;
	_cleanup_close_ int stage = open_sub(s, STAGING, err), at = -EBADF;
	uint64_t size;
	int r;

	if (stage < 0)
		return stage;
	r = image_file_open(from, l->name, &f, &size, err);
	if (r < 0)
		return r;
	if (mkdirat(stage, l->diff_id, 0700) < 0)
		return store_fail(s, l->diff_id, -errno, err);
	at = tree_open(stage, l->diff_id, err);
	if (at < 0)
		return at;
	r = FAILPOINT("image.staged");
	if (r == 0)
		r = unpack(f, at, l, left, err);
	return r == 0 ? FAILPOINT("image.unpacked") : r;
}

/* What is in "staging" is on the disk, then it is in its place. */
static int commit(struct image_store *s, const struct image *i, struct err *err)
{
	_cleanup_close_ int stage = open_sub(s, STAGING, err);
	_cleanup_close_ int sub = stage < 0 ? -EBADF : open_sub(s, LAYERS, err);
	int r = 0;

	if (sub < 0)
		return stage < 0 ? stage : sub;
	if (syncfs(stage) < 0)
		return store_fail(s, STAGING, -errno, err);
	for (size_t n = 0; r == 0 && n < i->layer_count; n++) {
		const char *id = i->layers[n].diff_id;

		if (has_layer(s, id))
			continue;
		if (renameat(stage, id, sub, id) < 0)
			return store_fail(s, id, -errno, err);
		r = FAILPOINT("image.renamed");
	}
	if (r == 0 && tree_sync(sub) < 0)
		r = store_fail(s, LAYERS, -errno, err);
	return r;
}

static int record(struct image_store *s, const struct image *i,
		  const char *name, struct err *err)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *layers = json_object_new_array();
	char when[BOX_TIME_MAX];

	if (!o || !layers) {
		json_object_put(layers);
		return no_memory(err);
	}
	for (size_t n = 0; n < i->layer_count; n++)
		json_object_array_add(
			layers, json_object_new_string(i->layers[n].diff_id));
	jset_str(o, "ID", i->id);
	jset_str(o, "Name", name);
	jset_str(o, "Created", box_now(when));
	jset(o, "Layers", layers);
	return write_record(s, i->id, o, err);
}

/* Of one that is there, with all its layers: is there something new to say? */
static bool is_known(struct image_store *s, const struct image *i,
		     const char *name)
{
	_cleanup_(json_putp) json_object *o = NULL;

	return read_record(s, i->id, &o, NULL) == 0 &&
	       strcmp(jget_str(o, "Name"), name) == 0;
}

static bool is_staged(const struct image *i, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (strcmp(i->layers[k].diff_id, i->layers[n].diff_id) == 0)
			return true;
	return false;
}

int image_store_add(struct image_store *s, struct image_source *from,
		    const struct image *i, const char *name, struct err *err)
{
	struct arc_layer_limits left = { .entries = FILES_MAX,
					 .bytes = BYTES_MAX };
	size_t missing = 0;
	int r = 0;

	for (size_t n = 0; r == 0 && n < i->layer_count; n++) {
		if (has_layer(s, i->layers[n].diff_id) || is_staged(i, n))
			continue;
		missing++;
		r = add_layer(s, from, &i->layers[n], &left, err);
	}
	if (r == 0 && missing)
		r = commit(s, i, err);
	if (r == 0 && (missing || !is_known(s, i, name)))
		r = record(s, i, name, err);
	if (r < 0 && missing) /* the first reason is the one to tell */
		(void)sweep(s, NULL);
	return r;
}

/* ---- list, remove ---------------------------------------------------------------------------- */

static int64_t bytes_of(struct image_store *s, json_object *layers)
{
	int64_t all = 0;

	for (size_t i = 0; i < jget_len(layers); i++) {
		char name[sizeof(LAYERS) + DIGEST_HEX_MAX + 8], text[24] = "";
		int fd;

		snprintf(name, sizeof(name), LAYERS "/%.64s/bytes",
			 json_object_get_string(
				 json_object_array_get_idx(layers, i)));
		fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
			all += strtoll(text, NULL, 10);
		closep(&fd);
	}
	return all;
}

static int users_of(struct image_store *s, json_object *boxes, const char *id,
		    json_object **ret, struct err *err)
{
	json_object *list = json_object_new_array();
	int r = list ? 0 : no_memory(err);

	for (size_t i = 0; r == 0 && i < jget_len(boxes); i++) {
		struct box b = { .dir = -1, .lock = -1 };

		r = box_open(s->ctl,
			     json_object_get_string(
				     json_object_array_get_idx(boxes, i)),
			     &b, err);
		if (r == 0 && strcmp(jget_str(b.rec, "Image"), id) == 0)
			json_object_array_add(list,
					      json_object_new_string(
						      jget_str(b.rec, "Name")));
		box_free(&b);
		r = r == -ENOENT ? 0 : r;
	}
	*ret = list;
	return r;
}

int image_store_list(struct image_store *s, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *ids = NULL, *boxes = NULL;
	_cleanup_(json_putp) json_object *list = json_object_new_array();
	int r = list ? names_in(s, IMAGES, &ids, err) : no_memory(err);

	if (r == 0)
		r = box_ids(s->ctl, &boxes, err);
	for (size_t i = 0; r == 0 && i < jget_len(ids); i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));
		json_object *o = NULL, *users = NULL;

		r = read_or_forget(s, id, &o, err);
		if (r < 0)
			break;
		if (r == 0)
			continue;
		json_object_array_add(list, o);
		jset(o, "Bytes",
		     json_object_new_int64(
			     bytes_of(s, jget_array(o, "Layers"))));
		r = users_of(s, boxes, id, &users, err);
		jset(o, "Containers", users);
	}
	if (r == 0)
		*ret = take_ptr(list);
	return r;
}

int image_store_remove(struct image_store *s, const char *id, struct err *err)
{
	_cleanup_close_ int sub = open_sub(s, IMAGES, err);
	int r;

	if (sub < 0)
		return sub;
	if (unlinkat(sub, id, 0) < 0 && errno != ENOENT)
		return store_fail(s, id, -errno, err);
	r = FAILPOINT("image.forgotten");
	return r == 0 ? sweep(s, err) : r;
}
