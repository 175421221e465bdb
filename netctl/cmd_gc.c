/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl gc: remove what is Berth's and belongs to nobody any more. */
#include <stdio.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

static const struct out_col cols[] = {
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Text", "REMOVED", OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col dry_cols[] = {
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Text", "WOULD REMOVE", OUT_TEXT, NULL },
	{ 0 },
};

static int gc_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *rows = NULL;
	int r, partial;

	jset(body, "DryRun", json_object_new_boolean(ctl->dry_run));
	partial = driver_collect(ctl, DRIVER_ANY, "Berth.Gc", "Removed", body,
				 &rows, err);
	if (partial < 0)
		return partial;
	r = out_rows(stdout, ctl->format, ctl->dry_run ? dry_cols : cols, rows,
		     err);
	return r < 0 ? r : partial;
}

const struct cmd cmd_gc = {
	.name = "gc",
	.summary = "remove what is Berth's and belongs to nobody",
	.help = "\n"
		"Links, rules and records that bear Berth's mark and that no\n"
		"network, endpoint or volume claims: what a crash or a "
		"restored\n"
		"backup left.  Nothing without the mark is touched.\n"
		"\n"
		"  netctl gc --dry-run\n"
		"  netctl gc\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DRY_RUN,
	.run = gc_run,
};
