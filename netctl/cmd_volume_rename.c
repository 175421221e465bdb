/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl volume rename. */
#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/refs.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/volumes.h"

/* A container refers to its volumes by name, and would be given a new one. */
static int check_unreferred(json_object *row, struct err *err)
{
	long long n = (long long)jget_int(row, "Containers");

	/* They mean dockerd's of that name. */
	if (!n || jget(row, "DockerDriver"))
		return 0;
	return err_set(
		err, -EBUSY,
		"%lld container%s of Docker refer%s to volume %s by its "
		"name: remove %s first (docker ps -a --filter volume=%s)",
		n, n > 1 ? "s" : "", n > 1 ? "" : "s", jget_str(row, "Name"),
		n > 1 ? "them" : "it", jget_str(row, "Name"));
}

/* Also of another driver: Docker would know two by one name. */
static int check_free(const struct volumes *v, const char *name,
		      struct err *err)
{
	json_object *row = NULL;

	if (volumes_find(v, name, &row, NULL) < 0 ||
	    strcmp(jget_str(row, "Name"), name) != 0)
		return 0;
	return err_set(err, -EEXIST,
		       "there is a volume %s already, of driver %s", name,
		       jget_str(row, "Driver"));
}

static int rename_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	const char *name = ctl->args[0], *to = ctl->args[1];
	json_object *row = NULL, *body;
	int r = volumes_load(ctl, VOLUMES_DOCKER, &v, err);

	if (r == 0)
		r = volumes_find(&v, name, &row, err);
	if (r == 0 && strcmp(jget_str(row, "Name"), name) != 0)
		r = err_set(err, -EINVAL,
			    "rename takes whole names only: did you mean %s?",
			    jget_str(row, "Name"));
	if (r == 0 && !jget_bool(row, "Ours"))
		r = err_set(err, -EINVAL,
			    "volume %s is of driver %s, whose volumes keep "
			    "their names",
			    name, jget_str(row, "Driver"));
	if (r == 0)
		r = box_refs_none(ctl, name, jget_str(row, "Driver"), err);
	if (r == 0)
		r = check_unreferred(row, err);
	if (r == 0)
		r = check_free(&v, to, err);
	if (r < 0)
		return r;
	body = json_object_new_object();
	jset_str(body, "Name", name);
	jset_str(body, "To", to);
	return volumes_call(ctl, jget_str(row, "Driver"), "Berth.VolumeRename",
			    body, NULL, err);
}

const struct cmd cmd_volume_rename = {
	.name = "volume rename",
	.args = "VOLUME NEW",
	.summary = "give a volume another name",
	.help = "\n"
		"Its snapshots go with it.  Refused while it is used, and "
		"while a container of Docker\nor of 'netctl run', running or "
		"not, refers to it by the old name.\nStopped "
		"containers of podman are not known here; podman volume "
		"reload tells podman.\n"
		"\n"
		"  netctl volume rename data data-2025\n",
	.takes = CLI_DIRS | CLI_TIMEOUT | CLI_DOCKER,
	.min_args = 2,
	.max_args = 2,
	.run = rename_run,
};
