/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A daemon's stderr in a file of bounded size, and its last lines in memory. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base.h"
#include "netctl/sup_priv.h"

static void reopen(struct sup_log *log)
{
	struct stat st;

	log->fd = open(log->path,
		       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		       0600);
	log->size = log->fd >= 0 && fstat(log->fd, &st) == 0 ? st.st_size : 0;
}

/* @dir NULL: our own stderr. */
void sup_log_open(struct sup_log *log, const char *dir, const char *name)
{
	*log = (struct sup_log){ .fd = -EBADF };
	if (!dir)
		return;
	if (asprintf(&log->path, "%s/%s.log", dir, name) < 0)
		log->path = NULL;
	else
		reopen(log);
}

void sup_log_close(struct sup_log *log)
{
	closep(&log->fd);
	free(take_ptr(log->path));
	*log = (struct sup_log){ .fd = -EBADF };
}

static void rotate(struct sup_log *log)
{
	_cleanup_free_ char *old = NULL;

	if (asprintf(&old, "%s.1", log->path) < 0) {
		old = NULL;
		return;
	}
	closep(&log->fd);
	(void)rename(log->path, old); /* else it just grows on */
	reopen(log);
}

static void remember(struct sup_log *log, const char *text, size_t len)
{
	const size_t room = sizeof(log->tail) - 1;

	if (len > room) {
		text += len - room;
		len = room;
	}
	if (log->tail_len + len > room) {
		size_t drop = log->tail_len + len - room;

		memmove(log->tail, log->tail + drop, log->tail_len - drop);
		log->tail_len -= drop;
	}
	memcpy(log->tail + log->tail_len, text, len);
	log->tail_len += len;
	log->tail[log->tail_len] = '\0';
}

/* A full disk or a closed terminal must not stop a daemon: what can't be
 * written is lost from the file, not from the tail. */
static void put(struct sup_log *log, const char *text, size_t len)
{
	int fd = log->path ? log->fd : STDERR_FILENO;

	if (log->path && log->size > SUP_LOG_BYTES)
		rotate(log);
	if (log->path)
		fd = log->fd;
	while (len > 0 && fd >= 0) {
		ssize_t n = write(fd, text, len);

		if (n <= 0)
			return;
		log->size += n;
		text += n;
		len -= (size_t)n;
	}
}

void sup_log_write(struct sup_log *log, const char *text, size_t len)
{
	remember(log, text, len);
	put(log, text, len);
}

void sup_log_note(struct sup_log *log, const char *fmt, ...)
{
	char line[512], when[32] = "";
	struct tm tm;
	time_t now = time(NULL);
	va_list ap;
	int n, head;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	head = snprintf(line, sizeof(line), "%s netctl: ", when);
	if (head < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	strcat(line, "\n");
	put(log, line, strlen(line));
}
