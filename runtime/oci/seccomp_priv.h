/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seccomp_priv.h - what the files of seccomp share. */
#ifndef RUNTIME_OCI_SECCOMP_PRIV_H
#define RUNTIME_OCI_SECCOMP_PRIV_H

#include <seccomp.h>

#include "lib/digest.h"
#include "lib/jdec.h"
#include "runtime/oci/seccomp.h"

#define SEC_ARCHS_MAX 24
#define SEC_ARGS_MAX  32 /* conditions of one rule */

/* Part of a cached filter's name: raise it when the same profile would be
 * compiled to another program. */
#define SEC_CACHE_VERSION 1

struct sec_rule {
	struct jdec_array names; /* const char *, borrowed */
	uint32_t action;         /* SCMP_ACT_* */
	struct scmp_arg_cmp args[SEC_ARGS_MAX];
	unsigned int arg_count;
};

struct sec_profile {
	json_object *body; /* owned */
	uint32_t action;   /* the default's */
	uint32_t archs[SEC_ARCHS_MAX];
	size_t arch_count;
	unsigned int flags;     /* SECCOMP_FILTER_FLAG_* */
	struct sec_rule *rules; /* owned */
	size_t count;
	const char *listener_path, *listener_metadata; /* borrowed, or NULL */
	bool notifies;
};

/* A program under way. */
struct sec_prog {
	struct sock_filter *insns; /* owned */
	size_t count;
};

/* Put the test for system calls newer than the profile in front of @prog. */
int sec_stub_add(const struct sec_profile *profile, struct sec_prog *prog,
		 struct err *err);

/* The name of @profile's filter in the cache. */
int sec_cache_key(const struct sec_profile *profile,
		  char key[static DIGEST_HEX_MAX]);
/* Return: 0; -ENOENT when there is none, or none to be trusted. */
int sec_cache_get(const char *dir, const char *key, struct sec_prog *ret);
int sec_cache_put(const char *dir, const char *key,
		  const struct sec_prog *prog);

#endif
