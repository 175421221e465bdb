/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - an image in its source: which one, its layers, what it says of its process.
 *
 * An OCI image layout (oci-layout, index.json), as "docker save" of Docker 25 and later,
 * podman and skopeo write it; or manifest.json, as docker save before wrote it.  All that
 * has a digest is checked against it.
 */
#ifndef NETCTL_IMAGE_IMAGE_H
#define NETCTL_IMAGE_IMAGE_H

#include <json-c/json.h>
#include <stdbool.h>

#include "netctl/image/source.h"

#define IMAGE_LAYERS_MAX 127 /* as Docker */
#define IMAGE_NAME_MAX   512 /* with the NUL; a repository has 255, a tag 128 */

struct image_layer {
	char *name;                   /* owned; in the source */
	char digest[DIGEST_HEX_MAX];  /* as packed; "": not said */
	char diff_id[DIGEST_HEX_MAX]; /* of its tar */
	uint64_t size;                /* as packed, where .digest is said */
};

struct image {
	char id[DIGEST_HEX_MAX]; /* of its configuration */
	char *name;              /* owned; what it is called there; "" */
	json_object *config;     /* owned; its "config": an object */
	struct image_layer layers[IMAGE_LAYERS_MAX]; /* the lowest first */
	size_t layer_count;
};

void image_fini(struct image *i);

/*
 * image_read() - the image @tag for machines of @arch.
 *
 * @tag:  a whole name, or, where there is no such, one without what Docker 25 and podman
 *        put before it ("docker.io/library/", "localhost/"), or what is behind its last
 *        ":"; "": there is but one.
 * @arch: as images call it: "amd64".
 * @ret:  zeroed; image_fini() it whatever is returned.
 * Return: 0; -ENOENT: no such image, or none for @arch, saying which there are;
 *         -ENOTUNIQ: several; -EBADMSG: no image, or a broken one.
 */
int image_read(struct image_source *s, const char *tag, const char *arch,
	       struct image *ret, struct err *err);

/* image_ends_in() - is @word the whole @name, or what is behind one of its "/"? */
bool image_ends_in(const char *name, const char *word);

/* image_arch() - of this machine. */
const char *image_arch(void);

/*
 * image_word() - what "run" was given: is it an image?
 *
 * A directory with "oci-layout" or "manifest.json" and without "proc" is, and a regular
 * file; with ":TAG" behind, where there is no such path with it.
 *
 * @ret_path: owned.  @ret_tag: in @word; "": none.
 * Return: 1; 0: no image; -ENOENT; -ENOMEM.
 */
int image_word(const char *word, char **ret_path, const char **ret_tag,
	       struct err *err);

/* image_digest() - "sha256:..." as hex; -EBADMSG: it is none.  @what: whose. */
int image_digest(const char *text, const char *what,
		 char ret[static DIGEST_HEX_MAX], struct err *err);

#endif
