/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.h - call a plugin over its unix socket.  The only user of libcurl.
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

/* client_http_delete() - a DELETE, likewise; what it answers is dropped. */
int client_http_delete(const char *path, const char *url_path,
		       unsigned int timeout_ms, struct err *err);

#endif
