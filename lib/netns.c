/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces by descriptor, the boot id, and sysctl values. */
#include "lib/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int netns_open(const char *path, struct err *err)
{
	/* O_NONBLOCK: a fifo in its place must not hold us */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int type;

	if (fd < 0)
		return err_set(err, -errno, "network namespace %s: %s", path,
			       strerror(errno));
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type != CLONE_NEWNET)
		return err_set(err, -EINVAL, "%s is no network namespace",
			       path);
	return take_fd(fd);
}

struct job {
	int netns, result;
	int (*fn)(void *ctx, struct err *err);
	void *ctx;
	struct err *err;
};

static void *run_job(void *arg)
{
	struct job *j = arg;

	if (setns(j->netns, CLONE_NEWNET) < 0)
		j->result = err_set(
			j->err, -errno, "entering a network namespace: %s%s",
			strerror(errno),
			errno == EPERM ? " (needs CAP_SYS_ADMIN)" : "");
	else
		j->result = j->fn(j->ctx, j->err);
	return NULL;
}

int netns_run(int netns, int (*fn)(void *ctx, struct err *err), void *ctx,
	      struct err *err)
{
	struct job j = { .netns = netns, .fn = fn, .ctx = ctx, .err = err };
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run_job, &j);

	if (r != 0)
		return err_set(err, -r, "thread: %s", strerror(r));
	pthread_join(thread, NULL);
	return j.result;
}

int netns_cookie(uint64_t *ret, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return err_set(err, -errno,
			       "the network namespace's cookie (Linux 5.14 "
			       "or newer): %s",
			       strerror(errno));
	*ret = cookie;
	return 0;
}

/* The first line of @path, without its newline. */
static int read_line(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size);
	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -EMSGSIZE;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

int netns_boot_id(char buf[static 37], struct err *err)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	char text[64];
	int r = read_line(path, text, sizeof(text));

	if (r < 0)
		return err_set(err, r, "%s: %s", path, strerror(-r));
	if (strlen(text) != 36)
		return err_set(err, -EBADMSG, "%s: not a boot id", path);
	memcpy(buf, text, 37);
	return 0;
}

/* @path below /proc/sys, without a step up. */
static int sysctl_path(const char *path, char *buf, size_t size,
		       struct err *err)
{
	int n = snprintf(buf, size, "/proc/sys/%s", path);

	if (path[0] == '/' || strstr(path, "..") || n < 0 || (size_t)n >= size)
		return err_set(err, -EINVAL, "sysctl %.80s: not a valid path",
			       path);
	return 0;
}

int sysctl_get(const char *path, char *buf, size_t size, struct err *err)
{
	char full[256];
	int r = sysctl_path(path, full, sizeof(full), err);

	if (r < 0)
		return r;
	r = read_line(full, buf, size);
	if (r < 0)
		return err_set(err, r, "sysctl %s: %s", path, strerror(-r));
	return 0;
}

int sysctl_set(const char *path, const char *value, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char full[256];
	int r = sysctl_path(path, full, sizeof(full), err);

	if (r < 0)
		return r;
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return err_set(err, -errno, "sysctl %s = %s: %s", path, value,
			       strerror(errno));
	return 0;
}

bool sysctl_has_ip6(const char *link)
{
	char dir[80];

	snprintf(dir, sizeof(dir), "/proc/sys/net/ipv6/conf/%s", link);
	return access(dir, F_OK) == 0;
}

int sysctl_set_ip6(const char *link, const char *key, const char *value,
		   struct err *err)
{
	char path[96];
	struct err why = { 0 };
	int r;

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", link, key);
	r = sysctl_set(path, value, &why);
	if (r == -ENOENT && !sysctl_has_ip6(link))
		return 0;
	return r < 0 ? err_set(err, r, "%s", why.msg) : 0;
}
