/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pin_map.h - maps of a program that a later daemon goes on with, pinned under
 * their own names.
 *
 * Both look at the maps of @obj whose names begin with @prefix.
 */
#ifndef DATAPLANE_EBPF_PIN_MAP_H
#define DATAPLANE_EBPF_PIN_MAP_H

#include "dataplane/ebpf/pin.h"

struct bpf_object;

/* Before loading: take those that are pinned.  -EPROTO: one is of another
 * layout. */
int pin_reuse_maps(const struct pin_dir *d, struct bpf_object *obj,
		   const char *prefix, struct err *err);
/* After loading: pin those that are not. */
int pin_maps(const struct pin_dir *d, struct bpf_object *obj,
	     const char *prefix, struct err *err);

#endif
