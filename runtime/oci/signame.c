/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of signals. */
#include "runtime/oci/signame.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int real_time(const char *name, const char *base, int at)
{
	size_t len = strlen(base);
	char *end;
	long more;

	if (strncasecmp(name, base, len) != 0)
		return -EINVAL;
	if (!name[len])
		return at;
	if (name[len] != '+' && name[len] != '-')
		return -EINVAL;
	more = strtol(name + len, &end, 10);
	if (*end || more < -64 || more > 64 || at + more < SIGRTMIN ||
	    at + more > SIGRTMAX)
		return -EINVAL;
	return at + (int)more;
}

int signame_parse(const char *text, struct err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	char *end;
	long n = strtol(text, &end, 10);
	int r;

	if (end != text && !*end && n >= 1 && n <= 64)
		return (int)n;
	for (int i = 1; i < NSIG; i++) {
		const char *abbrev = sigabbrev_np(i);

		if (abbrev && strcasecmp(name, abbrev) == 0)
			return i;
	}
	r = real_time(name, "RTMIN", SIGRTMIN);
	if (r < 0)
		r = real_time(name, "RTMAX", SIGRTMAX);
	return r > 0 ? r
		     : err_set(err, -EINVAL, "there is no signal \"%.32s\"",
			       text);
}
