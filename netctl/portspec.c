/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports and backends as they are typed. */
#include "netctl/portspec.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"

/* 1 to @max, all of @text. Return: 0: it is not. */
static uint16_t number(const char *text, unsigned long max)
{
	unsigned long n;
	char *end;

	if (*text < '1' || *text > '9')
		return 0;
	n = strtoul(text, &end, 10);
	return *end || n > max ? 0 : (uint16_t)n;
}

/*
 * "HOST:PORT", "[HOST]:PORT", "HOST", "[HOST]", or more than one colon and no
 * brackets: an IPv6 address alone.
 * @ret_port: in @text; NULL: there is none.  Return: false: it can't be.
 */
static bool split(char *text, char *host, size_t size, const char **ret_port)
{
	char *end, *colon;

	*ret_port = NULL;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		*end = '\0';
		if (end[1])
			*ret_port = end + 2;
		text++;
	} else {
		colon = strrchr(text, ':');
		if (colon && strchr(text, ':') == colon) {
			*colon = '\0';
			*ret_port = colon + 1;
		}
	}
	return snprintf(host, size, "%s", text) < (int)size;
}

/* @text as the daemons write it. Return: false: it is no address. */
static bool spelling(const char *text, char *ret, size_t size)
{
	struct ip_addr ip;
	char buf[IP_STR_MAX];

	return ip_parse(text, &ip, NULL) == 0 &&
	       snprintf(ret, size, "%s", ip_str(&ip, buf)) < (int)size;
}

int portspec_parse(const char *text, struct portspec *ret, struct err *err)
{
	static const char *const protos[] = { "tcp", "udp", "sctp" };
	char copy[128], host[64], *proto;
	const char *port = NULL;
	bool known = false;

	*ret = (struct portspec){ .proto = "tcp" };
	snprintf(copy, sizeof(copy), "%s", text);
	proto = strchr(copy, '/');
	if (proto)
		*proto++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		known = known || !proto || strcmp(proto, protos[i]) == 0;
	if (known && proto)
		snprintf(ret->proto, sizeof(ret->proto), "%s", proto);
	if (known && strlen(text) < sizeof(copy) &&
	    split(copy, host, sizeof(host), &port)) {
		ret->port = number(port ? port : host, 65535);
		if (ret->port &&
		    (!port || spelling(host, ret->ip, sizeof(ret->ip))))
			return 0;
	}
	return err_set(err, -EINVAL,
		       "\"%.100s\" is no port: write 8080, 8080/udp, "
		       "10.0.0.1:8080 or [::1]:8080/tcp",
		       text);
}

int backendspec_parse(const char *text, struct backendspec *ret,
		      struct err *err)
{
	const char *port = NULL;
	char copy[192], *weight;

	*ret = (struct backendspec){ 0 };
	snprintf(copy, sizeof(copy), "%s", text);
	weight = strchr(copy, '*');
	if (weight) {
		*weight++ = '\0';
		ret->weight = number(weight, 100);
	}
	if (strlen(text) < sizeof(copy) && (!weight || ret->weight) &&
	    split(copy, ret->name, sizeof(ret->name), &port) && ret->name[0]) {
		(void)spelling(ret->name, ret->name, sizeof(ret->name));
		if (!port)
			return 0;
		ret->port = number(port, 65535);
		if (ret->port)
			return 0;
	}
	return err_set(err, -EINVAL,
		       "\"%.100s\" is no backend: write CONTAINER, "
		       "CONTAINER:80, 10.0.0.2:80 or [fd00::2]:80, and *2 "
		       "behind it for twice the share (1 to 100)",
		       text);
}
