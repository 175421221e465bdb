/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where BPF objects are pinned, and the places programs are attached to. */
#include "dataplane/ebpf/pin.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/base.h"
#include "lib/log.h"

int pin_init(struct pin_dir *d, const char *bpf_dir, const char *driver,
	     struct err *err)
{
	int a, b;

	d->lock = -EBADF;
	a = snprintf(d->base, sizeof(d->base), "%s",
		     bpf_dir ? bpf_dir : "/sys/fs/bpf");
	b = snprintf(d->path, sizeof(d->path), "%s/berth/v1/%s", d->base,
		     driver);
	/* room for "/sock_link_getpeername6" */
	if (a < 0 || b < 0 || (size_t)b + 32 > sizeof(d->path))
		return err_set(err, -ENAMETOOLONG,
			       "BPF directory %.80s...: name too long",
			       d->base);
	return 0;
}

void pin_fini(struct pin_dir *d)
{
	closep(&d->lock);
	d->lock = -EBADF;
}

int pin_lock(struct pin_dir *d, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;

	if (d->lock >= 0)
		return 1;
	fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", d->path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(err, -errno, "%s: %s", d->path,
				       strerror(errno));
		return err_set(err, -EBUSY,
			       "%s: another process uses it; give each daemon "
			       "its own --bpf-dir",
			       d->path);
	}
	d->lock = take_fd(fd);
	return 1;
}

static int mount_bpffs(const struct pin_dir *d, struct err *err)
{
	struct statfs fs;

	if (statfs(d->base, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", d->base, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0700") == 0)
		return 0;
	return err_set(err, errno == ENODEV ? -EOPNOTSUPP : -errno,
		       "%s is no BPF file system, and mounting one there "
		       "failed: %s; run: mount -t bpf bpf %s",
		       d->base, strerror(errno), d->base);
}

int pin_make(struct pin_dir *d, struct err *err)
{
	char path[PIN_PATH_MAX];
	size_t base = strlen(d->base);
	int r = mount_bpffs(d, err);

	if (r < 0)
		return r;
	memcpy(path, d->path, sizeof(path));
	for (char *slash = strchr(path + base + 1, '/');;
	     slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_set(err, -errno, "%s: %s", path,
				       strerror(errno));
		if (!slash)
			break;
		*slash = '/';
	}
	r = pin_lock(d, err);
	if (r == 0)
		return err_set(err, -ENOENT, "%s: vanished", d->path);
	return r < 0 ? r : 0;
}

const char *pin_path(const struct pin_dir *d, const char *name,
		     char buf[static PIN_PATH_MAX])
{
	snprintf(buf, PIN_PATH_MAX, "%.*s/%s", PIN_PATH_MAX - 34, d->path,
		 name);
	return buf;
}

bool pin_exists(const struct pin_dir *d, const char *name)
{
	char path[PIN_PATH_MAX];

	return access(pin_path(d, name, path), F_OK) == 0;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool is_kept(const char *const *keep, const char *name)
{
	for (; *keep; keep++)
		if (fnmatch(*keep, name, 0) == 0)
			return true;
	return false;
}

bool pin_is_meta(const char *name)
{
	const char *last = strrchr(name, '_');

	return last && strcmp(last, "_meta") == 0;
}

int pin_remove(struct pin_dir *d, const char *prefix, struct err *err)
{
	static const char *const none[] = { NULL };

	return pin_remove_but(d, prefix, none, err);
}

static int remove_some(struct pin_dir *d, const char *prefix,
		       const char *const *keep, bool meta, struct err *err)
{
	_cleanup_(closedirp) DIR *dir = opendir(d->path);
	const struct dirent *de;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return err_set(err, -errno, "%s: %s", d->path, strerror(errno));
	while ((de = readdir(dir)))
		if (strncmp(de->d_name, prefix, strlen(prefix)) == 0 &&
		    pin_is_meta(de->d_name) == meta &&
		    !is_kept(keep, de->d_name) &&
		    unlinkat(dirfd(dir), de->d_name, 0) < 0 && errno != ENOENT)
			return err_set(err, -errno, "%s/%s: %s", d->path,
				       de->d_name, strerror(errno));
	return 0;
}

int pin_remove_but(struct pin_dir *d, const char *prefix,
		   const char *const *keep, struct err *err)
{
	int r = remove_some(d, prefix, keep, false, err);

	return r < 0 ? r : remove_some(d, prefix, keep, true, err);
}

void pin_rmdir(struct pin_dir *d)
{
	char path[PIN_PATH_MAX];
	size_t base = strlen(d->base);

	memcpy(path, d->path, sizeof(path));
	if (rmdir(path) < 0 && errno != ENOENT)
		return;
	pin_fini(d);
	/* berth/v1, berth: another driver's may be there */
	for (char *slash = strrchr(path, '/'); slash > path + base;
	     slash = strrchr(path, '/')) {
		*slash = '\0';
		if (rmdir(path) < 0)
			return;
	}
}

/* A line of mountinfo: "... root mountpoint options [optional]... - type ...".
 * Return: true for a cgroup v2 mount, its mount point in @buf. */
static bool cgroup2_line(char *line, char *buf, size_t size, bool *whole)
{
	char *dash = strstr(line, " - "), *save = NULL, *field = line;
	const char *root = NULL, *point = NULL;

	if (!dash || strncmp(dash + 3, "cgroup2 ", 8) != 0)
		return false;
	field = strtok_r(line, " ", &save);
	for (int i = 0; field && i < 5; i++) {
		if (i == 3)
			root = field;
		if (i == 4)
			point = field;
		field = strtok_r(NULL, " ", &save);
	}
	if (!root || !point || strlen(point) >= size)
		return false;
	*whole = strcmp(root, "/") == 0;
	memcpy(buf, point, strlen(point) + 1);
	return true;
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

int pin_cgroup(char *buf, size_t size, bool *ret_whole, struct err *err)
{
	_cleanup_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	char point[PIN_PATH_MAX];
	bool whole, found = false;
	size_t room = 0;

	if (!f)
		return err_set(err, -errno, "/proc/self/mountinfo: %s",
			       strerror(errno));
	while (getline(&line, &room, f) > 0) {
		if (!cgroup2_line(line, point, sizeof(point), &whole) ||
		    (found && !whole))
			continue;
		found = true;
		snprintf(buf, size, "%s", point);
		*ret_whole = whole;
		if (whole)
			break;
	}
	if (!found)
		return err_set(err, -EOPNOTSUPP,
			       "no cgroup v2 mount: run: mount -t cgroup2 "
			       "cgroup2 DIR, and give --cgroup DIR");
	return 0;
}

static int print(enum libbpf_print_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static int print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char text[400], quoted[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("libbpf=%s", log_quote(quoted, sizeof(quoted), text));
	return 0;
}

void pin_quiet_libbpf(void)
{
	libbpf_set_print(print);
}
