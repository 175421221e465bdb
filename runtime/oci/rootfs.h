/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rootfs.h - the container's file system, made by its first process inside its
 * namespaces.
 *
 * Order: rootfs_open(), rootfs_mounts(), rootfs_devices(), [hooks],
 * rootfs_mask(), rootfs_pivot(), [terminal], rootfs_close_off().  A failure leaves nothing:
 * the mount namespace goes with the process.
 */
#ifndef RUNTIME_OCI_ROOTFS_H
#define RUNTIME_OCI_ROOTFS_H

#include <stdbool.h>

#include "lib/err.h"
#include "runtime/oci/cgroup.h"
#include "runtime/oci/spec.h"

struct rootfs {
	const struct spec *spec; /* borrowed */
	const char *path;        /* borrowed: absolute */
	const char *bundle;      /* borrowed: relative sources are below it */
	const struct cgroup *cg; /* borrowed */
	bool userns;             /* devices are bound, not made */
	int root;                /* owned: the root, O_PATH */
	int proc;                /* owned: the host's procfs */
	int null;                /* owned: the host's /dev/null */
	int *sealed;             /* owned: mounts to be read-only in the end */
	size_t sealed_count;
};

/* rootfs_open() - the host's propagation cut, the root a mount of its own. */
int rootfs_open(struct rootfs *fs, struct err *err);
int rootfs_mounts(struct rootfs *fs, struct err *err);
int rootfs_devices(struct rootfs *fs, struct err *err);
/* rootfs_mask() - read-only and masked paths; while the host's /dev/null is still
 * a mount of ours. */
int rootfs_mask(struct rootfs *fs, struct err *err);
/* rootfs_pivot() - the root becomes /; the host's is out of reach. */
int rootfs_pivot(struct rootfs *fs, struct err *err);
/* rootfs_close_off() - sysctls; the root read-only, and each tmpfs that is to be. */
int rootfs_close_off(struct rootfs *fs, struct err *err);
void rootfs_fini(struct rootfs *fs);

/* In rootfs_mount.c: show detached @mount at @path below the root. */
int rootfs_attach(int mount, int target, struct err *err);

#endif
