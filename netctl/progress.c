/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line that is written again and again. */
#include "netctl/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "netctl/out.h"

#define EVERY_MS 200
#define BAR      20

static volatile sig_atomic_t wants_end;

static void on_signal(int sig)
{
	(void)sig;
	wants_end = 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_signal };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	*p = (struct progress){ .what = what,
				.total = total,
				.shown = isatty(STDERR_FILENO),
				.began_ms = now_ms() };
}

static char *size_text(uint64_t bytes)
{
	json_object *n = json_object_new_uint64(bytes);
	char *text = out_value(OUT_SIZE, n);

	json_object_put(n);
	return text;
}

static void draw(const struct progress *p, uint64_t bytes, int64_t ms)
{
	_cleanup_free_ char *done = size_text(bytes);
	_cleanup_free_ char *speed =
		size_text(bytes * 1000 / (uint64_t)(ms > 0 ? ms : 1));
	char bar[BAR + 1] = "";
	uint64_t full;

	if (p->total) {
		full = bytes >= p->total ? BAR : bytes * BAR / p->total;
		memset(bar, '.', BAR);
		memset(bar, '#', full);
		bar[BAR] = '\0';
	}
	fprintf(stderr, "\r%s  %s%s%s  %s  %s/s\033[K", p->what,
		*bar ? "[" : "", bar, *bar ? "]" : "", done ? done : "",
		speed ? speed : "");
	fflush(stderr);
}

int progress_tell(struct progress *p, uint64_t bytes)
{
	int64_t now = now_ms();

	if (wants_end)
		return -EINTR;
	if (!p->shown || now - p->told_ms < EVERY_MS)
		return 0;
	p->told_ms = now;
	draw(p, bytes, now - p->began_ms);
	return 0;
}

void progress_end(struct progress *p)
{
	if (p->shown && p->told_ms)
		fprintf(stderr, "\r\033[K");
	p->shown = false;
}
