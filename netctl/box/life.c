// SPDX-License-Identifier: GPL-2.0-or-later
/* A container's resources in their order. */
#include "netctl/box/life.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/netns.h"
#include "netctl/box/config.h"
#include "netctl/box/console.h"
#include "netctl/box/etc.h"
#include "netctl/box/names.h"
#include "netctl/box/net.h"
#include "netctl/box/root.h"
#include "netctl/box/vols.h"
#include "netctl/jget.h"

#define CONFIG   "config.json"
#define PID_FILE "pid"
#define OCI_LOG  "runtime.log"

/* ---- start ------------------------------------------------------------------ */

struct starting {
	struct life *l;
	struct box other; /* whose network it shares */
	int netns;
	const char *hostname;
	char own_name[65], netns_path[64], cgroup[BOOK_ID_MAX + 16];
};

/* The host's, another container's, one's own. */
static int choose_names(struct starting *s, struct box_place *place,
			struct err *err)
{
	struct box *b = s->l->box;
	const char *given = jget_str(b->rec, "Hostname"), *name;

	place->dir = b->path;
	snprintf(s->own_name, sizeof(s->own_name), "%.12s", b->id);
	s->hostname = *given ? given : s->own_name;
	switch (box_net_kind(b->rec, &name)) {
	case BOX_NET_HOST:
		place->netns = "";
		if (!*given &&
		    gethostname(s->own_name, sizeof(s->own_name)) < 0)
			return err_set(err, -errno, "host name: %s",
				       strerror(errno));
		return 0;
	case BOX_NET_CONTAINER:
		s->netns = box_net_of(s->l->ctl, name, &s->other, err);
		if (s->netns < 0)
			return s->netns;
		/* it is not ours to look by a pid that may be another's soon */
		snprintf(s->netns_path, sizeof(s->netns_path), "/proc/%d/fd/%d",
			 getpid(), s->netns);
		place->netns = s->netns_path;
		place->dir = s->other.path;
		if (!*given && *jget_str(s->other.rec, "HostnameNow"))
			s->hostname = jget_str(s->other.rec, "HostnameNow");
		return 0;
	case BOX_NET_NONE:
	case BOX_NET_NAMED:
	default:
		return 0;
	}
}

static int write_bundle(struct starting *s, struct err *err)
{
	_cleanup_(json_putp) json_object *config = NULL;
	struct box *b = s->l->box;
	struct box_place place = { .cgroup = s->cgroup };
	const char *name;
	int r = choose_names(s, &place, err);

	if (r == 0)
		r = box_user(jget_str(b->rec, "Root"), jget_str(b->rec, "User"),
			     &place.user, err);
	if (r == 0)
		r = box_etc(b, s->hostname,
			    box_net_kind(b->rec, &name) == BOX_NET_HOST, err);
	if (r < 0)
		return r;
	place.hostname = s->hostname;
	snprintf(s->cgroup, sizeof(s->cgroup), "/berth-run-%s", b->id);
	r = box_config(b->rec, &place, &config, err);
	if (r < 0)
		return r;
	box_text(b, "HostnameNow", s->hostname);
	return box_write(
		b, CONFIG,
		json_object_to_json_string_ext(
			config, JSON_C_TO_STRING_PLAIN |
					JSON_C_TO_STRING_NOSLASHESCAPE),
		err);
}

static int create(struct life *l, const int *stdio, pid_t *ret_pid,
		  struct err *err)
{
	_cleanup_free_ char *pid_file = NULL, *log = NULL, *console = NULL;
	struct box *b = l->box;
	const char *args[12];
	size_t n = 0;
	char text[32] = "";
	int r, fd;

	if (asprintf(&pid_file, "%s/" PID_FILE, b->path) < 0 ||
	    asprintf(&log, "%s/" OCI_LOG, b->path) < 0 ||
	    asprintf(&console, "/proc/%d/fd/%d/" CONSOLE_NAME, getpid(),
		     b->dir) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	args[n++] = "create";
	args[n++] = "--bundle";
	args[n++] = b->path;
	args[n++] = "--pid-file";
	args[n++] = pid_file;
	if (jget_bool(b->rec, "Tty")) {
		args[n++] = "--console-socket";
		args[n++] = console;
	}
	args[n++] = b->id;
	args[n] = NULL;
	box_flag(b, "Made", true);
	r = box_save(b, err);
	if (r == 0)
		r = runtime_run(&l->rt, args, log, stdio, err);
	if (r == 0)
		r = FAILPOINT("life.created");
	if (r < 0)
		return r;
	fd = openat(b->dir, PID_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		r = err_set(err, -errno, "%s: %s", pid_file, strerror(errno));
	closep(&fd);
	*ret_pid = (pid_t)strtol(text, NULL, 10);
	return r;
}

static int join_networks(struct starting *s, pid_t pid, struct err *err)
{
	_cleanup_(json_putp) json_object *addrs = NULL;
	struct box *b = s->l->box;
	int r = box_net_join(s->l->ctl, b, pid, &addrs, err);

	if (r == 0 && jget_len(addrs))
		r = box_etc_hosts(b, s->hostname, addrs, err);
	if (r == 0)
		r = box_names_tell(s->l->ctl, b, pid, &s->l->resolver, err);
	if (r == 0 && s->l->resolver)
		r = box_etc_inside(b, err);
	return r;
}

static int go(struct life *l, pid_t pid, struct err *err)
{
	const char *const args[] = { "start", l->box->id, NULL };
	struct box *b = l->box;
	char when[BOX_TIME_MAX];
	int r;

	box_number(b, "Pid", pid);
	box_number(b, "ExitCode", 0); /* as Docker: of one that runs */
	box_text(b, "Started", box_now(when));
	box_text(b, "Finished", "");
	box_text(b, "Error", "");
	r = box_save(b, err);
	if (r == 0 && box_has(b, BOX_STOP))
		r = err_set(err, -ECANCELED,
			    "somebody asked for its end before it began");
	if (r == 0)
		r = runtime_run(&l->rt, args, NULL, NULL, err);
	if (r == 0)
		r = FAILPOINT("life.started");
	if (r < 0)
		return r;
	box_set_state(b, BOX_RUNNING);
	return box_save(b, err);
}

int life_start(struct life *l, const int *stdio, pid_t *ret_pid,
	       struct err *err)
{
	struct starting s = { .l = l,
			      .netns = -1,
			      .other = { .dir = -1, .lock = -1 } };
	char boot[37];
	struct err why = { 0 };
	int r = netns_boot_id(boot, err);

	box_set_state(l->box, BOX_CREATING);
	box_text(l->box, "Boot", boot);
	if (r == 0)
		r = box_root_mount(l->ctl, l->box, err);
	if (r == 0)
		r = box_vols_mount(l->ctl, l->box, err);
	if (r == 0)
		r = write_bundle(&s, err);
	if (r == 0)
		r = create(l, stdio, ret_pid, err);
	closep(&s.netns);
	if (r == 0)
		r = join_networks(&s, *ret_pid, err);
	if (r == 0)
		r = go(l, *ret_pid, err);
	box_free(&s.other);
	if (r < 0 && life_end(l, &why) < 0)
		cli_warn("container %.12s is half made, the next netctl tries "
			 "again to undo it: %s",
			 l->box->id, why.msg);
	return r;
}

/* ---- end ------------------------------------------------------------------- */

bool life_is_clean(json_object *rec)
{
	json_object *list = jget_array(rec, "Mounts");

	for (size_t i = 0; i < jget_len(list); i++)
		if (jget_bool(json_object_array_get_idx(list, i), "Held"))
			return false;
	return !jget_bool(rec, "Made") && !*jget_str(rec, "NetnsID") &&
	       !jget_bool(rec, "RootHeld");
}

int life_end(struct life *l, struct err *err)
{
	const char *const args[] = { "delete", "--force", l->box->id, NULL };
	struct box *b = l->box;
	struct err names = { 0 };
	int r = 0;

	resolver_free(take_ptr(l->resolver));
	if (jget_bool(b->rec, "Made")) {
		r = runtime_run(&l->rt, args, NULL, NULL, err);
		if (r == 0)
			r = FAILPOINT("life.deleted");
		if (r < 0)
			return r;
		box_flag(b, "Made", false);
		box_number(b, "Pid", 0);
		r = box_save(b, err);
	}
	/* an address may be another's as soon as it is free; but a berth-dns that is
	 * away keeps nothing else from being given back: what it has is taken back
	 * later (life_settle()) */
	if (r == 0 && box_names_untell(l->ctl, b, &names) < 0)
		cli_warn("container %.12s: its names stay for now: %s", b->id,
			 names.msg);
	if (r == 0)
		r = box_net_leave(l->ctl, b, err);
	if (r == 0)
		r = box_vols_unmount(l->ctl, b, err);
	return r == 0 ? box_root_unmount(b, err) : r;
}

const char *life_stop_signal(json_object *rec)
{
	const char *sig = jget_str(rec, "StopSignal");

	return *sig ? sig : "TERM"; /* of before there was one */
}

/* "rm" may have said otherwise. */
static bool takes_volumes(json_object *rec)
{
	return jget(rec, "RemoveVolumes") ? jget_bool(rec, "RemoveVolumes")
					  : jget_bool(rec, "AutoRemove");
}

int life_remove(const struct ctl *ctl, struct box *b, struct err *err)
{
	int r = box_names_untell(ctl, b, err);

	if (r < 0)
		return err_wrap(err, r,
				"it is kept until berth-dns has forgotten its "
				"names, the next netctl tries again");
	if (takes_volumes(b->rec))
		r = box_vols_remove(ctl, b, err);
	if (r < 0)
		return err_wrap(err, r,
				"it is kept until its volumes are removed, the "
				"next netctl tries again ('netctl rm -f' "
				"leaves them)");
	return box_remove(b, err);
}

int life_exit_code(const char *message)
{
	if (!strstr(message, "exec: \""))
		return 125;
	if (strstr(message, "executable file not found") ||
	    strstr(message, "no such file or directory"))
		return 127;
	return 126;
}

/* ---- after who was killed ---------------------------------------------------- */

int life_settle_one(const struct ctl *ctl, struct box *b, struct err *err)
{
	struct life l = { .ctl = ctl, .box = b };
	bool ended = strcmp(box_state(b), BOX_EXITED) == 0;
	bool remove = strcmp(box_state(b), BOX_REMOVING) == 0 ||
		      jget_bool(b->rec, "AutoRemove");
	char boot[37] = "", when[BOX_TIME_MAX];
	int r = 0;

	if (ended && !remove && life_is_clean(b->rec))
		return box_names_untell(ctl, b, err);
	(void)netns_boot_id(boot, NULL);
	/* --rm too: somebody may wait for it */
	if (!ended && strcmp(box_state(b), BOX_REMOVING) != 0) {
		box_number(b, "ExitCode", 137);
		box_text(b, "Finished", box_now(when));
		box_text(b, "Error",
			 strcmp(boot, jget_str(b->rec, "Boot")) == 0
				 ? "its monitor was killed"
				 : "the host was restarted");
		r = box_save(b, err);
	}
	if (r == 0 && !life_is_clean(b->rec)) {
		r = runtime_find(ctl, &l.rt, err);
		if (r == 0)
			r = life_end(&l, err);
		runtime_free(&l.rt);
	}
	if (r < 0)
		return r;
	if (remove)
		return life_remove(ctl, b, err);
	box_set_state(b, BOX_EXITED);
	return box_save(b, err);
}

/* Else it is not even locked: another netctl may want it just now. */
static bool has_work(json_object *rec)
{
	return strcmp(jget_str(rec, "State"), BOX_EXITED) != 0 ||
	       jget_bool(rec, "AutoRemove") || !life_is_clean(rec) ||
	       jget_len(jget_array(rec, "Told"));
}

void life_settle(const struct ctl *ctl)
{
	_cleanup_(json_putp) json_object *ids = NULL;
	struct err err = { 0 };

	if (box_sweep(ctl, &err) < 0 || box_ids(ctl, &ids, &err) < 0)
		cli_warn("%s", err.msg);
	for (size_t i = 0; i < jget_len(ids); i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));
		struct box b;

		int r;

		err.msg[0] = '\0';
		r = box_open(ctl, id, &b, &err);
		if (r < 0) {
			if (r != -ENOENT) /* else it went meanwhile */
				cli_warn("%s", err.msg);
			continue;
		}
		if (has_work(b.rec) && !box_is_held(&b) &&
		    box_own(&b, NULL) == 0 &&
		    life_settle_one(ctl, &b, &err) < 0)
			cli_warn("container %.12s, whose monitor is gone, "
				 "could not be cleaned up: %s",
				 id, err.msg);
		box_free(&b);
	}
}
