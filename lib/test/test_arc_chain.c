/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Increments: change by change, a tree is made again from a chain of archives, by us
 * and by tar(1); and chains that are no chain. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/arc_priv.h"
#include "lib/test/arc_forge.h"
#include "lib/test/loopfs.h"

static struct loopfs fs;
static bool usable;
static size_t top; /* of its name, where it is mounted */

/* A test that failed may have stood in a directory of it. */
#define NEED_FS()                   \
	do {                        \
		if (!usable)        \
			skip();     \
		fs.dir[top] = '\0'; \
	} while (0)

/* tar(1) reads the same of any; it costs as much as all the others together. */
static const struct kind {
	const char *name, *mkfs;
	bool tar;
} kinds[] = {
	{ "ext4", "mkfs.ext4 -q", true },
	{ "btrfs", "mkfs.btrfs -q", false },
	{ "xfs", "mkfs.xfs -q", false },
};

static void shell(const char *command)
{
	loopfs_must(&fs, command);
}

static int open_at(const char *name, int flags)
{
	return loopfs_file(&fs, name, flags);
}

/* @since: NULL: whole. */
static struct arc_sum write_while(const char *dir, const char *since,
				  const char *file,
				  const struct arc_hooks *hooks)
{
	_cleanup_close_ int root = open_at(dir, O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int out = open_at(file, O_WRONLY | O_CREAT | O_TRUNC);
	_cleanup_(arc_index_freep) struct arc_index *x = NULL;
	struct arc_sum sum = { 0 };
	struct err err = { 0 };

	if (since) {
		_cleanup_close_ int in = open_at(since, O_RDONLY);

		assert_int_equal(arc_index_load(in, &x, &err), 0);
	}
	if (arc_write(root, time(NULL), x, out, hooks, &sum, &err) < 0)
		fail_msg("%s", err.msg);
	return sum;
}

static struct arc_sum write_it(const char *dir, const char *since,
			       const char *file)
{
	static const struct arc_hooks hooks;

	return write_while(dir, since, file, &hooks);
}

static int read_it(const char *file, const char *dir, const char *after,
		   struct arc_sum *sum, struct err *err)
{
	static const struct arc_hooks hooks;
	_cleanup_close_ int root = open_at(dir, O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int in = open_at(file, O_RDONLY);

	return arc_read(in, root, after, &hooks, sum, err);
}

/* "0.z", "1.z" ... in order into @dir. */
static void read_chain(const char *dir, unsigned int count)
{
	struct arc_sum sum = { 0 };
	struct err err = { 0 };
	char after[65] = "", file[16];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%u.z", i);
		if (read_it(file, dir, i ? after : NULL, &sum, &err) < 0)
			fail_msg("%s: %s", file, err.msg);
		snprintf(after, sizeof(after), "%s", sum.sha256);
	}
}

/* ---- change by change ---------------------------------------------------------------- */

static const char first[] =
	"rm -rf t; mkdir t; cd t; echo hello >file; mkdir -p d/e/f g; "
	"ln file d/hard; ln -s nowhere soft; mknod null c 1 3; mkfifo fifo; "
	"truncate -s 8M sparse; printf end >>sparse; "
	"head -c 300000 /dev/urandom >random; cp random same; "
	"for i in 1 2 3 4 5 6 7 8 9; do echo $i >d/e/$i; ln d/e/$i g/$i; done; "
	"setfattr -n user.colour -v blue file; setfattr -n user.x -v 1 g d; "
	"setfacl -m u:4242:rw file; setfacl -d -m g:77:rx d; "
	"setfacl -m u:7:rx g; chmod 2755 .; "
	"touch -d '2001-02-03 04:05:06.7' d/e/1 d/e";

/* Each is one increment. */
static const struct step {
	const char *name, *how;
	int files; /* put; -1: not counted */
	int deleted;
} steps[] = {
	{ "nothing", ":", 0, 0 },
	{ "a file written to", "echo more >>d/e/2", 4, 0 },
	{ "of the same size", "printf J | dd of=file conv=notrunc 2>/dev/null",
	  4, 0 },
	{ "mtime put back",
	  "touch -r random ref; printf XYZ | dd of=random seek=50000 bs=1 "
	  "conv=notrunc 2>/dev/null; touch -r ref random; rm ref",
	  2, 0 },
	{ "a new link", "ln same g/same", 2, 0 },
	{ "a link gone", "rm d/hard", 1, 1 },
	{ "a link cut", "cp -p d/e/3 x; mv x d/e/3", 4, 0 },
	{ "links of what is new", "echo n >n1; ln n1 d/n2; ln n1 n3", 5, 0 },
	{ "two files to one", "echo eq >q1; cp -p q1 q2; ln -f q1 q2", -1, 0 },
	{ "file to directory", "rm n1; mkdir n1; echo in >n1/in", 3, 1 },
	{ "directory to file", "rm -r n1; echo out >n1", 2, 1 },
	{ "directory to link", "rm -r d/e/f; ln -s ../.. d/e/f", 2, 1 },
	{ "link to directory", "rm d/e/f; mkdir d/e/f; echo x >d/e/f/x", 3, 1 },
	{ "link to elsewhere",
	  "ln -sfn else soft; touch -h -d '2001-01-01' soft", 2, 0 },
	{ "file to fifo", "rm n3; mkfifo n3", 2, 1 },
	{ "device to another", "rm null; mknod null c 1 5", 2, 0 },
	{ "renamed file", "mv same other", -1, 1 },
	{ "renamed tree", "mv d moved", -1, 1 },
	{ "two exchanged", "mv random y; mv other random; mv y other", 3, 0 },
	{ "attributes",
	  "setfattr -n user.colour -v red file; "
	  "setfattr -n trusted.more -v 0x00ff file",
	  2, 0 },
	{ "attribute taken away", "setfattr -x user.colour file", 2, 0 },
	{ "ACL taken away", "setfacl -b file", 2, 0 },
	{ "directory's attribute and ACL taken away",
	  "setfattr -x user.x g; setfacl -b g; setfacl -k moved", 2, 0 },
	{ "directory's mode and owner", "chmod 1700 g; chown 5:6 g", 1, 0 },
	{ "directory's time", "touch -d '1999-09-09 09:09:09.9' moved/e", 1,
	  0 },
	{ "a file in it, its time put back",
	  "echo y >moved/e/y; touch -d '1999-09-09 09:09:09.9' moved/e", 2, 0 },
	{ "mode of a file", "chmod 4711 moved/e/5", 4, 0 },
	{ "a hole more", "truncate -s 16M sparse", 2, 0 },
	{ "written into a hole",
	  "printf mid | dd of=sparse seek=3M bs=1 oflag=seek_bytes "
	  "conv=notrunc "
	  "2>/dev/null",
	  2, 0 },
	{ "shorter", "truncate -s 100 other", 2, 0 },
	{ "odd names",
	  "touch \"$(printf 'a\\377b')\" 'new\nline' '\303\244' ' -rf *'; "
	  "mkdir 'd ir'; echo z >'d ir/z\n'",
	  -1, 0 },
	{ "odd names gone",
	  "rm -- \"$(printf 'a\\377b')\" 'new\nline' ' -rf *'; rm -r 'd ir'", 1,
	  4 },
	{ "our own names", "echo mine >.berth-since; echo too >.berth-deleted",
	  3, 0 },
	{ "our own names gone", "rm .berth-since .berth-deleted", 1, 2 },
	{ "all of it", "rm -rf * .??*", 1, -1 },
	{ "something again", "mkdir -p a/b/c; echo d >a/b/c/d", 5, 0 },
};

#define BY_TAR 22 /* the step "ACL taken away" */

static void same_trees(const char *a, const char *b, const char *after)
{
	loopfs_alike(&fs, a, b, after);
}

/* As docs/volumes/backup.md says it.  Attributes and ACLs that a directory had stay. */
static const char by_tar[] =
	"while [ -e $n.z ]; do "
	"tar --zstd -xOf $n.z --occurrence=1 ./.berth-deleted 2>/dev/null | "
	"(cd p && xargs -0r rm -rf --); "
	"tar --zstd --exclude=./.berth-since --exclude=./.berth-deleted "
	"--xattrs --xattrs-include='*' --acls --numeric-owner -xpf $n.z -C p "
	"2>tar.log || { cat tar.log >&2; exit 1; }; n=$((n + 1)); done";

/* All from "@from.z" on into "p". */
static void read_by_tar(unsigned int from)
{
	char line[800];

	snprintf(line, sizeof(line), "n=%u; %s", from, by_tar);
	shell(line);
}

static void change(const struct step *s, unsigned int n)
{
	char line[600], was[16], file[16];
	struct arc_sum sum;

	snprintf(line, sizeof(line), "cd t; %s", s->how);
	shell(line);
	snprintf(was, sizeof(was), "%u.z", n - 1);
	snprintf(file, sizeof(file), "%u.z", n);
	sum = write_it("t", was, file);
	if (s->files >= 0 && sum.files != (uint64_t)s->files)
		fail_msg("%s: %llu files put", s->name,
			 (unsigned long long)sum.files);
	if (s->deleted >= 0 && sum.deleted != (uint64_t)s->deleted)
		fail_msg("%s: %llu deleted", s->name,
			 (unsigned long long)sum.deleted);
}

/* After each change one more archive, and the tree it makes. */
static void change_by_change(bool tar)
{
	struct arc_sum sum = { 0 };
	struct err err = { 0 };
	char after[65] = "", file[16];

	shell("rm -rf *.z u v p; mkdir u v p");
	shell(first);
	(void)write_it("t", NULL, "0.z");
	for (unsigned int n = 0; n <= ARRAY_SIZE(steps); n++) {
		if (n > 0)
			change(&steps[n - 1], n);
		snprintf(file, sizeof(file), "%u.z", n);
		if (read_it(file, "u", n ? after : NULL, &sum, &err) < 0)
			fail_msg("%s: %s", steps[n - 1].name, err.msg);
		snprintf(after, sizeof(after), "%s", sum.sha256);
		same_trees("t", "u", n ? steps[n - 1].name : "the whole");
		if (n != BY_TAR)
			continue;
		read_chain("v", n + 1);
		same_trees("t", "v", "at once");
		if (tar) { /* until a directory loses something */
			read_by_tar(0);
			same_trees("t", "p", "by tar");
		}
	}
	if (tar) {
		read_by_tar(BY_TAR + 1);
		shell("diff -r t p");
	}
}

static void kind_row(void **state)
{
	const struct kind *kind = *state;

	if (loopfs_open(&fs, kind->mkfs, "loop") != 0)
		skip();
	change_by_change(kind->tar);
	assert_int_equal(loopfs_close(&fs), 0);
}

/* What follows is done in the directory @name. */
static void enter(const char *name)
{
	assert_true(strlen(fs.dir) + strlen(name) + 2 <= sizeof(fs.dir));
	strcat(strcat(fs.dir, "/"), name);
}

static void leave(void)
{
	*strrchr(fs.dir, '/') = '\0';
}

static void in_memory(void **state)
{
	(void)state;
	NEED_FS();
	shell("mkdir -p m; mount -t tmpfs -o size=200m none m");
	enter("m");
	change_by_change(false);
	leave();
	shell("umount m; rmdir m");
}

#define YOUNG_MS 3100 /* what is older than an archive by that is not young */
#define NEWER_MS 2100 /* nor, by that than the newest in it, among those */

/* ---- in doubt -------------------------------------------------------------------------- */

static struct timespec old_made;

/* Made before all the tests of this file system, so that few of them have to wait. */
static void make_old(const char *name, const char *how)
{
	char line[400];

	snprintf(line, sizeof(line), "mkdir -p %s; cd %s; mkdir t u; %s", name,
		 name, how);
	shell(line);
	clock_gettime(CLOCK_MONOTONIC, &old_made);
}

static void enter_old(const char *name)
{
	while (test_ms_since(&old_made) < YOUNG_MS)
		test_pause_ms(50);
	enter(name);
}

static char *map_page(const char *file)
{
	_cleanup_close_ int fd = open_at(file, O_RDWR);
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(map != MAP_FAILED);
	return map;
}

static char *written; /* "tm/t/f" */

static void make_written(void)
{
	shell("mkdir tm; mount -t tmpfs none tm");
	make_old("tm", "head -c 4096 /dev/zero >t/f");
	written = map_page("tm/t/f");
	written[0] = 1;
}

/* In memory what is mapped and was written to is written to again unseen. */
static void written_through_a_mapping(void **state)
{
	struct arc_sum sum;

	(void)state;
	NEED_FS();
	enter_old("tm");
	shell("touch t/new; stat -c %z t/f >A");
	(void)write_it("t", NULL, "0.z");
	written[1] = 1;
	shell("stat -c %z t/f | cmp - A");
	sum = write_it("t", "0.z", "1.z");
	assert_int_equal(sum.files, 2);
	munmap(take_ptr(written), 4096);
	leave();
	shell("umount tm");
}

/* ---- changed while it is read -------------------------------------------------------- */

/* What somebody else does as soon as @after files were told. */
struct meddler {
	const char *how; /* in a shell; NULL: write to .map */
	const char *then;
	char *map;
	unsigned int after, told;
	unsigned int pause_ms;
};

static int meddle(void *ctx, uint64_t bytes)
{
	struct meddler *m = ctx;

	(void)bytes;
	if (m->told++ != m->after)
		return 0;
	if (m->how)
		shell(m->how);
	else
		m->map[0] = 1;
	test_pause_ms(m->pause_ms);
	shell(m->then);
	return 0;
}

/* Its page stays dirty, so that the second writing leaves the time of the first. */
static void mapped_while_it_is_read(void **state)
{
	struct meddler m = { .pause_ms = NEWER_MS, .then = "touch t/new" };
	const struct arc_hooks hooks = { .ctx = &m, .progress = meddle };

	(void)state;
	NEED_FS();
	enter_old("mapped");
	m.map = map_page("t/f");
	(void)write_while("t", NULL, "0.z", &hooks);
	m.map[1] = 1;
	(void)write_it("t", "0.z", "1.z");
	read_chain("u", 2);
	same_trees("t", "u", "written to again");
	munmap(m.map, 4096);
	leave();
}

/* What happens while 0.z, or 1.z, is made.  The next one must make up for it. */
struct between {
	const char *name, *made;
	const char *before; /* 1.z is made after this; NULL: it is 0.z */
	unsigned int after; /* files, or parts of them, told */
	const char *how;
	bool old; /* times prove what was there, and what is there next */
};

/* One of the names is read before, and one after; which, the directory decides. */
#define NAMES    "mkdir t/a t/b; echo one >t/a/f; ln t/a/f t/b/f"
#define PUT_BACK "touch -r t/a/f ref; echo two >t/a/f; touch -r ref t/a/f"

static const struct between betweens[] = {
	{ "a file of two names", NAMES, NULL, 3, "echo two >t/a/f", false },
	{ "a file of two names, time put back", NAMES, NULL, 3, PUT_BACK,
	  true },
	{ "a file of two names, only compared", NAMES, ":", 3, PUT_BACK, true },
	{ "a file of two names, read to compare it", NAMES, ":", 3, PUT_BACK,
	  false },
	{ "a second name", "mkdir t/a t/b; echo x | tee t/a/f >t/b/f", NULL, 3,
	  "if find t -printf '%y %h\\n' | grep -m1 ^f | grep -q a; then "
	  "ln -f t/a/f t/b/f; else ln -f t/b/f t/a/f; fi",
	  false },
	{ "a name made a file of its own", NAMES, NULL, 3,
	  "cp -p t/a/f x; mv x t/a/f", false },
	{ "a directory renamed", NAMES, NULL, 3, "mv t/a t/c", false },
	{ "a file that grows", NAMES, ":", 2, "echo more >>t/b/f", false },
	{ "one that comes", NAMES, ":", 3, "echo new >t/a/new", false },
	{ "one that goes", NAMES, "echo two >t/a/f", 6, "rm t/a/f", false },
	{ "another kind", NAMES, "echo two >t/a/f", 6,
	  "rm t/a/f; mkdir t/a/f; echo x >t/a/f/x", false },
};

static const char *old_name(const struct between *row, char buf[static 16])
{
	snprintf(buf, 16, "old%d", (int)(row - betweens));
	return buf;
}

static void between_row(void **state)
{
	const struct between *row = *state;
	struct meddler m = { .how = row->how,
			     .then = "touch t/*", /* one is read later */
			     .after = row->after,
			     .pause_ms = row->old ? NEWER_MS : 20 };
	const struct arc_hooks hooks = { .ctx = &m, .progress = meddle };
	bool second = row->before;
	char name[16];

	NEED_FS();
	if (row->old) {
		enter_old(old_name(row, name));
	} else {
		shell("rm -rf *.z t u; mkdir t u");
		shell(row->made);
	}
	shell("chmod 700 t");
	if (second) {
		(void)write_it("t", NULL, "0.z");
		shell(row->before);
	}
	(void)write_while("t", second ? "0.z" : NULL, second ? "1.z" : "0.z",
			  &hooks);
	assert_true(m.told > m.after);
	(void)write_it("t", second ? "1.z" : "0.z", second ? "2.z" : "1.z");
	read_chain("u", second ? 3 : 2);
	same_trees("t", "u", row->name);
	if (row->old)
		leave();
}

/* Another host, other inodes and change times: only what is other is put. */
static void of_a_restored_one(void **state)
{
	struct arc_sum sum;

	(void)state;
	NEED_FS();
	shell("rm -rf *.z");
	shell(first);
	(void)write_it("t", NULL, "0.z");
	shell("rm -rf u; mkdir u");
	read_chain("u", 1);
	shell("printf J | dd of=u/g/4 conv=notrunc 2>/dev/null");
	sum = write_it("u", "0.z", "1.z");
	assert_int_equal(sum.files, 4); /* two names, two directories */
	shell("rm -rf v; mkdir v");
	read_chain("v", 2);
	same_trees("u", "v", "a change of what was restored");
}

/* ---- no chain -------------------------------------------------------------------------- */

struct wrong {
	const char *name, *how; /* makes x.z, to come after y.z */
	const char *msg;
	int want;
};

static const struct wrong wrongs[] = {
	{ "one left out", "cp 2.z x.z; cp 0.z y.z", "one is missing", -EINVAL },
	{ "twice", "cp 1.z x.z; cp 1.z y.z", "the order is another", -EINVAL },
	{ "of another chain", "cp o1.z x.z; cp 0.z y.z", "one is missing",
	  -EINVAL },
	{ "two whole ones", "cp 0.z x.z; cp 0.z y.z", "can only be the first",
	  -EINVAL },
	{ "an increment alone", "cp 1.z x.z; rm -f y.z",
	  "name the whole backup first", -EINVAL },
	{ "cut", "head -c -200 1.z >x.z; cp 0.z y.z", "no checksum", -EBADMSG },
	{ "cut early", "head -c 100 1.z >x.z; cp 0.z y.z", NULL, -EBADMSG },
	{ "its checksum is another's",
	  "{ head -c -98 1.z; tail -c 98 2.z; } >x.z; cp 0.z y.z",
	  "was changed since", -EBADMSG },
	{ "its index is another's",
	  "i() { n=$(tail -c 218 $1 | head -c 60 | cut -d' ' -f4); "
	  "echo $((n + 226)); }; { head -c -$(i 1.z) 1.z; "
	  "tail -c $(i 2.z) 2.z | head -c -98; tail -c 98 1.z; } >x.z; "
	  "cp 0.z y.z",
	  "was changed since", -EBADMSG },
	{ "empty", ": >x.z; cp 0.z y.z", NULL, -EBADMSG },
};

static void wrong_row(void **state)
{
	const struct wrong *row = *state;
	struct arc_sum before = { 0 }, sum = { 0 };
	struct err err = { 0 };
	bool alone;

	NEED_FS();
	shell("rm -rf *.z t o u; mkdir t o u; echo a >t/f; echo b >o/f");
	(void)write_it("t", NULL, "0.z");
	(void)write_it("o", NULL, "o0.z");
	shell("echo aa >t/f; echo bb >o/f");
	(void)write_it("t", "0.z", "1.z");
	(void)write_it("o", "o0.z", "o1.z");
	shell("echo aaa >t/g");
	(void)write_it("t", "1.z", "2.z");
	shell(row->how);
	alone = loopfs_run(&fs, "test -e y.z") != 0;
	if (strcmp(row->name, "twice") == 0) {
		struct arc_sum whole = { 0 };

		assert_int_equal(read_it("0.z", "u", NULL, &whole, NULL), 0);
		assert_int_equal(
			read_it("y.z", "u", whole.sha256, &before, NULL), 0);
	} else if (!alone) {
		assert_int_equal(read_it("y.z", "u", NULL, &before, NULL), 0);
	}
	assert_int_equal(
		read_it("x.z", "u", alone ? NULL : before.sha256, &sum, &err),
		row->want);
	if (row->msg && !strstr(err.msg, row->msg))
		fail_msg("says: %s", err.msg);
	assert_true(err.msg[0]);
}

/* ---- forged ------------------------------------------------------------------------------ */

struct forgery {
	const char *name, *deleted;
	size_t size;
	bool fine;
};

#define TEXT(s) s, sizeof(s)

static const struct forgery forgeries[] = {
	{ "nothing to delete", "", 0, true },
	{ "what is not there", TEXT("./nix\0./nix/nix"), true },
	{ "above", TEXT("./../secret"), false },
	{ "above, plainly", TEXT("../secret"), false },
	{ "absolute", TEXT("/secret"), false },
	{ "through a link", TEXT("./up/secret"), false },
	{ "above, later on", TEXT("./d/../../secret"), false },
	{ "itself", TEXT("./"), false },
	{ "itself, by a dot", TEXT("./."), false },
	{ "itself, by nothing", TEXT("."), false },
	{ "an empty path", TEXT(""), false },
	{ "no end", "./d", 3, false },
	{ "the link itself", TEXT("./up"), true },
	{ "a full directory", TEXT("./d"), true },
};

static void put(struct archive *a, const char *path, const void *data,
		size_t size)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, S_IFREG | 0600);
	archive_entry_set_size(e, (la_int64_t)size);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	if (size)
		assert_int_equal(archive_write_data(a, data, size), size);
	archive_entry_free(e);
}

static void forge(const struct forgery *row, const char *after)
{
	static char buf[1 << 16];
	_cleanup_close_ int fd = open_at("f.z", O_WRONLY | O_CREAT | O_TRUNC);
	char since[ARC_SINCE_SIZE + 1];
	size_t used = 0;
	struct archive *a = arc_forge_open(buf, sizeof(buf), &used);

	arc_since_make(since, after);
	put(a, ARC_SINCE, since, strlen(since));
	put(a, ARC_DELETED, row->deleted, row->size);
	arc_forge_close(a, fd, buf, &used);
}

static void forgery_row(void **state)
{
	const struct forgery *row = *state;
	struct arc_sum sum = { 0 };
	struct err err = { 0 };
	int r;

	NEED_FS();
	shell("rm -rf *.z t u; mkdir -p t/d u; echo x >t/d/x; ln -s .. t/up; "
	      "echo secret >secret");
	(void)write_it("t", NULL, "0.z");
	assert_int_equal(read_it("0.z", "u", NULL, &sum, NULL), 0);
	forge(row, sum.sha256);
	r = read_it("f.z", "u", sum.sha256, &sum, &err);
	assert_int_equal(r, row->fine ? 0 : -EBADMSG);
	assert_true(row->fine || err.msg[0]);
	shell("grep -q secret secret; test -d t/d; test -d u");
}

static int setup(void **state)
{
	char name[16];

	(void)state;
	usable = loopfs_open(&fs, "mkfs.ext4 -q", "loop") == 0;
	if (!usable)
		return 0;
	top = strlen(fs.dir);
	make_written();
	make_old("mapped", "touch t/new; head -c 4096 /dev/zero >t/f");
	for (size_t i = 0; i < ARRAY_SIZE(betweens); i++)
		if (betweens[i].old)
			make_old(old_name(&betweens[i], name),
				 betweens[i].made);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[64];
	size_t n = TEST_ROWS(tests, kinds, kind_row), first_ext4 = n;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(in_memory);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(written_through_a_mapping);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(mapped_while_it_is_read);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(of_a_restored_one);
	tests[first_ext4].setup_func = setup;
	n += TEST_ROWS(tests + n, betweens, between_row);
	n += TEST_ROWS(tests + n, wrongs, wrong_row);
	n += TEST_ROWS(tests + n, forgeries, forgery_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	n = (size_t)_cmocka_run_group_tests("arc_chain", tests, n, NULL, NULL);
	return usable && loopfs_close(&fs) != 0 ? 1 : (int)n;
}
