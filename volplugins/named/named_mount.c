/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a volume's options to a detached mount, with what the helpers of
 * mount(8) do for nfs and cifs: the server's address and the credentials.
 * Nothing is run for it.  Versions are the kernel's to negotiate: cifs does,
 * nfs takes 3 for type=nfs and 4 for type=nfs4, as under Docker.
 */
#include "volplugins/named/named_mount.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "lib/mnt.h"
#include "volplugins/named/named_secret.h"

/* ---- what is mounted ------------------------------------------------------ */

static int open_source(const char *path, unsigned int flags, struct err *err)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? err_set(err, -errno, "device %s: %s", path,
				strerror(errno))
		      : fd;
}

/* Where @fd really is, links followed. */
static int path_of(int fd, char *buf, size_t size)
{
	char proc[64];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, buf, size);
	if (n < 0 || (size_t)n >= size)
		return n < 0 ? -errno : -ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

static bool is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

static int make_bind(const struct mntopt *m, const char *volumes,
		     struct err *err)
{
	_cleanup_close_ int fd = open_source(m->device, O_DIRECTORY, err);
	_cleanup_close_ int mount = -EBADF;
	char path[4096];
	int r;

	if (fd < 0)
		return fd;
	r = path_of(fd, path, sizeof(path));
	if (r < 0)
		return err_set(err, r, "device %s: %s", m->device,
			       strerror(-r));
	/* it would stay in use after that volume is removed */
	if (is_in(path, volumes))
		return err_set(err, -EPERM,
			       "device %s is a volume of berth-named: use that "
			       "volume by its name",
			       m->device);
	mount = mnt_clone(fd, "", m->recursive, err);
	if (mount < 0)
		return mount;
	/* out of the source's peers before anything else happens to it */
	r = mnt_propagate(mount, m->recursive ? MS_SLAVE : MS_PRIVATE,
			  m->recursive, err);
	if (r == 0)
		r = mnt_attrs(mount, m->attr, m->attr_clr, m->recursive, err);
	return r < 0 ? r : take_fd(mount);
}

static int set_block(int fs, const struct mntopt *m, struct err *err)
{
	_cleanup_close_ int fd = open_source(m->device, 0, err);
	char path[MNTOPT_VALUE_MAX + 1];
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK,
			       "device %s is not a block device%s", m->device,
			       S_ISREG(st.st_mode)
				       ? ": attach the file with losetup"
				       : "");
	r = path_of(fd, path, sizeof(path));
	return r < 0 ? err_set(err, r, "device %s: %s", m->device, strerror(-r))
		     : mnt_set(fs, "source", path, err);
}

/* ---- servers --------------------------------------------------------------- */

static void addrinfo_freep(struct addrinfo **ai)
{
	if (*ai)
		freeaddrinfo(*ai);
}

/* IPv4 first where there is a choice, as Docker resolves. */
static int resolve(const struct mntopt *m, char *addr, size_t size,
		   struct err *err)
{
	const struct addrinfo hints = { .ai_family = m->family,
					.ai_socktype = SOCK_STREAM };
	_cleanup_(addrinfo_freep) struct addrinfo *all = NULL;
	int r = getaddrinfo(m->host, NULL, &hints, &all);
	const struct addrinfo *ai = all;

	while (ai && ai->ai_family != AF_INET)
		ai = ai->ai_next;
	if (!ai)
		ai = all;
	if (r == 0 && !ai)
		r = EAI_NONAME;
	if (r == 0)
		r = getnameinfo(ai->ai_addr, ai->ai_addrlen, addr,
				(socklen_t)size, NULL, 0, NI_NUMERICHOST);
	return r ? err_set(err, -EHOSTUNREACH, "server %s: %s", m->host,
			   gai_strerror(r))
		 : 0;
}

/* The kernel's own words could repeat what it was given. */
static int set_secret(int fs, const struct mntopt *m, const char *key,
		      const char *val, struct err *err)
{
	int r = val ? mnt_set(fs, key, val, NULL) : 0;

	return r < 0 ? err_set(err, r,
			       "credentials file %s: the kernel does not take "
			       "its %s",
			       m->credentials, key)
		     : 0;
}

static int set_credentials(int fs, const struct mntopt *m, struct err *err)
{
	_cleanup_(named_secret_freep) struct named_secret *s = NULL;
	int r;

	if (!m->credentials)
		return 0;
	r = named_secret_read(m->credentials, &s, err);
	if (r == 0)
		r = set_secret(fs, m, "username", s->user, err);
	if (r == 0)
		r = set_secret(fs, m, "password", s->password, err);
	if (r == 0)
		r = set_secret(fs, m, "domain", s->domain, err);
	return r;
}

/* ---- a file system ---------------------------------------------------------- */

static int set_params(int fs, const struct mntopt *m, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++)
		r = mnt_set(fs, m->params[i].key, m->params[i].value, err);
	return r;
}

/* The server is alive at this moment: later nobody dares to ask it. */
static uint64_t used_of(int mount)
{
	struct statfs st;

	return fstatfs(mount, &st) < 0 ? 0
				       : (uint64_t)(st.f_blocks - st.f_bfree) *
						 (uint64_t)st.f_bsize;
}

static int make_fs(struct mntopt *m, uint64_t *ret_used, struct err *err)
{
	_cleanup_close_ int fs = mnt_open(m->fs, err);
	char addr[NI_MAXHOST];
	int r = 0, mount;

	if (fs < 0)
		return fs;
	if (m->kind == MNTOPT_NET)
		r = resolve(m, addr, sizeof(addr), err);
	if (r == 0 && m->kind == MNTOPT_NET)
		r = mntopt_resolved(m, addr, err);
	if (r < 0)
		return r;
	if (m->kind == MNTOPT_BLOCK)
		r = set_block(fs, m, err);
	if (r == 0)
		r = set_params(fs, m, err);
	if (r == 0)
		r = set_credentials(fs, m, err);
	if (r < 0)
		return r;
	mount = mnt_make(fs, m->attr, err);
	if (m->kind != MNTOPT_NET)
		return mount;
	if (mount < 0)
		return err_wrap(err, mount, "%s of server %s", m->device,
				m->host);
	*ret_used = used_of(mount);
	return mount;
}

int named_mount_make(struct mntopt *m, const char *volumes, uint64_t *ret_used,
		     struct err *err)
{
	int r = m->kind == MNTOPT_BIND ? make_bind(m, volumes, err)
				       : make_fs(m, ret_used, err);

	return r < 0 && m->fs ? err_wrap(err, r, "type=%s", m->fs) : r;
}
