// SPDX-License-Identifier: GPL-2.0-or-later
/* dockerd's API, as far as names need it. */
#include "runtime/names/docker_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/jdec.h"

#define HEAD_MS    5000
#define LIST_MS    15000 /* a daemon that is told to end does so within 20 s */
#define LINE_MAX_B (1u << 20)

/* {"type":["container","network"]} */
#define FILTER "%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%7D"

int docker_events_open(const char *socket, struct client_stream **ret,
		       struct err *err)
{
	char url[160];

	snprintf(url, sizeof(url), "/events?since=%" PRId64 "&filters=%s",
		 (int64_t)time(NULL) - 2, FILTER);
	return client_stream_get(socket, url, HEAD_MS, LINE_MAX_B, ret, err);
}

static int get_array(const char *socket, const char *url, json_object **ret,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	int r = client_http_get(socket, url, LIST_MS, &o, err);

	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_array))
		return err_set(err, -EBADMSG, "%s: dockerd answers no list",
			       url);
	*ret = take_ptr(o);
	return 0;
}

int docker_list(const char *socket, json_object **ret, struct err *err)
{
	return get_array(socket, "/containers/json", ret, err);
}

int docker_networks(const char *socket, json_object **ret, struct err *err)
{
	return get_array(socket, "/networks", ret, err);
}

/* It goes into a path. */
static bool is_id(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n && !s[n];
}

int docker_inspect(const char *socket, const char *id, unsigned int ms,
		   struct docker_container *ret, struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	struct err why = { 0 };
	char url[128];
	int r;

	if (!is_id(id))
		return err_set(err, -EINVAL, "\"%.64s\" is no container's id",
			       id);
	snprintf(url, sizeof(url), "/containers/%s/json", id);
	r = client_http_get(socket, url, ms, &o, &why);
	if (r == -EREMOTEIO && !strncmp(why.msg, "No such container", 17))
		r = -ENOENT;
	if (r < 0)
		return err_set(err, r, "%s", why.msg);
	return docker_names_parse(o, ret, err);
}
