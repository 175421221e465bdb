// SPDX-License-Identifier: GPL-2.0-or-later
/* netctl run, exec: a process in a container. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/ask.h"
#include "netctl/box/life.h"
#include "netctl/box/net.h"
#include "netctl/box/starter.h"
#include "netctl/box/user.h"
#include "netctl/box/vols.h"
#include "netctl/cmds.h"
#include "netctl/image/store.h"
#include "netctl/jget.h"

#define EXEC_MAX 600

static const struct cli_own run_flags[] = {
	CLI_OWN('d', "detach", NULL, FLAG_SWITCH, box.detach,
		"or -d: print its id and leave it running"),
	CLI_OWN(0, "rm", NULL, FLAG_SWITCH, box.remove,
		"remove it when it has exited"),
	CLI_OWN(0, "name", "NAME", FLAG_PATH, box.name, "of the container"),
	CLI_OWN('i', "interactive", NULL, FLAG_SWITCH, box.interactive,
		"or -i: with an input"),
	CLI_OWN('t', "tty", NULL, FLAG_SWITCH, box.tty,
		"or -t: with a terminal"),
	CLI_OWN('e', "env", "NAME[=VALUE]", FLAG_LIST, box.env,
		"or -e: a variable; again for each"),
	CLI_OWN(0, "env-file", "FILE", FLAG_LIST, box.env_files,
		"variables, one a line"),
	CLI_OWN('w', "workdir", "DIR", FLAG_PATH, box.workdir,
		"or -w: where the command begins"),
	CLI_OWN('u', "user", "NAME|UID[:GROUP|GID]", FLAG_PATH, box.user,
		"or -u: who it is"),
	CLI_OWN(0, "entrypoint", "PROGRAM", FLAG_TEXT, box.entrypoint,
		"in place of the image's, and of its command; \"\": none"),
	CLI_OWN(0, "stop-signal", "SIGNAL", FLAG_PATH, box.stop_signal,
		"what 'netctl stop' sends (default: the image's, or TERM)"),
	CLI_OWN('h', "hostname", "NAME", FLAG_PATH, box.hostname,
		"or -h: its host name"),
	CLI_OWN('l', "label", "KEY[=VALUE]", FLAG_LIST, box.labels,
		"or -l: for 'netctl inspect'"),
	CLI_OWN(0, "network", "NAME|host|none|container:NAME", FLAG_LIST,
		box.networks, "again for each (default: none)"),
	CLI_OWN(0, "ip", "ADDRESS", FLAG_PATH, ip, "in the first network"),
	CLI_OWN(0, "ip6", "ADDRESS", FLAG_PATH, ip6, "in the first network"),
	CLI_OWN(0, "mac-address", "MAC", FLAG_PATH, mac,
		"in the first network"),
	CLI_OWN(0, "network-alias", "NAME", FLAG_LIST, box.aliases,
		"another name in each network"),
	CLI_OWN(0, "dns", "ADDRESS", FLAG_LIST, box.dns,
		"asked for what is no name of a container"),
	CLI_OWN(0, "dns-search", "DOMAIN", FLAG_LIST, box.dns_search,
		"of resolv.conf; .: none"),
	CLI_OWN(0, "dns-option", "OPTION", FLAG_LIST, box.dns_options,
		"of resolv.conf"),
	CLI_OWN('P', "publish-all", NULL, FLAG_SWITCH, box.publish_all,
		"or -P: every port that the image exposes, at a free one"),
	CLI_OWN('p', "publish", "[[HOST:]PORT:]PORT[/PROTO]", FLAG_LIST, ports,
		"or -p: a port, as docker run -p; again for each"),
	CLI_OWN('v', "volume", "[NAME|DIR:]DIR[:ro]", FLAG_LIST, box.volumes,
		"or -v: a volume, or a directory or file of the host"),
	CLI_OWN(0, "mount", "KEY=VALUE,...", FLAG_LIST, box.mounts,
		"type=volume|bind|tmpfs,src=...,dst=..., as docker run "
		"--mount"),
	CLI_OWN(0, "volume-driver", "NAME", FLAG_PATH, box.volume_driver,
		"whose volumes they are (default: berth-named)"),
	CLI_OWN(0, "tmpfs", "DIR[:OPTIONS]", FLAG_LIST, box.tmpfs,
		"a file system in memory"),
	CLI_OWN(0, "read-only", NULL, FLAG_SWITCH, box.read_only,
		"nothing of the root can be written"),
	CLI_OWN('m', "memory", "BYTES[b|k|m|g]", FLAG_PATH, box.memory,
		"or -m: no more, and no swap beside it"),
	CLI_OWN(0, "cpus", "NUMBER", FLAG_PATH, box.cpus,
		"no more processors' time, as 1.5"),
	CLI_OWN(0, "pids-limit", "NUMBER", FLAG_PATH, box.pids,
		"no more processes"),
	CLI_OWN(0, "restart", "POLICY", FLAG_PATH, box.restart,
		"no, on-failure[:TIMES], always, unless-stopped"),
	CLI_OWN(0, "cap-add", "NAME", FLAG_LIST, box.cap_add,
		"a capability, or ALL"),
	CLI_OWN(0, "cap-drop", "NAME", FLAG_LIST, box.cap_drop,
		"a capability, or ALL"),
	CLI_OWN(0, "security-opt", "NAME[=VALUE]", FLAG_LIST, box.security,
		"seccomp=unconfined|FILE, no-new-privileges"),
	{ .letter = 0 },
};

/* ---- what is run ------------------------------------------------------------- */

struct what {
	struct image_source *source; /* owned; NULL: a root directory */
	struct image image;
};

static void what_fini(struct what *w)
{
	image_fini(&w->image);
	image_source_free(w->source);
}

static int what_open(const struct ctl *ctl, struct what *w, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	const char *tag, *word = ctl->args[0];
	int r = image_word(word, &path, &tag, err);

	if (r <= 0)
		return r;
	r = image_source_open(path, &w->source, err);
	if (r < 0)
		return r;
	r = image_read(w->source, tag, image_arch(), &w->image, err);
	return r < 0 ? err_wrap(err, r, "%s", word) : 0;
}

/* From its record on it is seen and stopped: ^C has to find somebody who stops it. */
static int new_box(const struct ctl *ctl, json_object *rec, struct starter *c,
		   struct box *b, struct err *err)
{
	int r = starter_signals(c, err);

	return r < 0 ? r : box_new(ctl, rec, b, err);
}

/* The store's lock is held until the container's record says what it needs of it. */
static int make_box(const struct ctl *ctl, struct what *w, json_object *rec,
		    struct starter *c, struct box *b, struct err *err)
{
	struct image_store store;
	int r;

	if (!w->source)
		return new_box(ctl, rec, c, b, err);
	r = image_store_open(ctl, &store, err);
	if (r < 0)
		return r;
	r = image_store_add(&store, w->source, &w->image,
			    jget_str(rec, "ImageName"), err);
	if (r < 0)
		err_wrap(err, r, "%s", ctl->args[0]);
	else
		r = new_box(ctl, rec, c, b, err);
	image_store_close(&store);
	return r;
}

static int check_terminal(const struct ctl *ctl, struct err *err)
{
	if (!ctl->box.tty || ctl->box.detach || !ctl->box.interactive ||
	    isatty(0))
		return 0;
	return err_set(err, -ENOTTY,
		       "-i -t: the standard input is no terminal (leave out "
		       "-t, or take -d)");
}

static int prepare(struct ctl *ctl, struct starter *c, struct box *b,
		   struct err *err)
{
	_cleanup_(json_putp) json_object *rec = NULL;
	_cleanup_(what_fini) struct what w = { 0 };
	int r = what_open(ctl, &w, err);

	if (r == 0)
		r = box_ask(ctl, w.source ? &w.image : NULL, &rec, err);
	if (r == 0)
		r = check_terminal(ctl, err);
	if (r < 0)
		return r;
	life_settle(ctl);
	r = box_net_check(ctl, rec, err);
	if (r == 0)
		r = box_vols_check(ctl, rec, err);
	return r == 0 ? make_box(ctl, &w, rec, c, b, err) : r;
}

static int stay(struct starter *c, struct err *err)
{
	struct err why = { 0 };
	int r = starter_begun(c, &why);

	if (r > 0 && *why.msg)
		cli_warn("run: %s", why.msg);
	if (r < 0)
		*err = why;
	if (r != 0)
		return r;
	if (!c->ctl->box.detach)
		return starter_stay(c, c->ctl->box.interactive, err);
	starter_done(c);
	return cli_line(c->id, err);
}

static int run_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(starter_dirs_free) struct starter_dirs dirs = { 0 };
	_cleanup_(starter_close) struct starter c = STARTER_NONE;
	struct box b = { .dir = -1, .lock = -1 };
	int r = starter_from_the_root(ctl, &dirs, err);

	if (r == 0)
		r = prepare(ctl, &c, &b, err);
	if (r < 0)
		return r;
	r = starter_open(ctl, &b, !ctl->box.detach,
			 !ctl->box.detach && ctl->box.interactive, &c, err);
	if (r < 0) {
		(void)box_remove(&b, NULL);
		box_free(&b);
		return r;
	}
	return stay(&c, err);
}

/* ---- exec -------------------------------------------------------------------- */

static const struct cli_own exec_flags[] = {
	CLI_OWN('d', "detach", NULL, FLAG_SWITCH, box.detach,
		"or -d: leave it running"),
	CLI_OWN('i', "interactive", NULL, FLAG_SWITCH, box.interactive,
		"or -i: with an input"),
	CLI_OWN('t', "tty", NULL, FLAG_SWITCH, box.tty,
		"or -t: with a terminal"),
	CLI_OWN('e', "env", "NAME=VALUE", FLAG_LIST, box.env,
		"or -e: a variable; again for each"),
	CLI_OWN('w', "workdir", "DIR", FLAG_PATH, box.workdir,
		"or -w: where the command begins"),
	CLI_OWN('u', "user", "NAME|UID[:GROUP|GID]", FLAG_PATH, box.user,
		"or -u: who it is"),
	{ .letter = 0 },
};

struct exec_args {
	const char *v[EXEC_MAX];
	size_t n;
	char user[32];
	char groups[BOX_GROUPS_MAX][16];
};

static void push(struct exec_args *a, const char *text)
{
	if (a->n + 1 < EXEC_MAX)
		a->v[a->n++] = text;
}

static int push_user(struct exec_args *a, const struct ctl *ctl,
		     const struct box *b, struct err *err)
{
	struct box_user u;
	int r;

	if (!ctl->box.user)
		return 0;
	r = box_user(jget_str(b->rec, "Root"), ctl->box.user, &u, err);
	if (r < 0)
		return r;
	snprintf(a->user, sizeof(a->user), "%u:%u", u.uid, u.gid);
	push(a, "--user");
	push(a, a->user);
	push(a, "--only-additional-gids"); /* not the container's own */
	for (size_t i = 0; i < u.group_count; i++) {
		snprintf(a->groups[i], sizeof(a->groups[i]), "%u", u.groups[i]);
		push(a, "--additional-gids");
		push(a, a->groups[i]);
	}
	return 0;
}

static int exec_build(struct exec_args *a, const struct ctl *ctl,
		      const struct box *b, struct err *err)
{
	int r;

	push(a, "exec");
	if (ctl->box.detach)
		push(a, "--detach");
	if (ctl->box.tty)
		push(a, "--tty");
	if (ctl->box.workdir) {
		push(a, "--cwd");
		push(a, ctl->box.workdir);
	}
	for (size_t i = 0; i < ctl->box.env.n; i++) {
		if (!strchr(ctl->box.env.v[i], '='))
			return err_set(err, -EINVAL,
				       "--env \"%s\" is not NAME=VALUE",
				       ctl->box.env.v[i]);
		push(a, "--env");
		push(a, ctl->box.env.v[i]);
	}
	r = push_user(a, ctl, b, err);
	if (r < 0)
		return r;
	push(a, b->id);
	for (int i = 1; i < ctl->arg_count; i++)
		push(a, ctl->args[i]);
	return a->n + 1 < EXEC_MAX
		       ? 0
		       : err_set(err, -E2BIG, "more than %d arguments",
				 EXEC_MAX);
}

static int exec_check(const struct ctl *ctl, const struct box *b,
		      struct err *err)
{
	if (strcmp(box_state(b), BOX_RUNNING) != 0)
		return err_set(err, -ESRCH, "container %s is not running",
			       jget_str(b->rec, "Name"));
	if (ctl->box.tty && ctl->box.detach)
		return err_set(err, -EINVAL,
			       "-t and -d: a terminal needs somebody at it");
	return check_terminal(ctl, err);
}

/* The runtime has said on stderr what there is to say. */
static int exec_front(const struct ctl *ctl, const struct runtime *rt,
		      const char *const *args, struct err *err)
{
	_cleanup_(relay_fini) struct relay relay;
	char said[RUNTIME_SAID_MAX];
	bool detach = ctl->box.detach;
	int r = relay_open(&relay, ctl->box.interactive && !detach, !detach,
			   err),
	    code;

	if (r < 0)
		return r;
	/* with -t the runtime stands between ours and the container's */
	r = runtime_front(rt, args, ctl->box.tty ? NULL : &relay, said, err);
	code = r > 0 && *said ? life_exit_code(said) : r;
	return code == 125 && *said ? CLI_FAILED : code;
}

static int exec_run(struct ctl *ctl, struct err *err)
{
	_cleanup_free_ struct exec_args *a = calloc(1, sizeof(*a));
	struct box b = { .dir = -1, .lock = -1 };
	struct runtime rt = { 0 };
	int r = a ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	life_settle(ctl);
	r = box_find(ctl, ctl->args[0], &b, err);
	if (r == 0)
		r = exec_check(ctl, &b, err);
	if (r == 0)
		r = exec_build(a, ctl, &b, err);
	if (r == 0)
		r = runtime_find(ctl, &rt, err);
	if (r == 0 && ctl->box.tty && !ctl->box.interactive) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (null < 0 || dup2(null, 0) < 0)
			r = err_set(err, -errno, "/dev/null: %s",
				    strerror(errno));
		closep(&null);
	}
	if (r == 0)
		r = exec_front(ctl, &rt, a->v, err);
	runtime_free(&rt);
	box_free(&b);
	return r;
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "ROOT|IMAGE [COMMAND] [ARGUMENT...]",
	.summary = "run a container from a root directory or an image",
	.help = "\n"
		"Without Docker, but as docker run does it; what is not in "
		"the list below is not\nthere.  ROOT is a directory with a "
		"root file system, which the container writes\nto.  IMAGE is "
		"what 'docker save' or 'podman save' wrote, or an OCI image "
		"layout (a\ndirectory, or a tar of one); with :TAG behind it "
		"where there are several in it.\nIts layers are unpacked once "
		"('netctl image ls'), and what the container writes\nis its "
		"own and goes with it.  Networks are those of 'netctl network "
		"create', volumes\nthose of any plugin; a volume that is not "
		"there is made.\n"
		"\n"
		"The container does not depend on netctl: a small monitor "
		"stays with it, keeps its\noutput and its exit status, and "
		"gives back its addresses and volumes when it has\nexited.\n"
		"\n"
		"  netctl run -d --name web --network shop -p 8080:80 \\\n"
		"      -v site:/www:ro /srv/httpd httpd -f -h /www\n"
		"  netctl run --rm -it --network shop /srv/debian bash\n"
		"  docker save -o web.tar web:1 && netctl run -d -P --network "
		"shop web.tar\n"
		"\n"
		"Exit status: the container's; 125 where it was not started, "
		"126 and 127 where\nCOMMAND can't be run or is not there.\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = -1,
	.own = run_flags,
	.stops = true,
	.fails_as = 125,
	.run = run_run,
};

const struct cmd cmd_exec = {
	.name = "exec",
	.args = "CONTAINER COMMAND [ARGUMENT...]",
	.summary = "run another command in a container",
	.help = "\n"
		"Its exit status is the command's; 126 and 127 where that "
		"can't be run or is not\nthere, 1 where something else is "
		"in the way.\n"
		"\n"
		"  netctl exec web ps\n"
		"  netctl exec -it web sh\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 2,
	.max_args = -1,
	.own = exec_flags,
	.stops = true,
	.run = exec_run,
};
