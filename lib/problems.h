/* SPDX-License-Identifier: GPL-2.0-or-later */
/* problems.h - what a daemon found wrong, a line each, until somebody asks. */
#ifndef LIB_PROBLEMS_H
#define LIB_PROBLEMS_H

#include <pthread.h>
#include <stddef.h>

#include "lib/store.h"

struct problems {
	pthread_mutex_t lock;
	char **lines; /* owned */
	size_t count;
};

typedef void problems_fn(void *ctx, const char *line);

void problems_init(struct problems *p);
void problems_fini(struct problems *p);
/* From any thread.  A line that memory has no room for is lost. */
void problems_add(struct problems *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* In the order they came; @fn must not call into @p. */
void problems_each(struct problems *p, problems_fn *fn, void *ctx);

/* What is wrong with a store. */
void problems_of_store(const struct store *s, problems_fn *fn, void *ctx);

#endif
