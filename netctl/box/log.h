/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - what a container writes: a file of lines, and the one before it.
 *
 * As Kubernetes' CRI has it (and podman's k8s-file):
 *
 *     2026-11-28T21:00:00.123456789Z stdout F text of a whole line
 *     2026-11-28T21:00:00.123456789Z stderr P a part that had no newline yet
 *
 * The bytes of the text are those that were written.  "log" that grows beyond its size
 * becomes "log.1", whose predecessor goes.  One writer; readers at any time.
 */
#ifndef NETCTL_BOX_LOG_H
#define NETCTL_BOX_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"

#define BOX_LOG_SIZE (10u << 20) /* bytes of a file */
#define BOX_LOG_PART 16384       /* bytes of text in a line, at most */

struct box_log {
	int dir; /* borrowed */
	int fd;  /* owned */
	uint64_t size, max;
};

enum { BOX_STDOUT = 1, BOX_STDERR = 2 };

/* box_log_open() - appends to what is there.  @dir: kept open by the caller. */
int box_log_open(int dir, uint64_t max, struct box_log *ret, struct err *err);
void box_log_close(struct box_log *l);
/* box_log_write() - @stream: BOX_*.  -errno: it is lost; the next may not be. */
int box_log_write(struct box_log *l, int stream, const char *text, size_t len);

struct box_log_show {
	long tail;   /* so many lines; -1: all */
	bool follow; /* until @ended says so */
	bool (*ended)(void *ctx);
	void *ctx;
	FILE *out, *err; /* where the two streams go */
};

/* box_log_show() - print it.  Return: 0; what the disk, or @out, said. */
int box_log_show(int dir, const struct box_log_show *s, struct err *err);

#endif
