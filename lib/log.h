/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - one key=value line on stderr for each thing worth telling.
 *
 * The only state is the level.  Callers are the daemons' cores and main(), and
 * dataplane/ where it puts back what others took away or goes on with less;
 * lib/ and drivers log at LOG_LVL_DEBUG only.  With JOURNAL_STREAM set each line
 * starts with "<N>", the priority journald reads (sd-daemon(3)).
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stddef.h>

#include "lib/err.h"

enum log_level {
	LOG_LVL_ERROR,
	LOG_LVL_WARN,
	LOG_LVL_INFO, /* the default */
	LOG_LVL_DEBUG,
	LOG_LVL_MAX,
};

/*
 * log_level_set() - choose what is printed from now on, by name.
 *
 * Return: 0; -EINVAL for a name other than error, warn, info, debug.
 */
int log_level_set(const char *name, struct err *err);

/*
 * log_line() - print one line.  @fmt holds the key=value pairs, no newline.
 *
 * A value that came from outside goes through log_quote().  Control
 * characters that reach the line all the same are replaced by '?'.
 */
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * log_quote() - write @s into @buf as "..." with quotes, backslashes, control
 * and non-ASCII bytes escaped; cut with "..." where @size is short.
 *
 * Return: @buf.
 */
const char *log_quote(char *buf, size_t size, const char *s);

#define log_error(...) log_line(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LVL_DEBUG, __VA_ARGS__)

#endif
