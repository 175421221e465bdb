// SPDX-License-Identifier: GPL-2.0-or-later
/* An HTTP answer that goes on, a JSON object a line, beside another descriptor. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/client.h"
#include "lib/client_priv.h"
#include "lib/jdec.h"

struct client_stream {
	CURLM *multi;                /* owned */
	CURL *curl;                  /* owned; in .multi */
	struct client_secret secret; /* owned */
	struct curl_slist *head;     /* owned */
	char *url, *host; /* owned; of a unix socket .host is its path */
	bool is_unix;
	struct client_answer got; /* what came and was not yet taken */
	char text[CURL_ERROR_SIZE];
};

void client_stream_close(struct client_stream *s)
{
	if (!s)
		return;
	if (s->multi && s->curl)
		curl_multi_remove_handle(s->multi, s->curl);
	client_curl_closep(&s->curl);
	if (s->multi)
		curl_multi_cleanup(s->multi);
	curl_slist_free_all(s->head);
	client_secret_clear(&s->secret);
	client_answer_clear(&s->got);
	free(s->url);
	free(s->host);
	free(s);
}

/* Nothing but an event is ever sent on a stream: without probes a peer that is dead
 * and one that has nothing to tell look alike.  Given up after KEEP_IDLE_S and as many
 * seconds as there are probes (tcp(7)). */
#define KEEP_IDLE_S 3L
#define KEEP_PROBES 3

static int probes_set(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int n = KEEP_PROBES;

	(void)arg;
	(void)purpose;
	if (setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n, sizeof(n)) < 0)
		return CURL_SOCKOPT_ERROR;
	return CURL_SOCKOPT_OK;
}

/* Return: owned; NULL: out of memory. */
static struct client_stream *stream_new(const char *host, size_t max)
{
	_cleanup_(client_stream_closep) struct client_stream *s =
		calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->curl = client_handle();
	s->multi = curl_multi_init();
	s->host = strdup(host);
	if (!s->curl || !s->multi || !s->host)
		return NULL;
	s->got.max = max;
	return take_ptr(s);
}

static void sink(struct client_stream *s)
{
	curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, client_on_data);
	curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, &s->got);
	curl_easy_setopt(s->curl, CURLOPT_ERRORBUFFER, s->text);
}

int client_stream_open(const struct client_tls *tls,
		       const struct client_post *post,
		       struct client_stream **ret, struct err *err)
{
	_cleanup_(client_stream_closep) struct client_stream *s =
		stream_new(post->host, post->max);
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "%s", post->path);
	r = client_secret_copy(&s->secret, tls, err);
	if (r < 0)
		return r;
	r = client_tcp_prepare(s->curl, &s->secret, post, &s->url, &s->head,
			       err);
	if (r < 0)
		return r;
	curl_easy_setopt(s->curl, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)post->timeout_ms);
	/* A peer that went without a word is asked after KEEP_IDLE_S of silence. */
	curl_easy_setopt(s->curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(s->curl, CURLOPT_TCP_KEEPIDLE, KEEP_IDLE_S);
	curl_easy_setopt(s->curl, CURLOPT_TCP_KEEPINTVL, 1L);
	curl_easy_setopt(s->curl, CURLOPT_SOCKOPTFUNCTION, probes_set);
	sink(s);
	if (curl_multi_add_handle(s->multi, s->curl) != CURLM_OK)
		return err_set(err, -ENOMEM, "%s", post->path);
	*ret = take_ptr(s);
	return 0;
}

/* Return: 1: a line was there. */
static int line_take(struct client_stream *s, json_object **ret,
		     struct err *err)
{
	char *end = s->got.len ? memchr(s->got.text, '\n', s->got.len) : NULL;
	size_t len;
	int r;

	if (!end)
		return 0;
	len = (size_t)(end - s->got.text);
	r = jdec_parse(s->got.text, len, ret, err);
	s->got.len -= len + 1;
	memmove(s->got.text, end + 1, s->got.len + 1); /* with the NUL */
	if (r < 0)
		return err_wrap(err, -EBADMSG, "%s: a line of the answer",
				s->host);
	return 1;
}

/* Return: 0 while it goes on, else how it ended. */
static int ended(struct client_stream *s, struct err *err)
{
	CURLMsg *m;
	long status = 0;
	int left, r = 0;

	m = curl_multi_info_read(s->multi, &left);
	if (!m || m->msg != CURLMSG_DONE)
		return 0;
	if (m->data.result != CURLE_OK && s->is_unix)
		return client_unix_error(s->curl, m->data.result, s->host,
					 s->url, s->text, err);
	if (m->data.result != CURLE_OK)
		return client_tcp_error(s->curl, m->data.result, s->host,
					s->text, err);
	if (s->is_unix)
		curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	else
		r = client_tcp_status(s->curl, s->host, &status, err);
	if (r < 0)
		return r;
	return err_set(err, -ECONNRESET,
		       "%s: ended the answer (HTTP status %ld)", s->host,
		       status);
}

static struct timespec deadline(unsigned int timeout_ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout_ms / 1000;
	end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	return end;
}

static unsigned int ms_left(const struct timespec *end)
{
	struct timespec now;
	long long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (long long)(end->tv_sec - now.tv_sec) * 1000 +
	     (end->tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (unsigned int)ms : 0;
}

/* Until its head is here. */
static int begun(struct client_stream *s, unsigned int timeout_ms,
		 struct err *err)
{
	struct timespec end = deadline(timeout_ms);
	unsigned int left;
	long status = 0;
	int running, r;

	for (;;) {
		if (curl_multi_perform(s->multi, &running) != CURLM_OK)
			return err_set(err, -ENOMEM, "%s", s->host);
		curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
		if (status >= 400)
			return err_set(err, -EREMOTEIO,
				       "%s: HTTP status %ld: %.200s", s->url,
				       status, s->got.text ? s->got.text : "");
		if (status)
			return 0;
		r = ended(s, err);
		if (r != 0)
			return r;
		left = ms_left(&end);
		if (!left)
			return err_set(err, -ETIMEDOUT,
				       "%s: no answer in time on %s", s->url,
				       s->host);
		curl_multi_poll(s->multi, NULL, 0, (int)left, NULL);
	}
}

int client_stream_get(const char *path, const char *url_path,
		      unsigned int timeout_ms, size_t max,
		      struct client_stream **ret, struct err *err)
{
	_cleanup_(client_stream_closep) struct client_stream *s =
		stream_new(path, max);
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "%s", url_path);
	s->is_unix = true;
	if (asprintf(&s->url, "http://docker.localhost%s", url_path) < 0) {
		s->url = NULL;
		return err_set(err, -ENOMEM, "%s", url_path);
	}
	curl_easy_setopt(s->curl, CURLOPT_UNIX_SOCKET_PATH, path);
	curl_easy_setopt(s->curl, CURLOPT_URL, s->url);
	curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(s->curl, CURLOPT_PROXY, "");
	sink(s);
	if (curl_multi_add_handle(s->multi, s->curl) != CURLM_OK)
		return err_set(err, -ENOMEM, "%s", url_path);
	r = begun(s, timeout_ms, err);
	if (r < 0)
		return r;
	*ret = take_ptr(s);
	return 0;
}

int client_stream_next(struct client_stream *s, int wake_fd,
		       unsigned int timeout_ms, json_object **ret,
		       struct err *err)
{
	struct curl_waitfd wake = { .fd = wake_fd, .events = CURL_WAIT_POLLIN };
	struct timespec end = deadline(timeout_ms);
	unsigned int left;
	int running, r;

	for (;;) {
		r = line_take(s, ret, err);
		if (r != 0)
			return r;
		if (curl_multi_perform(s->multi, &running) != CURLM_OK)
			return err_set(err, -ENOMEM, "%s", s->host);
		r = line_take(s, ret, err);
		if (r == 0)
			r = ended(s, err);
		if (r != 0)
			return r;
		left = ms_left(&end);
		if (!left || (wake.revents & CURL_WAIT_POLLIN))
			return 0;
		curl_multi_poll(s->multi, &wake, wake_fd >= 0 ? 1 : 0,
				(int)left, NULL);
	}
}
