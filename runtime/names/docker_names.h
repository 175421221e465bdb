/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_names.h - what Docker says of a container -> what it is called in each of its
 * networks.  Pure: from JSON to records.
 */
#ifndef RUNTIME_NAMES_DOCKER_NAMES_H
#define RUNTIME_NAMES_DOCKER_NAMES_H

#include <json-c/json.h>

#include "runtime/names/names.h"

#define DOCKER_ID_MAX 65

/* A container in one network.  It has its name there, its aliases (dockerd adds the
 * short id and the host name to them), and --link's names of others not: those are for
 * the one that links. */
struct docker_net {
	char id[DOCKER_ID_MAX];
	struct name_record *recs; /* owned; a name of its addresses: one each */
	size_t count;
	unsigned int refused; /* names that names_valid() does */
};

struct docker_container {
	char id[DOCKER_ID_MAX];
	struct docker_net *nets; /* owned; only those where it has an address */
	size_t count;
};

/*
 * docker_names_parse() - of GET /containers/ID/json.
 *
 * @ret: docker_names_clear() when done; without networks unless it runs (or is paused).
 * Return: 0; -EBADMSG: not what dockerd answers; -ENOMEM.
 */
int docker_names_parse(json_object *inspect, struct docker_container *ret,
		       struct err *err);
void docker_names_clear(struct docker_container *c);

/* What an event of GET /events makes to be looked at again. */
struct docker_event {
	char container[DOCKER_ID_MAX]; /* "": none */
	bool networks; /* one was made or removed, or is called otherwise */
};

/* docker_event_parse() - false: it changes no name. */
bool docker_event_parse(json_object *event, struct docker_event *ret);

#endif
