/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_api.h - dockerd's API, as far as names need it.
 *
 * Never asked while a plugin's request is answered: dockerd holds locks over those, and
 * an inspect waits for them.  berth-dns serves no plugin's call, so nothing of dockerd's
 * waits for it.
 */
#ifndef RUNTIME_NAMES_DOCKER_API_H
#define RUNTIME_NAMES_DOCKER_API_H

#include "lib/client.h"
#include "runtime/names/docker_names.h"

#define DOCKER_SOCKET "/run/docker.sock"

/*
 * docker_events_open() - what happens to containers and networks from a moment ago on.
 *
 * dockerd sends its head before it listens to itself, so it is asked for the last two
 * seconds as well: nothing is between the stream and a list that is asked for after.
 * Return: 0; as client_stream_get().
 */
int docker_events_open(const char *socket, struct client_stream **ret,
		       struct err *err);

/*
 * docker_list() - GET /containers/json: those that run, without aliases.
 * @ret: owned array.
 */
int docker_list(const char *socket, json_object **ret, struct err *err);

/*
 * docker_inspect() - one container's names.
 *
 * Return: 0; -ENOENT: there is no such container; -ETIMEDOUT: dockerd holds it for
 * longer than @ms, ask again later; as client_http_get(), docker_names_parse().
 */
int docker_inspect(const char *socket, const char *id, unsigned int ms,
		   struct docker_container *ret, struct err *err);

/* docker_networks() - GET /networks.  @ret: owned array. */
int docker_networks(const char *socket, json_object **ret, struct err *err);

#endif
