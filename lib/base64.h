/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base64.h - RFC 4648's standard alphabet, padded; nothing else is taken. */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include <stddef.h>

/* base64_encode() - owned, with a NUL; NULL: out of memory. */
char *base64_encode(const void *data, size_t size);

/*
 * base64_decode() - @ret: owned, with a NUL after its @ret_len bytes.
 * Return: 0; -EBADMSG: not base64 (white space, wrong padding, other characters);
 *         -ENOMEM.
 */
int base64_decode(const char *text, size_t len, char **ret, size_t *ret_len);

#endif
