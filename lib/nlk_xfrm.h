/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlk_xfrm.h - has this host IPsec policies, and when does that change?
 *
 * A handle is bound to the network namespace it was opened in.  One thread at a
 * time.
 */
#ifndef LIB_NLK_XFRM_H
#define LIB_NLK_XFRM_H

#include "lib/base.h"
#include "lib/err.h"

struct nlk_xfrm;

/*
 * nlk_xfrm_open() - begin to listen.
 * @ret: owned; NULL where the kernel has no IPsec (then it has no policies, and
 *       no call below is to be made).
 * Return: 0; -errno.
 */
int nlk_xfrm_open(struct nlk_xfrm **ret, struct err *err);
void nlk_xfrm_close(struct nlk_xfrm *x); /* NULL is fine */
DEFINE_CLEANUP(struct nlk_xfrm, nlk_xfrm_close)
int nlk_xfrm_fd(const struct nlk_xfrm *x); /* borrowed, for poll() */
/* Read all events that are there, without blocking.  Return: whether policies may
 * have changed, 1 or 0 (1 also when events were lost); -errno. */
int nlk_xfrm_read(struct nlk_xfrm *x, struct err *err);
/* Is there any policy, of whatever direction, that is not one socket's own, or
 * does the kernel block what none is for?  Return: 1; 0; -errno. */
int nlk_xfrm_any(struct nlk_xfrm *x, struct err *err);

#endif
