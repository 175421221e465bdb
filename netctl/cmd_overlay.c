/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl overlay: what only a network over many hosts needs. */
#include <stdio.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/out.h"

static int adopt_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *got = NULL;
	int r = driver_call(ctl, "berth-overlay", "Berth.Adopt", NULL, &got,
			    err);

	if (r < 0)
		return r;
	puts(jget_bool(got, "Adopted")
		     ? "etcd's data is taken as it is now; this host tells "
		       "again what it has"
		     : "etcd did not go back: nothing to adopt");
	return 0;
}

const struct cmd cmd_overlay_adopt = {
	.name = "overlay adopt",
	.summary = "take etcd's data for true, after it went back",
	.help = "\n"
		"An etcd that was restored from a backup, wiped, or is "
		"another\n"
		"one is not believed: nothing is written, what runs goes on.\n"
		"When its data is as it should be say this on each host: it\n"
		"then tells again what it has. Otherwise it changes nothing.\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.run = adopt_run,
};

static const struct out_col cols[] = {
	{ "Text", "REMOVED", OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col dry_cols[] = {
	{ "Text", "WOULD REMOVE", OUT_TEXT, NULL },
	{ 0 },
};

static int gc_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *got = NULL;
	_cleanup_(json_putp) json_object *rows = json_object_new_array();
	json_object *lines;
	int r;

	jset(body, "DryRun", json_object_new_boolean(ctl->dry_run));
	r = driver_call(ctl, "berth-overlay", "Berth.Reap", body, &got, err);
	if (r < 0)
		return r;
	lines = jget_array(got, "Removed");
	for (size_t i = 0; i < jget_len(lines); i++) {
		json_object *row = json_object_new_object();

		jset(row, "Text",
		     json_object_get(json_object_array_get_idx(lines, i)));
		if (json_object_array_add(rows, row) < 0)
			json_object_put(row);
	}
	return out_rows(stdout, ctl->format, ctl->dry_run ? dry_cols : cols,
			rows, err);
}

const struct cmd cmd_overlay_gc = {
	.name = "overlay gc",
	.summary = "free the networks that no host of the cluster is in",
	.help = "\n"
		"When all hosts of a network died without leaving it, it "
		"keeps its\n"
		"VNI and its subnet, for they may come back.  Where they will "
		"not:\n"
		"\n"
		"  netctl overlay gc --dry-run\n"
		"  netctl overlay gc\n"
		"\n"
		"A host that etcd has not heard of for 30 s counts as dead.\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DRY_RUN,
	.run = gc_run,
};
