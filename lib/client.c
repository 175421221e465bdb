// SPDX-License-Identifier: GPL-2.0-or-later
/* HTTP over a unix socket, as a client: one libcurl handle a call. */
#include "lib/client.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/client_priv.h"

#define ANSWER_MAX  (64u << 20) /* bytes */
#define PLUGIN_HOST "http://plugin.berth.localhost"

static void parser_freep(json_tokener **t)
{
	if (*t)
		json_tokener_free(*t);
}

static void json_freep(json_object **o)
{
	json_object_put(*o);
}

static void library_begin(void)
{
	curl_global_init(CURL_GLOBAL_NOTHING);
}

size_t client_on_data(char *data, size_t one, size_t n, void *ctx)
{
	struct client_answer *a = ctx;
	char *p;

	if (n > a->max - a->len)
		return 0;
	if (a->len + n >= a->room) {
		a->room = 2 * (a->len + n) + 1;
		p = realloc(a->text, a->room);
		if (!p)
			return 0;
		a->text = p;
	}
	memcpy(a->text + a->len, data, n);
	a->len += n;
	a->text[a->len] = '\0';
	return one * n;
}

/* "/run/docker/plugins/berth-bridge.sock" -> "berth-bridge" */
static void name_of(const char *path, char *buf, size_t size)
{
	const char *base = strrchr(path, '/');
	size_t len;

	snprintf(buf, size, "%s", base ? base + 1 : path);
	len = strlen(buf);
	if (len > 5 && !strcmp(buf + len - 5, ".sock"))
		buf[len - 5] = '\0';
}

static int nobody_there(const char *path, int code, struct err *err)
{
	const char *what =
		code == -ENOENT ? "there is no" : "nobody listens on its";
	char name[64];

	name_of(path, name, sizeof(name));
	if (strncmp(name, "berth-", 6) != 0)
		return err_set(err, code,
			       "%s is not running: %s socket %s; start it with "
			       "`systemctl start %s`",
			       name, what, path, name);
	return err_set(err, code,
		       "%s is not running: %s socket %s; start it with `netctl "
		       "up %s` or `systemctl start %s.socket`",
		       name, what, path, name, name);
}

int client_unix_error(CURL *curl, CURLcode rc, const char *path,
		      const char *method, const char *text, struct err *err)
{
	long sys = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &sys);
	switch ((int)rc) {
	case CURLE_COULDNT_CONNECT:
		if (sys == ENOENT || sys == ENOTDIR)
			return nobody_there(path, -ENOENT, err);
		if (sys == ECONNREFUSED)
			return nobody_there(path, -ECONNREFUSED, err);
		return err_set(err, sys ? -(int)sys : -EIO, "%s: %s", path,
			       sys ? strerror((int)sys) : text);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, -ETIMEDOUT, "%s: no answer in time on %s",
			       method, path);
	case CURLE_OUT_OF_MEMORY:
		return err_set(err, -ENOMEM, "%s", method);
	case CURLE_WRITE_ERROR:
		return err_set(err, -EMSGSIZE, "%s: the answer is above %u MiB",
			       method, ANSWER_MAX >> 20);
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
		return err_set(err, -ECONNRESET,
			       "%s: the connection to %s broke before the "
			       "answer was here",
			       method, path);
	default:
		return err_set(err, -EIO, "%s: %s", method,
			       text[0] ? text : curl_easy_strerror(rc));
	}
}

/* The text of a plugin's or dockerd's error, or NULL. */
static const char *error_of(json_object *o)
{
	static const char *const keys[] = { "Err", "Error", "message" };
	json_object *v;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_object_object_get_ex(o, keys[i], &v) &&
		    json_object_is_type(v, json_type_string) &&
		    json_object_get_string_len(v) > 0)
			return json_object_get_string(v);
	return NULL;
}

static int answer_parse(const struct client_answer *a, const char *method,
			json_object **ret, struct err *err)
{
	_cleanup_(parser_freep) json_tokener *t = json_tokener_new();
	json_object *o;

	if (!t)
		return err_set(err, -ENOMEM, "%s", method);
	if (a->len == 0) {
		*ret = json_object_new_object();
		return *ret ? 0 : err_set(err, -ENOMEM, "%s", method);
	}
	o = json_tokener_parse_ex(t, a->text, (int)a->len);
	if (json_tokener_get_error(t) == json_tokener_continue) /* "12" */
		o = json_tokener_parse_ex(t, "", 1);
	if (json_tokener_get_error(t) != json_tokener_success)
		return err_set(err, -EBADMSG,
			       "%s: the answer is not JSON: "
			       "%.80s",
			       method, a->text);
	*ret = o;
	return 0;
}

static int verdict(CURL *curl, const struct client_answer *a,
		   const char *method, json_object **ret, struct err *err)
{
	_cleanup_(json_freep) json_object *o = NULL;
	const char *text;
	long status = 0;
	int r;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	r = answer_parse(a, method, &o, err);
	if (r < 0)
		return status >= 400
			       ? err_set(err, -EREMOTEIO,
					 "%s: HTTP status %ld: %.200s", method,
					 status, a->text ? a->text : "")
			       : r;
	text = error_of(o);
	if (text)
		return err_set(err, -EREMOTEIO, "%s", text);
	if (status >= 400)
		return err_set(err, -EREMOTEIO, "%s: HTTP status %ld", method,
			       status);
	if (!o)
		o = json_object_new_object(); /* Go takes null for {} too */
	if (ret)
		*ret = take_ptr(o);
	return 0;
}

/* @ret: owned, whatever is returned. */
static int fetch(CURL *curl, const char *path, const char *url,
		 const char *method, unsigned int timeout_ms,
		 struct client_answer *ret, struct err *err)
{
	char text[CURL_ERROR_SIZE] = "";
	CURLcode rc;

	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, client_on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	rc = curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	if (rc != CURLE_OK)
		return client_unix_error(curl, rc, path, method, text, err);
	return 0;
}

static int perform(CURL *curl, const char *path, const char *url,
		   const char *method, unsigned int timeout_ms,
		   json_object **ret, struct err *err)
{
	_cleanup_(client_answer_clear) struct client_answer a = {
		.max = ANSWER_MAX,
	};
	int r = fetch(curl, path, url, method, timeout_ms, &a, err);

	return r < 0 ? r : verdict(curl, &a, method, ret, err);
}

CURL *client_handle(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, library_begin);
	return curl_easy_init();
}

int client_call(const char *path, const char *method, json_object *body,
		unsigned int timeout_ms, json_object **ret, struct err *err)
{
	_cleanup_(client_curl_closep) CURL *curl = client_handle();
	_cleanup_(client_list_freep) struct curl_slist *head = NULL;
	const char *text = body ? json_object_to_json_string_ext(
					  body, JSON_C_TO_STRING_PLAIN)
				: "";
	char url[256];

	/* No waiting for "100 Continue" with large bodies. */
	head = curl_slist_append(NULL, "Expect:");
	if (!curl || !head || !text ||
	    !curl_slist_append(head, "Content-Type: application/json"))
		return err_set(err, -ENOMEM, "%s", method);
	snprintf(url, sizeof(url), PLUGIN_HOST "/%s", method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, head);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)strlen(text));
	return perform(curl, path, url, method, timeout_ms, ret, err);
}

/* @request: NULL for GET. */
static int http(const char *path, const char *request, const char *url_path,
		unsigned int timeout_ms, json_object **ret, struct err *err)
{
	_cleanup_(client_curl_closep) CURL *curl = client_handle();
	_cleanup_free_ char *url = NULL;

	if (!curl || asprintf(&url, "http://docker.localhost%s", url_path) < 0)
		return err_set(err, -ENOMEM, "%s", url_path);
	if (request)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request);
	return perform(curl, path, url, url_path, timeout_ms, ret, err);
}

int client_http_get(const char *path, const char *url_path,
		    unsigned int timeout_ms, json_object **ret, struct err *err)
{
	return http(path, NULL, url_path, timeout_ms, ret, err);
}

int client_http_delete(const char *path, const char *url_path,
		       unsigned int timeout_ms, struct err *err)
{
	return http(path, "DELETE", url_path, timeout_ms, NULL, err);
}

int client_text_get(const char *path, const char *url_path,
		    unsigned int timeout_ms, char **ret, size_t *ret_len,
		    struct err *err)
{
	_cleanup_(client_curl_closep) CURL *curl = client_handle();
	_cleanup_(client_answer_clear) struct client_answer a = {
		.max = ANSWER_MAX,
	};
	char url[256];
	long status = 0;
	int r;

	if (!curl)
		return err_set(err, -ENOMEM, "%s", url_path);
	snprintf(url, sizeof(url), PLUGIN_HOST "%s", url_path);
	r = fetch(curl, path, url, url_path, timeout_ms, &a, err);
	if (r < 0)
		return r;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return verdict(curl, &a, url_path, NULL, err) < 0
			       ? -EREMOTEIO
			       : err_set(err, -EREMOTEIO, "%s: HTTP status %ld",
					 url_path, status);
	if (!a.text)
		a.text = calloc(1, 1);
	if (!a.text)
		return err_set(err, -ENOMEM, "%s", url_path);
	*ret_len = a.len;
	*ret = take_ptr(a.text);
	return 0;
}
