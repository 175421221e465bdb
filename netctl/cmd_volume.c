/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl volume ls, inspect, resize. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/volumes.h"

static const struct out_col ls_cols[] = {
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Users", "USERS", OUT_NUM, NULL },
	{ "Used", "USED", OUT_SIZE, NULL },
	{ "Limit", "LIMIT", OUT_SIZE, NULL },
	{ "Mountpoint", "MOUNTPOINT", OUT_TEXT, NULL },
	{ "UsageAgeS", NULL, OUT_NUM, NULL },
	{ "Options", NULL, OUT_PAIRS, NULL },
	{ "Created", NULL, OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col inspect_cols[] = {
	{ "Name", "Name", OUT_TEXT, NULL },
	{ "Driver", "Driver", OUT_TEXT, NULL },
	{ "Created", "Created", OUT_TEXT, NULL },
	{ "Mountpoint", "Mountpoint", OUT_TEXT, NULL },
	{ "Users", "Users", OUT_NUM, NULL },
	{ "Mounts", "Mount ids", OUT_LIST, NULL },
	{ "Containers", "Containers", OUT_NUM, NULL },
	{ "Used", "Used", OUT_SIZE, NULL },
	{ "Limit", "Limit", OUT_SIZE, NULL },
	{ "UsageAgeS", "Usage age (s)", OUT_NUM, NULL },
	{ "Options", "Options", OUT_PAIRS, NULL },
	{ "Status", "Status", OUT_PAIRS, NULL },
	{ 0 },
};

static int ls_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	int r = volumes_load(ctl, VOLUMES_OURS, &v, err);

	if (r == 0)
		r = out_rows(stdout, ctl->format, ls_cols, v.rows, err);
	return r < 0 ? r : v.partial;
}

/* What its own daemon says of a volume; as one of dockerd's otherwise. */
static int ask_daemon(const struct ctl *ctl, json_object *row,
		      json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	int r;

	if (!jget_bool(row, "Ours")) {
		*ret = json_object_get(row);
		return 0;
	}
	jset_str(body, "Name", jget_str(row, "Name"));
	r = driver_call(ctl, jget_str(row, "Driver"), "Berth.Volume", body, ret,
			err);
	if (r < 0)
		return r;
	jset_str(*ret, "Driver", jget_str(row, "Driver"));
	jset(*ret, "Containers", json_object_get(jget(row, "Containers")));
	volumes_add_usage(*ret);
	return 0;
}

static int inspect_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	_cleanup_(json_putp) json_object *volume = NULL;
	json_object *row = NULL;
	int r = volumes_load(ctl, VOLUMES_DOCKER, &v, err);

	if (r == 0)
		r = volumes_find(&v, ctl->args[0], &row, err);
	if (r == 0)
		r = ask_daemon(ctl, row, &volume, err);
	if (r == 0)
		r = out_object(stdout, ctl->format, inspect_cols, volume, err);
	return r < 0 ? r : v.partial;
}

static int resize_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	json_object *row = NULL;
	int r = volumes_load(ctl, VOLUMES_OURS, &v, err);

	if (r == 0)
		r = volumes_find(&v, ctl->args[0], &row, err);
	if (r < 0)
		return r;
	jset_str(body, "Name", jget_str(row, "Name"));
	jset_str(body, "Size", ctl->args[1]);
	return driver_call(ctl, jget_str(row, "Driver"), "Berth.VolumeResize",
			   body, NULL, err);
}

const struct cmd cmd_volume_ls = {
	.name = "volume ls",
	.summary = "list volumes, who uses them and how full they are",
	.help = "\n"
		"  netctl volume ls\n"
		"  netctl volume ls --json | jq -r '.[] | "
		"select(.Users==0).Name'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT,
	.run = ls_run,
};

const struct cmd cmd_volume_inspect = {
	.name = "volume inspect",
	.args = "VOLUME",
	.summary = "show one volume, of any driver",
	.help = "\n"
		"VOLUME is its name or a beginning of it that no other has.\n"
		"\n"
		"  netctl volume inspect data\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DOCKER,
	.min_args = 1,
	.max_args = 1,
	.run = inspect_run,
};

const struct cmd cmd_volume_resize = {
	.name = "volume resize",
	.args = "VOLUME SIZE",
	.summary = "give a volume another limit",
	.help = "\n"
		"SIZE is in bytes, or like 512m or 10g.  Growing works while "
		"containers use the\nvolume; what is in use cannot be taken "
		"away.\n"
		"\n"
		"  netctl volume resize data 20g\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 2,
	.max_args = 2,
	.run = resize_run,
};
