// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A call to etcd: which member, with which token, and what its errors mean.
 *
 * A member that can't be reached, has no leader or answers nonsense is passed over
 * for the next; the one that answered is asked first the next time.  What may have
 * been done by a member that did not answer is asked again only of calls that are
 * the same twice as once (@repeat).
 */
#include "lib/etcd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/etcd_priv.h"
#include "lib/jdec.h"

#define TIMEOUT_MS 2000

static const char how[] = "is written etcd://HOST:PORT[,HOST:PORT...]";

/* "HOST:PORT" or "[ADDRESS]:PORT", of characters that can't be taken for more. */
static bool member_valid(const char *s, size_t len)
{
	const char *colon = memrchr(s, ':', len);
	const char *p;

	if (!colon || colon == s || (size_t)(colon - s) + 6 < len ||
	    colon + 1 == s + len)
		return false;
	if (*s == '[' && (colon[-1] != ']' || colon - s < 4))
		return false;
	for (p = colon + 1; p < s + len; p++)
		if (*p < '0' || *p > '9')
			return false;
	for (p = s; p < colon; p++) {
		bool v6 = *s == '[' && (p == s || p == colon - 1 || *p == ':');

		if (!v6 && !(*p >= '0' && *p <= '9') &&
		    !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') && *p != '.' &&
		    *p != '-')
			return false;
	}
	return true;
}

int etcd_config_members(struct etcd_config *cfg, const char *url,
			struct err *err)
{
	size_t n = 0, len;

	if (strncmp(url, "etcd://", 7) != 0)
		return err_set(err, -EINVAL, "\"%s\": a store %s", url, how);
	url += 7;
	if (strchr(url, '@'))
		return err_set(err, -EINVAL,
			       "a store %s: user and password are read from a "
			       "file, not from where all can see them",
			       how);
	for (;; url += len + 1) {
		len = strcspn(url, ",");
		if (n == ETCD_MEMBERS_MAX)
			return err_set(err, -EINVAL,
				       "a store has at most %d members",
				       ETCD_MEMBERS_MAX);
		if (len >= ETCD_MEMBER_LEN || !member_valid(url, len))
			return err_set(err, -EINVAL, "\"%.*s\": a store %s",
				       (int)len, url, how);
		memcpy(cfg->member[n], url, len);
		cfg->member[n++][len] = '\0';
		if (!url[len])
			break;
	}
	cfg->member_count = n;
	return 0;
}

static int auth_read(struct etcd *e, struct err *err)
{
	_cleanup_close_ int fd = open(e->cfg.auth, O_RDONLY | O_CLOEXEC);
	char line[512], *colon;
	ssize_t n;

	if (fd < 0)
		return err_set(err, -EACCES, "%s: %s", e->cfg.auth,
			       strerror(errno));
	n = read(fd, line, sizeof(line) - 1);
	if (n < 0)
		return err_set(err, -EACCES, "%s: %s", e->cfg.auth,
			       strerror(errno));
	line[n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	colon = strchr(line, ':');
	if (!colon || colon == line)
		return err_set(err, -EINVAL,
			       "%s: its first line is USER:PASSWORD",
			       e->cfg.auth);
	*colon = '\0';
	e->user = strdup(line);
	e->password = strdup(colon + 1);
	explicit_bzero(line, sizeof(line));
	return e->user && e->password ? 0 : err_set(err, -ENOMEM, "etcd");
}

static int config_check(const struct etcd_config *cfg, struct err *err)
{
	if (cfg->member_count == 0 || cfg->member_count > ETCD_MEMBERS_MAX)
		return err_set(err, -EINVAL, "a store without members");
	if (!cfg->cert != !cfg->key)
		return err_set(err, -EINVAL,
			       "a client certificate needs both --store-cert "
			       "and --store-key");
	if (cfg->cert && !cfg->ca)
		return err_set(err, -EINVAL,
			       "--store-cert without --store-ca: say by whom "
			       "the store's certificate is signed");
	if (cfg->auth && !cfg->ca)
		return err_set(err, -EINVAL,
			       "a password without --store-ca would be sent in "
			       "the clear");
	return 0;
}

int etcd_open(const struct etcd_config *cfg, struct etcd **ret, struct err *err)
{
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	int r = config_check(cfg, err);

	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e));
	if (!e)
		return err_set(err, -ENOMEM, "etcd");
	pthread_mutex_init(&e->lock, NULL);
	e->cfg = *cfg;
	if (!e->cfg.timeout_ms)
		e->cfg.timeout_ms = TIMEOUT_MS;
	e->tls = (struct client_tls){ cfg->ca, cfg->cert, cfg->key };
	r = cfg->auth ? auth_read(e, err) : 0;
	if (r == 0)
		r = client_open(cfg->ca ? &e->tls : NULL, &e->client, err);
	if (r < 0)
		return r;
	*ret = take_ptr(e);
	return 0;
}

static void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void etcd_close(struct etcd *e)
{
	if (!e)
		return;
	client_close(e->client);
	free(e->user);
	secret_free(e->password);
	secret_free(e->token);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void etcd_renew(struct etcd *e)
{
	atomic_store(&e->renew, true);
}

size_t etcd_member(struct etcd *e)
{
	size_t at;

	pthread_mutex_lock(&e->lock);
	at = e->at;
	pthread_mutex_unlock(&e->lock);
	return at;
}

void etcd_limit(struct etcd *e, unsigned int ms)
{
	e->until_ms = ms ? clock_boot_ms() + ms : 0;
}

/* For the next question; 0: there is none left. */
static unsigned int time_left(const struct etcd *e)
{
	uint64_t now = clock_boot_ms(), until = e->until_ms;

	if (!until || now + e->cfg.timeout_ms <= until)
		return e->cfg.timeout_ms;
	return until > now ? (unsigned int)(until - now) : 0;
}

/* gRPC's codes, as far as etcd uses them. */
enum {
	CODE_INVALID = 3,
	CODE_DEADLINE = 4,
	CODE_NOT_FOUND = 5,
	CODE_DENIED = 7,
	CODE_EXHAUSTED = 8,
	CODE_OUT_OF_RANGE = 11,
	CODE_UNAVAILABLE = 14,
	CODE_UNAUTHENTICATED = 16,
};

static int code_to_errno(int64_t code, const char *text)
{
	switch (code) {
	case CODE_INVALID: /* so does 3.4 call a wrong password */
		return strstr(text, "auth") || strstr(text, "user name")
			       ? -EACCES
			       : -EPROTO;
	case CODE_NOT_FOUND:
		return strstr(text, "lease") ? -ENOENT : -EPROTO;
	case CODE_DENIED:
	case CODE_UNAUTHENTICATED:
		return -EACCES;
	case CODE_EXHAUSTED:
		return strstr(text, "space") ? -ENOSPC : -EAGAIN;
	case CODE_OUT_OF_RANGE:
		return -ERANGE;
	case CODE_DEADLINE:
		return -ETIMEDOUT;
	case CODE_UNAVAILABLE: /* "request timed out" may have been done */
		return strstr(text, "timed out") ? -ETIMEDOUT : -EAGAIN;
	default:
		return -EPROTO;
	}
}

int etcd_error(json_object *o, const char *method, struct err *err)
{
	json_object *v = NULL, *in = o;
	const char *text = "";
	int64_t code = 0;
	int r;

	/* An object in streams, a string else. */
	if (json_object_object_get_ex(o, "error", &v) &&
	    json_object_is_type(v, json_type_object))
		in = v;
	if (json_object_object_get_ex(in, "message", &v) &&
	    json_object_is_type(v, json_type_string))
		text = json_object_get_string(v);
	if ((json_object_object_get_ex(in, "code", &v) ||
	     json_object_object_get_ex(in, "grpc_code", &v)) &&
	    json_object_is_type(v, json_type_int))
		code = json_object_get_int64(v);
	r = code_to_errno(code, text);
	if (r == -ENOSPC)
		return err_set(err, r,
			       "etcd is full (alarm NOSPACE): compact and "
			       "defragment it, then `etcdctl alarm disarm`");
	return err_set(err, r, "%s: %s", method,
		       text[0] ? text : "etcd refuses without a word");
}

static int post(struct etcd *e, const char *member, const char *method,
		json_object *body, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	char path[64];
	struct client_post p = {
		.host = member,
		.path = path,
		.token = e->token,
		.body = json_object_to_json_string_ext(
			body, JSON_C_TO_STRING_PLAIN |
				      JSON_C_TO_STRING_NOSLASHESCAPE),
		.timeout_ms = time_left(e),
		.max = ETCD_ANSWER_MAX,
	};
	json_object *v;
	long status;
	int r;

	if (!p.body)
		return err_set(err, -ENOMEM, "%s", method);
	if (!p.timeout_ms)
		return err_set(err, -EAGAIN, "%s: no time left to ask %s",
			       method, member);
	snprintf(path, sizeof(path), "/v3/%s", method);
	if (atomic_exchange(&e->renew, false) &&
	    client_renew(e->client, NULL) < 0)
		atomic_store(&e->renew, true); /* once more the next time */
	r = client_post(e->client, &p, &status, &o, err);
	if (r == -EHOSTUNREACH)
		return -EAGAIN;
	if (r == -ECONNRESET)
		return -ETIMEDOUT;
	if (r < 0)
		return r;
	if (json_object_object_get_ex(o, "error", &v))
		return etcd_error(o, method, err);
	if (status >= 400)
		return err_set(err,
			       status == 401 || status == 403 ? -EACCES
			       : status >= 500                ? -ETIMEDOUT
							      : -EPROTO,
			       "%s: %s: HTTP status %ld", member, method,
			       status);
	*ret = take_ptr(o);
	return 0;
}

static int token_get(struct etcd *e, const char *member, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *o = NULL;
	struct err why = { 0 };
	json_object *v;
	int r;

	if (etcd_json_add_text(body, "name", e->user) < 0 ||
	    etcd_json_add_text(body, "password", e->password) < 0)
		return err_set(err, -ENOMEM, "etcd");
	r = post(e, member, "auth/authenticate", body, &o, &why);
	if (r == -EPROTO && strstr(why.msg, "not enabled"))
		return 0; /* it lets everybody in */
	if (r < 0)
		return err_set(err, r, "user %s: %s", e->user, why.msg);
	if (!json_object_object_get_ex(o, "token", &v) ||
	    !json_object_is_type(v, json_type_string))
		return err_set(err, -EBADMSG,
			       "%s: no token in the answer to user %s", member,
			       e->user);
	e->token = strdup(json_object_get_string(v));
	return e->token ? 0 : err_set(err, -ENOMEM, "etcd");
}

static void token_drop(struct etcd *e)
{
	secret_free(take_ptr(e->token));
}

/* Tokens live five minutes, and go with a member that kept them in memory. */
static int post_with_token(struct etcd *e, const char *member,
			   const char *method, json_object *body,
			   json_object **ret, struct err *err)
{
	bool fresh = false;
	int r;

	if (e->user && !e->token) {
		r = token_get(e, member, err);
		if (r < 0)
			return r;
		fresh = true;
	}
	r = post(e, member, method, body, ret, err);
	if (r != -EACCES || !e->user || fresh)
		return r;
	token_drop(e);
	r = token_get(e, member, err);
	return r < 0 ? r : post(e, member, method, body, ret, err);
}

/* May the next member know better? */
static bool next_helps(int r, bool repeat)
{
	switch (r) {
	case -EAGAIN:
		return true;
	case -ETIMEDOUT:
	case -EBADMSG:
		return repeat;
	case -EPROTO: /* of TLS; what etcd refuses, it refuses everywhere */
		return true;
	default:
		return false;
	}
}

int etcd_call(struct etcd *e, const char *method, json_object *body,
	      bool repeat, json_object **ret, struct err *err)
{
	int r = -EAGAIN, worst = -EAGAIN;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < e->cfg.member_count; i++) {
		size_t at = e->at;

		if (i && !time_left(e))
			break; /* the next call begins with this one */
		r = post_with_token(e, e->cfg.member[at], method, body, ret,
				    err);
		if (r == -ETIMEDOUT)
			worst = r;
		if (!next_helps(r, repeat))
			break;
		token_drop(e);
		e->at = (at + 1) % e->cfg.member_count;
	}
	pthread_mutex_unlock(&e->lock);
	if (r == -EAGAIN)
		r = worst;
	if (r == -EAGAIN || r == -ETIMEDOUT)
		return err_wrap(err, r, "etcd does not answer");
	return r;
}
