/* SPDX-License-Identifier: GPL-2.0-or-later */
/* figures.h - the pages of figures of all daemons (docs/metrics.md) as one. */
#ifndef NETCTL_FIGURES_H
#define NETCTL_FIGURES_H

#include <stddef.h>

#include "lib/base.h"
#include "netctl/cli.h"

/*
 * figures_join() - the pages @pages (@count of them) as one: a family that several have
 * is there once, with all samples, in the order in which they are met.
 *
 * Return: owned; NULL: out of memory.
 */
char *figures_join(const char *const *pages, size_t count, size_t *ret_len);

/*
 * figures_collect() - of every daemon that has a socket, with a family berth_up that is 1
 * for each that answered and 0 for the others.
 *
 * @ret: owned.  Return: 0, also when none answers; -ENOMEM.
 */
int figures_collect(const struct ctl *ctl, char **ret, size_t *ret_len,
		    struct err *err);

#endif
