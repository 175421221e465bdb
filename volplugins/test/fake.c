/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume driver whose kernel is a directory; see fake.h. */
#include "volplugins/test/fake.h"

#include "lib/test/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/jdec.h"
#include "lib/journal.h"
#include "lib/test/skew.h"
#include "lib/tree.h"

/* ---- a driver ---------------------------------------------------------- */

/* "vol-NAME": it exists; "mnt-NAME": it is mounted; "snap-NAME@S": its snapshot;
 * "staged-NAME"; "of-NAME": it is a copy; "rolled-NAME". */
struct fake_volume {
	struct vol_volume base;
	struct {
		uint32_t flavour;
		char label[16];
		uint64_t size;
		char from[64];
	} opts;
};

static int base = -EBADF;

bool fake_there(const char *kind, const char *name)
{
	char file[300];

	snprintf(file, sizeof(file), "%s-%s", kind, name);
	return faccessat(base, file, F_OK, 0) == 0;
}

int fake_set(const char *kind, const char *name, bool on)
{
	char file[300];
	int fd;

	snprintf(file, sizeof(file), "%s-%s", kind, name);
	if (!on)
		return unlinkat(base, file, 0) < 0 && errno != ENOENT ? -errno
								      : 0;
	fd = openat(base, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

bool fake_is_plain;

/* As the disk has it, if that is something else. */
static int unsynced(const char *name, bool before)
{
	if (fake_is_plain)
		return 0;
	if (!fake_there("was", name) && !fake_there("wasnot", name))
		fake_set(before ? "was" : "wasnot", name, true);
	return VOL_LATER;
}

static int fake_flush(void *host, const char *const *names, struct err *err)
{
	(void)host;
	for (; *names; names++) {
		if (fake_there("unwritable", *names))
			return err_set(err, -EIO, "the disk is bad");
		fake_set("was", *names, false);
		fake_set("wasnot", *names, false);
	}
	return 0;
}

static int fake_create(struct vol_volume *v, struct err *err)
{
	bool found = fake_there("vol", v->name);
	int r = fake_set("vol", v->name, true);

	(void)err;
	return r < 0 ? r : found ? VOL_FOUND : unsynced(v->name, false);
}

static int fake_unmake(struct vol_volume *v, struct err *err)
{
	if (fake_there("data", v->name))
		return err_set(err, -ENOTEMPTY, "it holds data");
	return fake_set("vol", v->name, false);
}

static int fake_remove(struct vol_volume *v, struct err *err)
{
	if (fake_there("stuck", v->name))
		return err_set(err, -EPERM, "it is stuck");
	if (fake_there("mnt", v->name))
		return err_set(err, -EBUSY, "it is mounted");
	if (!fake_there("vol", v->name))
		return unsynced(v->name, false);
	fake_set("data", v->name, false);
	fake_set("vol", v->name, false);
	return unsynced(v->name, true);
}

static int fake_mount(struct vol_volume *v, struct err *err)
{
	if (!fake_there("vol", v->name))
		return err_set(err, -ENOENT, "it is gone");
	return fake_set("mnt", v->name, true);
}

static int fake_unmount(struct vol_volume *v, struct err *err)
{
	if (fake_there("busy", v->name))
		return err_set(err, -EBUSY, "somebody is in it");
	return fake_set("mnt", v->name, false);
}

/* As large as the file. */
static int fake_resize(struct vol_volume *v, uint64_t size, struct err *err)
{
	struct fake_volume *f = container_of(v, struct fake_volume, base);
	char file[300];
	int fd;

	if (fake_there("stuck", v->name))
		return err_set(err, -ENOSPC, "more is in use");
	snprintf(file, sizeof(file), "vol-%s", v->name);
	fd = openat(base, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return err_set(err, -errno, "resize: %s", strerror(errno));
	close(fd);
	f->opts.size = size;
	return 0;
}

static int fake_rename(struct vol_volume *v, const char *name, struct err *err)
{
	static const char *const kinds[] = { "data", "vol" };
	char from[300], to[300];

	if (fake_there("stuck", v->name))
		return err_set(err, -EIO, "it is stuck");
	if (fake_there("vol", name))
		return fake_there("vol", v->name)
			       ? err_set(err, -EEXIST, "something is there")
			       : 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(from, sizeof(from), "%s-%s", kinds[i], v->name);
		snprintf(to, sizeof(to), "%s-%s", kinds[i], name);
		if (fake_there(kinds[i], v->name) &&
		    renameat(base, from, base, to) < 0)
			return err_set(err, -errno, "rename");
	}
	if (fake_there("late", v->name))
		return err_set(err, -EIO, "the disk is bad");
	return fake_there("vol", name) ? 0 : err_set(err, -ENOENT, "gone");
}

uint64_t fake_size(const char *name)
{
	char file[300];
	struct stat st;

	snprintf(file, sizeof(file), "vol-%s", name);
	return fstatat(base, file, &st, 0) < 0 ? 0 : (uint64_t)st.st_size;
}

static int fake_path(const struct vol_volume *v, char *buf, size_t size,
		     struct err *err)
{
	(void)err;
	snprintf(buf, size, "/fake/%s", v->name);
	return 0;
}

static int fake_verify(struct vol_volume *v, struct err *err)
{
	if (fake_there("mnt", v->name) && !v->users)
		return err_set(err, -EBUSY, "it is mounted for nobody");
	if (fake_there("unseen", v->name) && v->created[0])
		return 0;
	return fake_there("vol", v->name) ? 0
					  : err_set(err, -ENOENT, "it is gone");
}

static int fake_usage(struct vol_volume *v, struct vol_usage *ret,
		      struct err *err)
{
	if (fake_there("holed", v->name))
		return err_set(err, -ENOENT, "its data is gone");
	*ret = (struct vol_usage){ .used_bytes = 7, .used_known = true };
	return 0;
}

static const char *snap_name(char buf[240], const char *name, const char *snap)
{
	snprintf(buf, 240, "%.100s@%.100s", name, snap);
	return buf;
}

static int fake_snapshot_add(struct vol_volume *v, const char *snap,
			     struct err *err)
{
	char name[240];

	if (fake_there("unable", v->name))
		return err_set(err, -EOPNOTSUPP, "it can't be snapshotted");
	if (fake_there("full", v->name))
		return err_set(err, -ENOSPC, "no room for a snapshot");
	return fake_set("snap", snap_name(name, v->name, snap), true);
}

static int fake_snapshot_del(struct vol_volume *v, const char *snap,
			     struct err *err)
{
	char name[240];

	snap_name(name, v->name, snap);
	if (fake_there("unable", v->name))
		return err_set(err, -EOPNOTSUPP, "it has no snapshots");
	if (!fake_there("snap", name))
		return err_set(err, -ENOENT, "no snapshot %s", snap);
	if (fake_there("stuck", v->name))
		return err_set(err, -EIO, "it is stuck");
	return fake_set("snap", name, false);
}

static int fake_snapshots(struct vol_volume *v,
			  void (*fn)(void *ctx, const struct vol_snapshot *s),
			  void *ctx, struct err *err)
{
	int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *all = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char head[300];

	if (!all)
		return err_set(err, -errno, "list: %s", strerror(errno));
	snprintf(head, sizeof(head), "snap-%s@", v->name);
	while ((entry = readdir(all))) {
		struct vol_snapshot s = { 0 };

		if (strncmp(entry->d_name, head, strlen(head)) != 0)
			continue;
		snprintf(s.name, sizeof(s.name), "%s",
			 entry->d_name + strlen(head));
		fn(ctx, &s);
	}
	closedir(all);
	return 0;
}

static int fake_snapshot_open(struct vol_volume *v, const char *snap,
			      struct err *err)
{
	char name[240];

	if (!fake_there("snap", snap_name(name, v->name, snap)))
		return err_set(err, -ENOENT, "no snapshot %s", snap);
	return openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int fake_rollback(struct vol_volume *v, const char *snap,
			 struct err *err)
{
	(void)snap;
	if (fake_there("mnt", v->name))
		return err_set(err, -EBUSY, "it is mounted");
	if (v->until_ms && fake_there("slow", v->name))
		return err_set(err, -ETIME, "too much to copy");
	return fake_set("rolled", v->name, true);
}

static int fake_clone(struct vol_volume *v, struct vol_volume *src,
		      const char *snap, struct err *err)
{
	char name[240];

	if (fake_there("vol", v->name))
		return 0;
	if (!src)
		return err_set(err, -ENOENT, "no volume %s", v->from.name);
	if (*snap && !fake_there("snap", snap_name(name, src->name, snap)))
		return err_set(err, -ENOENT, "no snapshot %s", snap);
	if (v->until_ms && fake_there("slow", v->name))
		return err_set(err, -ETIME, "too much to copy");
	fake_set("of", v->name, true);
	return fake_set("vol", v->name, true);
}

static int fake_stage(struct vol_volume *v, struct err *err)
{
	if (fake_there("vol", v->name))
		return err_set(err, -EEXIST, "it is there already");
	fake_set("staged", v->name, true);
	return openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int fake_settle(struct vol_volume *v, struct err *err)
{
	char staged[300], vol[300];

	snprintf(staged, sizeof(staged), "staged-%s", v->name);
	snprintf(vol, sizeof(vol), "vol-%s", v->name);
	return renameat(base, staged, base, vol) < 0
		       ? err_set(err, -errno, "settle: %s", strerror(errno))
		       : 0;
}

static void fake_unstage(struct vol_volume *v)
{
	fake_set("staged", v->name, false);
}

static int fake_options_check(struct vol_volume *v, struct err *err)
{
	struct fake_volume *f = container_of(v, struct fake_volume, base);

	if (f->opts.flavour == 13)
		return err_set(err, -EINVAL, "flavour 13 is bad luck");
	return 0;
}

static const struct opt_field fake_options[] = {
	{ .key = "flavour",
	  .type = OPT_U32,
	  .offset = offsetof(struct fake_volume, opts.flavour) -
		    offsetof(struct fake_volume, opts),
	  .size = sizeof(uint32_t) },
	{ .key = "label",
	  .type = OPT_STR,
	  .offset = offsetof(struct fake_volume, opts.label) -
		    offsetof(struct fake_volume, opts),
	  .size = 16 },
	{ .key = "size",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct fake_volume, opts.size) -
		    offsetof(struct fake_volume, opts),
	  .size = sizeof(uint64_t) },
	{ .key = "from",
	  .type = OPT_STR,
	  .offset = offsetof(struct fake_volume, opts.from) -
		    offsetof(struct fake_volume, opts),
	  .size = 64 },
	{ 0 },
};

static const struct vol_driver plain_driver = {
	.name = "plain",
	.volume_size = sizeof(struct fake_volume),
	.options_offset = offsetof(struct fake_volume, opts),
	.options_size = sizeof(((struct fake_volume *)0)->opts),
	.options = fake_options,
	.init = fake_options_check,
	.create = fake_create,
	.unmake = fake_unmake,
	.remove = fake_remove,
	.mount = fake_mount,
	.unmount = fake_unmount,
	.path = fake_path,
	.verify = fake_verify,
};

static const struct vol_driver fake_driver = {
	.name = "fake",
	.volume_size = sizeof(struct fake_volume),
	.options_offset = offsetof(struct fake_volume, opts),
	.options_size = sizeof(((struct fake_volume *)0)->opts),
	.options = fake_options,
	.init = fake_options_check,
	.create = fake_create,
	.unmake = fake_unmake,
	.remove = fake_remove,
	.mount = fake_mount,
	.unmount = fake_unmount,
	.resize = fake_resize,
	.rename = fake_rename,
	.path = fake_path,
	.verify = fake_verify,
	.usage = fake_usage,
	.snapshot_add = fake_snapshot_add,
	.snapshot_del = fake_snapshot_del,
	.snapshots = fake_snapshots,
	.snapshot_open = fake_snapshot_open,
	.rollback = fake_rollback,
	.clone = fake_clone,
	.stage = fake_stage,
	.settle = fake_settle,
	.unstage = fake_unstage,
	.flush = fake_flush,
};

static int boot;

int __wrap_netns_boot_id(char buf[static 37], struct err *err);
int __wrap_netns_boot_id(char buf[static 37], struct err *err)
{
	(void)err;
	snprintf(buf, 37, "%08d-0000-4000-8000-000000000000", boot);
	return 0;
}

void fake_cut_power(const char *name)
{
	if (fake_there("was", name) || fake_there("wasnot", name))
		fake_set("vol", name, fake_there("was", name));
	fake_set("was", name, false);
	fake_set("wasnot", name, false);
	fake_set("mnt", name, false);
	boot++;
}

/* ---- a life ------------------------------------------------------------ */

static char dir[64];

static void life_open(struct life *l)
{
	char sub[96];

	snprintf(sub, sizeof(sub), "%s/state", dir);
	OK(store_open(sub, STORE_STATE, &l->d.state, &err));
	snprintf(sub, sizeof(sub), "%s/run", dir);
	OK(store_open(sub, STORE_RUN, &l->d.run, &err));
	OK(vol_core_open(fake_is_plain ? &plain_driver : &fake_driver, &l->d,
			 60, &l->core, &err));
}

static void life_close(struct life *l)
{
	vol_core_close(l->core);
	store_close(l->d.run);
	store_close(l->d.state);
}

/* Run @fn in a life of its own, with the fault @fp.  Return: wait status. */
int live(void (*fn)(struct life *l, void *arg), void *arg, const char *fp)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct life l = { 0 };

		setenv("BERTH_FP", fp ? fp : "", 1);
		life_open(&l);
		fn(&l, arg);
		life_close(&l);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int fake_setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/berth-test-vol-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*clock_skew_s = 0;
	return base < 0;
}

int fake_teardown(void **state)
{
	int r = tree_empty(base, NULL, NULL, NULL);

	(void)state;
	close(base);
	return r | rmdir(dir);
}

/* ---- requests ---------------------------------------------------------- */

/* The answer reached the peer. */
static int delivered(struct life *l, uint64_t seq, int r)
{
	if (r == 0 && seq)
		vol_core_delivered(l->core, seq);
	return r;
}

int create(struct life *l, const char *name, const char *opts)
{
	_cleanup_(json_putp) json_object *map = NULL;
	struct err said = { 0 };
	uint64_t seq = 0;
	int r;

	if (opts)
		OK(jdec_parse(opts, strlen(opts), &map, &err));
	r = vol_create(l->core, name, map, &seq, &said);
	CHECK((r < 0) || !said.msg[0]);
	return delivered(l, seq, r);
}

int mount_id(struct life *l, const char *name, const char *id)
{
	char path[VOL_PATH_MAX] = "";
	uint64_t seq = 0;
	int r = vol_mount(l->core, name, id, path, &seq, NULL);

	if (r == 0) {
		CHECK(strncmp(path, "/fake/", 6) == 0);
		CHECK(strcmp(path + 6, name) == 0);
		CHECK(fake_there("mnt", name));
	}
	return delivered(l, seq, r);
}

int unmount_id(struct life *l, const char *name, const char *id)
{
	uint64_t seq = 0;
	int r = vol_unmount(l->core, name, id, &seq, NULL);

	return delivered(l, seq, r);
}

int resize(struct life *l, const char *name, uint64_t size)
{
	struct err err = { 0 };
	uint64_t seq = 0;
	int r = vol_resize(l->core, name, size, &seq, &err);

	vol_core_delivered(l->core, seq);
	return r;
}

int remove_it(struct life *l, const char *name)
{
	uint64_t seq = 0;
	int r = vol_remove(l->core, name, &seq, NULL);

	return delivered(l, seq, r);
}

static int note_users(void *ctx, const struct vol_info *v)
{
	*(int *)ctx = (int)v->users;
	return 0;
}

/* -1: no such volume. */
int users(struct life *l, const char *name)
{
	int n = -1;

	(void)vol_get(l->core, name, true, note_users, &n, NULL);
	return n;
}

int count_one(void *ctx, const struct vol_info *v)
{
	CHECK(v->path[0] == '/');
	++*(int *)ctx;
	return 0;
}

static void complain(void *ctx, const char *line)
{
	fprintf(stderr, "# %s\n", line);
	++*(int *)ctx;
}

int problems(struct life *l)
{
	int n = 0;

	OK(vol_check(l->core, complain, &n, &err));
	return n;
}

/* Let the time of kept answers pass. */
void fake_expire(struct life *l)
{
	*clock_skew_s += JOURNAL_KEEP_MS / 1000 + 1;
	for (int i = 0; i < 10; i++)
		vol_core_tick(l->core);
}

int fake_dir(void)
{
	return base;
}

const char *fake_path_of_dir(void)
{
	return dir;
}

void *fake_shared(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void fake_init(void)
{
	clock_skew_s = fake_shared(sizeof(*clock_skew_s));
}
