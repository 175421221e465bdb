/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiled filters by content: libseccomp takes milliseconds for each.
 *
 * A file's name is the digest of all that the program depends on, so it is never
 * out of date.  Whoever could write here could let a container do anything:
 * directory and file must be root's alone, and the file's own digest right.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "runtime/oci/seccomp_priv.h"

#define FILES_MAX 64
#define STALE_S   60 /* a file half written that nobody will finish */
#define MAGIC     "berth-sc"
#define PARTIAL   ".new-"

struct head {
	char magic[8];
	uint32_t count; /* of instructions, which follow */
	uint32_t pad;
	char sum[DIGEST_HEX_MAX - 1]; /* of key, count and instructions */
};
_Static_assert(sizeof(struct head) == 80, "head has a hole");

int sec_cache_key(const struct sec_profile *p, char key[static DIGEST_HEX_MAX])
{
	const struct scmp_version *lib = seccomp_version();
	_cleanup_(digest_freep) struct digest *d = digest_new();
	const char *text =
		json_object_to_json_string_ext(p->body, JSON_C_TO_STRING_PLAIN);
	char of[128];
	int n;

	if (!d || !text || !lib)
		return -ENOMEM;
	n = snprintf(of, sizeof(of), "%d %u.%u.%u %u %x %zu\n",
		     SEC_CACHE_VERSION, lib->major, lib->minor, lib->micro,
		     seccomp_api_get(), seccomp_arch_native(),
		     sizeof(struct sock_filter));
	digest_add(d, of, (size_t)n);
	digest_add(d, text, strlen(text));
	digest_end(d, key);
	return 0;
}

static int checksum(const char *key, const struct sec_prog *prog,
		    char sum[static DIGEST_HEX_MAX])
{
	_cleanup_(digest_freep) struct digest *d = digest_new();

	if (!d)
		return -ENOMEM;
	digest_add(d, key, strlen(key));
	digest_add(d, &prog->count, sizeof(prog->count));
	digest_add(d, prog->insns, prog->count * sizeof(*prog->insns));
	digest_end(d, sum);
	return 0;
}

static int open_dir(const char *path)
{
	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != 0 || (st.st_mode & 07777) != 0700)
		return -EPERM;
	return take_fd(fd);
}

static int read_all(int fd, void *to, size_t size)
{
	for (char *p = to; size > 0;) {
		ssize_t n = read(fd, p, size);

		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static bool trusted(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == 0 && st->st_nlink == 1 &&
	       (st->st_mode & 07777) == 0600;
}

int sec_cache_get(const char *path, const char *key, struct sec_prog *ret)
{
	_cleanup_close_ int dir = open_dir(path), fd = -EBADF;
	_cleanup_free_ struct sock_filter *insns = NULL;
	char sum[DIGEST_HEX_MAX];
	struct sec_prog prog;
	struct head head;
	struct stat st;

	if (dir < 0)
		return -ENOENT;
	fd = openat(dir, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !trusted(&st) ||
	    read_all(fd, &head, sizeof(head)) < 0)
		return -ENOENT;
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 ||
	    head.pad != 0 || head.count == 0 || head.count > BPF_MAXINSNS ||
	    (size_t)st.st_size != sizeof(head) + head.count * sizeof(*insns))
		return -ENOENT;
	insns = calloc(head.count, sizeof(*insns));
	if (!insns || read_all(fd, insns, head.count * sizeof(*insns)) < 0)
		return -ENOENT;
	prog = (struct sec_prog){ .insns = insns, .count = head.count };
	if (checksum(key, &prog, sum) < 0 ||
	    memcmp(sum, head.sum, sizeof(head.sum)) != 0)
		return -ENOENT;
	prog.insns = take_ptr(insns);
	*ret = prog;
	return 0;
}

static void dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Half written files that are old go; and of too many the oldest. */
static void make_room(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(dirp) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	char oldest[NAME_MAX + 1] = "";
	time_t when = 0, now = time(NULL);
	struct dirent *e;
	unsigned int n = 0;

	while (dir && (e = readdir(dir))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!strncmp(e->d_name, PARTIAL, strlen(PARTIAL))) {
			if (now - st.st_mtime > STALE_S)
				(void)unlinkat(fd, e->d_name, 0);
			continue;
		}
		n++;
		if (!*oldest || st.st_mtime < when) {
			when = st.st_mtime;
			snprintf(oldest, sizeof(oldest), "%s", e->d_name);
		}
	}
	if (n >= FILES_MAX)
		(void)unlinkat(fd, oldest, 0);
}

static int write_file(int fd, const char *key, const struct sec_prog *prog)
{
	struct head head = { .count = (uint32_t)prog->count };
	size_t size = prog->count * sizeof(*prog->insns);
	char sum[DIGEST_HEX_MAX];
	int r = checksum(key, prog, sum);

	if (r < 0)
		return r;
	memcpy(head.magic, MAGIC, sizeof(head.magic));
	memcpy(head.sum, sum, sizeof(head.sum));
	if (write(fd, &head, sizeof(head)) != (ssize_t)sizeof(head) ||
	    write(fd, prog->insns, size) != (ssize_t)size)
		return errno ? -errno : -EIO;
	return 0;
}

int sec_cache_put(const char *path, const char *key,
		  const struct sec_prog *prog)
{
	_cleanup_close_ int dir = -EBADF, fd = -EBADF;
	char name[48];
	int r;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = open_dir(path);
	if (dir < 0)
		return dir;
	make_room(dir);
	snprintf(name, sizeof(name), PARTIAL "%d", (int)getpid());
	(void)unlinkat(dir, name, 0); /* of a dead process of our number */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fchmod(fd, 0600) < 0 ? -errno : write_file(fd, key, prog);
	if (r == 0 && renameat(dir, name, dir, key) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, name, 0);
	return r;
}
