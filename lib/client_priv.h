/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client_priv.h - what the files of the client share. */
#ifndef LIB_CLIENT_PRIV_H
#define LIB_CLIENT_PRIV_H

#include <curl/curl.h>

#include "lib/base.h"
#include "lib/client.h"

struct client_answer {
	char *text; /* owned; ends with a NUL */
	size_t len, room;
	size_t max; /* more is refused */
};

static inline void client_answer_clear(struct client_answer *a)
{
	free(a->text);
	a->text = NULL;
	a->len = a->room = 0;
}

static inline void client_curl_closep(CURL **c)
{
	if (*c)
		curl_easy_cleanup(*c);
}

static inline void client_list_freep(struct curl_slist **l)
{
	curl_slist_free_all(*l);
}

/* A new handle; the first one sets the library up.  NULL: out of memory. */
CURL *client_handle(void);

/* CURLOPT_WRITEFUNCTION; @ctx: struct client_answer. */
size_t client_on_data(char *data, size_t one, size_t n, void *ctx);

/* What went wrong with a call over the unix socket @path; @text: libcurl's. */
int client_unix_error(CURL *curl, CURLcode rc, const char *path,
		      const char *method, const char *text, struct err *err);

/* Of client_tcp.c, for client_stream.c. */
struct client_secret {
	char *ca, *cert, *key; /* owned */
};
int client_secret_copy(struct client_secret *s, const struct client_tls *tls,
		       struct err *err);
void client_secret_clear(struct client_secret *s);

/* All options of a POST but the limits in time and the sink.  @url, @head: owned
 * by the caller, for as long as @curl is used. */
int client_tcp_prepare(CURL *curl, const struct client_secret *secret,
		       const struct client_post *post, char **url,
		       struct curl_slist **head, struct err *err);
int client_tcp_error(CURL *curl, CURLcode rc, const char *host,
		     const char *text, struct err *err);
/* A redirect or another status that is no answer: -EPROTO. */
int client_tcp_status(CURL *curl, const char *host, long *status,
		      struct err *err);

#endif
