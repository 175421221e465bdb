/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_priv.h - between image.c, and what reads each of the two forms. */
#ifndef NETCTL_IMAGE_IMAGE_PRIV_H
#define NETCTL_IMAGE_IMAGE_PRIV_H

#include <stdbool.h>

#include "netctl/image/image.h"

/* image_json() - a file of any JSON.  @ret: owned; NULL: "null". */
int image_json(struct image_source *s, const char *name,
	       char digest[static DIGEST_HEX_MAX], json_object **ret,
	       struct err *err);
/* image_blob() - the object that the descriptor @desc is of; owned. */
int image_blob(struct image_source *s, json_object *desc, json_object **ret,
	       char digest[static DIGEST_HEX_MAX], struct err *err);

/* image_config() - @all: the configuration, when the layers were added. */
int image_config(json_object *all, struct image *ret, struct err *err);
int image_add_layer(struct image *i, const char *name, struct err *err);

/* image_take_name() - a copy of @name is .name; -EBADMSG: it is too long for one. */
int image_take_name(struct image *i, const char *name, struct err *err);

/* By index.json; by manifest.json. */
int image_read_index(struct image_source *s, json_object *index,
		     const char *tag, const char *arch, struct image *ret,
		     struct err *err);
int image_read_saved(struct image_source *s, json_object *manifest,
		     const char *tag, const char *arch, struct image *ret,
		     struct err *err);

/* Is @tag the whole @name, or, but where @whole, what is behind a "/" in it or its last
 * ":"? */
bool image_is_called(const char *name, const char *tag, bool whole);

#endif
