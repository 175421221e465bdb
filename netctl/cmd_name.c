/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl name ls, add, rm: what is called how on networks. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/nets.h"

#define DNS "berth-dns"

static const struct out_col ls_cols[] = {
	{ "Network", "NETWORK", OUT_TEXT, NULL },
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Address", "ADDRESS", OUT_TEXT, NULL },
	{ "Source", "SOURCE", OUT_TEXT, NULL },
	{ 0 },
};

/* berth-dns knows Docker's names of networks, and not netctl's. */
static void put_network(struct ctl *ctl, json_object *body, const char *word)
{
	_cleanup_(json_putp) json_object *nets = NULL;

	jset_str(body, "Network", word);
	if (!*word || nets_list(ctl, &nets, NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < jget_len(nets); i++) {
		json_object *net = json_object_array_get_idx(nets, i);

		if (strcmp(jget_str(net, "Name"), word) == 0)
			jset_str(body, "Network", jget_str(net, "NetworkID"));
	}
}

/* ... so it says their ids. */
static void name_networks(struct ctl *ctl, json_object *rows)
{
	_cleanup_(json_putp) json_object *nets = NULL;

	if (nets_list(ctl, &nets, NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		for (size_t k = 0; k < jget_len(nets); k++) {
			json_object *net = json_object_array_get_idx(nets, k);

			if (strcmp(jget_str(row, "Network"),
				   jget_str(net, "NetworkID")) == 0)
				jset_str(row, "Network", jget_str(net, "Name"));
		}
	}
}

static int ls_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *rows;
	int r;

	put_network(ctl, body, ctl->arg_count ? ctl->args[0] : "");
	r = driver_call(ctl, DNS, "Berth.Names", body, &answer, err);
	if (r < 0)
		return r;
	rows = jget_array(answer, "Names");
	if (!rows)
		return err_set(err, -EBADMSG,
			       DNS " answers no list of names: is it of "
				   "another version?");
	name_networks(ctl, rows);
	return out_rows(stdout, ctl->format, ls_cols, rows, err);
}

static int tell(struct ctl *ctl, const char *method, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	const char *address = ctl->arg_count > 2 ? ctl->args[2] : "";
	struct ip_addr addr;

	if (*address && ip_parse(address, &addr, NULL) < 0)
		return err_set(err, -EINVAL, "\"%s\" is no address", address);
	put_network(ctl, body, ctl->args[0]);
	jset_str(body, "Name", ctl->args[1]);
	jset_str(body, "Address", address);
	return driver_call(ctl, DNS, method, body, NULL, err);
}

static int add_run(struct ctl *ctl, struct err *err)
{
	return tell(ctl, "Berth.NameAdd", err);
}

static int rm_run(struct ctl *ctl, struct err *err)
{
	return tell(ctl, "Berth.NameRemove", err);
}

const struct cmd cmd_name_ls = {
	.name = "name ls",
	.args = "[NETWORK]",
	.summary = "list names of networks",
	.help = "\n"
		"SOURCE is \"docker\" for containers here, \"hosts\" for "
		"those of the\n"
		"cluster's other hosts, \"user\" for what name add said.\n"
		"\n"
		"  netctl name ls shop\n"
		"  netctl name ls --json | jq -r '.[].Name'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT,
	.max_args = 1,
	.run = ls_run,
};

const struct cmd cmd_name_add = {
	.name = "name add",
	.args = "NETWORK NAME ADDRESS",
	.summary = "give an address of a network a name",
	.help = "\n"
		"NETWORK is Docker's or netctl's name, the id, or the key that "
		"name ls shows.\n"
		"Several addresses may have one name, and one address "
		"several.\n"
		"The cluster's other hosts get it too, if it lies in a subnet "
		"of the network:\nthere any other address is passed by.\n"
		"\n"
		"  netctl name add shop db 10.9.0.50\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 3,
	.max_args = 3,
	.run = add_run,
};

const struct cmd cmd_name_rm = {
	.name = "name rm",
	.args = "NETWORK NAME [ADDRESS]",
	.summary = "take a name back that name add gave",
	.help = "\n"
		"Without ADDRESS from all addresses it was given to.\n"
		"\n"
		"  netctl name rm shop db\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 2,
	.max_args = 3,
	.run = rm_run,
};
