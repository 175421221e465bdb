// SPDX-License-Identifier: GPL-2.0-or-later
/* HTTP and HTTPS to a server over TCP: what is trusted is decided here. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/client.h"
#include "lib/client_priv.h"
#include "lib/jdec.h"

struct client {
	CURL *curl;                  /* owned */
	struct client_secret secret; /* .ca NULL: plain */
	char from[INET6_ADDRSTRLEN]; /* where calls went out last; "" */
};

void client_secret_clear(struct client_secret *s)
{
	free(take_ptr(s->ca));
	free(take_ptr(s->cert));
	free(take_ptr(s->key));
}

int client_secret_copy(struct client_secret *s, const struct client_tls *tls,
		       struct err *err)
{
	if (!tls)
		return 0;
	s->ca = strdup(tls->ca);
	s->cert = tls->cert ? strdup(tls->cert) : NULL;
	s->key = tls->key ? strdup(tls->key) : NULL;
	if (!s->ca || !!s->cert != !!tls->cert || !!s->key != !!tls->key)
		return err_set(err, -ENOMEM, "TLS");
	return 0;
}

int client_open(const struct client_tls *tls, struct client **ret,
		struct err *err)
{
	_cleanup_(client_closep) struct client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "HTTP client");
	c->curl = client_handle();
	if (!c->curl)
		return err_set(err, -ENOMEM, "HTTP client");
	r = client_secret_copy(&c->secret, tls, err);
	if (r < 0)
		return r;
	*ret = take_ptr(c);
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	client_curl_closep(&c->curl);
	client_secret_clear(&c->secret);
	free(c);
}

int client_renew(struct client *c, struct err *err)
{
	CURL *curl = client_handle();

	if (!curl)
		return err_set(err, -ENOMEM, "HTTP client");
	client_curl_closep(&c->curl);
	c->curl = curl;
	return 0;
}

static void trust(CURL *curl, const struct client_secret *s)
{
	/* One scheme and no other: a redirect or a proxy can't take it off. */
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, s->ca ? "https" : "http");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	if (!s->ca)
		return;
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	/* Ours alone: not also whom the distribution trusts. */
	curl_easy_setopt(curl, CURLOPT_CAINFO, s->ca);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	if (s->cert)
		curl_easy_setopt(curl, CURLOPT_SSLCERT, s->cert);
	if (s->key)
		curl_easy_setopt(curl, CURLOPT_SSLKEY, s->key);
}

static int head_add(struct curl_slist **head, const char *line)
{
	struct curl_slist *more = curl_slist_append(*head, line);

	if (!more)
		return -ENOMEM;
	*head = more;
	return 0;
}

int client_tcp_prepare(CURL *curl, const struct client_secret *secret,
		       const struct client_post *post, char **url,
		       struct curl_slist **head, struct err *err)
{
	_cleanup_free_ char *token = NULL;

	if (asprintf(url, "%s://%s%s", secret->ca ? "https" : "http",
		     post->host, post->path) < 0) {
		*url = NULL;
		return err_set(err, -ENOMEM, "%s", post->path);
	}
	if (post->token &&
	    asprintf(&token, "Authorization: %s", post->token) < 0) {
		token = NULL;
		return err_set(err, -ENOMEM, "%s", post->path);
	}
	/* No waiting for "100 Continue" with large bodies. */
	if (head_add(head, "Expect:") < 0 ||
	    head_add(head, "Content-Type: application/json") < 0 ||
	    (token && head_add(head, token) < 0))
		return err_set(err, -ENOMEM, "%s", post->path);
	trust(curl, secret);
	curl_easy_setopt(curl, CURLOPT_URL, *url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *head);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)strlen(post->body));
	curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, post->body);
	return 0;
}

/* Was anything asked before it failed? */
static bool asked(CURL *curl)
{
	curl_off_t us = 0;

	curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &us);
	return us > 0;
}

int client_tcp_error(CURL *curl, CURLcode rc, const char *host,
		     const char *text, struct err *err)
{
	const char *why = text[0] ? text : curl_easy_strerror(rc);

	switch ((int)rc) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(err, -EHOSTUNREACH, "%s: %s", host, why);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, asked(curl) ? -ETIMEDOUT : -EHOSTUNREACH,
			       "%s: no answer in time", host);
	case CURLE_OUT_OF_MEMORY:
		return err_set(err, -ENOMEM, "%s", host);
	case CURLE_WRITE_ERROR:
		return err_set(err, -EMSGSIZE,
			       "%s: the answer is larger than is taken", host);
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
		return err_set(err, -ECONNRESET,
			       "%s: the connection broke before the answer was "
			       "here",
			       host);
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(err, -EPROTO, "%s: TLS: %s", host, why);
	default: /* nonsense instead of HTTP, of any kind */
		return err_set(err, asked(curl) ? -EBADMSG : -EPROTO, "%s: %s",
			       host, why);
	}
}

int client_tcp_status(CURL *curl, const char *host, long *status,
		      struct err *err)
{
	*status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	if (*status >= 300 && *status < 400)
		return err_set(
			err, -EPROTO,
			"%s: answers with a redirect (HTTP status %ld), "
			"which is not followed: is this etcd itself, and "
			"should it be called with TLS?",
			host, *status);
	return 0;
}

static int answered(CURL *curl, const struct client_answer *a, const char *host,
		    long *status, json_object **ret, struct err *err)
{
	int r = client_tcp_status(curl, host, status, err);

	if (r < 0)
		return r;
	if (a->len)
		r = jdec_parse(a->text, a->len, ret, err);
	if (r < 0 && *status < 400)
		return err_wrap(err, -EBADMSG, "%s: the answer", host);
	if (r < 0 || !a->len)
		*ret = json_object_new_object();
	if (!*ret)
		return err_set(err, -ENOMEM, "%s", host);
	if (err)
		err->msg[0] = '\0';
	return 0;
}

/* Has this host the address still?  What can't be told counts as yes. */
static bool is_here(const char *text)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	bool v4 = inet_pton(AF_INET, text, &a4.sin_addr) == 1;
	_cleanup_close_ int fd = -EBADF;

	if (!v4 && inet_pton(AF_INET6, text, &a6.sin6_addr) != 1)
		return true;
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ||
	       bind(fd, v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
		    v4 ? sizeof(a4) : sizeof(a6)) == 0 ||
	       errno != EADDRNOTAVAIL;
}

/* By a connection from an address that this host has no more nothing comes back. */
static void leave_old(struct client *c)
{
	if (c->from[0] && !is_here(c->from) && client_renew(c, NULL) == 0)
		c->from[0] = '\0';
}

static void keep_from(struct client *c)
{
	char *ip = NULL;

	if (curl_easy_getinfo(c->curl, CURLINFO_LOCAL_IP, &ip) == CURLE_OK &&
	    ip)
		snprintf(c->from, sizeof(c->from), "%s", ip);
}

int client_post(struct client *c, const struct client_post *post, long *status,
		json_object **ret, struct err *err)
{
	_cleanup_(client_answer_clear) struct client_answer a = {
		.max = post->max,
	};
	_cleanup_(client_list_freep) struct curl_slist *head = NULL;
	_cleanup_free_ char *url = NULL;
	char text[CURL_ERROR_SIZE] = "";
	CURLcode rc;
	int r;

	leave_old(c);
	curl_easy_reset(c->curl); /* its connections stay */
	r = client_tcp_prepare(c->curl, &c->secret, post, &url, &head, err);
	if (r < 0)
		return r;
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)post->timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)post->timeout_ms / 2);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, client_on_data);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &a);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, text);
	rc = curl_easy_perform(c->curl);
	keep_from(c);
	r = rc == CURLE_OK
		    ? answered(c->curl, &a, post->host, status, ret, err)
		    : client_tcp_error(c->curl, rc, post->host, text, err);
	curl_easy_reset(c->curl); /* nothing on this stack is kept */
	return r;
}
