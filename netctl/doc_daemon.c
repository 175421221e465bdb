/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor: the daemons, their supervisor, what they complain of, and dockerd. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "lib/plugd.h"
#include "netctl/doc.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/sup.h"

#define DOCKER_MS  1000
#define PLUGIN_DIR "/run/docker/plugins" /* where dockerd looks */

/* ---- ours ---------------------------------------------------------------- */

/* A daemon has its records locked for as long as it lives. */
static bool is_alive(struct doc *d, const char *name)
{
	const char *path =
		doc_text(d, "%s/%s/state.db.lock", d->ctl->state_dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

static void judge_no_socket(struct doc *d, const char *name, const char *why)
{
	char cmd[DRIVER_COMMAND_MAX];

	if (is_alive(d, name))
		doc_find(d, DOC_BAD,
			 doc_text(d,
				  "%s runs, but the file of its socket is gone",
				  name),
			 why,
			 doc_text(d,
				  "under systemd: systemctl restart %s.socket "
				  "%s.service; otherwise it is made again "
				  "within a second, or its log says why not",
				  name, name));
	else
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s is not running but has records here",
				  name),
			 why, driver_command(name, false, cmd));
}

static bool is_dns(const char *name)
{
	const struct driver *v = driver_find(name, NULL);

	return v && v->kind == DRIVER_NAMES;
}

static void judge_silence(struct doc *d, const char *name, int r,
			  const char *text)
{
	char cmd[DRIVER_COMMAND_MAX];
	const char *state =
		doc_text(d, "%s/%s/state.db", d->ctl->state_dir, name);
	const char *why =
		is_dns(name) ? "containers of the networks that it serves find "
			       "no names, those that run as well; docker does "
			       "not wait for it"
			     : "what runs works on, but nothing can be "
			       "created, started or removed; docker waits";

	if (r == -ENOENT && access(state, F_OK) == 0)
		judge_no_socket(d, name, why);
	else if (r == -ECONNREFUSED)
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s is dead: nobody serves its socket",
				  name),
			 why, driver_command(name, false, cmd));
	else if (r != -ENOENT)
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s does not answer: %s", name, text), why,
			 doc_text(d, "see its log; %s",
				  driver_command(name, true, cmd)));
}

static void judge_info(struct doc *d, const char *name, json_object *info)
{
	json_object *problems = jget_array(info, "Problems");
	char cmd[DRIVER_COMMAND_MAX];

	if (strcmp(jget_str(info, "Version"), BERTH_VERSION) != 0)
		doc_find(
			d, DOC_WARN,
			doc_text(d, "%s is version %s, netctl " BERTH_VERSION,
				 name, jget_str(info, "Version")),
			"a new binary was installed and the old one still runs",
			driver_command(name, true, cmd));
	for (size_t i = 0; i < jget_len(problems); i++)
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s: %s", name,
				  json_object_get_string(
					  json_object_array_get_idx(problems,
								    i))),
			 NULL, "see the log of the daemon");
}

static void judge_child(struct doc *d, json_object *child)
{
	const char *name = jget_str(child, "Name");
	const char *log = jget_str(child, "Log");
	int64_t n = jget_int(child, "Restarts");

	if (strcmp(jget_str(child, "State"), "dead") == 0)
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s keeps dying: it %s", name,
				  jget_str(child, "Last")),
			 is_dns(name) ? "containers of the networks that it "
					"serves find no names"
				      : "the supervisor holds its socket: "
					"docker waits, then fails",
			 doc_text(d, "see %s", log));
	else if (n > 0)
		doc_find(d, DOC_WARN,
			 doc_text(d,
				  "%s died %lld times since netctl up; the "
				  "last time it %s",
				  name, (long long)n, jget_str(child, "Last")),
			 "it was started again, nothing is lost",
			 doc_text(d, "see %s for the reason", log));
}

void doc_check_daemons(struct doc *d)
{
	_cleanup_(json_putp) json_object *req = json_object_new_object();
	_cleanup_(json_putp) json_object *status = NULL;
	json_object *list;

	for (size_t i = 0; i < d->daemon_count; i++) {
		const struct doc_daemon *who = &d->daemons[i];

		if (who->r < 0)
			judge_silence(d, who->name, who->r, who->err.msg);
		else
			judge_info(d, who->name, who->info);
	}
	jset_str(req, "Op", "status");
	if (sup_request(d->ctl, req, &status, NULL) < 0)
		return; /* systemd's business, then */
	list = jget_array(status, "Drivers");
	for (size_t i = 0; i < jget_len(list); i++)
		judge_child(d, json_object_array_get_idx(list, i));
}

static void judge_drift(struct doc *d, const struct doc_daemon *who)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *list = doc_ask(d, who, "Berth.Check", "Problems", &answer);
	char cmd[DRIVER_COMMAND_MAX];

	for (size_t i = 0; i < jget_len(list); i++)
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s: %s", who->name,
				  json_object_get_string(
					  json_object_array_get_idx(list, i))),
			 "what the daemon has recorded and what the kernel "
			 "holds differ",
			 doc_text(d,
				  "%s (makes anew what is missing; netctl gc "
				  "removes what is left over)",
				  driver_command(who->name, true, cmd)));
}

void doc_check_drift(struct doc *d)
{
	for (size_t i = 0; i < d->daemon_count; i++)
		judge_drift(d, &d->daemons[i]);
}

/* ---- Docker's ------------------------------------------------------------ */

/* "20.10.24+dfsg1"; what is no version is not older. */
static bool is_older(const char *version, unsigned long major,
		     unsigned long minor)
{
	char *end;
	unsigned long got = strtoul(version, &end, 10);

	if (end == version || *end != '.' || got > major)
		return false;
	return got < major || strtoul(end + 1, NULL, 10) < minor;
}

void doc_check_docker(struct doc *d)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	const char *version;
	struct err err = { 0 };

	if (client_http_get(d->ctl->docker, "/version", DOCKER_MS, &answer,
			    &err) < 0) {
		doc_find(
			d, DOC_OK,
			doc_text(d, "no dockerd answers on %s", d->ctl->docker),
			"listings show ids where Docker would know names",
			NULL);
		return;
	}
	version = jget_str(answer, "Version");
	if (is_older(version, 20, 10))
		doc_find(d, DOC_WARN,
			 doc_text(d,
				  "dockerd %s is older than any that Berth is "
				  "tested with (20.10)",
				  version),
			 NULL, "a newer dockerd");
	if (strcmp(d->ctl->plugin_dir, PLUGIN_DIR) != 0)
		doc_find(d, DOC_WARN,
			 doc_text(d, "the daemons' sockets are in %s",
				  d->ctl->plugin_dir),
			 "dockerd looks for plugins in " PLUGIN_DIR " only",
			 "leave --plugin-dir and BERTH_PLUGIN_DIR out");
	if (jget_len(d->ports) > 0)
		doc_find(d, DOC_OK,
			 doc_text(d,
				  "dockerd %s shows no ports of Berth's "
				  "networks in docker ps, port and inspect",
				  version),
			 "it keeps no record of ports that a plugin publishes",
			 "netctl ports shows them");
}
