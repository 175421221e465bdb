// SPDX-License-Identifier: GPL-2.0-or-later
/* Texts of the command line: warnings, durations, paths. */
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "netctl/cli.h"

void cli_warn(const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL, *safe = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0)
		line = NULL;
	safe = line ? out_escape(line) : NULL;
	fprintf(stderr, "netctl: %s\n", safe ? safe : "out of memory");
}

int cli_line(const char *text, struct err *err)
{
	return puts(text) >= 0 && fflush(stdout) == 0
		       ? 0
		       : err_set(err, -errno, "the output: %s",
				 strerror(errno));
}

void cli_keep(int r, const struct err *why, int *failed, struct err *err)
{
	if (r < 0 && *failed == 0) {
		*failed = r;
		*err = *why;
	} else if (r < 0) {
		cli_warn("%s", why->msg);
	}
}

int cli_duration(const char *text, unsigned int *ret_ms, struct err *err)
{
	static const struct {
		const char *suffix;
		unsigned long long ms;
	} units[] = {
		{ "", 1000 },   { "ms", 1 },      { "s", 1000 },
		{ "m", 60000 }, { "h", 3600000 },
	};
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (isdigit((unsigned char)*text) && errno == 0 &&
		    strcmp(end, units[i].suffix) == 0 &&
		    n <= INT_MAX / units[i].ms) {
			*ret_ms = (unsigned int)(n * units[i].ms);
			return 0;
		}
	return err_set(err, -EINVAL,
		       "\"%s\" is no duration: write 500ms, 30s, 10m or 1h",
		       text);
}

const char *cli_clock(int64_t ns, char buf[static CLI_CLOCK_MAX])
{
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t n;

	localtime_r(&s, &tm);
	n = strftime(buf, 24, "%H:%M:%S", &tm);
	snprintf(buf + n, CLI_CLOCK_MAX - n, ".%03d",
		 (int)(ns / 1000000 % 1000));
	return buf;
}

char *cli_absolute(const char *path)
{
	_cleanup_free_ char *cwd = NULL;
	char *out = NULL;

	if (*path == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	return !cwd || asprintf(&out, "%s/%s", cwd, path) < 0 ? NULL : out;
}
