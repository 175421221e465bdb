// SPDX-License-Identifier: GPL-2.0-or-later
/* What containers' records say of volumes. */
#include "netctl/box/refs.h"

#include <string.h>

#include "lib/jdec.h"
#include "netctl/jget.h"

bool box_refs_is(json_object *m, const char *name, const char *driver)
{
	return strcmp(jget_str(m, "Name"), name) == 0 &&
	       strcmp(jget_str(m, "Driver"), driver) == 0;
}

int box_refs(const struct ctl *ctl,
	     void (*fn)(void *ctx, const struct box *b, json_object *m),
	     void *ctx, struct err *err)
{
	_cleanup_(json_putp) json_object *ids = NULL;
	int r = box_ids(ctl, &ids, err);

	for (size_t i = 0; i < jget_len(ids); i++) {
		json_object *list;
		struct err why = { 0 };
		struct box b;
		int one = box_open(ctl,
				   json_object_get_string(
					   json_object_array_get_idx(ids, i)),
				   &b, &why);

		/* -ENOENT: it has no volume yet, or is gone */
		if (one < 0 && one != -ENOENT && r == 0)
			r = err_set(err, one, "%s", why.msg);
		if (one < 0)
			continue;
		list = jget_array(b.rec, "Mounts");
		for (size_t k = 0; k < jget_len(list); k++) {
			json_object *m = json_object_array_get_idx(list, k);

			if (strcmp(jget_str(m, "Type"), "volume") == 0)
				fn(ctx, &b, m);
		}
		box_free(&b);
	}
	return r;
}

struct asked {
	const char *name, *driver;
	struct err *err;
	bool found;
};

static void look(void *ctx, const struct box *b, json_object *m)
{
	struct asked *a = ctx;

	if (a->found || !box_refs_is(m, a->name, a->driver))
		return;
	a->found = true;
	(void)err_set(a->err, -EBUSY,
		      "volume %s is in use: container %s (%s) refers to it: "
		      "'netctl rm %s' first",
		      a->name, jget_str(b->rec, "Name"), box_state(b),
		      jget_str(b->rec, "Name"));
}

int box_refs_none(const struct ctl *ctl, const char *name, const char *driver,
		  struct err *err)
{
	struct err found = { 0 };
	struct asked a = { .name = name, .driver = driver, .err = &found };
	int r = box_refs(ctl, look, &a, err);

	if (a.found)
		return err_set(err, -EBUSY, "%s", found.msg);
	return r < 0 ? err_wrap(err, r,
				"it can't be told which containers refer to "
				"volume %s",
				name)
		     : 0;
}
