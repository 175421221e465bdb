/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl volume create, rm: with or without a Docker. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "netctl/box/refs.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/volumes.h"

static int create_run(struct ctl *ctl, struct err *err)
{
	const char *driver = ctl->driver ? ctl->driver : "berth-named";
	const struct driver *d = driver_find(driver, err);
	json_object *body;
	int r;

	if (!d)
		return -ENOENT;
	if (d->kind != DRIVER_VOLUME)
		return err_set(err, -EINVAL, "%s makes no volumes", driver);
	r = volumes_is_new(ctl, ctl->args[0], driver, err);
	if (r < 0)
		return r;
	body = json_object_new_object();
	jset_str(body, "Name", ctl->args[0]);
	jset(body, "Opts", volumes_opts(ctl));
	return volumes_call(ctl, driver, "VolumeDriver.Create", body, NULL,
			    err);
}

/* ---- rm -------------------------------------------------------------------- */

/* Before the snapshots go: would the volume itself? */
static int check_unused(json_object *row, struct err *err)
{
	if (jget_int(row, "Users") || jget_int(row, "Containers"))
		return err_set(err, -EBUSY,
			       "volume %s is in use: %lld mounts, %lld "
			       "containers refer to it",
			       jget_str(row, "Name"),
			       (long long)jget_int(row, "Users"),
			       (long long)jget_int(row, "Containers"));
	return 0;
}

static int remove_snapshots(const struct ctl *ctl,
			    const struct volumes_ref *ref, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *rows;
	int r = volumes_call(ctl, ref->driver, "Berth.VolumeSnapshots",
			     volumes_body(ref), &answer, err);

	rows = jget_array(answer, "Snapshots");
	for (size_t i = 0; r == 0 && i < jget_len(rows); i++) {
		struct volumes_ref one = *ref;

		snprintf(one.snap, sizeof(one.snap), "%s",
			 jget_str(json_object_array_get_idx(rows, i), "Name"));
		r = volumes_call(ctl, ref->driver, "Berth.VolumeSnapshotRemove",
				 volumes_body(&one), NULL, err);
	}
	return r;
}

/* By way of dockerd where there is one: it alone knows which stopped containers of its own
 * refer to the volume. */
static int remove_volume(const struct ctl *ctl, bool docker,
			 const struct volumes_ref *ref, struct err *err)
{
	char url[300];
	int r = box_refs_none(ctl, ref->name, ref->driver, err);

	if (r < 0)
		return r;
	if (!docker)
		return volumes_call(ctl, ref->driver, "VolumeDriver.Remove",
				    volumes_body(ref), NULL, err);
	snprintf(url, sizeof(url), "/volumes/%s", ref->name);
	return client_http_delete(ctl->docker, url, ctl->timeout_ms, err);
}

static int rm_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	struct volumes_ref ref = { 0 };
	json_object *row = NULL;
	int r = volumes_load(ctl, VOLUMES_DOCKER, &v, err);

	if (r == 0)
		r = volumes_find(&v, ctl->args[0], &row, err);
	if (r == 0 && strcmp(jget_str(row, "Name"), ctl->args[0]) != 0)
		r = err_set(err, -EINVAL,
			    "rm takes whole names only: did you mean %s?",
			    jget_str(row, "Name"));
	if (r == 0 && !jget_bool(row, "Ours"))
		r = err_set(err, -EINVAL,
			    "volume %s is of driver %s: docker volume rm %s",
			    ctl->args[0], jget_str(row, "Driver"),
			    ctl->args[0]);
	if (r == 0)
		r = volumes_is_one(row, err);
	if (r < 0)
		return r;
	snprintf(ref.name, sizeof(ref.name), "%s", jget_str(row, "Name"));
	snprintf(ref.driver, sizeof(ref.driver), "%s", jget_str(row, "Driver"));
	r = box_refs_none(ctl, ref.name, ref.driver, err);
	if (r == 0 && ctl->snapshots)
		r = check_unused(row, err);
	if (r == 0 && ctl->snapshots)
		r = remove_snapshots(ctl, &ref, err);
	return r < 0 ? r : remove_volume(ctl, v.docker, &ref, err);
}

const struct cmd cmd_volume_create = {
	.name = "volume create",
	.args = "NAME",
	.summary = "make a volume",
	.help = "\n"
		"What docker volume create -d DRIVER does, and Docker sees it; "
		"but it needs none.\n"
		"Refused where dockerd has a volume NAME of another driver.\n"
		"\n"
		"  netctl volume create -o size=10g data\n",
	.takes = CLI_DIRS | CLI_OPT | CLI_DRIVER | CLI_DOCKER,
	.min_args = 1,
	.max_args = 1,
	.run = create_run,
};

const struct cmd cmd_volume_rm = {
	.name = "volume rm",
	.args = "VOLUME",
	.summary = "remove a volume and all that is in it",
	.help = "\n"
		"A volume that has snapshots stays, unless --snapshots is "
		"given, and so does one that\na container of 'netctl run' "
		"refers to, running or not.  Where a dockerd answers it is\n"
		"asked to remove the volume: it knows which stopped "
		"containers of its own do.\n"
		"\n"
		"  netctl volume rm --snapshots data\n",
	.takes = CLI_DIRS | CLI_TIMEOUT | CLI_DOCKER | CLI_SNAPSHOTS,
	.min_args = 1,
	.max_args = 1,
	.run = rm_run,
};
