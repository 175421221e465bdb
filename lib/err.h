/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err.h - the message that travels with a negative errno.
 *
 * Every function that can fail returns 0 (or a count >= 0) or -Exxx.  Those
 * on the path of a request also take 'struct err *err' as last parameter and
 * leave one line in it for the human on the other end of the socket.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <errno.h>

#define ERR_MSG_MAX 512 /* bytes, with the NUL */

struct err {
	char msg[ERR_MSG_MAX]; /* "" until somebody fails */
};

/*
 * err_set() - record why a call fails and return its code.
 *
 * @err:  may be NULL: the caller wants the code only.
 * @code: negative errno.
 * @fmt:  no trailing newline, no trailing dot.
 *
 * Return: @code, so that callers write 'return err_set(err, -EINVAL, ...)'.
 */
int err_set(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * err_wrap() - put "context: " in front of the message already there.
 *
 * Return: @code.
 */
int err_wrap(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Both again as macros, so that compiler and analyzers see what comes back; and
 * an error stays one where errno was 0. */
static inline int err_negative(int code)
{
	return code < 0 ? code : -EIO;
}
#define err_set(err, code, ...)                               \
	({                                                    \
		int set_code_ = err_negative(code);           \
		(void)(err_set)(err, set_code_, __VA_ARGS__); \
		set_code_;                                    \
	})
#define err_wrap(err, code, ...)                                \
	({                                                      \
		int wrap_code_ = (code);                        \
		(void)(err_wrap)(err, wrap_code_, __VA_ARGS__); \
		wrap_code_;                                     \
	})

#endif
