/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * luks.h - LUKS2 headers.  The only user of libcryptsetup.
 *
 * What is on the disk is LUKS2 as cryptsetup writes and reads it; the device
 * that deciphers it is the caller's to make, by lib/dmx.h, so that it bears our
 * mark and goes with its last user.  (The library would make it by state of
 * libdevmapper that the whole process shares.)
 *
 * A key is random bytes, of a file as a rule: it is not stretched.  Who holds
 * one wipes it (luks_key_wipe(), or _cleanup_).  Thread-safe; one at a time.
 */
#ifndef LIB_LUKS_H
#define LIB_LUKS_H

#include <stddef.h>
#include <string.h>

#include "lib/dmx.h"
#include "lib/err.h"

#define LUKS_HEADER  (1ull << 20) /* bytes before the data */
#define LUKS_KEY_MIN 32
#define LUKS_KEY_MAX 8192
#define LUKS_SECTOR  4096 /* what is ciphered at once */

struct luks_key {
	size_t size; /* LUKS_KEY_MIN..LUKS_KEY_MAX */
	unsigned char bytes[LUKS_KEY_MAX];
};

/* How the kernel is to decipher it: of a "crypt" table at .below, "8:1". */
struct luks_line {
	char params[DMX_PARAMS_MAX]; /* with the key that the data have */
};

static inline void luks_key_wipe(struct luks_key *k)
{
	explicit_bzero(k, sizeof(*k));
}

static inline void luks_line_wipe(struct luks_line *l)
{
	explicit_bzero(l, sizeof(*l));
}

/*
 * luks_format() - a new header on @path (a device, or a file), which is
 * overwritten: aes-xts with a key of its own, that @key opens.
 *
 * Return: 0; -errno: what is on @path is of no use.
 */
int luks_format(const char *path, const struct luks_key *key, struct err *err);

/*
 * luks_open() - the key of the data, and where they are.
 *
 * Only what luks_format() makes: a header that says another cipher (none, as
 * who can write to the disk would like it), for the data or in any of its key
 * slots, is refused.  So is a key slot that is stretched by anything but PBKDF2,
 * or so long that to try it would hold up all others.
 *
 * @below: the device @path, as tables name it: "253:4".
 * Return: 0; -EKEYREJECTED: @key is not its; -EUCLEAN: no such header.
 */
int luks_open(const char *path, const char *below, const struct luks_key *key,
	      struct luks_line *ret, struct err *err);

#endif
