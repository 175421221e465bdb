/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl up, down, restart: requests to the supervisor. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/sup.h"
#include "netctl/sup_priv.h"

static const struct out_col cols[] = {
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "State", "STATE", OUT_TEXT, NULL },
	{ 0 },
};

static void set_path(json_object *req, const char *key, const char *path)
{
	_cleanup_free_ char *abs = path ? cli_absolute(path) : NULL;

	jset_str(req, key, abs ? abs : "");
}

static json_object *strings(char **v, int n)
{
	json_object *list = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_string(v[i]));
	return list;
}

static int check_names(const struct ctl *ctl, struct err *err)
{
	for (int i = 0; i < ctl->arg_count; i++)
		if (!driver_find(ctl->args[i], err))
			return -EINVAL;
	return 0;
}

static int request_new(const struct ctl *ctl, const char *op, json_object **ret,
		       struct err *err)
{
	_cleanup_(json_putp) json_object *req = json_object_new_object();
	char dir[PATH_MAX];
	int r = check_names(ctl, err);

	if (r == 0)
		r = sup_bin_dir(dir, err);
	if (r < 0)
		return r;
	jset_str(req, "Op", op);
	jset_str(req, "BinDir", dir);
	set_path(req, "PluginDir", ctl->plugin_dir);
	set_path(req, "StateDir", ctl->state_dir);
	set_path(req, "BpfDir", ctl->bpf_dir);
	set_path(req, "Cgroup", ctl->cgroup);
	jset(req, "TimeoutMs", json_object_new_int64(ctl->timeout_ms));
	if (ctl->arg_count)
		jset(req, "Drivers", strings(ctl->args, ctl->arg_count));
	if (ctl->has_rest)
		jset(req, "Flags", strings(ctl->rest, ctl->rest_count));
	*ret = take_ptr(req);
	return 0;
}

/* Without names: every daemon whose binary is there. */
static int add_all(json_object *req, struct err *err)
{
	json_object *list = json_object_new_array();

	for (const struct driver *d = drivers; d->name; d++) {
		_cleanup_free_ char *path = NULL;

		if (sup_find_binary(jget_str(req, "BinDir"), d->name, &path,
				    err) == 0)
			json_object_array_add(list,
					      json_object_new_string(d->name));
	}
	jset(req, "Drivers", list);
	return jget_len(list) ? 0 : -ENOENT; /* err: of the last one */
}

static void append(json_object *rows, json_object *names, const char *state)
{
	for (size_t i = 0; i < jget_len(names); i++) {
		json_object *row = json_object_new_object();

		jset(row, "Driver",
		     json_object_get(json_object_array_get_idx(names, i)));
		jset_str(row, "State", state);
		json_object_array_add(rows, row);
	}
}

static int ask_and_print(struct ctl *ctl, json_object *req, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	_cleanup_(json_putp) json_object *rows = json_object_new_array();
	int r = sup_request(ctl, req, &answer, err);

	if (r < 0)
		return r;
	append(rows, jget(answer, "Started"), "ready");
	append(rows, jget(answer, "Already"), "was ready");
	append(rows, jget(answer, "Stopped"), "stopped");
	return out_rows(stdout, ctl->format, cols, rows, err);
}

static int up_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *req = NULL;
	int r;

	if (geteuid() != 0)
		return err_set(err, -EPERM, "must be root to run the daemons");
	r = request_new(ctl, "up", &req, err);

	if (r == 0 && !ctl->arg_count)
		r = add_all(req, err);
	if (r == 0 && ctl->foreground)
		return sup_foreground(ctl, req, err);
	/* One that was just leaving as we came: once more. */
	for (int i = 0; i < 2; i++) {
		if (r == 0)
			r = sup_ensure(ctl, err);
		if (r < 0)
			return r;
		r = ask_and_print(ctl, req, err);
		if (r != -EPIPE && r != -ENOENT)
			return r;
		r = 0;
	}
	return -EPIPE;
}

static int restart_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *req = NULL;
	int r = request_new(ctl, "restart", &req, err);

	return r < 0 ? r : ask_and_print(ctl, req, err);
}

static int down_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *req = NULL;
	int r = request_new(ctl, "down", &req, err);

	if (r == 0)
		r = ask_and_print(ctl, req, err);
	if (r == -EPIPE) /* it died or left as we asked */
		r = ask_and_print(ctl, req, err);
	if (r != -ENOENT)
		return r;
	cli_warn("%s", err->msg);
	return 0; /* what is asked for is the case */
}

const struct cmd cmd_up = {
	.name = "up",
	.args = "[DRIVER...]",
	.summary = "start the daemons and a supervisor that keeps them running",
	.help = "\n"
		"Returns when all are ready.  Without DRIVER: every daemon "
		"whose\n"
		"binary stands beside netctl.  The supervisor stays behind; "
		"it\n"
		"holds the plugins' sockets, so that a caller waits while a "
		"daemon\n"
		"that died is started again.  Twice is a no-op; drivers that "
		"are\n"
		"missing are added.  A daemon's log is "
		"RUN-DIR/netctl/DRIVER.log.\n"
		"\n"
		"  netctl up\n"
		"  netctl up berth-bridge -- --gc-grace 10s\n"
		"  netctl up --foreground          # in a container, under a "
		"service\n",
	.takes =
		CLI_DIRS | CLI_TIMEOUT | CLI_FOREGROUND | CLI_REST | CLI_FORMAT,
	.max_args = -1,
	.run = up_run,
};

const struct cmd cmd_down = {
	.name = "down",
	.args = "[DRIVER...]",
	.summary = "stop the daemons and the supervisor; networks stay",
	.help = "\n"
		"Requests under way are finished.  Networks, published ports "
		"and\n"
		"volumes stay as they are and work on; 'netctl up' takes them "
		"up\n"
		"again.  To the other hosts of a cluster, though, this one is "
		"dead\n"
		"20 to 30 s after its berth-overlay was stopped, until it is "
		"up.\n"
		"With DRIVER: only these.\n"
		"\n"
		"  netctl down\n",
	.takes = CLI_DIRS | CLI_TIMEOUT | CLI_FORMAT,
	.max_args = -1,
	.run = down_run,
};

const struct cmd cmd_restart = {
	.name = "restart",
	.args = "[DRIVER...]",
	.summary = "put a new process behind the held socket",
	.help = "\n"
		"For a new binary or new flags.  No request is lost: callers "
		"wait\n"
		"in the socket's backlog.  The binary beside this netctl is "
		"taken.\n"
		"Flags stay as they are unless some follow '--' ('--' alone: "
		"none).\n"
		"\n"
		"  netctl restart\n"
		"  netctl restart berth-bridge -- --gc-grace 1m\n",
	.takes = CLI_DIRS | CLI_TIMEOUT | CLI_REST | CLI_FORMAT,
	.max_args = -1,
	.run = restart_run,
};
