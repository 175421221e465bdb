/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * base.h - the few macros every file may use.
 *
 * Ownership in three words: a pointer declared with a _cleanup_ attribute is
 * owned by its scope; take_ptr()/take_fd() move it out.
 */
#ifndef LIB_BASE_H
#define LIB_BASE_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define _cleanup_(fn)   __attribute__((cleanup(fn)))
#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _must_check_    __attribute__((warn_unused_result))

/* Define NAMEp(), the cleanup helper for a destructor that takes NULL. */
#define DEFINE_CLEANUP(type, destructor)           \
	static inline void destructor##p(type **p) \
	{                                          \
		destructor(*p);                    \
	}

#define take_ptr(p)                     \
	({                              \
		__typeof__(p) _t = (p); \
		(p) = NULL;             \
		_t;                     \
	})

#define take_fd(fd)            \
	({                     \
		int _t = (fd); \
		(fd) = -EBADF; \
		_t;            \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

#endif
