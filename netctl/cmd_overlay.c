/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl overlay: what only a network over many hosts needs. */
#include <stdio.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

static int adopt_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *got = NULL;
	int r = driver_call(ctl, "berth-overlay", "Berth.Adopt", NULL, &got,
			    err);

	if (r < 0)
		return r;
	puts(jget_bool(got, "Adopted")
		     ? "etcd's data is taken as it is now; this host tells "
		       "again what it has"
		     : "etcd did not go back: nothing to adopt");
	return 0;
}

const struct cmd cmd_overlay_adopt = {
	.name = "overlay adopt",
	.summary = "take etcd's data for true, after it went back",
	.help = "\n"
		"An etcd that was restored from a backup, wiped, or is "
		"another\n"
		"one is not believed: nothing is written, what runs goes on.\n"
		"When its data is as it should be say this on each host: it\n"
		"then tells again what it has. Otherwise it changes nothing.\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.run = adopt_run,
};
