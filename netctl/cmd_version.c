/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl version: of netctl, the supervisor and each daemon that runs. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "lib/plugd.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/sup.h"

static const struct out_col cols[] = {
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Version", "VERSION", OUT_TEXT, NULL },
	{ "Pid", "PID", OUT_NUM, NULL },
	{ "UptimeMs", "UP", OUT_SPAN, NULL },
	{ "Note", "NOTE", OUT_TEXT, NULL },
	{ 0 },
};

/* Takes @row. */
static void append(json_object *rows, json_object *row, const char *name,
		   const char *restart)
{
	const char *version = jget_str(row, "Version");

	jset_str(row, "Name", name);
	if (*version && strcmp(version, BERTH_VERSION) != 0) {
		char text[128];

		snprintf(text, sizeof(text),
			 "differs from netctl: '%s' brings it up to date",
			 restart);
		jset_str(row, "Note", text);
	}
	json_object_array_add(rows, row);
}

static int version_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = json_object_new_array();
	_cleanup_(json_putp) json_object *req = json_object_new_object();
	json_object *row = json_object_new_object();

	jset_str(row, "Version", BERTH_VERSION);
	append(rows, row, "netctl", "");
	jset_str(req, "Op", "status");
	row = NULL;
	if (sup_request(ctl, req, &row, NULL) == 0)
		append(rows, row, "supervisor", "netctl down; netctl up");
	for (const struct driver *d = drivers; d->name; d++) {
		char cmd[DRIVER_COMMAND_MAX];
		struct err e = { 0 };
		int r;

		row = NULL;
		r = driver_call(ctl, d->name, "Berth.Info", NULL, &row, &e);
		if (r == -ENOENT)
			continue; /* not in use here */
		if (r < 0) {
			row = json_object_new_object();
			jset_str(row, "Note", e.msg);
		}
		append(rows, row, d->name, driver_command(d->name, true, cmd));
	}
	return out_rows(stdout, ctl->format, cols, rows, err);
}

const struct cmd cmd_version = {
	.name = "version",
	.summary = "the version of netctl and of each daemon that runs",
	.help = "\n"
		"  netctl version\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT,
	.run = version_run,
};
