/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leveled key=value lines on stderr, one write(2) each. */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static const char *const level_names[LOG_LVL_MAX] = {
	[LOG_LVL_ERROR] = "error",
	[LOG_LVL_WARN] = "warn",
	[LOG_LVL_INFO] = "info",
	[LOG_LVL_DEBUG] = "debug",
};

static const int priorities[LOG_LVL_MAX] = {
	[LOG_LVL_ERROR] = 3,
	[LOG_LVL_WARN] = 4,
	[LOG_LVL_INFO] = 6,
	[LOG_LVL_DEBUG] = 7,
};

static _Atomic int max_level = LOG_LVL_INFO;

int log_level_set(const char *name, struct err *err)
{
	char quoted[64];

	for (int i = 0; i < LOG_LVL_MAX; i++)
		if (strcmp(name, level_names[i]) == 0) {
			atomic_store(&max_level, i);
			return 0;
		}
	return err_set(err, -EINVAL,
		       "log level %s is none of error, warn, info, debug",
		       log_quote(quoted, sizeof(quoted), name));
}

/* JOURNAL_STREAM names the device and inode of the journal's socket; it is
 * inherited by children whose stderr may be elsewhere. */
static bool to_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

static size_t put_head(char *buf, size_t size, enum log_level level)
{
	struct timespec now;
	char stamp[32] = "";
	struct tm tm;
	int n;

	if (to_journal()) {
		n = snprintf(buf, size, "<%d>level=%s ", priorities[level],
			     level_names[level]);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		if (gmtime_r(&now.tv_sec, &tm))
			strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S",
				 &tm);
		n = snprintf(buf, size, "time=%s.%03ldZ level=%s ", stamp,
			     now.tv_nsec / 1000000, level_names[level]);
	}
	return n > 0 ? (size_t)n : 0;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t head, len;
	va_list ap;
	int n, saved = errno;

	if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed))
		return;
	head = put_head(line, sizeof(line), level);
	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof(line) - head, fmt, ap);
	va_end(ap);
	len = head + (n > 0 ? (size_t)n : 0);
	if (len > sizeof(line) - 1) {
		len = sizeof(line) - 1;
		memcpy(line + len - 3, "...", 3);
	}
	for (size_t i = head; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n'; /* in the NUL's place */
	if (write(STDERR_FILENO, line, len) < 0) {
		/* nowhere to tell it */
	}
	errno = saved;
}

/* One byte of @c as it goes between quotes; at most 4 bytes. */
static size_t escape(char out[static 5], unsigned char c)
{
	if (c == '"' || c == '\\')
		return (size_t)snprintf(out, 5, "\\%c", c);
	if (c == '\n')
		return (size_t)snprintf(out, 5, "\\n");
	if (c < 0x20 || c >= 0x7f)
		return (size_t)snprintf(out, 5, "\\x%02x", c);
	out[0] = (char)c;
	return 1;
}

const char *log_quote(char *buf, size_t size, const char *s)
{
	size_t at = 0, fits = 0; /* @fits: where `..."` can still go */
	char esc[5];

	if (size < sizeof("\"...\"")) {
		if (size)
			buf[0] = '\0';
		return buf;
	}
	buf[at++] = '"';
	fits = at;
	for (; *s; s++) {
		size_t n = escape(esc, (unsigned char)*s);

		if (at + n + 2 > size) {
			memcpy(buf + fits, "...\"", 5);
			return buf;
		}
		memcpy(buf + at, esc, n);
		at += n;
		if (at + sizeof("...\"") <= size)
			fits = at;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
