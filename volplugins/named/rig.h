/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rig.h - for unit tests: the named driver on a file system of the test's own.
 * Fails the test where something is not as it must be. */
#ifndef VOLPLUGINS_NAMED_RIG_H
#define VOLPLUGINS_NAMED_RIG_H

#include <stdbool.h>

#include "lib/test/loopfs.h"
#include "volplugins/named/named_priv.h"

struct rig {
	struct loopfs fs;
	struct plugd d;
	void *host;
	int volumes; /* the directory */
};

/* rig_open() - false, with a SKIP line: the file system is not to be had. */
bool rig_open(struct rig *rig, const char *mkfs, const char *mount);
void rig_close(struct rig *rig);
/* The daemon ends, and starts again. */
void rig_restart(struct rig *rig);
/* A volume as the core makes one; owned, free(). */
struct vol_volume *rig_volume(struct rig *rig, const char *name,
			      const char *opts);
/* With the calls a request makes; @err may be NULL. */
int rig_resize(struct vol_volume *v, uint64_t size, struct err *err);
/* A shell command in the directory of volumes; must succeed. */
void rig_shell(struct rig *rig, const char *command);
bool rig_has(struct rig *rig, const char *path);
/* Wait for the trash to be empty. */
void rig_settle(struct rig *rig);

#endif
