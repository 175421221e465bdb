// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose a container is: its lock. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/fail.h"
#include "netctl/box/box.h"
#include "netctl/jget.h"

#define LOOK_MS   20
#define LOOKER_MS 1    /* who looks has it for less */
#define LOOKERS   5000 /* of these, before it is no looker */

static void pause_ms(unsigned int ms)
{
	const struct timespec look = { .tv_nsec = ms * 1000000L };

	nanosleep(&look, NULL);
}

bool box_is_held(const struct box *b)
{
	_cleanup_close_ int fd =
		openat(b->dir, BOX_LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

/* Not waited for an owner, but for those who look whether there is one, and those whose
 * wait has just ended: they let go at once. */
static int lock_alone(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOOKERS ||
		    flock(fd, LOCK_SH | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		(void)flock(fd, LOCK_UN);
		pause_ms(LOOKER_MS);
	}
	return 0;
}

int box_lock(struct box *b, int make, struct err *err)
{
	_cleanup_close_ int fd = openat(
		b->dir, BOX_LOCK, O_RDWR | make | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : lock_alone(fd);

	if (r == -EBUSY)
		return err_set(err, r,
			       "container %.12s: another process is at work "
			       "on it",
			       b->id);
	if (r < 0)
		return err_set(err, r, "%s/" BOX_LOCK ": %s", b->path,
			       strerror(-r));
	b->lock = take_fd(fd);
	return 0;
}

int box_own(struct box *b, struct err *err)
{
	struct stat st;
	int r = box_lock(b, 0, err);

	/* removed before we had it */
	if (r == 0 && (fstat(b->lock, &st) < 0 || st.st_nlink == 0))
		r = err_set(err, -ENOENT, "there is no container %.12s", b->id);
	if (r < 0)
		return r;
	return box_reload(b, err);
}

static int wait_while(const struct box *b, bool (*is)(const struct box *b),
		      unsigned int timeout_ms)
{
	uint64_t end = clock_mono_ms() + timeout_ms;

	while (is(b)) {
		if (clock_mono_ms() >= end)
			return -ETIMEDOUT;
		pause_ms(LOOK_MS);
	}
	return 0;
}

int box_wait(const struct box *b, unsigned int timeout_ms)
{
	return wait_while(b, box_is_held, timeout_ms);
}

bool box_is_ending(const struct box *b)
{
	return box_is_held(b) && box_has(b, BOX_STOP);
}

int box_wait_end(const struct box *b, unsigned int timeout_ms)
{
	return wait_while(b, box_is_ending, timeout_ms);
}

/* ---- until its end, and after --------------------------------------------- */

int box_watch(const struct box *b, struct err *err)
{
	int fd = openat(b->dir, BOX_LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, -ENOENT, "there is no container %.12s",
			       b->id);
	return fd < 0 ? err_set(err, -errno, "%s/" BOX_LOCK ": %s", b->path,
				strerror(errno))
		      : fd;
}

void box_leave_code(const struct box *b)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n",
			 (int)jget_int(b->rec, "ExitCode"));

	/* on a full disk a wait says that it does not know; it is removed all the same */
	if (b->lock >= 0 && pwrite(b->lock, text, (size_t)n, 0) < 0)
		return;
}

/* Of one that has no record any more. */
static int code_left(const struct box *b, int watch, int *ret_code,
		     struct err *err)
{
	char text[16] = "", *end;
	ssize_t n = pread(watch, text, sizeof(text) - 1, 0);
	long code = strtol(text, &end, 10);

	if (n <= 0 || end == text || *end != '\n')
		return err_set(err, -ENODATA,
			       "container %.12s was removed, and its exit code "
			       "with it",
			       b->id);
	*ret_code = (int)code;
	return -ENOENT;
}

/*
 * Who sleeps in the lock is woken when it is free, and may find that another was faster.  So
 * he has a second one meanwhile (of the file's bytes, which is none to flock()), by which
 * that other sees him.
 */
static int is_waiting(int watch, bool waits)
{
	struct flock l = { .l_type = (short)(waits ? F_RDLCK : F_UNLCK) };

	return fcntl(watch, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

bool box_is_awaited(const struct box *b)
{
	_cleanup_close_ int fd =
		openat(b->dir, BOX_LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct flock l = { .l_type = F_WRLCK };

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &l) == 0 &&
	       l.l_type != F_UNLCK;
}

/* Of one whose lock @watch shares: nobody begins another life meanwhile. */
static int read_end(struct box *b, int watch, struct err *err)
{
	struct stat st;
	int r = FAILPOINT("box.awaited");

	if (r < 0)
		return err_set(err, r, "%s/" BOX_LOCK ": %s", b->path,
			       strerror(-r));
	if (fstat(watch, &st) < 0 || st.st_nlink == 0)
		return -ENOENT;
	return box_reload(b, err);
}

int box_await(struct box *b, int watch, int *ret_code, struct err *err)
{
	int r = is_waiting(watch, true);

	while (r == 0 && flock(watch, LOCK_SH) < 0)
		r = errno == EINTR ? 0 : -errno;
	if (r < 0)
		return err_set(err, r, "%s/" BOX_LOCK ": %s", b->path,
			       strerror(-r));
	r = read_end(b, watch, err);
	(void)flock(watch, LOCK_UN);
	(void)is_waiting(watch, false);
	if (r == -ENOENT)
		return code_left(b, watch, ret_code, err);
	if (r == 0)
		*ret_code = (int)jget_int(b->rec, "ExitCode");
	return r;
}
