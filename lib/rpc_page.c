/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One page over TCP, on loopback. */
#include "lib/rpc_page.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/ip.h"
#include "lib/log.h"
#include "lib/prom.h"

#define CONN_MAX  16u
#define SILENCE_S 10u
#define BEARER    "Bearer "

struct rpc_page {
	struct rpc_page_config cfg;
	struct MHD_Daemon *mhd;
};

/* ---- requests ---------------------------------------------------------------------- */

/* In a time that tells nothing of where they differ. */
static bool same_text(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char differs = strlen(b) != n;

	for (size_t i = 0; i < n; i++)
		differs |= (unsigned char)(a[i] ^ b[differs ? 0 : i]);
	return differs == 0;
}

static bool is_allowed(const struct rpc_page *page, struct MHD_Connection *con)
{
	const char *given = MHD_lookup_connection_value(
		con, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

	return given && strncmp(given, BEARER, strlen(BEARER)) == 0 &&
	       same_text(page->cfg.token, given + strlen(BEARER));
}

/* @text: taken. */
static enum MHD_Result answer(struct MHD_Connection *con, unsigned int status,
			      const char *type, char *text, size_t len)
{
	struct MHD_Response *resp = MHD_create_response_from_buffer(
		len, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result r;

	if (!resp) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(resp, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
					"Bearer");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(resp, MHD_HTTP_HEADER_ALLOW, "GET");
	r = MHD_queue_response(con, status, resp);
	MHD_destroy_response(resp);
	return r;
}

static enum MHD_Result refuse(struct MHD_Connection *con, unsigned int status,
			      const char *why)
{
	char *text = NULL;
	int n = asprintf(&text, "%s\n", why);

	return n < 0 ? MHD_NO
		     : answer(con, status, "text/plain; charset=utf-8", text,
			      (size_t)n);
}

static enum MHD_Result serve(struct rpc_page *page, struct MHD_Connection *con)
{
	char quoted[2 * ERR_MSG_MAX], *text = NULL;
	struct err err = { 0 };
	size_t len = 0;

	if (page->cfg.text(page->cfg.ctx, &text, &len, &err) == 0)
		return answer(con, MHD_HTTP_OK, PROM_CONTENT_TYPE, text, len);
	log_error("op=page err=%s", log_quote(quoted, sizeof(quoted), err.msg));
	return refuse(con, MHD_HTTP_INTERNAL_SERVER_ERROR, err.msg);
}

/* Once for the head, then for the body or its end: answered at the second, so that
 * the connection can go on. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *con,
				 const char *url, const char *method,
				 const char *version, const char *data,
				 size_t *size, void **state)
{
	struct rpc_page *page = cls;

	(void)version;
	(void)data;
	if (!*state) {
		*state = page;
		return MHD_YES;
	}
	if (*size) { /* a body that nobody asked for */
		*size = 0;
		return MHD_YES;
	}
	if (!is_allowed(page, con))
		return refuse(con, MHD_HTTP_UNAUTHORIZED,
			      "Authorization: Bearer and the token are needed");
	if (strcmp(url, page->cfg.path) != 0)
		return refuse(con, MHD_HTTP_NOT_FOUND, "no such page");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return refuse(con, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "only GET is served");
	return serve(page, con);
}

/* ---- life -------------------------------------------------------------------------- */

static int bad_address(const char *text, struct err *err)
{
	char shown[64];

	return err_set(err, -EINVAL,
		       "%s: not a loopback address and a port, as "
		       "127.0.0.1:9186 or [::1]:9186",
		       log_quote(shown, sizeof(shown), text));
}

/* "A:P", "[A]:P" */
static int parse(const char *text, struct ip_addr *ip, uint16_t *port,
		 struct err *err)
{
	const char *colon = strrchr(text, ':');
	bool v6 = text[0] == '[';
	size_t len = colon ? (size_t)(colon - text) : 0;
	char host[INET6_ADDRSTRLEN], *end;
	unsigned long n;

	if (v6 && (len < 2 || text[len - 1] != ']'))
		return bad_address(text, err);
	if (v6) {
		text++;
		len -= 2;
	}
	if (!colon || len >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
		return bad_address(v6 ? text - 1 : text, err);
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	n = strtoul(colon + 1, &end, 10);
	if (*end || n > 65535 || ip_parse(host, ip, NULL) < 0 ||
	    (ip->family == AF_INET6) != v6 || !ip_is_loopback(ip))
		return bad_address(v6 ? text - 1 : text, err);
	*port = (uint16_t)n;
	return 0;
}

/* Return: the listening socket; -errno. */
static int listen_at(const char *text, unsigned int *ret_port, struct err *err)
{
	struct sockaddr_storage at = { 0 };
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)&at;
	struct sockaddr_in *a4 = (struct sockaddr_in *)&at;
	_cleanup_close_ int fd = -EBADF;
	socklen_t len;
	struct ip_addr ip;
	uint16_t port;
	int r = parse(text, &ip, &port, err), on = 1;

	if (r < 0)
		return r;
	at.ss_family = ip.family;
	len = ip.family == AF_INET6 ? sizeof(*a6) : sizeof(*a4);
	if (ip.family == AF_INET6) {
		memcpy(&a6->sin6_addr, ip.bytes, 16);
		a6->sin6_port = htons(port);
	} else {
		memcpy(&a4->sin_addr, ip.bytes, 4);
		a4->sin_port = htons(port);
	}
	fd = socket(ip.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, len) < 0 ||
	    listen(fd, (int)CONN_MAX) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return err_set(err, -errno, "listen on %s: %s", text,
			       strerror(errno));
	*ret_port = ntohs(ip.family == AF_INET6 ? a6->sin6_port : a4->sin_port);
	return take_fd(fd);
}

int rpc_page_start(const struct rpc_page_config *cfg, struct rpc_page **ret,
		   unsigned int *ret_port, struct err *err)
{
	_cleanup_close_ int fd = listen_at(cfg->listen, ret_port, err);
	struct rpc_page *page;

	if (fd < 0)
		return fd;
	page = calloc(1, sizeof(*page));
	if (!page)
		return err_set(err, -ENOMEM, "out of memory");
	page->cfg = *cfg;
	page->mhd = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0,
		NULL, NULL, on_access, page, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, CONN_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_S,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (!page->mhd) {
		free(page);
		return err_set(err, -ENOMEM, "the HTTP server does not start");
	}
	(void)take_fd(fd);
	*ret = page;
	return 0;
}

void rpc_page_stop(struct rpc_page *page)
{
	if (!page)
		return;
	MHD_stop_daemon(page->mhd); /* closes the socket */
	free(page);
}
