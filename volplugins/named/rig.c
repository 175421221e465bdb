/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The named driver on a loop device, for unit tests. */
#include "lib/test/test.h"

#include "volplugins/named/rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/jdec.h"
#include "lib/tree.h"

static void start(struct rig *rig)
{
	struct err err = { 0 };

	if (named_driver.host_open(&rig->d, &rig->host, &err) < 0)
		fail_msg("%s", err.msg);
}

bool rig_open(struct rig *rig, const char *mkfs, const char *opts)
{
	char path[128];

	*rig = (struct rig){ .volumes = -EBADF };
	if (loopfs_open(&rig->fs, mkfs, opts) < 0) {
		print_message("SKIP: no %s on a loop device here\n", mkfs);
		return false;
	}
	rig->d.dirs.state_dir = rig->fs.dir;
	start(rig);
	snprintf(path, sizeof(path), "%s/berth-named/volumes", rig->fs.dir);
	rig->volumes = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rig->volumes >= 0);
	return true;
}

void rig_close(struct rig *rig)
{
	named_driver.host_close(take_ptr(rig->host));
	close(take_fd(rig->volumes));
	assert_int_equal(loopfs_close(&rig->fs), 0);
}

void rig_restart(struct rig *rig)
{
	named_driver.host_close(take_ptr(rig->host));
	start(rig);
}

struct vol_volume *rig_volume(struct rig *rig, const char *name,
			      const char *opts)
{
	struct vol_volume *v = calloc(1, named_driver.volume_size);
	_cleanup_(json_putp) json_object *map = NULL;
	struct err err = { 0 };

	assert_non_null(v);
	v->driver = &named_driver;
	v->host = rig->host;
	snprintf(v->name, sizeof(v->name), "%s", name);
	named_driver.defaults(v);
	assert_int_equal(jdec_parse(opts, strlen(opts), &map, NULL), 0);
	if (opts_decode(map, named_driver.options,
			(char *)v + named_driver.options_offset, "x",
			&err) < 0 ||
	    named_driver.init(v, &err) < 0)
		fail_msg("%s", err.msg);
	return v;
}

int rig_resize(struct vol_volume *base, uint64_t size, struct err *err)
{
	struct named_volume *v = to_named(base);
	struct named_meta m = v->meta;
	_cleanup_close_ int dir =
		tree_open(named_host_of(v)->volumes, base->name, NULL);
	int r = v->backing->resize(v, dir, size, err);

	m.size = size;
	if (r == 0)
		r = named_meta_write(dir, &m, err);
	if (r == 0)
		v->meta = m;
	return r;
}

void rig_shell(struct rig *rig, const char *command)
{
	char line[900];

	snprintf(line, sizeof(line), "cd berth-named/volumes && { %s; }",
		 command);
	if (loopfs_run(&rig->fs, line) != 0)
		fail_msg("failed: %s", command);
}

bool rig_has(struct rig *rig, const char *path)
{
	return faccessat(rig->volumes, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void rig_settle(struct rig *rig)
{
	for (int i = 0; i < 500; i++) {
		if (loopfs_run(
			    &rig->fs,
			    "test -z \"$(ls berth-named/volumes/.trash)\"") ==
		    0)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	fail_msg("the trash does not empty");
}
