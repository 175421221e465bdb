/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow.h - follows Docker and berth-overlay: which networks are here, who is in them,
 * and what they are called; tells a struct names, what serves it, and the cluster.
 *
 * A thread of its own, never on the way of a request.  While dockerd or berth-overlay is
 * away all stays as it was: containers may run on (live-restore).
 */
#ifndef RUNTIME_NAMES_FOLLOW_H
#define RUNTIME_NAMES_FOLLOW_H

#include "runtime/names/serve.h"
#include "runtime/names/share.h"

struct follow_config {
	const char *docker;     /* dockerd's socket; NULL: /run/docker.sock */
	const char *plugin_dir; /* where berth-overlay's is */
	unsigned int relist_s;  /* all is looked at again; 0: 60 */
	unsigned int
		grace_s; /* without dockerd: what was told of its containers
				 * in an earlier life stays so long; 0: 60 */
	unsigned int inspect_ms; /* a container that is being started is held by
			     * dockerd for as long as this; 0: 5000 */
	/* What answers; NULL: nobody.  As serve_nets_set(). */
	int (*serve)(void *arg, const struct serve_net *nets, size_t count,
		     struct err *err);
	void *serve_arg;
};

struct follow; /* locks for itself */

/*
 * follow_new() - start; nobody need answer.
 *
 * @names, @share: borrowed until follow_free(); @share may be NULL: no cluster.
 * @cfg: copied; its texts borrowed for good.
 */
int follow_new(struct names *names, struct share *share,
	       const struct follow_config *cfg, struct follow **ret,
	       struct err *err);
void follow_free(struct follow *f);
DEFINE_CLEANUP(struct follow, follow_free)

/*
 * follow_net() - the key of the network that a user calls @word: Docker's name, its id,
 * or the key itself.
 * Return: 0; -ENOENT: @err says which there are.
 */
int follow_net(struct follow *f, const char *word,
	       char ret[static NAMES_NET_MAX], struct err *err);

/* follow_net_name() - Docker's name of the network with @key; the key where it has none
 * here. */
void follow_net_name(struct follow *f, const char *key,
		     char ret[static NAMES_NAME_MAX]);

/* follow_problems() - one line each of who does not answer, and why. */
void follow_problems(struct follow *f,
		     void (*line)(void *arg, const char *text), void *arg);

#endif
