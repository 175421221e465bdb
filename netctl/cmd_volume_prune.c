/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netctl volume df, prune: what volumes take up, and taking away those that
 * nobody refers to.  Docker's own df and prune pass plugins' volumes by.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "netctl/box/refs.h"
#include "netctl/cmds.h"
#include "netctl/jget.h"
#include "netctl/volumes.h"

static const struct out_col df_cols[] = {
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Users", "USERS", OUT_NUM, NULL },
	{ "Containers", "CONTAINERS", OUT_NUM, NULL },
	{ "Used", "USED", OUT_SIZE, NULL },
	{ "Limit", "LIMIT", OUT_SIZE, NULL },
	{ "UsageAgeS", "AGE (S)", OUT_NUM, NULL },
	{ 0 },
};

static const struct out_col prune_cols[] = {
	{ "Name", "REMOVED", OUT_TEXT, NULL },
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Used", "USED", OUT_SIZE, NULL },
	{ 0 },
};

static const struct out_col dry_cols[] = {
	{ "Name", "WOULD REMOVE", OUT_TEXT, NULL },
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Used", "USED", OUT_SIZE, NULL },
	{ 0 },
};

static int df_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	int r = volumes_load(ctl, VOLUMES_USAGE, &v, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < jget_len(v.rows); i++) {
		json_object *row = json_object_array_get_idx(v.rows, i);

		/* an age of nothing */
		if (!jget(row, "Used"))
			jset(row, "UsageAgeS", NULL);
	}
	if (!v.docker && !v.none)
		cli_warn("only Berth's volumes: %s", v.why);
	r = out_rows(stdout, ctl->format, df_cols, v.rows, err);
	return r < 0 ? r : v.partial;
}

/* ---- prune --------------------------------------------------------------- */

static bool is_unused(const struct ctl *ctl, json_object *row)
{
	return jget_bool(row, "Ours") && jget_int(row, "Users") == 0 &&
	       jget(row, "Containers") && jget_int(row, "Containers") == 0 &&
	       (ctl->all || volumes_is_anonymous(jget_str(row, "Name")));
}

/* Owned.  @ret_failed: one was left out, told. */
static json_object *unused(const struct ctl *ctl, const struct volumes *v,
			   int *ret_failed)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < jget_len(v->rows); i++) {
		json_object *row = json_object_array_get_idx(v->rows, i);
		struct err err = { 0 };

		if (!is_unused(ctl, row))
			continue;
		if (volumes_is_one(row, &err) == 0) {
			json_object_array_add(list, json_object_get(row));
			continue;
		}
		cli_warn("volume %s stays: %s", jget_str(row, "Name"), err.msg);
		*ret_failed = CLI_FAILED;
	}
	return list;
}

/* On stderr, so that the output stays the listing.  No answer is no. */
static bool agreed(json_object *list)
{
	char answer[16];

	fprintf(stderr, "These volumes and all that is in them will be "
			"deleted:\n");
	for (size_t i = 0; i < jget_len(list); i++) {
		_cleanup_free_ char *name = out_escape(
			jget_str(json_object_array_get_idx(list, i), "Name"));

		fprintf(stderr, "  %s\n", name ? name : "?");
	}
	fprintf(stderr, "Go on? [y/N] ");
	if (!fgets(answer, sizeof(answer), stdin)) {
		fprintf(stderr, "\n");
		return false;
	}
	answer[strcspn(answer, "\n")] = '\0';
	return strcmp(answer, "y") == 0 || strcmp(answer, "Y") == 0 ||
	       strcmp(answer, "yes") == 0;
}

/* By way of dockerd, where there is one: a container that takes the volume meanwhile is
 * known to it alone, and makes it refuse.  Those of netctl's are looked at once more. */
static int remove_one(const struct ctl *ctl, const struct volumes *v,
		      json_object *row, struct err *err)
{
	const char *name = jget_str(row, "Name");
	const char *driver = jget_str(row, "Driver");
	json_object *body;
	char url[300];
	int r = box_refs_none(ctl, name, driver, err);

	if (r < 0)
		return r;
	if (v->none) {
		body = json_object_new_object();
		jset_str(body, "Name", name);
		return volumes_call(ctl, driver, "VolumeDriver.Remove", body,
				    NULL, err);
	}
	snprintf(url, sizeof(url), "/volumes/%s", name);
	return client_http_delete(ctl->docker, url, ctl->timeout_ms, err);
}

/* Return: the rows removed, owned. */
static json_object *remove_all(const struct ctl *ctl, const struct volumes *v,
			       json_object *list, int *ret_failed)
{
	json_object *gone = json_object_new_array();

	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);
		struct err err = { 0 };

		if (remove_one(ctl, v, row, &err) == 0) {
			json_object_array_add(gone, json_object_get(row));
			continue;
		}
		cli_warn("volume %s stays: %s", jget_str(row, "Name"), err.msg);
		*ret_failed = CLI_FAILED;
	}
	return gone;
}

static int prune_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	_cleanup_(json_putp) json_object *list = NULL, *gone = NULL;
	int r = volumes_load(ctl, VOLUMES_DOCKER, &v, err), failed;

	if (r < 0)
		return r;
	if (!v.docker && !v.none)
		return err_set(err, -EAGAIN,
			       "nothing is removed: dockerd alone knows which "
			       "of its stopped containers refer to a volume, "
			       "and it does not say (where there is none: "
			       "--docker none): %s",
			       v.why);
	failed = v.partial;
	list = unused(ctl, &v, &failed);
	if (ctl->dry_run)
		return out_rows(stdout, ctl->format, dry_cols, list, err);
	if (jget_len(list) && !ctl->force && !agreed(list))
		return err_set(err, -ECANCELED, "nothing was removed");
	gone = remove_all(ctl, &v, list, &failed);
	r = out_rows(stdout, ctl->format, prune_cols, gone, err);
	return r < 0 ? r : failed;
}

const struct cmd cmd_volume_df = {
	.name = "volume df",
	.summary = "show what the volumes of every driver take up",
	.help = "\n"
		"USERS have it mounted now, CONTAINERS refer to it, running "
		"or not.  AGE is that\nof the figure USED.  dockerd walks "
		"through the volumes that it keeps itself.\n"
		"\n"
		"  netctl volume df\n"
		"  netctl volume df --json | jq 'map(.Used) | add'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DOCKER,
	.run = df_run,
};

const struct cmd cmd_volume_prune = {
	.name = "volume prune",
	.summary = "remove Berth's volumes that no container refers to",
	.help = "\n"
		"Only those that nobody named, without --all.  dockerd is "
		"asked which of its\ncontainers, running or stopped, refer to "
		"a volume, and removes it; if it does not\nanswer, nothing is "
		"removed, unless --docker none says that there is none on "
		"this\nhost.  Those of 'netctl run' are looked at in any "
		"case; stopped containers of\npodman are not known.  (docker "
		"volume prune passes plugins' volumes by.)\n"
		"\n"
		"  netctl volume prune --dry-run --all\n"
		"  netctl volume prune\n"
		"  netctl volume prune --docker none\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DOCKER |
		 CLI_DRY_RUN | CLI_FORCE | CLI_ALL,
	.run = prune_run,
};
