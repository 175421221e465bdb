/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sources.h - where berth-dns has names from, beside its users: Docker, and the cluster. */
#ifndef RUNTIME_NAMES_SOURCES_H
#define RUNTIME_NAMES_SOURCES_H

#include "lib/cluster_at.h"
#include "lib/plugd.h"
#include "runtime/names/serve.h"

struct sources_config {
	struct cluster_at at; /* without members: no cluster */
	const char *docker;   /* NULL: /run/docker.sock */
};

/* Of a program whose .config is a struct sources_config; ended by { 0 }. */
extern const struct plugd_flag sources_flags[];

struct sources;

/* sources_open() - start to follow; nobody need answer.  @names, @serve: borrowed until
 * sources_close(). */
int sources_open(struct names *names, struct serve *serve,
		 const struct sources_config *cfg, const char *plugin_dir,
		 struct sources **ret, struct err *err);
void sources_close(struct sources *s);
DEFINE_CLEANUP(struct sources, sources_close)

/* sources_kick() - NAMES_USER changed: the cluster is told. */
void sources_kick(struct sources *s);

/* sources_net() - the key of what a user calls @word.  As follow_net(). */
int sources_net(struct sources *s, const char *word,
		char ret[static NAMES_NET_MAX], struct err *err);

/* sources_net_name() - how a user calls it.  As follow_net_name(). */
void sources_net_name(struct sources *s, const char *key,
		      char ret[static NAMES_NAME_MAX]);

/* sources_problems() - one line each of what is wrong. */
void sources_problems(struct sources *s,
		      void (*line)(void *arg, const char *text), void *arg);

#endif
