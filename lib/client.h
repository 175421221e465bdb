/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.h - HTTP as a client: a plugin or dockerd over its unix socket, a server
 * over TCP (etcd).  The only user of libcurl.
 */
#ifndef LIB_CLIENT_H
#define LIB_CLIENT_H

#include <json-c/json.h>

#include "lib/base.h"
#include "lib/err.h"

/*
 * client_call() - POST @body to /@method on the socket @path and wait.
 *
 * @body:       borrowed; NULL: an empty body.
 * @timeout_ms: of the whole call; 0: none.
 * @ret:        owned; the answer's object ({} when it was empty).  May be NULL.
 *
 * Return: 0; -ECONNREFUSED / -ENOENT when nobody serves the socket (@err says
 *         which daemon to start); -ETIMEDOUT; -EREMOTEIO when the plugin
 *         answered with Err or Error, whose text is @err; -EBADMSG when the
 *         answer is not JSON.
 */
int client_call(const char *path, const char *method, json_object *body,
		unsigned int timeout_ms, json_object **ret, struct err *err);

/*
 * client_http() - a GET over a unix socket (dockerd's API).
 * @ret: owned; any JSON value.  Return: as above; -EREMOTEIO on status >= 400.
 */
int client_http_get(const char *path, const char *url_path,
		    unsigned int timeout_ms, json_object **ret,
		    struct err *err);

/* client_text_get() - a GET whose answer is a text (a daemon's /metrics).  @ret: owned,
 * ends with a NUL. */
int client_text_get(const char *path, const char *url_path,
		    unsigned int timeout_ms, char **ret, size_t *ret_len,
		    struct err *err);

/* client_http_delete() - a DELETE, likewise; what it answers is dropped. */
int client_http_delete(const char *path, const char *url_path,
		       unsigned int timeout_ms, struct err *err);

/* Who a server must be and who we are: paths of PEM files. */
struct client_tls {
	const char *ca;         /* which signed the server's certificate */
	const char *cert, *key; /* ours; NULL: none */
};

/* Connections to servers over TCP, kept for the next call.  One thread at a time. */
struct client;

/*
 * client_open() - no traffic yet.
 *
 * @tls: copied; NULL: plain HTTP.  With it all is HTTPS (TLS 1.2 at least, the
 *       server's name and chain checked), whatever a server answers.
 * Return: 0; -ENOMEM.
 */
int client_open(const struct client_tls *tls, struct client **ret,
		struct err *err);
void client_close(struct client *c);
DEFINE_CLEANUP(struct client, client_close)
/* client_renew() - what was kept of connections is closed: the next call makes its own.
 * Return: 0; -ENOMEM: they are kept. */
int client_renew(struct client *c, struct err *err);

struct client_post {
	const char *host;        /* "HOST:PORT" */
	const char *path;        /* "/v3/kv/range" */
	const char *token;       /* of the Authorization header; NULL: none */
	const char *body;        /* JSON */
	unsigned int timeout_ms; /* of the whole call; of the connect: half */
	size_t max;              /* bytes of the answer */
};

/*
 * client_post() - POST and wait for the whole answer.
 *
 * @status: HTTP's.
 * @ret:    owned; the answer, always an object ({} when it is empty or, with a
 *          @status above 399, is no object).
 *
 * Return: 0 whatever the status, but for a redirect; -EHOSTUNREACH when no
 *         connection came to be, so that nothing was asked; -EPROTO for TLS that
 *         can't be trusted and redirects; and with the outcome unknown:
 *         -ETIMEDOUT, -ECONNRESET, -EMSGSIZE (above .max), -EBADMSG.
 */
int client_post(struct client *c, const struct client_post *post, long *status,
		json_object **ret, struct err *err);

/* An answer that goes on: a JSON object a line.  One thread at a time. */
struct client_stream;

/* client_stream_open() - begin; what fails comes out of client_stream_next().
 * @post: copied; .timeout_ms is of the connect, .max of a line. */
int client_stream_open(const struct client_tls *tls,
		       const struct client_post *post,
		       struct client_stream **ret, struct err *err);
void client_stream_close(struct client_stream *s);
DEFINE_CLEANUP(struct client_stream, client_stream_close)

/*
 * client_stream_get() - the same by a GET over a unix socket (dockerd's /events).
 *
 * Returns when the answer has begun, so that what happens from then on is in it.
 * @timeout_ms: until then.  @max: bytes of a line.
 * Return: 0; as client_http_get().
 */
int client_stream_get(const char *path, const char *url_path,
		      unsigned int timeout_ms, size_t max,
		      struct client_stream **ret, struct err *err);

/*
 * client_stream_next() - the next line.
 *
 * @wake_fd: readable: return at once, unread.  -1: none.
 * @ret:     owned; set when 1 is returned.
 * Return: 1; 0 when none came in time; -ECONNRESET when the server ended it, else
 *         as client_post().  After an error the stream is done.
 */
int client_stream_next(struct client_stream *s, int wake_fd,
		       unsigned int timeout_ms, json_object **ret,
		       struct err *err);

#endif
