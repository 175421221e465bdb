/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int(err_set)(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

int(err_wrap)(struct err *err, int code, const char *fmt, ...)
{
	char ctx[ERR_MSG_MAX / 2], old[ERR_MSG_MAX];
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(ctx, sizeof(ctx), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, sizeof(old));
	if (snprintf(err->msg, sizeof(err->msg), "%s: %s", ctx,
		     old[0] ? old : strerror(-code)) < 0)
		err->msg[0] = '\0';
	return code;
}
