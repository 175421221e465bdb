/* SPDX-License-Identifier: GPL-2.0-or-later */
/* named_secret.h - the credentials file of a cifs volume. */
#ifndef VOLPLUGINS_NAMED_NAMED_SECRET_H
#define VOLPLUGINS_NAMED_NAMED_SECRET_H

#include "lib/base.h"
#include "lib/err.h"

#define NAMED_SECRET_MAX 4096 /* bytes of the file */

/* On the heap, kept from swap where that is allowed, wiped when freed. */
struct named_secret {
	char *user, *password, *domain; /* into .text; NULL: not there */
	char text[NAMED_SECRET_MAX + 1];
};

/*
 * named_secret_read() - as mount.cifs(8) reads it: username=, password= and
 * domain=, a line each, '#' for comments.
 *
 * Must be a file of root's that nobody else may read.  Errors name the line,
 * never what is in it.
 *
 * @ret: owned, named_secret_free().
 * Return: 0; -EACCES: open to others; -EINVAL; -errno.
 */
int named_secret_read(const char *path, struct named_secret **ret,
		      struct err *err);
void named_secret_free(struct named_secret *s); /* NULL is fine */
DEFINE_CLEANUP(struct named_secret, named_secret_free)

#endif
