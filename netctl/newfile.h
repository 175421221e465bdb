/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * newfile.h - a file that is there when it is whole, or not at all.
 *
 * It has no name until then (O_TMPFILE), so that nothing is left whatever ends
 * us; where the file system can't do that it is ".NAME.part" meanwhile.
 */
#ifndef NETCTL_NEWFILE_H
#define NETCTL_NEWFILE_H

#include <stdbool.h>

#include "lib/err.h"

struct newfile {
	int dir, fd; /* to write to .fd */
	char *name;  /* owned; in .dir */
	char *part;  /* owned; NULL: it has no name yet */
	bool is_stdout;
};

/* newfile_open() - @path; "-": standard output.  -EEXIST: it is never replaced.
 * newfile_close() it in any case. */
int newfile_open(const char *path, struct newfile *ret, struct err *err);
/* On the disk and in place on return. */
int newfile_commit(struct newfile *f, struct err *err);
/* What was not committed is gone. */
void newfile_close(struct newfile *f);

#endif
