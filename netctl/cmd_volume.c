/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl volume ls, inspect, resize. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

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
	{ "Used", "Used", OUT_SIZE, NULL },
	{ "Limit", "Limit", OUT_SIZE, NULL },
	{ "UsageAgeS", "Usage age (s)", OUT_NUM, NULL },
	{ "Options", "Options", OUT_PAIRS, NULL },
	{ "Status", "Status", OUT_PAIRS, NULL },
	{ 0 },
};

/* Used and Limit are null where nobody knows or there is none: a 0 would be
 * read as "empty" and "nothing fits". */
static void add_usage(json_object *volume)
{
	json_object *used = jget(volume, "UsedBytes");
	json_object *limit = jget(volume, "LimitBytes");

	jset(volume, "Used",
	     jget_bool(volume, "UsageKnown") ? json_object_get(used) : NULL);
	jset(volume, "Limit",
	     jget_int(volume, "LimitBytes") ? json_object_get(limit) : NULL);
}

static int ls_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	int r, partial;

	partial = driver_collect(ctl, DRIVER_VOLUME, "Berth.Volumes", "Volumes",
				 NULL, &rows, err);
	if (partial < 0)
		return partial;
	for (size_t i = 0; i < jget_len(rows); i++)
		add_usage(json_object_array_get_idx(rows, i));
	r = out_rows(stdout, ctl->format, ls_cols, rows, err);
	return r < 0 ? r : partial;
}

/* The full name, else a prefix that only one has: anonymous volumes have 64
 * hex digits for a name. */
static int find_volume(json_object *rows, const char *word, json_object **ret,
		       struct err *err)
{
	json_object *by_prefix = NULL;
	size_t exact = 0, prefixes = 0;

	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		const char *name = jget_str(row, "Name");

		if (strcmp(name, word) == 0) {
			*ret = row;
			exact++;
		} else if (*word && strncmp(name, word, strlen(word)) == 0) {
			by_prefix = row;
			prefixes++;
		}
	}
	if (exact == 0 && prefixes == 1)
		*ret = by_prefix;
	if (exact + prefixes == 0)
		return err_set(
			err, -ENOENT,
			"no Berth volume \"%s\": 'netctl volume ls' lists them",
			word);
	if (exact > 1 || (exact == 0 && prefixes > 1))
		return err_set(
			err, -ENOTUNIQ,
			"%zu volumes are called \"%s\": give more of the name",
			exact > 1 ? exact : prefixes, word);
	return 0;
}

static int inspect_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL, *volume = NULL;
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	json_object *row = NULL;
	int r, partial;

	partial = driver_collect(ctl, DRIVER_VOLUME, "Berth.Volumes", "Volumes",
				 NULL, &rows, err);
	if (partial < 0)
		return partial;
	r = find_volume(rows, ctl->args[0], &row, err);
	if (r < 0)
		return r;
	jset_str(body, "Name", jget_str(row, "Name"));
	r = driver_call(ctl, jget_str(row, "Driver"), "Berth.Volume", body,
			&volume, err);
	if (r < 0)
		return r;
	jset_str(volume, "Driver", jget_str(row, "Driver"));
	add_usage(volume);
	r = out_object(stdout, ctl->format, inspect_cols, volume, err);
	return r < 0 ? r : partial;
}

static int resize_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	json_object *row = NULL;
	int r = driver_collect(ctl, DRIVER_VOLUME, "Berth.Volumes", "Volumes",
			       NULL, &rows, err);

	if (r >= 0)
		r = find_volume(rows, ctl->args[0], &row, err);
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
	.summary = "show one volume",
	.help = "\n"
		"VOLUME is its name or a beginning of it that no other has.\n"
		"\n"
		"  netctl volume inspect data\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT,
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
