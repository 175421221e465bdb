/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * volumes.h - all volumes there are to see: those of our daemons and, as far as
 * dockerd answers, those of every other driver, and which containers refer to
 * them.
 *
 * A row is an object with Name, Driver, Mountpoint, Created, Options, Users,
 * Used, Limit and UsageAgeS as /Berth.Volumes has them (Used and Limit null
 * where nobody knows or there is none), "Ours", and "Containers": how many,
 * running or not, of dockerd's and of netctl's, refer to it; null when dockerd did not
 * answer, or a record of netctl's can't be read.  One of ours whose name dockerd has
 * for a volume of another driver has that as "DockerDriver".
 */
#ifndef NETCTL_VOLUMES_H
#define NETCTL_VOLUMES_H

#include <json-c/json.h>
#include <stdbool.h>

#include "netctl/cli.h"

enum {
	VOLUMES_OURS = 0,      /* do not ask dockerd */
	VOLUMES_DOCKER = 1,    /* ask it, too, unless --docker none */
	VOLUMES_USAGE = 1 | 2, /* and for the size of what it keeps itself: it
				  walks through that */
};

struct volumes {
	json_object *rows; /* owned */
	bool docker;       /* dockerd answered */
	bool none;         /* --docker none: there is no dockerd on this host */
	char why[256];     /* why not */
	int partial;       /* CLI_FAILED: a daemon did not answer, told */
};

/* Return: 0; -errno: nobody answered. */
int volumes_load(const struct ctl *ctl, unsigned int what, struct volumes *ret,
		 struct err *err);
void volumes_fini(struct volumes *v);

/* The row of @word: the full name, else a beginning that only one has (anonymous
 * volumes have 64 hex digits for a name).  -ENOENT, -ENOTUNIQ. */
int volumes_find(const struct volumes *v, const char *word, json_object **ret,
		 struct err *err);

/*
 * volumes_ref() - "VOLUME" or "VOLUME@SNAPSHOT" of the command line, the volume
 * found as by volumes_find() among ours.
 *
 * @need: there must be a snapshot, and the volume's name be whole: something
 *        will be gone.
 */
struct volumes_ref {
	char name[256], driver[64];
	char snap[256]; /* "": none was given */
	uint64_t used;  /* bytes of the volume; 0: not known */
};
int volumes_ref(const struct ctl *ctl, const char *word, bool need,
		struct volumes_ref *ret, struct err *err);

/*
 * volumes_call() - a method of a volume's daemon, for as long as it takes: an
 * image may have to be copied.  @body: taken.
 */
int volumes_call(const struct ctl *ctl, const char *driver, const char *method,
		 json_object *body, json_object **ret, struct err *err);
/* A body naming the volume, and the snapshot if there is one.  Owned. */
json_object *volumes_body(const struct volumes_ref *ref);
/* -EEXIST: there is a volume @name, of ours or of dockerd's (as far as it
 * answers), that is not @driver's (NULL: of whichever). */
int volumes_is_new(const struct ctl *ctl, const char *name, const char *driver,
		   struct err *err);
/* -ENOTUNIQ: dockerd has another volume of this row's name, and would remove
 * that. */
int volumes_is_one(json_object *row, struct err *err);
/* The options of the command line.  Owned; NULL: out of memory. */
json_object *volumes_opts(const struct ctl *ctl);

/* Used and Limit of a row from a daemon's answer. */
void volumes_add_usage(json_object *row);
/* Is it the kind of name that Docker gives to volumes nobody named? */
bool volumes_is_anonymous(const char *name);

#endif
