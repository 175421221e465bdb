/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of encrypted volumes: where they are, and that they are secret. */
#include "volplugins/thin/keys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/base.h"

struct thin_key {
	char name[THIN_KEY_NAME_MAX];
	struct luks_key key;
};

static void key_freep(struct thin_key **k)
{
	if (*k)
		luks_key_wipe(&(*k)->key);
	free(*k);
}

bool thin_key_name_ok(const char *name, size_t size)
{
	if (size == 0 || size >= THIN_KEY_NAME_MAX ||
	    !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_' &&
		    name[i] != '.' && name[i] != '-')
			return false;
	return true;
}

/* All of it, to the end. */
static int read_key(int fd, const char *name, struct luks_key *ret,
		    struct err *err)
{
	unsigned char more;
	ssize_t n = 1;

	ret->size = 0;
	while (n > 0 && ret->size < LUKS_KEY_MAX) {
		n = read(fd, ret->bytes + ret->size, LUKS_KEY_MAX - ret->size);
		if (n > 0)
			ret->size += (size_t)n;
		if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n > 0)
		do /* too long, if there is one */
			n = read(fd, &more, 1);
		while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, -errno, "key %s: read: %s", name,
			       strerror(errno));
	if (n == 0 && ret->size >= LUKS_KEY_MIN)
		return 0;
	return err_set(err, -EINVAL,
		       "key %s has %s than %d bytes: it is to be %d to %d "
		       "random ones",
		       name, n ? "more" : "less",
		       n ? LUKS_KEY_MAX : LUKS_KEY_MIN, LUKS_KEY_MIN,
		       LUKS_KEY_MAX);
}

/* ---- handed over ------------------------------------------------------------------ */

static const struct luks_key *find_held(const struct thin_keys *k,
					const char *name)
{
	for (size_t i = 0; i < k->held_count; i++)
		if (strcmp(k->held[i]->name, name) == 0)
			return &k->held[i]->key;
	return NULL;
}

/* No key is in a core dump, whoever starts us and wherever that goes. */
static void hide(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int take(struct thin_keys *k, const char *name, size_t size, int from,
		struct err *err)
{
	_cleanup_(key_freep) struct thin_key *key = calloc(1, sizeof(*key));
	_cleanup_close_ int fd = from;
	int r;

	if (!key)
		return err_set(err, -ENOMEM, "out of memory");
	/* held as long as the daemon lives: not in swap, where that is allowed */
	(void)mlock(key, sizeof(*key));
	memcpy(key->name, name, size);
	if (find_held(k, key->name))
		return err_set(err, -EINVAL, "key %s is given twice",
			       key->name);
	if (k->held_count == THIN_KEY_FDS)
		return err_set(err, -EINVAL, "at most %d keys", THIN_KEY_FDS);
	r = read_key(fd, key->name, &key->key, err);
	if (r == 0)
		k->held[k->held_count++] = take_ptr(key);
	return r;
}

int thin_keys_flag(struct thin_keys *k, const char *spec, struct err *err)
{
	const char *equals = strchr(spec, '=');
	unsigned int fd;
	char rest;

	if (!equals || !thin_key_name_ok(spec, (size_t)(equals - spec)) ||
	    !isdigit((unsigned char)equals[1]) ||
	    sscanf(equals + 1, "%9u%c", &fd, &rest) != 1 || fd < 3)
		return err_set(err, -EINVAL,
			       "NAME=FD: a key's name and an open descriptor "
			       "from 3 on");
	hide();
	return take(k, spec, (size_t)(equals - spec), (int)fd, err);
}

void thin_keys_open(struct thin_keys *k, const char *credentials)
{
	hide();
	if (!k->dir)
		k->dir = THIN_KEY_DIR;
	k->credentials = credentials;
}

void thin_keys_close(struct thin_keys *k)
{
	while (k->held_count > 0)
		key_freep(&k->held[--k->held_count]);
}

/* ---- in a file --------------------------------------------------------------------- */

static int check_dir(int fd, const char *dir, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s: %s", dir, strerror(errno));
	if (st.st_uid != 0 || (st.st_mode & 022))
		return err_set(err, -EPERM,
			       "directory %s of keys: others than root can "
			       "write to it (chown root, chmod 700)",
			       dir);
	return 0;
}

static int check_file(int fd, const char *dir, const char *name,
		      struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "key %s: %s", name,
			       strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "key %s: %s/%s is no file", name,
			       dir, name);
	if (st.st_uid != 0 || (st.st_mode & 077))
		return err_set(err, -EPERM,
			       "key %s: others than root can read or write "
			       "%s/%s (chown root, chmod 600)",
			       name, dir, name);
	return 0;
}

static int open_beneath(int dir, const char *name)
{
	/* a FIFO doesn't make us wait */
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* -ENOENT: not there. */
static int from_dir(const char *dir, const char *name, struct luks_key *ret,
		    struct err *err)
{
	_cleanup_close_ int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (at < 0)
		return err_set(err, -errno, "directory %s of keys: %s", dir,
			       strerror(errno));
	r = check_dir(at, dir, err);
	if (r < 0)
		return r;
	fd = open_beneath(at, name);
	if (fd < 0 && errno == EXDEV)
		return err_set(err, -EPERM,
			       "key %s: %s/%s is a link out of the directory",
			       name, dir, name);
	if (fd < 0)
		return err_set(err, -errno, "key %s: %s/%s: %s", name, dir,
			       name, strerror(errno));
	r = check_file(fd, dir, name, err);
	return r < 0 ? r : read_key(fd, name, ret, err);
}

static int find(const struct thin_keys *k, const char *name,
		struct luks_key *ret, struct err *err)
{
	const struct luks_key *held = find_held(k, name);
	int r = -ENOENT;

	if (held) {
		*ret = *held;
		return 0;
	}
	if (k->credentials)
		r = from_dir(k->credentials, name, ret, err);
	if (r == -ENOENT)
		r = from_dir(k->dir, name, ret, err);
	if (r != -ENOENT)
		return r;
	return err_set(err, -ENOKEY,
		       "key %s is not here: put it into the file %s/%s "
		       "(root's, mode 600), or hand it over as a credential",
		       name, k->dir, name);
}

int thin_keys_get(const struct thin_keys *k, const char *name,
		  struct luks_key *ret, struct err *err)
{
	_cleanup_(luks_key_wipe) struct luks_key only_looked = { 0 };

	return find(k, name, ret ? ret : &only_looked, err);
}
