/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nets.h - the networks of this host whose names are told: those of berth-overlay, and
 * those of berth-bridge with berth.names=on.
 *
 * On networks of other drivers all containers are this host's, and Docker's own
 * resolver (127.0.0.11) knows them.  Where there is no Docker nobody does.
 */
#ifndef RUNTIME_NAMES_NETS_H
#define RUNTIME_NAMES_NETS_H

#include <json-c/json.h>

#include "runtime/names/docker_names.h"
#include "runtime/names/serve.h"

enum nets_driver { NETS_OVERLAY, NETS_BRIDGE, NETS_DRIVERS };

struct nets_one {
	enum nets_driver driver;
	char id[DOCKER_ID_MAX]; /* this host's NetworkID */
	bool shared;            /* with the cluster's hosts, by .serve.net */
	struct serve_net serve;
};

struct nets {
	struct nets_one *v; /* owned */
	size_t count;
};

void nets_clear(struct nets *n);

/* nets_read() - ask that driver.  @plugin_dir: of its socket.
 * Return: 0; as client_call(); -EBADMSG: not what it answers. */
int nets_read(const char *plugin_dir, enum nets_driver driver, struct nets *ret,
	      struct err *err);

/* nets_parse() - the same of its answer to /Berth.Networks. */
int nets_parse(json_object *answer, enum nets_driver driver, struct nets *ret,
	       struct err *err);

/* nets_add() - those of @from that are @driver's, behind what @to has. */
int nets_add(struct nets *to, const struct nets *from, enum nets_driver driver,
	     struct err *err);
bool nets_has(const struct nets *n, enum nets_driver driver);
/* "berth-overlay" */
const char *nets_driver_name(enum nets_driver driver);

/* nets_domains() - Docker's names of networks, from docker_networks(), are domains:
 * "web.shop".  What is unknown keeps what it has. */
void nets_domains(struct nets *n, json_object *networks);

struct nets_one *nets_find(const struct nets *n, const char *id);

/* Are they the same, in any way that matters? */
bool nets_equal(const struct nets *a, const struct nets *b);

#endif
