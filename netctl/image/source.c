// SPDX-License-Identifier: GPL-2.0-or-later
/* Files by name, from a directory or a tar. */
#include "netctl/image/source.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/arc_members.h"
#include "lib/inroot.h"

struct image_source {
	int fd;                /* owned; the directory, or the tar */
	struct arc_members *m; /* owned; NULL: a directory */
};

struct image_file {
	int fd;               /* owned */
	struct arc_member *m; /* owned; NULL: .fd */
};

void image_source_free(struct image_source *s)
{
	if (!s)
		return;
	arc_members_free(s->m);
	closep(&s->fd);
	free(s);
}

int image_source_open(const char *path, struct image_source **ret,
		      struct err *err)
{
	_cleanup_(image_source_freep) struct image_source *s =
		calloc(1, sizeof(*s));
	struct stat st;
	int r = 0;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	/* a FIFO in its place must not hold us up */
	s->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode))
		r = arc_members_open(s->fd, &s->m, err);
	else if (!S_ISDIR(st.st_mode))
		r = err_set(err, -EINVAL, "no file and no directory");
	if (r < 0)
		return err_wrap(err, r, "%s", path);
	*ret = take_ptr(s);
	return 0;
}

void image_file_free(struct image_file *f)
{
	if (!f)
		return;
	arc_member_free(f->m);
	closep(&f->fd);
	free(f);
}

static int open_below(struct image_source *s, const char *name, int *ret_fd,
		      uint64_t *ret_size, struct err *err)
{
	_cleanup_close_ int fd =
		inroot_plain(s->fd, name, O_RDONLY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_set(err, fd, "%.200s: %s", name, strerror(-fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -ENOENT, "%.200s is no file", name);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = take_fd(fd);
	return 0;
}

int image_file_open(struct image_source *s, const char *name,
		    struct image_file **ret, uint64_t *ret_size,
		    struct err *err)
{
	_cleanup_(image_file_freep) struct image_file *f =
		calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	f->fd = -EBADF;
	r = s->m ? arc_member_open(s->m, name, &f->m, ret_size, err)
		 : open_below(s, name, &f->fd, ret_size, err);
	if (r == 0)
		*ret = take_ptr(f);
	return r;
}

ssize_t image_file_read(void *ctx, void *buf, size_t size)
{
	struct image_file *f = ctx;
	ssize_t n;

	if (f->m)
		return arc_member_read(f->m, buf, size);
	do
		n = read(f->fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int read_all(struct image_file *f, const char *name, char *text,
		    size_t size, size_t *ret_len, struct err *err)
{
	size_t len = 0;
	ssize_t n = 1;

	*ret_len = 0;
	while (n > 0 && len < size) {
		n = image_file_read(f, text + len, size - len);
		if (n < 0)
			return err_set(err, (int)n, "read %.200s: %s", name,
				       strerror((int)-n));
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret_len = len;
	return 0;
}

int image_source_text(struct image_source *s, const char *name, char **ret,
		      size_t *ret_len, char digest[static DIGEST_HEX_MAX],
		      struct err *err)
{
	_cleanup_(image_file_freep) struct image_file *f = NULL;
	_cleanup_free_ char *text = NULL;
	struct digest *d;
	uint64_t size = 0;
	int r = image_file_open(s, name, &f, &size, err);

	if (!f)
		return r;
	if (size > IMAGE_TEXT_MAX)
		return err_set(err, -EFBIG, "%.200s: more than %u bytes", name,
			       IMAGE_TEXT_MAX);
	text = malloc(size + 1);
	d = digest_new();
	if (!text || !d) {
		digest_free(d);
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = read_all(f, name, text, size, ret_len, err);
	if (r == 0) {
		digest_add(d, text, *ret_len);
		digest_end(d, digest);
		*ret = take_ptr(text);
	}
	digest_free(d);
	return r;
}
