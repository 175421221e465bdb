/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host's WireGuard key: made here once, in a file that only root reads, and
 * told to nobody but the kernel.  What was in memory of it is wiped.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "netplugins/overlay/overlay.h"

#define FILE_NAME "wg.key"

static void wipe_key(struct nlk_wg_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

struct line {
	char text[NLK_WG_TEXT_MAX + 1]; /* a newline where the NUL was */
};

static void wipe_line(struct line *l)
{
	explicit_bzero(l, sizeof(*l));
}

/* Who else can read it has read it. */
static int check_file(int fd, const char *dir, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s/" FILE_NAME ": %m", dir);
	if (S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & 077))
		return 0;
	return err_set(err, -EPERM,
		       "%s/" FILE_NAME ": the key of this host must be a file "
		       "of uid %u that nobody else can read (it is uid %u's, "
		       "mode %03o): remove it, a new one is made, and tell the "
		       "other hosts its public key",
		       dir, geteuid(), st.st_uid, st.st_mode & 0777);
}

static int read_key(int fd, const char *dir, struct nlk_wg_key *ret,
		    struct err *err)
{
	_cleanup_(wipe_line) struct line l = { "" };
	ssize_t n;
	int r = check_file(fd, dir, err);

	if (r < 0)
		return r;
	n = read(fd, l.text, sizeof(l.text) - 1);
	if (n < 0)
		return err_set(err, -errno, "%s/" FILE_NAME ": %m", dir);
	l.text[strcspn(l.text, "\n")] = '\0';
	r = nlk_wg_key_parse(l.text, ret, err);
	return r < 0 ? err_wrap(err, r,
				"%s/" FILE_NAME " (remove it to have another "
				"made)",
				dir)
		     : 0;
}

/* Visible when it is whole and on the disk. */
static int write_key(int at, const char *dir, const struct nlk_wg_key *key,
		     struct err *err)
{
	_cleanup_close_ int fd =
		openat(at, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	_cleanup_(wipe_line) struct line l = { "" };
	const ssize_t len = NLK_WG_TEXT_MAX;
	char proc[64];

	if (fd < 0)
		return err_set(err, -errno, "a file in %s: %m", dir);
	if (nlk_wg_key_str(key, l.text) < 0)
		return err_set(err, -ENOMEM, "key: out of memory");
	l.text[len - 1] = '\n';
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	errno = EIO;
	if (write(fd, l.text, (size_t)len) != len || fsync(fd) < 0 ||
	    linkat(AT_FDCWD, proc, at, FILE_NAME, AT_SYMLINK_FOLLOW) < 0 ||
	    fsync(at) < 0)
		return err_set(err, -errno, "%s/" FILE_NAME ": %m", dir);
	return 0;
}

static int make_key(int at, const char *dir, struct nlk_wg_key *ret,
		    struct err *err)
{
	_cleanup_(wipe_key) struct nlk_wg_key key;
	int r;

	if (getrandom(key.bytes, sizeof(key.bytes), 0) !=
	    (ssize_t)sizeof(key.bytes))
		return err_set(err, -errno, "random bytes for a key: %m");
	/* a number of Curve25519 (RFC 7748, 5) */
	key.bytes[0] &= 248;
	key.bytes[31] = (uint8_t)((key.bytes[31] & 127) | 64);
	r = write_key(at, dir, &key, err);
	if (r == 0)
		*ret = key;
	return r;
}

int ov_key_load(const char *dir, struct nlk_wg_key *ret, struct err *err)
{
	_cleanup_close_ int at =
		open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int fd = -EBADF;

	if (at < 0)
		return err_set(err, -errno, "%s: %m", dir);
	fd = openat(at, FILE_NAME,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		return read_key(fd, dir, ret, err);
	if (errno != ENOENT)
		return err_set(err, -errno, "%s/" FILE_NAME ": %m", dir);
	return make_key(at, dir, ret, err);
}
