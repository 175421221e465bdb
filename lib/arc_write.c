/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree into an archive, whole. */
#include "lib/arc_out.h"

static int visit(void *ctx, struct arc_place *p)
{
	struct arc_entry e = { .path = (char *)(uintptr_t)p->path };
	struct arc_out *o = ctx;
	int r = arc_out_put(o, p, &e);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = arc_out_index(o, &e);
	return r == 0 && S_ISDIR(p->st.st_mode) ? 1 : r;
}

static void left_out(void *ctx, const char *path, const char *why)
{
	const struct arc_out *o = ctx;

	if (o->hooks->left_out)
		o->hooks->left_out(o->hooks->ctx, path, why);
}

int arc_write(int root, int out, const struct arc_hooks *hooks,
	      struct arc_sum *ret, struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	_cleanup_(arc_out_fini) struct arc_out o = { 0 };
	const struct arc_walker how = { .ctx = &o,
					.visit = visit,
					.left_out = left_out };
	int r = arc_locale_enter(&l, err);

	if (r == 0)
		r = arc_out_open(&o, root, out, hooks, err);
	if (r == 0)
		r = arc_walk(root, &how, err);
	if (r == 0)
		r = arc_out_end(&o);
	if (r == 0)
		*ret = o.sum;
	return r;
}
