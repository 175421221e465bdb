/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request's body, against the table of each network method: the first byte
 * chooses the method, the rest is the body.  What decodes is encoded again and
 * must decode to the same text.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netplugins/net_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than any request struct; zeroed for each. */
union request {
	char bytes[65536];
	max_align_t align;
};

static size_t method_count(void)
{
	size_t n = 0;

	while (net_api_methods[n].name)
		n++;
	return n;
}

static char *text_of(const struct jdec_field *fields, const void *req)
{
	_cleanup_(json_putp) json_object *o = jdec_to_json(fields, req);

	return o ? strdup(json_object_to_json_string(o)) : NULL;
}

static void again(const struct jdec_field *fields, const union request *req)
{
	_cleanup_free_ char *once = text_of(fields, req), *twice = NULL;
	_cleanup_free_ union request *second = calloc(1, sizeof(*second));
	_cleanup_(json_putp) json_object *o = NULL;

	if (!once || !second || jdec_parse(once, strlen(once), &o, NULL) < 0)
		return;
	/* Required fields may be empty on the way back: only what decodes. */
	if (jdec_object(o, fields, second, NULL) == 0) {
		twice = text_of(fields, second);
		if (twice && strcmp(once, twice) != 0)
			abort();
	}
	jdec_free(fields, second);
}

static void expose(const struct net_req_expose *req)
{
	struct portmap map = { 0 };

	(void)net_api_portmap(req, &map, NULL);
	portmap_free(&map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ union request *req = calloc(1, sizeof(*req));
	_cleanup_(json_putp) json_object *body = NULL;
	const struct jdec_field *fields;
	struct err err = { 0 };

	if (!req || size < 1)
		return 0;
	fields = net_api_methods[data[0] % method_count()].fields;
	if (!fields ||
	    jdec_parse((const char *)data + 1, size - 1, &body, &err) < 0)
		return 0;
	if (jdec_object(body, fields, req, &err) == 0) {
		again(fields, req);
		if (fields == net_expose_fields)
			expose((const struct net_req_expose *)req);
	}
	jdec_free(fields, req);
	return 0;
}
