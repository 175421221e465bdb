/* SPDX-License-Identifier: GPL-2.0-or-later */
/* docker.h - the names Docker, or netctl itself, gave to what the daemons know by id
 * only. */
#ifndef NETCTL_DOCKER_H
#define NETCTL_DOCKER_H

#include <json-c/json.h>

#include "netctl/askers.h"
#include "netctl/cli.h"

struct docker_names {
	json_object *networks; /* id -> name; never NULL after load */
	json_object
		*endpoints; /* endpoint id -> container name, or namespace */
};

/*
 * docker_names_load() - ask dockerd, at most a second for each question.  Best
 * effort: without a dockerd, or with one that hangs, there are no names of its.
 */
void docker_names_load(const struct ctl *ctl, struct docker_names *ret);
void docker_names_fini(struct docker_names *n);

/* docker_names_load() for askers_start(): its @ctx is a struct ctl, the answer a struct
 * docker_names. */
extern const struct question docker_names_question;

/* Borrowed; "" when Docker does not know it. */
const char *docker_network(const struct docker_names *n, const char *id);
const char *docker_container(const struct docker_names *n,
			     const char *endpoint);

#endif
