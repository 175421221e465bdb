/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpc_page.h - one page over TCP, for a program on this host that reads it now and then.
 *
 * Only on a loopback address, and only for who shows the token: everybody on this host
 * reaches that address, containers on its network too, and so does a browser that some
 * web page has ask for it.  GET only; a few connections at a time, each ended after 10 s of
 * silence; one request is answered after the other.
 */
#ifndef LIB_RPC_PAGE_H
#define LIB_RPC_PAGE_H

#include <stddef.h>

#include "lib/base.h"
#include "lib/err.h"

struct rpc_page_config {
	const char *listen; /* "127.0.0.1:9186", "[::1]:9186"; port 0: any */
	const char *path;   /* "/metrics"; borrowed, as all of these */
	const char *token;  /* of "Authorization: Bearer" */
	/* @ret: the page, in the format of prom.h, owned by the server.  -errno: 500. */
	int (*text)(void *ctx, char **ret, size_t *ret_len, struct err *err);
	void *ctx;
};

struct rpc_page;

/*
 * rpc_page_start() - listen, and serve from a thread of its own until rpc_page_stop().
 *
 * @ret_port: that it listens on.
 * Return: 0; -EINVAL: not an address and a port, or not a loopback one; -EADDRINUSE;
 *         -errno.
 */
int rpc_page_start(const struct rpc_page_config *cfg, struct rpc_page **ret,
		   unsigned int *ret_port, struct err *err);
/* Waits for the request that is being answered.  NULL is fine. */
void rpc_page_stop(struct rpc_page *page);
DEFINE_CLEANUP(struct rpc_page, rpc_page_stop)

#endif
