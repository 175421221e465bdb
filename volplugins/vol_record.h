/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vol_record.h - what the volume core keeps on disk, as JSON text. */
#ifndef VOLPLUGINS_VOL_RECORD_H
#define VOLPLUGINS_VOL_RECORD_H

#include <json-c/json.h>

#include "lib/err.h"
#include "lib/jdec.h"
#include "volplugins/vol_core.h"

#define VOL_KIND   "volume" /* in state.db, id = name */
#define MOUNT_KIND "mount"  /* in run.db, id = name/ID, parent = name */

/* A request as the core remembers it; also the record of a volume. */
struct vol_request {
	char name[VOL_NAME_MAX], id[VOL_ID_MAX], time[32];
	uint64_t size;           /* Resize: the new limit */
	char snap[VOL_NAME_MAX]; /* Snapshot and its like */
	char to[VOL_NAME_MAX];   /* Rename: the new name */
	char boot[40];     /* vol_later.c: id of the boot it was done in */
	json_object *opts; /* borrowed from .body; NULL: none */
	json_object *body; /* owned */
};

void vol_request_fini(struct vol_request *q);

/* Decode @text; fini @ret whatever is returned.  -EBADMSG. */
int vol_request_parse(const char *text, struct vol_request *ret,
		      struct err *err);
/* Owned text; NULL when out of memory. */
char *vol_request_print(const struct vol_request *q);

/* vol_ref_parse() - "NAME" or "NAME@SNAPSHOT".  -EINVAL. */
int vol_ref_parse(const char *text, struct vol_ref *ret, struct err *err);

/* The answer to a Mount, also kept in the journal.  Owned; NULL: no memory. */
json_object *vol_mount_answer(const char *path);

/* "name/ID", the id of a mount's record. */
#define MOUNT_KEY_MAX (VOL_NAME_MAX + VOL_ID_MAX)
const char *vol_mount_key(char buf[static MOUNT_KEY_MAX], const char *name,
			  const char *id);

/* Now, as RFC 3339 in UTC. */
void vol_now(char buf[static 32]);

#endif
