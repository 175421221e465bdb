/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl volume snapshot, snapshot ls, snapshot rm, clone, rollback. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/jget.h"
#include "netctl/volumes.h"

static const struct out_col ls_cols[] = {
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Created", "CREATED", OUT_TEXT, NULL },
	{ "UsedBytes", "USED", OUT_SIZE, NULL },
	{ "OwnBytes", "OWN", OUT_SIZE, NULL },
	{ 0 },
};

/* A name that sorts by age. */
static void name_now(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&now, &tm))
		strftime(buf, size, "%Y%m%d-%H%M%S", &tm);
}

static int snapshot_run(struct ctl *ctl, struct err *err)
{
	struct volumes_ref ref = { 0 };
	int r = volumes_ref(ctl, ctl->args[0], false, &ref, err);

	if (r < 0)
		return r;
	if (!ref.snap[0])
		name_now(ref.snap, sizeof(ref.snap));
	r = volumes_call(ctl, ref.driver, "Berth.VolumeSnapshot",
			 volumes_body(&ref), NULL, err);
	if (r == 0)
		printf("%s@%s\n", ref.name, ref.snap);
	return r;
}

static int snapshot_ls_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	struct volumes_ref ref = { 0 };
	json_object *none = json_object_new_array(), *rows;
	int r = volumes_ref(ctl, ctl->args[0], false, &ref, err);

	if (r == 0)
		r = volumes_call(ctl, ref.driver, "Berth.VolumeSnapshots",
				 volumes_body(&ref), &answer, err);
	rows = jget_array(answer, "Snapshots");
	if (r == 0)
		r = out_rows(stdout, ctl->format, ls_cols, rows ? rows : none,
			     err);
	json_object_put(none);
	return r;
}

static int snapshot_rm_run(struct ctl *ctl, struct err *err)
{
	struct volumes_ref ref = { 0 };
	int r = volumes_ref(ctl, ctl->args[0], true, &ref, err);

	return r < 0 ? r
		     : volumes_call(ctl, ref.driver,
				    "Berth.VolumeSnapshotRemove",
				    volumes_body(&ref), NULL, err);
}

static int rollback_run(struct ctl *ctl, struct err *err)
{
	struct volumes_ref ref = { 0 };
	int r = volumes_ref(ctl, ctl->args[0], true, &ref, err);

	return r < 0 ? r
		     : volumes_call(ctl, ref.driver, "Berth.VolumeRollback",
				    volumes_body(&ref), NULL, err);
}

static int clone_run(struct ctl *ctl, struct err *err)
{
	struct volumes_ref ref = { 0 };
	json_object *body, *opts;
	char from[600];
	int r = volumes_ref(ctl, ctl->args[0], false, &ref, err);

	if (r == 0)
		r = volumes_is_new(ctl, ctl->args[1], NULL, err);
	if (r < 0)
		return r;
	snprintf(from, sizeof(from), "%s%s%s", ref.name, ref.snap[0] ? "@" : "",
		 ref.snap);
	opts = volumes_opts(ctl);
	jset_str(opts, "from", from);
	body = json_object_new_object();
	jset_str(body, "Name", ctl->args[1]);
	jset(body, "Opts", opts);
	return volumes_call(ctl, ref.driver, "VolumeDriver.Create", body, NULL,
			    err);
}

const struct cmd cmd_volume_snapshot = {
	.name = "volume snapshot",
	.args = "VOLUME[@NAME]",
	.summary = "keep what a volume has now",
	.help = "\n"
		"The snapshot is read-only and belongs to the volume, which "
		"cannot be removed while\nit has one.  Containers may use the "
		"volume meanwhile.  Without NAME it is called\nby the time.  "
		"Volumes on btrfs and images (-o backing=image) can.\n"
		"\n"
		"  netctl volume snapshot data@before-upgrade\n",
	.takes = CLI_DIRS,
	.min_args = 1,
	.max_args = 1,
	.run = snapshot_run,
};

const struct cmd cmd_volume_snapshot_ls = {
	.name = "volume snapshot ls",
	.args = "VOLUME",
	.summary = "list a volume's snapshots",
	.help = "\n"
		"USED is what is in it, OWN what of that nobody shares, so "
		"what removing it gives\nback; empty where nobody knows.\n"
		"\n"
		"  netctl volume snapshot ls data\n",
	.takes = CLI_DIRS | CLI_FORMAT,
	.min_args = 1,
	.max_args = 1,
	.run = snapshot_ls_run,
};

const struct cmd cmd_volume_snapshot_rm = {
	.name = "volume snapshot rm",
	.args = "VOLUME@NAME",
	.summary = "delete a snapshot",
	.help = "\n"
		"  netctl volume snapshot rm data@before-upgrade\n",
	.takes = CLI_DIRS,
	.min_args = 1,
	.max_args = 1,
	.run = snapshot_rm_run,
};

const struct cmd cmd_volume_rollback = {
	.name = "volume rollback",
	.args = "VOLUME@NAME",
	.summary = "make a volume again what a snapshot of it is",
	.help = "\n"
		"What was written since is gone.  All snapshots stay.  Nobody "
		"may use the volume\nmeanwhile.\n"
		"\n"
		"  netctl volume rollback data@before-upgrade\n",
	.takes = CLI_DIRS,
	.min_args = 1,
	.max_args = 1,
	.run = rollback_run,
};

const struct cmd cmd_volume_clone = {
	.name = "volume clone",
	.args = "SOURCE[@SNAPSHOT] NEW",
	.summary = "make a volume with what another has",
	.help = "\n"
		"The two are independent from then on.  NEW has the size of "
		"SOURCE unless -o size=\nsays another.  The same as docker "
		"volume create -o from=SOURCE[@SNAPSHOT] NEW.\n"
		"\n"
		"  netctl volume clone data@before-upgrade trial\n"
		"  netctl volume clone -o size=20g data larger\n",
	.takes = CLI_DIRS | CLI_OPT | CLI_DOCKER,
	.min_args = 2,
	.max_args = 2,
	.run = clone_run,
};
