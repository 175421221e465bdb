/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpc_test.h - what the tests of rpc share: a plugin server in this process and
 * peers that speak raw HTTP to it.  What fails ends the test.
 */
#ifndef LIB_TEST_RPC_TEST_H
#define LIB_TEST_RPC_TEST_H

#include "lib/test/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/rpc.h"

#define POST_ECHO "POST /T.Echo HTTP/1.1\r\nHost: \r\n"
#define LEN(n)    "Content-Length: " n "\r\n"
#define CHUNKED   "Transfer-Encoding: chunked\r\n"
#define END       "\r\n"

struct server {
	struct rpc *rpc;
	char path[64]; /* of its socket */
	struct sockaddr_un addr;
	atomic_uint calls, delivered, inside, inside_max;
	atomic_bool hold;
};

/* The one server.  Its methods: T.Echo, that says to have waited for
 * "WaitedUs"; T.Fail {"Code","Usual"}; T.Seq, which has an
 * answer to be told of; T.Hold, while .hold; Plugin.Own; VolumeDriver.Fail and .Get
 * are as T.Fail. */
struct server *server(void);
int server_up(void **state);
int server_down(void **state);
#define SERVED(f) cmocka_unit_test_setup_teardown(f, server_up, server_down)
/* What main() does before all else. */
void server_tests_begin(void);

/* A listening socket there; peers connect to it from now on. */
int server_listen_at(const char *path);
void server_still_serves(void);
/* Until *@what is @value at least; 5 s. */
void server_wait_for(atomic_uint *what, unsigned int value);

int server_dial(void);
void peer_put(int fd, const char *data, size_t len);
void peer_put_text(int fd, const char *text);
/* All that comes until @want answers are whole, the peer closes, or 5 s. */
size_t peer_get(int fd, char *buf, size_t size, unsigned int want);
unsigned int peer_status(const char *answer);
/* One request on a connection of its own.  Return: its status, 0: closed. */
unsigned int peer_ask(const char *head, const char *body, char *buf,
		      size_t size);

#endif
