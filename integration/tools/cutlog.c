// SPDX-License-Identifier: GPL-2.0-or-later
/* cutlog: a disk as it was at any moment, by the log of the kernel's dm-log-writes.
 *
 * cutlog plan LOG POINTS SEED     moments to cut the power at, one a line:
 *                                 FLUSHED AT MARK
 * cutlog replay LOG DEVICE FROM TO        what was written, in order
 * cutlog tear LOG DEVICE FROM TO SEED     the same, but of all that nothing had
 *                                 flushed each by chance only
 *
 * Entries count from 0, and FROM up to TO are FROM..TO-1.  Marks are numbers, from
 * 0 on, that the test wrote ("dmsetup message NAME 0 mark N"); between each two, and
 * after the last, are equally many of the moments, and they are in order.  At a
 * moment what lies before FLUSHED is on the disk for certain; of what lies from there
 * to AT a disk may have written some and not the rest, but for what had to be there
 * when it was answered (FUA).
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC  0x6a736677736872ull
#define SECTOR 512

enum { FLUSH = 1, FUA = 2, DISCARD = 4, MARK = 8 };

/* As the kernel writes them, each at the start of a sector of the log. */
struct raw_super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};
struct raw_entry {
	uint64_t sector, sectors, flags, text_len;
};

struct entry {
	uint64_t sector, sectors, flags; /* of the disk */
	off_t data;                      /* in the log */
	unsigned int mark;
};

struct log {
	int fd;
	size_t unit; /* what it counts in, in bytes */
	struct entry *all;
	size_t count, marks;
};

static void die(const char *what)
{
	fprintf(stderr, "cutlog: %s: %s\n", what,
		errno ? strerror(errno) : "makes no sense");
	exit(2);
}

static void read_at(int fd, void *buf, size_t size, off_t at)
{
	errno = 0;
	if (pread(fd, buf, size, at) != (ssize_t)size)
		die("read the log");
}

/* The kernel's own, at the end of the log, is no number: false. */
static bool is_mark(const struct log *l, off_t at, uint64_t len,
		    unsigned int *ret)
{
	char text[SECTOR - sizeof(struct raw_entry) + 1] = "", *end;
	unsigned long n;

	errno = 0;
	if (len >= sizeof(text))
		die("a mark");
	read_at(l->fd, text, len, at + (off_t)sizeof(struct raw_entry));
	n = strtoul(text, &end, 10);
	if (end == text)
		return false;
	if (n != l->marks)
		die("a mark");
	*ret = (unsigned int)n;
	return true;
}

static void log_open(struct log *l, const char *path)
{
	struct raw_super super;
	off_t at;

	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0)
		die(path);
	read_at(l->fd, &super, sizeof(super), 0);
	l->unit = le32toh(super.sector_size);
	l->count = le64toh(super.entries);
	if (le64toh(super.magic) != MAGIC || le64toh(super.version) != 1 ||
	    l->unit < SECTOR || l->unit > 4096)
		die(path);
	l->all = calloc(l->count + 1, sizeof(*l->all));
	if (!l->all)
		die(path);
	at = (off_t)l->unit;
	for (size_t i = 0; i < l->count; i++) {
		struct entry *e = &l->all[i];
		struct raw_entry raw;

		read_at(l->fd, &raw, sizeof(raw), at);
		*e = (struct entry){ .sector = le64toh(raw.sector),
				     .sectors = le64toh(raw.sectors),
				     .flags = le64toh(raw.flags) };
		if (e->flags & MARK) {
			if (is_mark(l, at, le64toh(raw.text_len), &e->mark))
				l->marks++;
			else
				e->flags = 0;
		}
		at += (off_t)l->unit;
		e->data = at;
		if (!(e->flags & DISCARD))
			at += (off_t)(e->sectors * l->unit);
	}
}

/* ---- moments ------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

/* Of the entries FROM..TO: as many moments, each in a part of its own. */
static void plan_between(const struct log *l, unsigned int mark, size_t from,
			 size_t to, size_t points, size_t *flushed)
{
	size_t *at = calloc(points + 1, sizeof(*at));

	if (!at)
		die("plan");
	for (size_t i = 0; i < points; i++) {
		double part = (double)random() / ((double)RAND_MAX + 1);

		at[i] = from + (size_t)((double)(to - from) *
					((double)i + part) / (double)points);
	}
	qsort(at, points, sizeof(*at), by_number);
	for (size_t i = 0, e = from; i < points; i++) {
		for (; e < at[i]; e++)
			if (l->all[e].flags & FLUSH)
				*flushed = e + 1;
		printf("%zu %zu %u\n", *flushed, at[i], mark);
	}
	for (size_t e = from; e < to; e++)
		if (l->all[e].flags & FLUSH)
			*flushed = e + 1;
	free(at);
}

static void plan(const struct log *l, size_t points)
{
	size_t flushed = 0, from = 0, done = 0;
	unsigned int mark = 0;

	errno = 0;
	if (!l->marks)
		die("a log without marks");
	for (size_t e = 0; e <= l->count; e++) {
		bool ends = e == l->count;

		if (!ends && !(l->all[e].flags & MARK)) {
			if (done == 0 && (l->all[e].flags & FLUSH))
				flushed = e + 1; /* before the first */
			continue;
		}
		if (done > 0)
			plan_between(l, mark, from, e,
				     points * done / l->marks -
					     points * (done - 1) / l->marks,
				     &flushed);
		done++;
		from = e + 1;
		if (!ends)
			mark = l->all[e].mark;
	}
}

/* ---- writing ------------------------------------------------------------------- */

static void copy(const struct log *l, const struct entry *e, int to)
{
	static char buf[1 << 16];
	uint64_t left = e->sectors * l->unit;
	off_t from = e->data, at = (off_t)(e->sector * l->unit);

	memset(buf, 0, sizeof(buf));
	while (left > 0) {
		size_t n = left < sizeof(buf) ? (size_t)left : sizeof(buf);

		if (!(e->flags & DISCARD))
			read_at(l->fd, buf, n, from);
		errno = 0;
		if (pwrite(to, buf, n, at) != (ssize_t)n)
			die("write");
		left -= n;
		from += (off_t)n;
		at += (off_t)n;
	}
}

static void replay(const struct log *l, const char *device, size_t from,
		   size_t to, bool torn)
{
	int fd = open(device, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		die(device);
	errno = 0;
	if (from > to || to > l->count)
		die("FROM, TO");
	for (size_t i = from; i < to; i++) {
		const struct entry *e = &l->all[i];

		if (torn && !(e->flags & (FUA | MARK)) && random() % 2)
			continue;
		copy(l, e, fd);
	}
	if (fsync(fd) < 0 || close(fd) < 0)
		die(device);
}

static size_t number(const char *text)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end)
		die(text);
	return n;
}

int main(int argc, char **argv)
{
	struct log l = { 0 };
	const char *what = argc > 2 ? argv[1] : "";

	if (strcmp(what, "plan") == 0 && argc == 5) {
		srandom((unsigned int)number(argv[4]));
		log_open(&l, argv[2]);
		plan(&l, number(argv[3]));
	} else if (strcmp(what, "replay") == 0 && argc == 6) {
		log_open(&l, argv[2]);
		replay(&l, argv[3], number(argv[4]), number(argv[5]), false);
	} else if (strcmp(what, "tear") == 0 && argc == 7) {
		/* another part of it at each moment */
		srandom((unsigned int)(number(argv[6]) + number(argv[5])));
		log_open(&l, argv[2]);
		replay(&l, argv[3], number(argv[4]), number(argv[5]), true);
	} else {
		fprintf(stderr, "usage: cutlog plan LOG POINTS SEED | replay "
				"LOG DEVICE FROM TO | tear LOG DEVICE FROM TO "
				"SEED\n");
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 2;
}
