// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines of a container's output, written and shown. */
#include "netctl/box/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "lib/base.h"
#include "netctl/box/box.h"

#define NOW     "log"
#define BEFORE  "log.1"
#define LOOK_MS 500 /* the end of a monitor that was killed changes no file */

/* ---- written -------------------------------------------------------------- */

static int open_now(struct box_log *l)
{
	struct stat st;

	l->fd = openat(l->dir, NOW,
		       O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return -errno;
	l->size = (uint64_t)st.st_size;
	return 0;
}

int box_log_open(int dir, uint64_t max, struct box_log *ret, struct err *err)
{
	int r;

	*ret = (struct box_log){ .dir = dir, .fd = -1, .max = max };
	r = open_now(ret);
	return r < 0 ? err_set(err, r, "the container's log: %s", strerror(-r))
		     : 0;
}

void box_log_close(struct box_log *l)
{
	closep(&l->fd);
	l->fd = -1;
}

static int rotate(struct box_log *l)
{
	if (renameat(l->dir, NOW, l->dir, BEFORE) < 0)
		return -errno;
	box_log_close(l);
	return open_now(l);
}

static int write_line(struct box_log *l, int stream, const char *text,
		      size_t len, bool whole)
{
	char head[64], when[BOX_TIME_MAX];
	int n = snprintf(head, sizeof(head), "%s %s %c ", box_now(when),
			 stream == BOX_STDERR ? "stderr" : "stdout",
			 whole ? 'F' : 'P');
	struct iovec v[] = {
		{ .iov_base = head, .iov_len = (size_t)n },
		{ .iov_base = (void *)(uintptr_t)text, .iov_len = len },
		{ .iov_base = (char[]){ '\n' }, .iov_len = 1 },
	};
	size_t all = (size_t)n + len + 1;
	ssize_t done;
	int r;

	if (l->fd < 0) {
		r = open_now(l);
		if (r < 0)
			return r;
	}
	if (l->size > 0 && l->size + all > l->max) {
		r = rotate(l);
		if (r < 0)
			return r;
	}
	done = writev(l->fd, v, ARRAY_SIZE(v));
	if (done == (ssize_t)all) {
		l->size += all;
		return 0;
	}
	/* half a line would take the next one with it */
	r = done < 0 ? -errno : -ENOSPC;
	if (done > 0 && ftruncate(l->fd, (off_t)l->size) < 0)
		l->size += (uint64_t)done;
	return r;
}

int box_log_write(struct box_log *l, int stream, const char *text, size_t len)
{
	int r = 0;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		bool whole = end && n <= BOX_LOG_PART;
		int one;

		if (n > BOX_LOG_PART)
			n = BOX_LOG_PART;
		one = write_line(l, stream, text, n, whole);
		r = r < 0 ? r : one;
		n += whole;
		text += n;
		len -= n;
	}
	return r;
}

/* ---- shown ------------------------------------------------------------------ */

static FILE *open_read(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f)
		closep(&fd);
	return f;
}

/* The text of a line and where it goes; NULL: not one of ours. */
static const char *parse(const struct box_log_show *s, const char *line,
			 FILE **ret_to, bool *ret_whole)
{
	const char *p = strchr(line, ' ');

	if (!p)
		return NULL;
	*ret_to = strncmp(p + 1, "stderr ", 7) == 0 ? s->err : s->out;
	p = strchr(p + 1, ' ');
	if (!p || (p[1] != 'F' && p[1] != 'P') || p[2] != ' ')
		return NULL;
	*ret_whole = p[1] == 'F';
	return p + 3;
}

struct reader {
	const struct box_log_show *s;
	FILE *f;
	long skip;
	char *line;
	size_t size;
};

/* What there is; a line that is being written is left for later.  -errno: of the
 * output. */
static int drain(struct reader *rd)
{
	ssize_t n;

	while (rd->f && (n = getline(&rd->line, &rd->size, rd->f)) > 0) {
		const char *text;
		bool whole;
		FILE *to;

		if (rd->line[n - 1] != '\n') {
			(void)fseek(rd->f, -n, SEEK_CUR);
			break;
		}
		text = parse(rd->s, rd->line, &to, &whole);
		if (!text)
			continue;
		if (rd->skip > 0) {
			rd->skip -= whole;
			continue;
		}
		/* with its newline where it had one */
		n -= text - rd->line;
		fwrite(text, 1, (size_t)(whole ? n : n - 1), to);
	}
	if (rd->f)
		clearerr(rd->f);
	if (fflush(rd->s->out) != 0 || fflush(rd->s->err) != 0)
		return -errno;
	return 0;
}

/* Lines there are, one that is not ended yet as well. */
static long count(struct reader *rd)
{
	bool open = false, whole;
	long lines = 0;
	FILE *to;

	while (rd->f && getline(&rd->line, &rd->size, rd->f) > 0) {
		if (!parse(rd->s, rd->line, &to, &whole))
			continue;
		lines += whole;
		open = !whole;
	}
	if (rd->f)
		rewind(rd->f);
	return lines + open;
}

static bool was_rotated(int dir, FILE *f)
{
	struct stat ours, now;

	return f && fstat(fileno(f), &ours) == 0 &&
	       fstatat(dir, NOW, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (ours.st_ino != now.st_ino || ours.st_dev != now.st_dev);
}

static void await_change(int watch)
{
	struct pollfd p = { .fd = watch, .events = POLLIN };
	char drop[4096];

	(void)poll(&p, 1, LOOK_MS);
	while (watch >= 0 && read(watch, drop, sizeof(drop)) > 0)
		;
}

static int follow(int dir, struct reader *rd)
{
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[32];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	if (watch >= 0)
		(void)inotify_add_watch(watch, path,
					IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	while (r == 0) {
		bool last = rd->s->ended(rd->s->ctx);

		r = drain(rd);
		if (r == 0 && (!rd->f || was_rotated(dir, rd->f))) {
			/* written between the two looks; no more comes */
			r = drain(rd);
			if (rd->f)
				fclose(rd->f);
			rd->f = open_read(dir, NOW);
			if (r == 0)
				r = drain(rd);
		}
		if (last)
			break;
		if (r == 0)
			await_change(watch);
	}
	return r;
}

int box_log_show(int dir, const struct box_log_show *s, struct err *err)
{
	struct reader before = { .s = s, .f = open_read(dir, BEFORE) };
	struct reader now = { .s = s, .f = open_read(dir, NOW) };
	int r;

	if (s->tail >= 0) {
		long first = count(&before), second = count(&now);

		before.skip = first + second - s->tail;
		now.skip = second - s->tail;
	}
	/* also what is not ended yet is of no interest then */
	r = s->tail != 0 ? drain(&before) : 0;
	if (r == 0 && s->tail != 0)
		r = drain(&now);
	if (s->tail == 0 && now.f)
		(void)fseek(now.f, 0, SEEK_END);
	if (r == 0 && s->follow)
		r = follow(dir, &now);
	free(before.line);
	free(now.line);
	if (before.f)
		fclose(before.f);
	if (now.f)
		fclose(now.f);
	return r < 0 ? err_set(err, r, "the container's log: %s", strerror(-r))
		     : 0;
}
