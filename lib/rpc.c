// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests of the plugin server: HTTP on one side, handlers on the other.
 *
 * What is refused here, before a handler is looked for (rpc_on_access() is
 * called once when the head is complete, then for each piece of the body,
 * then once more):
 *
 *   method other than POST                405 (but for GET /metrics)
 *   HTTP version other than 1.x           505
 *   no such /Type.Method                  404
 *   head above 8 KiB, above 64 headers    431
 *   two Content-Length, or one with
 *     Transfer-Encoding                   400
 *   Transfer-Encoding not "chunked"       501
 *   Expect other than 100-continue        417
 *   body above 16 MiB                     413 (chunked: once it is over)
 *   body that is not one JSON object      400
 *
 * What libmicrohttpd refuses by itself (a broken request line, a negative
 * Content-Length, bad chunks) it answers with a page of its own and closes.
 */
#include "lib/rpc.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "lib/jdec.h"
#include "lib/log.h"
#include "lib/prom.h"
#include "lib/rpc_priv.h"

#define BODY_BIG       (1u << 20) /* one such at a time */
#define HEAD_MAX_BYTES 8192
#define HEAD_MAX_COUNT 64
#define CONTENT_TYPE   "application/vnd.docker.plugins.v1.2+json"
#define DISCARD_MAX    (64u << 20) /* of a chunked body that is refused */

/* Every status but 200 that this server sends.  Errors of handlers other than
 * EBADMSG are answered with 200: dockerd takes a 404 for "not implemented" and
 * prints the method's name instead of "remote: " for the rest.  Those of
 * VolumeDriver with 500: podman takes a 200 for success without a look.  But for
 * Get: one volume that is gone would end each "podman volume ls", and an answer
 * without a volume says enough. */
enum refusal {
	REFUSE_NOT, /* 200 */
	REFUSE_VOLUME,
	REFUSE_MESSAGE,
	REFUSE_LENGTH,
	REFUSE_NO_METHOD,
	REFUSE_VERB,
	REFUSE_BIG,
	REFUSE_EXPECT,
	REFUSE_HEAD,
	REFUSE_CODING,
	REFUSE_VERSION,
};

static const struct {
	unsigned int status;
	int code;
	const char *text;
} refusals[] = {
	[REFUSE_NOT] = { 200, 0, NULL },
	[REFUSE_VOLUME] = { 500, 0, NULL },
	[REFUSE_MESSAGE] = { 400, -EBADMSG, NULL },
	[REFUSE_LENGTH] = { 400, -EBADMSG,
			    "the body's length is given more than once" },
	[REFUSE_NO_METHOD] = { 404, -ENOSYS, "no such method" },
	[REFUSE_VERB] = { 405, -ENOSYS, "only POST is served" },
	[REFUSE_BIG] = { 413, -EMSGSIZE, "the body is above 16 MiB" },
	[REFUSE_EXPECT] = { 417, -EBADMSG,
			    "only Expect: 100-continue is known" },
	[REFUSE_HEAD] = { 431, -E2BIG,
			  "more than 64 header lines, or above 8 KiB" },
	[REFUSE_CODING] = { 501, -EBADMSG,
			    "the only transfer coding known is chunked" },
	[REFUSE_VERSION] = { 505, -EBADMSG, "only HTTP/1.x is spoken" },
};

/* ---- answers ----------------------------------------------------------- */

static json_object *error_to_json(int code, const char *text)
{
	json_object *o = json_object_new_object();
	const char *name = strerrorname_np(-code);

	/* IPAM reads Error, the others Err. */
	json_object_object_add(o, "Err", json_object_new_string(text));
	json_object_object_add(o, "Error", json_object_new_string(text));
	json_object_object_add(o, "Code",
			       json_object_new_string(name ? name : "EIO"));
	return o;
}

/* Queue @resp (taken; NULL: no memory). */
static enum MHD_Result queue(struct rpc_conn *c, struct MHD_Connection *con,
			     enum refusal why, const char *type,
			     struct MHD_Response *resp)
{
	enum MHD_Result r;

	if (!resp)
		return MHD_NO;
	MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (why == REFUSE_VERB)
		MHD_add_response_header(resp, MHD_HTTP_HEADER_ALLOW, "POST");
	if (rpc_sending(c))
		MHD_add_response_header(resp, MHD_HTTP_HEADER_CONNECTION,
					"close");
	r = MHD_queue_response(con, refusals[why].status, resp);
	MHD_destroy_response(resp);
	return r;
}

/* Queue @obj (taken; NULL: {}) as the answer. */
static enum MHD_Result answer(struct rpc_conn *c, struct MHD_Connection *con,
			      enum refusal why, json_object *obj)
{
	const char *text = "{}";
	struct MHD_Response *resp;
	size_t len = 2;

	if (obj)
		text = json_object_to_json_string_length(
			obj,
			JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
			&len);
	/* The cast: copied, so never written to. */
	resp = text ? MHD_create_response_from_buffer(len,
						      (void *)(uintptr_t)text,
						      MHD_RESPMEM_MUST_COPY)
		    : NULL;
	json_object_put(obj);
	return queue(c, con, why, CONTENT_TYPE, resp);
}

static enum MHD_Result refuse(struct rpc_conn *c, struct MHD_Connection *con,
			      enum refusal why, const char *what)
{
	char text[ERR_MSG_MAX], path[160], quoted[2 * ERR_MSG_MAX];

	snprintf(text, sizeof(text), "%s: %s",
		 log_quote(path, sizeof(path), what), refusals[why].text);
	log_info("op=request status=%u err=%s", refusals[why].status,
		 log_quote(quoted, sizeof(quoted), text));
	return answer(c, con, why, error_to_json(refusals[why].code, text));
}

/* ---- the head ---------------------------------------------------------- */

struct head {
	unsigned int count, lengths, codings;
	const char *length, *coding, *expect; /* borrowed */
};

static enum MHD_Result head_line(void *cls, enum MHD_ValueKind kind,
				 const char *key, const char *value)
{
	struct head *h = cls;

	(void)kind;
	h->count++;
	if (!strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
		h->lengths++;
		h->length = value;
	} else if (!strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
		h->codings++;
		h->coding = value;
	} else if (!strcasecmp(key, MHD_HTTP_HEADER_EXPECT)) {
		h->expect = value;
	}
	return MHD_YES;
}

static const struct rpc_method *table_find(const struct rpc_method *t,
					   const char *name)
{
	for (; t && t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

static bool method_find(struct rpc_conn *c, const char *url)
{
	const struct rpc_config *cfg = &c->rpc->cfg;
	const struct rpc_method *const *t;

	if (url[0] != '/')
		return false;
	c->ctx = cfg->ctx;
	for (t = cfg->tables; t && *t && !c->method; t++)
		c->method = table_find(*t, url + 1);
	if (!c->method) {
		c->ctx = cfg->own_ctx;
		c->method = table_find(cfg->own, url + 1);
	}
	return c->method;
}

static enum refusal check_coding(const struct head *h)
{
	if (h->lengths + h->codings > 1 ||
	    (h->length && strchr(h->length, ',')))
		return REFUSE_LENGTH;
	if (h->coding && strcasecmp(h->coding, "chunked") != 0)
		return REFUSE_CODING;
	if (h->length && strtoull(h->length, NULL, 10) > RPC_BODY_MAX)
		return REFUSE_BIG;
	if (h->expect && strcasecmp(h->expect, "100-continue") != 0)
		return REFUSE_EXPECT;
	return REFUSE_NOT;
}

static enum refusal check_head(struct rpc_conn *c, struct MHD_Connection *con,
			       const char *url, const char *verb,
			       const char *version)
{
	const union MHD_ConnectionInfo *size = MHD_get_connection_info(
		con, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct head h = { 0 };
	enum refusal why;

	if (strncmp(version, "HTTP/1.", 7) != 0)
		return REFUSE_VERSION;
	MHD_get_connection_values(con, MHD_HEADER_KIND, head_line, &h);
	if (h.count > HEAD_MAX_COUNT ||
	    (size && size->header_size > HEAD_MAX_BYTES))
		return REFUSE_HEAD;
	why = check_coding(&h);
	if (why != REFUSE_NOT)
		return why;
	if (c->rpc->cfg.page && strcmp(verb, MHD_HTTP_METHOD_GET) == 0 &&
	    strcmp(url, "/metrics") == 0) {
		c->page = true;
		return REFUSE_NOT;
	}
	if (strcmp(verb, MHD_HTTP_METHOD_POST) != 0)
		return REFUSE_VERB;
	if (!method_find(c, url))
		return REFUSE_NO_METHOD;
	if (h.length && strtoull(h.length, NULL, 10) > BODY_BIG)
		rpc_big_take(c);
	return REFUSE_NOT;
}

/* ---- the body ---------------------------------------------------------- */

/* Return: MHD_NO ends the connection. */
static enum MHD_Result body_add(struct rpc_conn *c, const char *data,
				size_t size)
{
	size_t want = c->len + size;

	if (c->too_big || want > RPC_BODY_MAX) {
		c->too_big = true;
		c->len = want; /* counted, not kept */
		return want > DISCARD_MAX ? MHD_NO : MHD_YES;
	}
	if (want > BODY_BIG)
		rpc_big_take(c);
	if (want > c->size) {
		size_t room = c->size ? c->size * 2 : 1024;
		char *p;

		while (room < want)
			room *= 2;
		p = realloc(c->body, room);
		if (!p)
			return MHD_NO;
		c->body = p;
		c->size = room;
	}
	memcpy(c->body + c->len, data, size);
	c->len = want;
	return MHD_YES;
}

/* ---- the call ---------------------------------------------------------- */

/* What the request is about, for the log: the most specific id it has. */
static const char *subject_of(json_object *body)
{
	static const char *const keys[] = { "EndpointID", "NetworkID", "Name",
					    "PoolID" };
	json_object *v;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_object_object_get_ex(body, keys[i], &v) &&
		    json_object_is_type(v, json_type_string))
			return json_object_get_string(v);
	return "-";
}

static void log_call(const struct rpc_conn *c, json_object *body, uint64_t us,
		     int code, const struct err *err)
{
	char id[32], text[2 * ERR_MSG_MAX], cut[13];

	snprintf(cut, sizeof(cut), "%s", subject_of(body));
	log_quote(id, sizeof(id), cut);
	if (code < 0)
		log_line(c->usual ? LOG_LVL_DEBUG : LOG_LVL_INFO,
			 "op=%s id=%s driver=%s ms=%llu.%llu err=%s",
			 c->method->name, id, c->rpc->cfg.driver,
			 (unsigned long long)(us / 1000),
			 (unsigned long long)(us % 1000 / 100),
			 log_quote(text, sizeof(text), err->msg));
	else
		log_debug("op=%s id=%s driver=%s ms=%llu.%llu", c->method->name,
			  id, c->rpc->cfg.driver,
			  (unsigned long long)(us / 1000),
			  (unsigned long long)(us % 1000 / 100));
}

static int call(struct rpc_conn *c, json_object **ret_body, json_object **ret,
		struct err *err)
{
	struct rpc_call call = { .method = c->method->name,
				 .rpc = c->rpc,
				 .fd = c->fd };
	int r = 0;

	if (c->len)
		r = jdec_parse(c->body, c->len, ret_body, err);
	if (r < 0)
		return r;
	call.body = *ret_body;
	r = c->method->handle(c->ctx, &call, ret, err);
	c->seq = call.seq;
	c->usual = call.usual;
	c->waited_us = call.waited_us;
	if (r >= 0 && c->rpc->cfg.done)
		c->rpc->cfg.done(c->rpc->cfg.own_ctx, &call, *ret);
	if (r < 0 && !err->msg[0])
		err_set(err, r, "%s", strerror(-r));
	return r;
}

int rpc_peer(const struct rpc_call *call, int *ret_pid, struct err *err)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	int fd;

	if (getsockopt(call->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_set(err, -errno, "who asks: %s", strerror(errno));
	fd = pidfd_open(cred.pid, 0);
	if (fd < 0)
		return err_set(err, -errno, "process %d, which asks: %s",
			       cred.pid, strerror(errno));
	*ret_pid = cred.pid;
	return fd;
}

#define TRIM_ABOVE (16u << 10) /* bytes of body */

/* How the answer of a handler that returned @r is sent. */
static enum refusal refusal_of(const struct rpc_conn *c, int r)
{
	static const char volume[] = "VolumeDriver.";
	const char *name = c->method->name;

	if (r >= 0)
		return REFUSE_NOT;
	if (r == -EBADMSG)
		return REFUSE_MESSAGE;
	if (strncmp(name, volume, sizeof(volume) - 1) != 0 ||
	    strcmp(name + sizeof(volume) - 1, "Get") == 0)
		return REFUSE_NOT;
	return REFUSE_VOLUME;
}

static enum MHD_Result serve(struct rpc_conn *c, struct MHD_Connection *con)
{
	_cleanup_(json_putp) json_object *body = NULL, *result = NULL;
	struct err err = { 0 };
	enum MHD_Result sent;
	uint64_t start, us;
	bool trim = c->len > TRIM_ABOVE;
	int r;

	rpc_phase_set(c, RPC_WORKING);
	c->waited_us = 0;
	start = rpc_now_us();
	r = call(c, &body, &result, &err);
	if (r < 0) {
		json_object_put(result);
		result = error_to_json(r, err.msg);
	}
	if (c->seq && c->rpc->cfg.sending)
		c->rpc->cfg.sending(c->rpc->cfg.ctx, c->seq);
	sent = answer(c, con, refusal_of(c, r), take_ptr(result));
	us = rpc_now_us() - start;
	us = us > c->waited_us ? us - c->waited_us : 0;
	rpc_stat_add(c->rpc, c->method->name, us, r);
	log_call(c, body, us, r, &err);
	free(take_ptr(c->body));
	if (trim) { /* its objects are 30 times the text */
		json_object_put(take_ptr(body));
		malloc_trim(0);
	}
	return sent;
}

static enum MHD_Result serve_page(struct rpc_conn *c,
				  struct MHD_Connection *con)
{
	const struct rpc_config *cfg = &c->rpc->cfg;
	struct err err = { 0 };
	char quoted[2 * ERR_MSG_MAX], *text = NULL;
	size_t len = 0;
	int r;

	rpc_phase_set(c, RPC_WORKING);
	r = cfg->page(cfg->own_ctx, c->rpc, &text, &len, &err);
	if (r == 0)
		return queue(c, con, REFUSE_NOT, PROM_CONTENT_TYPE,
			     MHD_create_response_from_buffer(
				     len, text, MHD_RESPMEM_MUST_FREE));
	log_info("op=metrics driver=%s err=%s", cfg->driver,
		 log_quote(quoted, sizeof(quoted), err.msg));
	return answer(c, con, REFUSE_VOLUME, error_to_json(r, err.msg));
}

enum MHD_Result rpc_on_access(void *cls, struct MHD_Connection *con,
			      const char *url, const char *method,
			      const char *version, const char *data,
			      size_t *size, void **con_cls)
{
	struct rpc_conn *c = *con_cls;
	enum refusal why;

	(void)cls;
	if (!c)
		return MHD_NO;
	if (!c->checked) {
		c->checked = true;
		why = check_head(c, con, url, method, version);
		return why == REFUSE_NOT ? MHD_YES : refuse(c, con, why, url);
	}
	if (*size) {
		enum MHD_Result r = body_add(c, data, *size);

		*size = 0;
		return r;
	}
	if (c->too_big)
		return refuse(c, con, REFUSE_BIG, url);
	return c->page ? serve_page(c, con) : serve(c, con);
}

/* ---- life -------------------------------------------------------------- */

static void rpc_free(struct rpc *rpc)
{
	if (rpc->listen_fd >= 0)
		close(rpc->listen_fd);
	if (rpc->wake_fd >= 0)
		close(rpc->wake_fd);
	pthread_cond_destroy(&rpc->moved);
	pthread_mutex_destroy(&rpc->lock);
	free(rpc->stats);
	rpc_meets_free(rpc);
	free(rpc);
}

bool rpc_stop(struct rpc *rpc)
{
	if (!rpc)
		return true;
	rpc_conns_stopping(rpc);
	rpc_gate_stop(rpc);
	if (!rpc_conns_stop(rpc))
		return false;
	rpc_free(rpc);
	return true;
}

static struct rpc *rpc_new(const struct rpc_config *cfg)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc));
	pthread_condattr_t attr;

	if (!rpc)
		return NULL;
	rpc->cfg = *cfg;
	rpc->listen_fd = cfg->listen_fd;
	rpc->listens_ms = cfg->held ? 0 : rpc_now_us() / 1000;
	rpc->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&rpc->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&rpc->moved, &attr);
	pthread_condattr_destroy(&attr);
	return rpc;
}

int rpc_start(const struct rpc_config *cfg, struct rpc **ret, struct err *err)
{
	_cleanup_(rpc_stopp) struct rpc *rpc = rpc_new(cfg);
	int r;

	if (!rpc) {
		close(cfg->listen_fd);
		return err_set(err, -ENOMEM, "the plugin server");
	}
	if (rpc->wake_fd < 0)
		return err_set(err, -errno, "the plugin server: %m");
	r = rpc_stat_open(rpc);
	if (r < 0)
		return err_set(err, r, "the plugin server's figures");
	r = rpc_conns_start(rpc, err);
	if (r == 0)
		r = rpc_gate_start(rpc, err);
	if (r < 0)
		return r;
	*ret = take_ptr(rpc);
	return 0;
}
