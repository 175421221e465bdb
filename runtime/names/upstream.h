/* SPDX-License-Identifier: GPL-2.0-or-later */
/* upstream.h - the host's resolvers, and one question to them. */
#ifndef RUNTIME_NAMES_UPSTREAM_H
#define RUNTIME_NAMES_UPSTREAM_H

#include <netinet/in.h>
#include <sys/stat.h>

#include "runtime/names/wire.h"

#define UPSTREAM_MAX 3 /* as the C library takes from resolv.conf */
#define UPSTREAM_TOTAL_MS \
	4000 /* below the 5 s after which resolvers ask again */

union upstream_sock {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct upstream_list {
	union upstream_sock at[UPSTREAM_MAX];
	size_t count;
	size_t first; /* who answered last: the others are asked after it */
};

struct upstreams {
	const char *path; /* borrowed */
	uint16_t port;
	struct upstream_list list;
	struct stat seen;
	uint64_t looked_ms;
	char problem[160]; /* "": there is someone to ask */
};

/*
 * upstreams_follow() - read the file again if it is another than before; looks at most
 * once a second, so it can be called before each question.
 *
 * A file that is not there (a dangling link), or names nobody: .problem, an empty list.
 * Return: true when the list may be another now.
 */
bool upstreams_follow(struct upstreams *u, uint64_t now_ms);

/* Of one try, so that all have been asked within UPSTREAM_TOTAL_MS. */
unsigned int upstream_try_ms(size_t count);
unsigned int upstream_tries(size_t count);

socklen_t upstream_len(const union upstream_sock *at);
struct ip_addr upstream_addr(const union upstream_sock *at);
union upstream_sock upstream_at(const struct ip_addr *a, uint16_t port);

/*
 * upstream_ask() - one question, by UDP and, where the answer is truncated, by TCP; each
 * server in its turn.  Blocks for UPSTREAM_TOTAL_MS at most, and not when @client, a
 * connected socket, is shut down.
 *
 * @query: its id is replaced while it is on the way.
 * @ret_good: who answered.
 * Return: the length of the answer in @buf (of WIRE_MSG_MAX), with the asker's id;
 * -ETIMEDOUT; -ECONNABORTED: the client has gone.
 */
int upstream_ask(const struct upstream_list *list, int client, uint8_t *query,
		 size_t len, const struct wire_query *q, uint8_t *buf,
		 size_t *ret_good);

/* Ids and ports are all that keeps strangers' answers out. */
uint16_t upstream_random_id(void);

#endif
