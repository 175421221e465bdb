/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crypt.h - the block device a thin volume's file system is on, encrypted or not. */
#ifndef VOLPLUGINS_THIN_CRYPT_H
#define VOLPLUGINS_THIN_CRYPT_H

#include "volplugins/thin/thin.h"

/* Its name in the kernel. */
void thin_block_name(const struct thin_pool *p, const struct thin_record *rec,
		     char name[static DMX_NAME_MAX]);
/*
 * thin_block_open() - it, of thin_device_size(); there as long as somebody has it
 * open, a mount included.  There already: the same, without the key.
 *
 * Return: fd; -ENODATA: the pool has no such device; -ENOKEY, -EPERM, -EINVAL as
 *         thin_keys_get(); -EKEYREJECTED; -EUCLEAN: its header is not ours.
 */
int thin_block_open(struct thin_host *h, const struct thin_record *rec,
		    char path[static DMX_PATH_MAX], struct err *err);
/* thin_block_grow() - one that may be open.  Needs no key. */
int thin_block_grow(struct thin_host *h, const struct thin_record *rec,
		    struct err *err);
/* Nobody may write to it until thin_block_thaw().  Not open: 0. */
int thin_block_freeze(struct thin_pool *p, const struct thin_record *rec,
		      struct err *err);
int thin_block_thaw(struct thin_pool *p, const struct thin_record *rec,
		    struct err *err);

/* thin_crypt_format() - a header on the new device of @rec; not encrypted: 0. */
int thin_crypt_format(struct thin_host *h, const struct thin_record *rec,
		      struct err *err);
/* thin_crypt_cost() - bytes that takes. */
uint64_t thin_crypt_cost(const struct thin_record *rec);
/* Can its key be had?  Not encrypted: 0. */
int thin_crypt_check(struct thin_host *h, const struct thin_record *rec,
		     struct err *err);
/* Do the options fit together?  And, as a copy, with what it is of? */
int thin_crypt_options(const struct thin_options *o, struct err *err);
int thin_crypt_copy(const struct thin_options *o, const struct thin_record *src,
		    struct err *err);

#endif
