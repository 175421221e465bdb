// SPDX-License-Identifier: GPL-2.0-or-later
/* "-p [[HOST:]PORT[-END]:]PORT[-END][/PROTO]", from the right to the left. */
#include "netctl/publish.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "netctl/jget.h"

struct range {
	uint32_t first, last; /* 0: none given */
};

static const struct {
	const char *name;
	int number;
} protos[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
};

static int wrong(struct err *err, const char *text, const char *why)
{
	return err_set(err, -EINVAL,
		       "\"%s\" is no port to publish: %s; write 8080:80, "
		       "127.0.0.1:8080:80/udp or 9000-9009:90-99",
		       text, why);
}

static bool parse_port(const char *s, size_t len, uint32_t *ret)
{
	uint32_t n = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		n = n * 10 + (uint32_t)(s[i] - '0');
	}
	*ret = n;
	return n >= 1 && n <= 65535;
}

static bool parse_range(const char *s, struct range *ret)
{
	const char *dash = strchr(s, '-');

	if (!dash) {
		if (!parse_port(s, strlen(s), &ret->first))
			return false;
		ret->last = ret->first;
		return true;
	}
	return parse_port(s, (size_t)(dash - s), &ret->first) &&
	       parse_port(dash + 1, strlen(dash + 1), &ret->last) &&
	       ret->first <= ret->last;
}

static int add_row(json_object *ports, int proto, const char *host,
		   uint32_t port, const struct range *at, struct err *err)
{
	json_object *row = json_object_new_object();

	if (!row)
		return err_set(err, -ENOMEM, "out of memory");
	jset(row, "Proto", json_object_new_int(proto));
	jset_str(row, "IP", "");
	jset(row, "Port", json_object_new_int((int)port));
	jset_str(row, "HostIP", host);
	jset(row, "HostPort", json_object_new_int((int)at->first));
	jset(row, "HostPortEnd", json_object_new_int((int)at->last));
	if (json_object_array_add(ports, row) < 0) {
		json_object_put(row);
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* "1.2.3.4", "[::1]", "" -> as the drivers take it. */
static bool parse_host(char *s, char ret[static IP_STR_MAX])
{
	bool bracketed = s[0] == '[';
	size_t len = strlen(s);
	struct ip_addr a;

	ret[0] = '\0';
	if (len == 0)
		return true;
	if (bracketed) {
		if (len < 3 || s[len - 1] != ']')
			return false;
		s[len - 1] = '\0';
		s++;
	}
	if (ip_parse(s, &a, NULL) < 0 || (a.family == AF_INET6) != bracketed)
		return false;
	ip_str(&a, ret);
	return true;
}

/* Cut @s at its last ':' outside of brackets.  Return: what is behind it. */
static char *cut_last(char *s)
{
	char *colon = strrchr(s, ':'), *bracket = strrchr(s, ']');

	if (!colon || (bracket && bracket > colon))
		return NULL;
	*colon = '\0';
	return colon + 1;
}

int publish_parse(const char *text, json_object *ports, struct err *err)
{
	_cleanup_free_ char *copy = strdup(text);
	struct range inside = { 0 }, at = { 0 };
	char host[IP_STR_MAX] = "";
	char *slash, *port, *outside;
	int proto = IPPROTO_TCP, r = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	slash = strchr(copy, '/');
	if (slash) {
		*slash = '\0';
		proto = 0;
		for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
			if (strcasecmp(slash + 1, protos[i].name) == 0)
				proto = protos[i].number;
		if (!proto)
			return wrong(err, text,
				     "the protocol is tcp, udp or sctp");
	}
	port = cut_last(copy);
	if (!port) {
		port = copy;
	} else {
		outside = cut_last(copy);
		if (outside && !parse_host(copy, host))
			return wrong(err, text,
				     "before the first colon stands an address "
				     "of the host (IPv6 in brackets)");
		if (!outside)
			outside = copy;
		if (*outside && !parse_range(outside, &at))
			return wrong(err, text, "a port is 1 to 65535");
	}
	if (!parse_range(port, &inside))
		return wrong(err, text, "a port is 1 to 65535");
	if (inside.first == inside.last)
		return add_row(ports, proto, host, inside.first, &at, err);
	if (at.first && at.last - at.first != inside.last - inside.first)
		return wrong(err, text, "the two ranges differ in length");
	for (uint32_t i = 0; i <= inside.last - inside.first && r == 0; i++) {
		struct range one = { 0 };

		if (at.first)
			one.first = one.last = at.first + i;
		r = add_row(ports, proto, host, inside.first + i, &one, err);
	}
	return r;
}
