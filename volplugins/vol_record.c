/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume core's records and intents, to and from text. */
#include "volplugins/vol_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"

static const struct jdec_field request_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct vol_request, name, JDEC_REQUIRED),
	JDEC_FIELD("ID", JDEC_ID, struct vol_request, id, 0),
	JDEC_FIELD("Time", JDEC_STR, struct vol_request, time, 0),
	JDEC_FIELD("Size", JDEC_U64, struct vol_request, size, 0),
	JDEC_FIELD("Boot", JDEC_STR, struct vol_request, boot, 0),
	JDEC_FIELD("Snap", JDEC_ID, struct vol_request, snap, 0),
	JDEC_FIELD("To", JDEC_ID, struct vol_request, to, 0),
	JDEC_FIELD("Opts", JDEC_MAP, struct vol_request, opts, 0),
	{ 0 },
};

void vol_request_fini(struct vol_request *q)
{
	json_object_put(take_ptr(q->body));
	q->opts = NULL;
}

int vol_request_parse(const char *text, struct vol_request *ret,
		      struct err *err)
{
	int r;

	*ret = (struct vol_request){ 0 };
	r = jdec_parse(text, strlen(text), &ret->body, err);
	if (r < 0)
		return r;
	return jdec_object(ret->body, request_fields, ret, err);
}

char *vol_request_print(const struct vol_request *q)
{
	_cleanup_(json_putp) json_object *obj = jdec_to_json(request_fields, q);
	const char *text = obj ? json_object_to_json_string_ext(
					 obj, JSON_C_TO_STRING_PLAIN)
			       : NULL;

	return text ? strdup(text) : NULL;
}

/* As JDEC_ID, which every other name came through. */
static bool is_name(const char *s, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char more[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return len > 0 && len < VOL_NAME_MAX && strchr(letters, s[0]) &&
	       strspn(s, more) >= len;
}

int vol_ref_parse(const char *text, struct vol_ref *ret, struct err *err)
{
	size_t len = strcspn(text, "@");
	const char *snap = text[len] ? text + len + 1 : NULL;
	char shown[64];

	if (!is_name(text, len) || (snap && !is_name(snap, strlen(snap))))
		return err_set(err, -EINVAL,
			       "%s: neither VOLUME nor VOLUME@SNAPSHOT",
			       log_quote(shown, sizeof(shown), text));
	*ret = (struct vol_ref){ 0 };
	memcpy(ret->name, text, len);
	if (snap)
		strcpy(ret->snap, snap);
	return 0;
}

json_object *vol_mount_answer(const char *path)
{
	_cleanup_(json_putp) json_object *obj = json_object_new_object();
	json_object *text = json_object_new_string(path);

	if (!obj || !text ||
	    json_object_object_add(obj, "Mountpoint", text) < 0) {
		json_object_put(text);
		return NULL;
	}
	return take_ptr(obj);
}

const char *vol_mount_key(char buf[static MOUNT_KEY_MAX], const char *name,
			  const char *id)
{
	snprintf(buf, MOUNT_KEY_MAX, "%s/%s", name, id);
	return buf;
}

void vol_now(char buf[static 32])
{
	time_t now = time(NULL);
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&now, &tm))
		strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
