/* SPDX-License-Identifier: GPL-2.0-or-later */
/* caps.h - the five capability sets of a process, by capset(2) and prctl(2). */
#ifndef RUNTIME_OCI_CAPS_H
#define RUNTIME_OCI_CAPS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "runtime/oci/spec.h"

struct caps {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

/* caps_number() - of "CAP_NET_RAW".  -ENOENT. */
int caps_number(const char *name);
/* caps_name() - the other way; NULL past the last there is. */
const char *caps_name(unsigned int number);

/*
 * caps_decode() - names to sets.
 *
 * A name this program or kernel doesn't know is left out, as the spec asks.
 *
 * @ret_unknown: the first such name, borrowed; NULL when all are known.
 */
void caps_decode(const struct spec_caps *in, struct caps *ret,
		 const char **ret_unknown);
/* caps_own() - what the calling thread may hold at most: its permitted set.
 * -errno. */
int caps_own(uint64_t *ret);
/*
 * caps_fit(), caps_fit_ambient() - leave out what the kernel would refuse: of
 * all sets but bounding what @own doesn't hold; of ambient what isn't permitted
 * and inheritable as well.
 *
 * Return: those that were in a set and are not any more.
 */
uint64_t caps_fit(struct caps *c, uint64_t own);
uint64_t caps_fit_ambient(struct caps *c);
/* caps_text() - "CAP_CHOWN CAP_KILL"; cut where @buf ends. */
void caps_text(uint64_t set, char *buf, size_t size);
/* caps_drop_bounding() - what isn't in @c->bounding; needs CAP_SETPCAP. */
int caps_drop_bounding(const struct caps *c, struct err *err);
/* caps_apply() - the other four, fitted; after setuid, with PR_SET_KEEPCAPS
 * before it. */
int caps_apply(const struct caps *c, struct err *err);

#endif
