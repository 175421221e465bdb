/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * book.h - the networks and endpoints that netctl made itself, on record.
 *
 * What dockerd's database is to Docker: the names, and what has to be given back.
 * In STATE_DIR/netctl/state.db, which one netctl at a time has open; nothing of it
 * is needed to keep a network running.
 *
 * A record is written before what it stands for is made and goes after that is
 * gone, so one that is not "there" belongs to a netctl that was killed half way:
 * the next one undoes it (nets_settle()).
 */
#ifndef NETCTL_BOOK_H
#define NETCTL_BOOK_H

#include <json-c/json.h>

#include "lib/base.h"
#include "netctl/cli.h"

struct book;

#define BOOK_ID_MAX 65 /* 64 hex digits */

/*
 * book_open() - wait, up to ctl->timeout_ms, until no other netctl has it.
 *
 * @make: make it where there is none.
 * Return: 0; -ENOENT: there is none; -EBUSY; as store_open().
 */
int book_open(const struct ctl *ctl, bool make, struct book **ret,
	      struct err *err);
void book_close(struct book *b); /* NULL is fine */
DEFINE_CLEANUP(struct book, book_close)

/* A random id. */
int book_new_id(char ret[static BOOK_ID_MAX], struct err *err);

/* Networks: an object with NetworkID, Name, State and what nets.c puts there.
 * Put replaces.  All are on the disk on return. */
int book_put_network(struct book *b, json_object *net, struct err *err);
int book_del_network(struct book *b, const char *id, struct err *err);
/* @ret: owned array, oldest first. */
int book_networks(struct book *b, json_object **ret, struct err *err);

/* Endpoints: an object with EndpointID, NetworkID, State and plug.c's. */
int book_put_endpoint(struct book *b, json_object *ep, struct err *err);
int book_del_endpoint(struct book *b, const char *id, struct err *err);
/* @network: NULL: of all.  @ret: owned array, oldest first. */
int book_endpoints(struct book *b, const char *network, json_object **ret,
		   struct err *err);

/*
 * book_find_network() - by name, id, or the beginning of an id that one has.
 * @ret: owned.
 * Return: 0; -ENOENT; -ENOTUNIQ.
 */
int book_find_network(struct book *b, const char *word, json_object **ret,
		      struct err *err);

#endif
