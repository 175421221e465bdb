/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - layers of images, unpacked, and which images are made of them.
 *
 * STATE_DIR/netctl/images/ has "layers/<diff_id>/fs", a lower directory of overlayfs,
 * shared by all images and containers that have it; "images/<id>", a record (JSON) each;
 * "staging/", what is being made or deleted; "lock".
 *
 * Whoever has the store open has its lock.  What was begun by somebody who was killed is
 * in "staging", or is a layer that no image and no container has: both go when the store
 * is next opened.
 */
#ifndef NETCTL_IMAGE_STORE_H
#define NETCTL_IMAGE_STORE_H

#include <json-c/json.h>

#include "netctl/cli.h"
#include "netctl/image/image.h"

struct image_store {
	const struct ctl *ctl;
	char *path;    /* owned */
	int dir, lock; /* owned */
};

/* image_store_open() - made where it is not there; waits for others.  On failure there
 * is nothing to close. */
int image_store_open(const struct ctl *ctl, struct image_store *ret,
		     struct err *err);
void image_store_close(struct image_store *s);

/*
 * image_store_add() - the image @i of @from: those of its layers that are not there yet
 * are unpacked, and checked by both of their digests.
 *
 * @name: what it is to be called; the one of before is forgotten.
 * Return: 0: all is on the disk; else nothing of it is left.
 */
int image_store_add(struct image_store *s, struct image_source *from,
		    const struct image *i, const char *name, struct err *err);

/* image_store_list() - @ret: owned array: ID, Name, Created, Layers, Bytes (on the disk,
 * shared layers in each), Containers (names of those made from it). */
int image_store_list(struct image_store *s, json_object **ret, struct err *err);

/* image_store_remove() - the image of @id, and its layers that nobody else has.  Twice is
 * harmless. */
int image_store_remove(struct image_store *s, const char *id, struct err *err);

/* image_store_layer() - the path of a layer's files.  Owned; NULL: no memory. */
char *image_store_layer(const struct ctl *ctl, const char *diff_id);

#endif
