/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.h - what berth-dns is put together of. */
#ifndef RUNTIME_NAMES_DNS_H
#define RUNTIME_NAMES_DNS_H

#include <time.h>

#include "lib/jdec.h"
#include "lib/plugd.h"
#include "runtime/names/names_user.h"
#include "runtime/names/serve.h"
#include "runtime/names/sources.h"

struct dns {
	struct plugd *d; /* borrowed */
	struct timespec started;
	char *door;          /* owned: the path of GUEST_DOOR */
	struct names *names; /* owned, as are the next three */
	struct names_user *user;
	struct serve *serve;
	struct sources *sources;
};

/* dns_open() - names that users told are there again; no network is answered yet. */
int dns_open(struct plugd *d, struct dns **ret, struct err *err);
void dns_close(struct dns *dns);
DEFINE_CLEANUP(struct dns, dns_close)
void dns_tick(struct dns *dns); /* once a second */

/* names_api.c: .ctx is a struct dns */
extern const struct rpc_method names_api_methods[];
/* A request body's table, for who generates requests; NULL: it has none. */
const struct jdec_field *names_api_fields(const char *method);

#endif
