/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPAM core's records and intents, to and from text. */
#include "ipam/ipam_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/answer.h"
#include "lib/jdec.h"

static const struct jdec_field fields[] = {
	JDEC_FIELD("PoolID", JDEC_STR, struct ipam_record, id, 0),
	JDEC_FIELD("Space", JDEC_STR, struct ipam_record, space, 0),
	JDEC_FIELD("Pool", JDEC_PREFIX, struct ipam_record, pool, 0),
	JDEC_FIELD("SubPool", JDEC_PREFIX, struct ipam_record, sub, 0),
	JDEC_FIELD("Address", JDEC_IP, struct ipam_record, addr, 0),
	JDEC_FIELD("MAC", JDEC_MAC, struct ipam_record, mac, 0),
	JDEC_FIELD("Use", JDEC_STR, struct ipam_record, use, 0),
	JDEC_FIELD("Refs", JDEC_U32, struct ipam_record, refs, 0),
	JDEC_FIELD("Born", JDEC_U64, struct ipam_record, born, 0),
	JDEC_FIELD("Rest", JDEC_U64, struct ipam_record, rest, 0),
	JDEC_FIELD("Automatic", JDEC_BOOL, struct ipam_record, automatic, 0),
	JDEC_FIELD("Fixed", JDEC_BOOL, struct ipam_record, fixed, 0),
	JDEC_FIELD("Cluster", JDEC_BOOL, struct ipam_record, cluster, 0),
	JDEC_FIELD("V6", JDEC_BOOL, struct ipam_record, v6, 0),
	JDEC_FIELD("Dhcp", JDEC_STR, struct ipam_record, dhcp, 0),
	JDEC_FIELD("Time", JDEC_STR, struct ipam_record, time, 0),
	{ 0 },
};

static const char *const uses[IPAM_USE_MAX] = {
	[IPAM_ENDPOINT] = "endpoint",
	[IPAM_GATEWAY] = "gateway",
	[IPAM_AUX] = "aux",
};

const char *ipam_use_to_string(enum ipam_use use)
{
	return uses[use];
}

int ipam_use_parse(const char *text, enum ipam_use *ret, struct err *err)
{
	for (int i = 0; i < IPAM_USE_MAX; i++)
		if (strcmp(uses[i], text) == 0) {
			*ret = (enum ipam_use)i;
			return 0;
		}
	return err_set(err, -EBADMSG, "no use is called \"%s\"", text);
}

int ipam_record_parse(const char *text, struct ipam_record *ret,
		      struct err *err)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	int r = jdec_parse(text, strlen(text), &obj, err);

	*ret = (struct ipam_record){ 0 };
	return r < 0 ? r : jdec_object(obj, fields, ret, err);
}

char *ipam_record_print(const struct ipam_record *rec)
{
	_cleanup_(json_putp) json_object *obj = jdec_to_json(fields, rec);
	const char *text = obj ? json_object_to_json_string_ext(
					 obj, JSON_C_TO_STRING_PLAIN)
			       : NULL;

	return text ? strdup(text) : NULL;
}

#define DATA_GATEWAY "com.docker.network.gateway"

json_object *ipam_pool_answer(const char *id, const struct ip_prefix *pool,
			      const struct ip_addr *gateway)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	_cleanup_(json_putp) json_object *data = json_object_new_object();
	struct ip_prefix at = { .addr = *gateway, .len = pool->len };
	char text[PREFIX_STR_MAX];

	if (!ip_is_none(gateway) &&
	    answer_text(data, DATA_GATEWAY, ip_prefix_str(&at, text)))
		return NULL;
	ip_prefix_str(pool, text);
	if (answer_text(o, "PoolID", id) || answer_text(o, "Pool", text) ||
	    answer_put(o, "Data", take_ptr(data)))
		return NULL;
	return take_ptr(o);
}

json_object *ipam_addr_answer(const struct ip_prefix *addr)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	char text[PREFIX_STR_MAX];

	ip_prefix_str(addr, text);
	if (answer_text(o, "Address", text) ||
	    answer_put(o, "Data", json_object_new_object()))
		return NULL;
	return take_ptr(o);
}

void ipam_id(char buf[static IPAM_ID_MAX], const char *space,
	     const struct ip_prefix *pool, const struct ip_prefix *sub)
{
	char p[PREFIX_STR_MAX], s[PREFIX_STR_MAX];

	ip_prefix_str(pool, p);
	ip_prefix_str(sub, s);
	snprintf(buf, IPAM_ID_MAX, "%.15s/%s%s%s", space, p, *s ? "/" : "", s);
}

struct ip_prefix ipam_id_pool(const char *id)
{
	const char *pool = strchr(id, '/');
	const char *slash = pool ? strchr(++pool, '/') : NULL;
	struct ip_prefix ret = { 0 };
	char text[PREFIX_STR_MAX];
	size_t size;

	if (!slash)
		return ret;
	size = (size_t)(slash - pool) + 1 + strcspn(slash + 1, "/");
	if (size >= sizeof(text))
		return ret;
	memcpy(text, pool, size);
	text[size] = '\0';
	(void)ip_prefix_parse(text, &ret, NULL); /* or none */
	return ret;
}

void ipam_time(char buf[static 32], time_t when)
{
	struct tm tm;

	buf[0] = '\0';
	if (when && gmtime_r(&when, &tm))
		strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void ipam_now(char buf[static 32])
{
	ipam_time(buf, time(NULL));
}

uint64_t ipam_born(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
