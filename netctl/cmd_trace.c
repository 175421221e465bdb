/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl trace: which packet was dropped, where, and why, live. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

#define WAIT_MS 500u /* one call; ^C is heard after it */

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void print_event(json_object *o)
{
	const char *from = jget_str(o, "From");
	char when[CLI_CLOCK_MAX];

	printf("%s %-15s %s: %s: %s ", cli_clock(jget_int(o, "TimeNs"), when),
	       jget_str(o, "Interface"), jget_str(o, "Where"),
	       jget_str(o, "Why"), jget_str(o, "Kind"));
	if (*from)
		printf("%s > %s", from, jget_str(o, "To"));
	else
		printf("from %s", jget_str(o, "MAC"));
	printf(", %" PRId64 " bytes\n", jget_int(o, "Length"));
}

static int trace_once(struct ctl *ctl, const char *driver, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *events, *wait = json_object_new_int(WAIT_MS);
	int64_t lost;
	int r;

	if (!body || !wait || json_object_object_add(body, "WaitMs", wait) < 0)
		return err_set(err, -ENOMEM, "request");
	r = driver_call(ctl, driver, "Berth.Trace", body, &answer, err);
	if (r < 0)
		return r;
	events = jget_array(answer, "Events");
	for (size_t i = 0; i < jget_len(events); i++) {
		json_object *o = json_object_array_get_idx(events, i);

		if (ctl->format == OUT_JSON)
			puts(json_object_to_json_string_ext(
				o, JSON_C_TO_STRING_PLAIN));
		else
			print_event(o);
	}
	lost = jget_int(answer, "Lost");
	if (lost > 0)
		cli_warn("%" PRId64 " more were dropped than can be told",
			 lost);
	return fflush(stdout) < 0 ? err_set(err, -errno, "output") : 0;
}

static int trace_run(struct ctl *ctl, struct err *err)
{
	const struct sigaction sa = { .sa_handler = on_signal };
	const char *driver = ctl->arg_count ? ctl->args[0] : "berth-bridge";
	uint64_t end = ctl->for_ms ? clock_mono_ms() + ctl->for_ms : UINT64_MAX;
	const struct driver *d = driver_find(driver, err);
	int r = 0;

	if (!d)
		return -EINVAL;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	while (r == 0 && !stopped && clock_mono_ms() < end)
		r = trace_once(ctl, d->name, err);
	return stopped ? 0 : r;
}

const struct cmd cmd_trace = {
	.name = "trace",
	.args = "[DRIVER]",
	.summary = "show packets that are dropped, and why",
	.help = "\n"
		"What the guard at each container's port drops, and the eBPF\n"
		"dataplane at the host's interfaces: one line a packet, while\n"
		"this runs. It costs a packet that passes nothing.\n"
		"\n"
		"What nftables drops is counted, not shown here:\n"
		"  nft list table inet berth-bridge\n"
		"\n"
		"  netctl trace                    until ^C\n"
		"  netctl trace --for 10s --json   one JSON object a line\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_FOR,
	.max_args = 1,
	.run = trace_run,
};
