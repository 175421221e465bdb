/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.h - the keys of encrypted volumes, by name; the one who owns the host keeps
 * them, not we.
 *
 * Looked for in this order: what was handed over at the start (--key-fd), the
 * service manager's credentials ($CREDENTIALS_DIRECTORY), the directory
 * (--key-dir).  A file is read when it is needed, so that a key that comes later
 * is found.
 */
#ifndef VOLPLUGINS_THIN_KEYS_H
#define VOLPLUGINS_THIN_KEYS_H

#include <stdbool.h>

#include "lib/luks.h"

#define THIN_KEY_DIR      "/etc/berth/keys"
#define THIN_KEY_NAME_MAX 65 /* with the NUL */
#define THIN_KEY_FDS      8

/* Zero, and what the flags say; then thin_keys_open(). */
struct thin_keys {
	const char *dir, *credentials; /* borrowed; .credentials: or NULL */
	struct thin_key *held[THIN_KEY_FDS]; /* owned */
	size_t held_count;
};

/* thin_key_name_ok() - one that can be a key's: [a-zA-Z0-9][a-zA-Z0-9_.-]*. */
bool thin_key_name_ok(const char *name, size_t size);
/* thin_keys_flag() - "NAME=FD": read at once, to its end, and closed, before this
 * process opens anything that could have its number; kept out of swap.  -EINVAL: it is no key. */
int thin_keys_flag(struct thin_keys *k, const char *spec, struct err *err);
/* From here on, or from the first thin_keys_flag(), this process leaves no core dump.
 * @credentials: a directory, or NULL. */
void thin_keys_open(struct thin_keys *k, const char *credentials);
/* Wiped. */
void thin_keys_close(struct thin_keys *k);

/*
 * thin_keys_get() - the key @name.
 *
 * A file is taken only if nobody but root can change or read it: it and the
 * directory are root's, its mode has nothing for others, and no link on the way
 * leads out of the directory.
 *
 * @ret: may be NULL: only look.  The caller wipes it; on an error, too.
 * Return: 0; -ENOKEY: there is none; -EPERM: others could have it; -EINVAL: no
 *         file, or of another size than a key.
 */
int thin_keys_get(const struct thin_keys *k, const char *name,
		  struct luks_key *ret, struct err *err);

#endif
