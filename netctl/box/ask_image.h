/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask_image.h - what an image says of its process, and what "run" was told instead.
 *
 * As docker run does it.  @config: the image's (struct image), or NULL: a root directory.
 */
#ifndef NETCTL_BOX_ASK_IMAGE_H
#define NETCTL_BOX_ASK_IMAGE_H

#include "netctl/cli.h"
#include "netctl/image/image.h"

/* Image, ImageName, Layers. */
int box_image_root(const struct ctl *ctl, const struct image *image,
		   json_object *rec, struct err *err);
/* Entrypoint and command: what was told in place of either; owned array. */
json_object *box_image_args(const struct ctl *ctl, json_object *config);
/* Cwd, User, StopSignal. */
int box_image_process(const struct ctl *ctl, json_object *config,
		      json_object *rec, struct err *err);
/* Its own; owned. */
json_object *box_image_env(json_object *config);
json_object *box_image_labels(json_object *config);
/* "-P": what it exposes and @ports has not is put in there, and as typed into @words. */
int box_image_ports(json_object *config, json_object *ports, json_object *words,
		    struct err *err);

#endif
