/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.h - what a container is called in its networks, told to berth-dns.
 *
 * Of networks with names (berth-bridge's -o berth.names=on, berth-overlay's): the
 * container's name and the first 12 characters of its id, as Docker has it.  What was told
 * is in the record ("Told") before, and until it was taken back.
 */
#ifndef NETCTL_BOX_NAMES_H
#define NETCTL_BOX_NAMES_H

#include <sys/types.h>

#include "netctl/box/box.h"
#include "netctl/box/resolver.h"

/*
 * box_names_tell() - after the networks were joined.
 * @pid: the container's.
 * @ret: owned: what answers it at 127.0.0.11; NULL: nobody.
 * A berth-dns that does not run, or refuses, is no failure: then nobody knows its name.
 */
int box_names_tell(const struct ctl *ctl, struct box *b, pid_t pid,
		   struct resolver **ret, struct err *err);
/* box_names_untell() - twice is harmless; an error: it stays on record. @err may be
 * NULL. */
int box_names_untell(const struct ctl *ctl, struct box *b, struct err *err);

#endif
