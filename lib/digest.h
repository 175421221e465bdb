/* SPDX-License-Identifier: GPL-2.0-or-later */
/* digest.h - SHA-256 of a stream.  The only user of nettle. */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define DIGEST_HEX_MAX 65 /* with the NUL */
#define DIGEST_SIZE    32 /* bytes */

struct digest;

struct digest *digest_new(void); /* owned; NULL: out of memory */
void digest_free(struct digest *d);
DEFINE_CLEANUP(struct digest, digest_free)
void digest_add(struct digest *d, const void *data, size_t size);
/* Of all that was added, in lower-case hex; the next digest_add() begins anew. */
void digest_end(struct digest *d, char hex[static DIGEST_HEX_MAX]);
/* The same as bytes. */
void digest_end_raw(struct digest *d, uint8_t raw[static DIGEST_SIZE]);

#endif
