/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow_priv.h - what the files of follow share.  All but what is under ->lock is the
 * thread's. */
#ifndef RUNTIME_NAMES_FOLLOW_PRIV_H
#define RUNTIME_NAMES_FOLLOW_PRIV_H

#include <pthread.h>

#include "lib/backoff.h"
#include "runtime/names/docker_api.h"
#include "runtime/names/follow.h"
#include "runtime/names/nets.h"

/* A container, as it was when it was last asked about. */
struct follow_known {
	struct docker_container c; /* .id always; owned */
	char *sum;  /* owned; how the list has it; NULL: it did not */
	bool due;   /* to be asked about */
	bool seen;  /* in the list that is being read */
	bool asked; /* and answered, once at least */
	uint64_t retry_ms;
	unsigned int held_ms; /* how long it is left alone; 0: it answered */
	struct follow_known *next;
};

/* Somebody who answers, or does not. */
struct follow_peer {
	uint64_t away_ms; /* since when; 0: it answers */
	char why[256];
};

struct follow {
	struct names *names;
	struct share *share;
	struct follow_config cfg;
	int wake; /* eventfd */
	pthread_t thread;

	struct follow_known *known;   /* owned */
	bool changed;                 /* names are to be told */
	bool nets_due, domains_due;   /* to be asked for at once */
	bool listed;                  /* since the stream began */
	bool told;                    /* to the cluster, once */
	struct client_stream *events; /* owned; NULL: none */
	uint64_t begin_ms, nets_ms, list_ms;
	struct backoff backoff; /* of dockerd */

	pthread_mutex_t lock;
	bool stop;
	pthread_cond_t read; /* ->kicks_done grew */
	uint64_t kicks, kicks_done;
	struct nets nets; /* written by the thread */
	struct follow_peer docker, drivers[NETS_DRIVERS];
};

bool follow_stopped(struct follow *f);
/* It answers (@why NULL) or not.  Logs when that changes. */
void follow_note(struct follow *f, struct follow_peer *p, const char *what,
		 const struct err *why);

/* follow_docker.c: containers. */
void follow_known_clear(struct follow *f);
/* An event says that something of it changed. */
int follow_due(struct follow *f, const char *id);
void follow_all_due(struct follow *f);
/* Those that run, by dockerd's list; what it has not is forgotten. */
int follow_list(struct follow *f, struct err *err);
/* Ask about who is due, until dockerd holds one: then what is known is told before it is
 * asked for the others.  Return: 0; -errno: dockerd does not answer. */
int follow_inspect(struct follow *f, struct err *err);
/* Is each known that runs, since the stream began? */
bool follow_complete(const struct follow *f);
/* When the next one is to be asked about again. */
uint64_t follow_next_ms(const struct follow *f);

/* follow_nets.c: networks, and who is told. */
int follow_nets(struct follow *f, struct err *err);
int follow_domains(struct follow *f, struct err *err);
/* Tell what the containers are called: who asks here, and, where @all of them are known,
 * the cluster. */
int follow_publish(struct follow *f, bool all, struct err *err);

#endif
