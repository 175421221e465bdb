/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Views that an earlier life had open: their processes were told by the broken
 * connection, or will be; what was made for them goes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volplugins/vol_priv.h"

struct left {
	char id[VOL_VIEW_MAX], name[VOL_NAME_MAX];
};

struct left_list {
	struct left *rows; /* owned */
	size_t count;
};

static void left_clear(struct left_list *l)
{
	free(l->rows);
}

/* A walk of the store may not change it. */
static int note_left(void *ctx, const char *id, const char *parent,
		     const char *json)
{
	struct left_list *l = ctx;
	struct left *grew =
		reallocarray(l->rows, l->count + 1, sizeof(*l->rows));

	(void)json;
	if (!grew)
		return -ENOMEM;
	l->rows = grew;
	grew += l->count++;
	snprintf(grew->id, sizeof(grew->id), "%s", id);
	snprintf(grew->name, sizeof(grew->name), "%s", parent);
	return 0;
}

static void drop_left(struct vol_core *core, const struct left *left)
{
	struct vol_entry *e = vol_entry_load(core, left->name, false);
	char snap[VOL_VIEW_MAX + 1];
	struct err err = { 0 };
	int r = 0;

	snprintf(snap, sizeof(snap), ".%s", left->id);
	if (e && e->v && core->driver->snapshot_del)
		r = core->driver->snapshot_del(e->v, snap, &err);
	if (r == 0 || r == -ENOENT || r == -EOPNOTSUPP)
		r = store_del(core->d->state, VIEW_KIND, left->id, &err);
	if (r < 0)
		problems_add(&core->problems,
			     "a snapshot for a backup of volume %s stays: %s",
			     left->name, err.msg);
}

/* Users of an earlier life that were ours. */
static void drop_users(struct vol_core *core, const char *name)
{
	struct vol_entry *e = vol_entry_load(core, name, false);

	for (unsigned int i = 0; e && e->v && i < e->v->users;) {
		char id[VOL_ID_MAX];
		uint64_t seq = 0;

		snprintf(id, sizeof(id), "%s", e->mounts[i].id);
		if (strncmp(id, VOL_VIEW_ID, strlen(VOL_VIEW_ID)) != 0 ||
		    vol_unmount_locked(e, id, &seq, NULL) < 0) {
			i++;
			continue;
		}
		vol_core_delivered(core, seq);
	}
}

int vol_view_recover(struct vol_core *core, struct err *err)
{
	_cleanup_(vol_names_freep) char **names = vol_names(core);
	_cleanup_(left_clear) struct left_list l = { 0 };
	int r = names ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = store_each(core->d->state, VIEW_KIND, NULL, note_left, &l,
			       err);
	for (size_t i = 0; r == 0 && names[i]; i++)
		drop_users(core, names[i]);
	for (size_t i = 0; r == 0 && i < l.count; i++)
		drop_left(core, &l.rows[i]);
	return r;
}
