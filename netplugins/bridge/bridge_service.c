/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host ports balanced over containers: berth.service, and the core's calls. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netplugins/bridge/bridge.h"

/* ---- berth.service ---------------------------------------------------------- */

/* 1 to @max after @mark, if @text goes on with that.  Return: what follows;
 * NULL: it is no number. */
static const char *read_number(const char *text, char mark, unsigned int max,
			       uint16_t *ret)
{
	unsigned long n;
	char *end;

	if (*text != mark)
		return text;
	if (text[1] < '1' || text[1] > '9')
		return NULL;
	n = strtoul(text + 1, &end, 10);
	*ret = (uint16_t)n;
	return n <= max ? end : NULL;
}

int bridge_service_parse(const char *text, struct dp_join *ret, struct err *err)
{
	size_t len = strcspn(text, ":*");
	const char *rest = text + len;
	char shown[128];

	*ret = (struct dp_join){ .weight = 1 };
	if (!*text)
		return 0;
	if (isalnum((unsigned char)*text) && len < sizeof(ret->name) &&
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789_.-") >= len) {
		memcpy(ret->name, text, len);
		rest = read_number(rest, ':', 65535, &ret->port);
		if (rest)
			rest = read_number(rest, '*', DP_WEIGHT_MAX,
					   &ret->weight);
		if (rest && !*rest)
			return 0;
	}
	return err_set(err, -EINVAL,
		       "berth.service: %s is not NAME, NAME:PORT, "
		       "NAME*WEIGHT or NAME:PORT*WEIGHT (a name of letters, "
		       "digits and _.- up to %zu long, a weight of 1 to %d)",
		       log_quote(shown, sizeof(shown), text),
		       sizeof(ret->name) - 1, DP_WEIGHT_MAX);
}

/* ---- the core's calls ----------------------------------------------------- */

int bridge_service_add(void *ctx, struct dp_service *svc, struct err *err)
{
	return dp_service_add(((struct bridge_host *)ctx)->dp, svc, err);
}

int bridge_service_del(void *ctx, const struct dp_service *svc, struct err *err)
{
	return dp_service_del(((struct bridge_host *)ctx)->dp, svc, err);
}

int bridge_service_each(void *ctx, dp_service_fn fn, void *arg, struct err *err)
{
	return dp_service_each(((struct bridge_host *)ctx)->dp, fn, arg, err);
}
