/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index of an archive: found, read, looked up. */
#include "lib/arc_index.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/arc_priv.h"

#define RECORD_MAX (1u << 20) /* bytes: a path of that length is none */
/* An index unpacks to at most so many times its bytes, and these more: what there is
 * reaches a tenth, but for very deep directories full of empty files. */
#define UNPACK_TIMES 512
#define UNPACK_MORE  (64u << 20)

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

void arc_index_free(struct arc_index *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->count; i++)
		free(x->entries[i].path);
	free(x->entries);
	free(x);
}

void arc_entry_set(struct arc_entry *e, const struct stat *st)
{
	e->mode = st->st_mode;
	e->uid = st->st_uid;
	e->gid = st->st_gid;
	e->links = (uint32_t)st->st_nlink;
	e->size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	e->ino = st->st_ino;
	e->rdev =
		S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? st->st_rdev : 0;
	e->mtime = st->st_mtim;
	e->ctime = st->st_ctim;
}

int arc_index_add(struct arc_index *x, const struct arc_entry *e)
{
	char *path = strdup(e->path);

	if (path && x->count == x->room) {
		size_t room = x->room ? x->room * 2 : 64;
		struct arc_entry *grew =
			reallocarray(x->entries, room, sizeof(*grew));

		if (grew) {
			x->entries = grew;
			x->room = room;
		}
	}
	if (!path || x->count == x->room) {
		free(path);
		return -ENOMEM;
	}
	x->entries[x->count] = *e;
	x->entries[x->count++].path = path;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct arc_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void arc_index_sort(struct arc_index *x)
{
	if (x->count)
		qsort(x->entries, x->count, sizeof(*x->entries), by_path);
}

/* The first @len bytes of @path against the whole of @other. */
static int compare(const char *path, size_t len, const char *other)
{
	int c = strncmp(path, other, len);

	return c ? c : other[len] ? -1 : 0;
}

struct arc_entry *arc_index_find(const struct arc_index *x, const char *path,
				 size_t len)
{
	size_t low = 0, high = x->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = compare(path, len, x->entries[mid].path);

		if (c == 0)
			return &x->entries[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* ---- records ----------------------------------------------------------------------- */

/* A number up to @end, which is passed.  False: it is none, or above @max. */
static bool number(const char **s, int base, char end, uint64_t max,
		   uint64_t *ret)
{
	char *after;

	if (!isxdigit((unsigned char)**s))
		return false;
	errno = 0;
	*ret = strtoull(*s, &after, base);
	if (errno || *after != end || *ret > max)
		return false;
	*s = after + 1;
	return true;
}

static bool number32(const char **s, int base, uint32_t *ret)
{
	uint64_t n;

	if (!number(s, base, ' ', UINT32_MAX, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool moment(const char **s, struct timespec *ret)
{
	bool before = **s == '-'; /* 1970 */
	uint64_t sec, ns;

	*s += before;
	if (!number(s, 10, '.', INT64_MAX, &sec) ||
	    !number(s, 10, ' ', 999999999, &ns))
		return false;
	ret->tv_sec = before ? -(time_t)sec : (time_t)sec;
	ret->tv_nsec = (long)ns;
	return true;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static bool hex(const char **s, uint8_t ret[static ARC_DIGEST])
{
	for (size_t i = 0; i < ARC_DIGEST; i++, *s += 2) {
		int high = nibble((*s)[0]);
		int low = high < 0 ? -1 : nibble((*s)[1]);

		if (low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return *(*s)++ == ' ';
}

static bool is_path(const char *s)
{
	return strcmp(s, ".") == 0 || (strncmp(s, "./", 2) == 0 && s[2]);
}

static int record(struct arc_index *x, char *text)
{
	struct arc_entry e = { 0 };
	const char *s = text;
	uint64_t doubt;

	if (!number32(&s, 8, &e.mode) || !number32(&s, 10, &e.uid) ||
	    !number32(&s, 10, &e.gid) ||
	    !number(&s, 10, ' ', INT64_MAX, &e.size) || !moment(&s, &e.mtime) ||
	    !moment(&s, &e.ctime) || !number(&s, 10, ' ', UINT64_MAX, &e.ino) ||
	    !number32(&s, 10, &e.links) ||
	    !number(&s, 10, ' ', UINT64_MAX, &e.rdev) ||
	    !number(&s, 10, ' ', 1, &doubt) || !hex(&s, e.meta) ||
	    !hex(&s, e.data) || !is_path(s))
		return -EBADMSG;
	e.doubt = doubt;
	e.path = text + (s - text); /* it is copied */
	return arc_index_add(x, &e);
}

static int add(struct arc_index *x, struct arc_index_rest *rest, char *text)
{
	if (rest->begun)
		return record(x, text);
	rest->begun = true;
	return strcmp(text, ARC_INDEX_HEAD) == 0 ? 0 : -EBADMSG;
}

/* Kept, with a NUL behind it that does not count. */
static int rest_add(struct arc_index_rest *rest, const char *bytes,
		    size_t count)
{
	if (rest->count + count > RECORD_MAX)
		return -EBADMSG;
	if (rest->room - rest->count < count + 1) {
		size_t room = (rest->count + count + 1) * 2;
		char *grew = realloc(rest->bytes, room);

		if (!grew)
			return -ENOMEM;
		rest->bytes = grew;
		rest->room = room;
	}
	memcpy(rest->bytes + rest->count, bytes, count);
	rest->count += count;
	rest->bytes[rest->count] = '\0';
	return 0;
}

int arc_index_parse(struct arc_index *x, struct arc_index_rest *rest,
		    const char *bytes, size_t count)
{
	int r = 0;

	while (r == 0 && count) {
		const char *end = memchr(bytes, '\0', count);
		size_t n = end ? (size_t)(end - bytes) : count;

		r = rest_add(rest, bytes, n);
		if (r < 0 || !end)
			return r;
		r = add(x, rest, rest->bytes);
		rest->count = 0;
		bytes += n + 1;
		count -= n + 1;
	}
	return r;
}

/* ---- the frame ----------------------------------------------------------------------- */

void arc_index_text(char text[static ARC_INDEX_TEXT + 1], uint64_t bytes,
		    const char *sha256)
{
	char line[ARC_INDEX_TEXT];

	snprintf(line, sizeof(line), "%s bytes %llu sha256 %s", ARC_INDEX_HEAD,
		 (unsigned long long)bytes, sha256);
	snprintf(text, ARC_INDEX_TEXT + 1, "%-*s\n", ARC_INDEX_TEXT - 1, line);
}

static int read_at(int fd, void *to, size_t size, off_t at, struct err *err)
{
	char *p = to;

	while (size) {
		ssize_t n = pread(fd, p, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "read it: %s",
				       strerror(errno));
		if (n == 0)
			return err_set(err, -EBADMSG, "it was cut meanwhile");
		p += n;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static int changed(struct err *err)
{
	return err_set(err, -EBADMSG,
		       "its index was changed since it was written");
}

/* The text before the digest.  @ret_bytes of zstd are before it. */
static int read_text(int fd, off_t at, uint64_t *ret_bytes,
		     char sha256[static DIGEST_HEX_MAX], struct err *err)
{
	char text[ARC_INDEX_TEXT + 1] = "", want[ARC_INDEX_TEXT + 1];
	unsigned long long bytes = 0;
	int r;

	if (at < ARC_INDEX_TEXT + 8)
		return err_set(err, -ENODATA, "it has no index");
	r = read_at(fd, text, ARC_INDEX_TEXT, at - ARC_INDEX_TEXT, err);
	if (r < 0)
		return r;
	if (sscanf(text, ARC_INDEX_HEAD " bytes %llu sha256 %64[0-9a-f]",
		   &bytes, sha256) != 2)
		return err_set(err, -ENODATA,
			       "it has no index, so that what was changed "
			       "since can't be told: make a whole backup "
			       "first");
	arc_index_text(want, bytes, sha256);
	if (strcmp(want, text) != 0 ||
	    bytes > (uint64_t)at - ARC_INDEX_TEXT - 8)
		return changed(err);
	*ret_bytes = bytes;
	return 0;
}

static int check_bytes(const uint8_t *bytes, size_t size, const char *sha256,
		       struct err *err)
{
	_cleanup_(digest_freep) struct digest *d = digest_new();
	char is[DIGEST_HEX_MAX];

	if (!d)
		return no_memory(err);
	digest_add(d, bytes, size);
	digest_end(d, is);
	return strcmp(is, sha256) == 0 ? 0 : changed(err);
}

static int parse_all(struct archive *a, uint64_t packed, struct arc_index *x,
		     struct err *err)
{
	uint64_t left = packed * UNPACK_TIMES + UNPACK_MORE;
	struct arc_index_rest rest = { 0 };
	int r = 0;

	while (r == 0) {
		const void *data;
		size_t size;
		la_int64_t at;
		int rc = archive_read_data_block(a, &data, &size, &at);

		if (rc == ARCHIVE_EOF)
			break;
		if (rc == ARCHIVE_OK && size > left) {
			free(rest.bytes);
			return err_set(err, -EBADMSG,
				       "its index unpacks to more than %d "
				       "times its size, as if it was forged: "
				       "make a whole backup",
				       UNPACK_TIMES);
		}
		left -= rc == ARCHIVE_OK ? size : 0;
		r = rc == ARCHIVE_OK ? arc_index_parse(x, &rest, data, size)
				     : arc_fail(a, -EBADMSG, "the index", err);
	}
	if (r == 0 && (rest.count || !rest.begun))
		r = -EBADMSG;
	free(rest.bytes);
	return r == -EBADMSG  ? err_set(err, r, "its index is no index")
	       : r == -ENOMEM ? no_memory(err)
			      : r;
}

static int unpack(const uint8_t *bytes, size_t size, struct arc_index *x,
		  struct err *err)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	int r;

	if (!a)
		return no_memory(err);
	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_open_memory(a, bytes, size) != ARCHIVE_OK ||
	    archive_read_next_header(a, &e) != ARCHIVE_OK)
		r = arc_fail(a, -EBADMSG, "the index", err);
	else
		r = parse_all(a, size, x, err);
	archive_read_free(a);
	return r;
}

/* A clock that was wrong once left times to come: those are no newest. */
static void doubt_newest(struct arc_index *x)
{
	time_t newest = 0, now = time(NULL);

	for (size_t i = 0; i < x->count; i++)
		if (x->entries[i].ctime.tv_sec > newest &&
		    x->entries[i].ctime.tv_sec <= now)
			newest = x->entries[i].ctime.tv_sec;
	for (size_t i = 0; i < x->count; i++)
		x->entries[i].doubt |= x->entries[i].ctime.tv_sec >= newest - 1;
}

static int load(int fd, off_t size, struct arc_index *x, struct err *err)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	uint8_t end[ARC_END_SIZE];
	char sha256[DIGEST_HEX_MAX] = "";
	uint64_t n = 0;
	int r;

	if (size < ARC_END_SIZE)
		return err_set(err, -EBADMSG, ARC_NO_END);
	size -= ARC_END_SIZE;
	r = read_at(fd, end, sizeof(end), size, err);
	if (r < 0)
		return r;
	if (arc_end_parse(end, x->sha256) < 0)
		return err_set(err, -EBADMSG, ARC_NO_END);
	r = read_text(fd, size, &n, sha256, err);
	if (r < 0)
		return r;
	bytes = malloc(n + 1);
	if (!bytes)
		return no_memory(err);
	r = read_at(fd, bytes, n, size - ARC_INDEX_TEXT - (off_t)n, err);
	if (r == 0)
		r = check_bytes(bytes, n, sha256, err);
	return r == 0 ? unpack(bytes, n, x, err) : r;
}

int arc_index_load(int fd, struct arc_index **ret, struct err *err)
{
	_cleanup_(arc_index_freep) struct arc_index *x = calloc(1, sizeof(*x));
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	struct stat st;
	int r = x ? arc_locale_enter(&l, err) : no_memory(err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -ESPIPE,
			       "it is no regular file: what was backed up "
			       "before is read from its end");
	r = load(fd, st.st_size, x, err);
	if (r < 0)
		return r;
	arc_index_sort(x);
	doubt_newest(x);
	*ret = take_ptr(x);
	return 0;
}
