/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void problems_init(struct problems *p)
{
	*p = (struct problems){ 0 };
	pthread_mutex_init(&p->lock, NULL);
}

void problems_fini(struct problems *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->lines[i]);
	free(p->lines);
	pthread_mutex_destroy(&p->lock);
}

void problems_add(struct problems *p, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	char **grew;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	pthread_mutex_lock(&p->lock);
	grew = line ? reallocarray(p->lines, p->count + 1, sizeof(*grew))
		    : NULL;
	if (grew) {
		p->lines = grew;
		grew[p->count++] = take_ptr(line);
	}
	pthread_mutex_unlock(&p->lock);
}

void problems_each(struct problems *p, problems_fn *fn, void *ctx)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->count; i++)
		fn(ctx, p->lines[i]);
	pthread_mutex_unlock(&p->lock);
}

void problems_of_store(const struct store *s, problems_fn *fn, void *ctx)
{
	const char *name = store_file(s);
	char line[128];

	if (store_was_restored(s)) {
		snprintf(line, sizeof(line),
			 "%s was damaged: the copy of an earlier start is in "
			 "use",
			 name);
		fn(ctx, line);
	}
	if (store_is_readonly(s)) {
		snprintf(line, sizeof(line),
			 "%s is read-only: nothing can be changed", name);
		fn(ctx, line);
	}
}
