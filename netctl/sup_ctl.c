/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's requests (sup.h).  One client asks once: its request starts
 * something, and it is answered when what it wants is there, can't be, or took
 * too long.  A client that goes away changes nothing.
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/jdec.h"
#include "lib/plugd.h"
#include "netctl/jget.h"
#include "netctl/sup_priv.h"

#define ASK_MS     5000 /* to send the request after connecting */
#define DOWN_MS    60000
#define MAX_DEATHS 3 /* before READY: it won't come up by itself */

static void drop(struct sup *s, struct sup_client *c)
{
	closep(&c->fd);
	json_object_put(c->answer);
	*c = (struct sup_client){ .fd = -EBADF };
	s->idle_since_ms = clock_mono_ms();
	s->served = true;
}

/* Takes @answer. */
static void reply(struct sup *s, struct sup_client *c, json_object *answer)
{
	_cleanup_(json_putp) json_object *json = answer;
	const char *text =
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);

	if (c->fd >= 0) /* a packet that fits, or nothing: never blocks */
		(void)send(c->fd, text, strlen(text),
			   MSG_DONTWAIT | MSG_NOSIGNAL);
	drop(s, c);
}

static void reply_error(struct sup *s, struct sup_client *c, const char *text,
			const char *tail)
{
	json_object *o = json_object_new_object();

	if (c->first) {
		s->first_failed = -EIO;
		fprintf(stderr, "netctl: %s\n", text);
	}
	jset_str(o, "Err", text);
	if (tail && *tail)
		jset_str(o, "Tail", tail);
	reply(s, c, o);
}

static struct sup_client *client_new(struct sup *s, int fd)
{
	for (size_t i = 0; i < SUP_CLIENTS; i++) {
		struct sup_client *c = &s->clients[i];

		if (c->used)
			continue;
		*c = (struct sup_client){ .fd = fd,
					  .used = true,
					  .due_ms = clock_mono_ms() + ASK_MS,
					  .answer = json_object_new_object() };
		return c;
	}
	return NULL;
}

void sup_ctl_accept(struct sup *s)
{
	_cleanup_close_ int fd =
		accept4(s->ctl_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	struct sup_client *c;

	if (fd < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.uid != geteuid())
		return;
	c = client_new(s, fd);
	if (!c)
		return;
	if (sup_watch(s, fd, SUP_SRC_CLIENT, (size_t)(c - s->clients)) < 0)
		drop(s, c);
	(void)take_fd(fd);
}

/* ---- up, restart --------------------------------------------------------- */

/* A request from a netctl with other directories is not for this one. */
static int same_dirs(const struct sup *s, json_object *req, struct err *err)
{
	const struct {
		const char *key, *ours;
	} dirs[] = {
		{ "PluginDir", s->plugin_dir },
		{ "StateDir", s->state_dir },
		{ "BpfDir", s->bpf_dir },
		{ "Cgroup", s->cgroup ? s->cgroup : "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (strcmp(jget_str(req, dirs[i].key), dirs[i].ours) != 0)
			return err_set(err, -EINVAL,
				       "the supervisor of %s has %s \"%s\", "
				       "not \"%s\": 'netctl down' first, or "
				       "choose another --run-dir",
				       s->run_dir, dirs[i].key, dirs[i].ours,
				       jget_str(req, dirs[i].key));
	return 0;
}

static void note(struct sup_client *c, const char *key, const char *name)
{
	json_object *list = jget(c->answer, key);

	if (!list) {
		list = json_object_new_array();
		jset(c->answer, key, list);
	}
	json_object_array_add(list, json_object_new_string(name));
}

static int start_one(struct sup *s, struct sup_client *c, const char *name,
		     json_object *req, bool restart, struct err *err)
{
	struct sup_child *child = sup_child_find(s, name);
	json_object *flags = jget_array(req, "Flags");
	const char *bin_dir = jget_str(req, "BinDir");
	int r = 0;

	if (child && child->leave)
		return err_set(err, -EBUSY, "%s is just being stopped", name);
	if (restart && !child)
		return err_set(err, -ENOENT,
			       "%s is not supervised: 'netctl up %s' starts it",
			       name, name);
	if (restart) {
		sup_child_restart(s, child, bin_dir, flags);
	} else if (!child) {
		r = sup_child_add(s, name, bin_dir, flags, err);
		child = sup_child_find(s, name);
	} else if (flags && !json_object_equal(flags, child->flags)) {
		return err_set(err, -EEXIST,
			       "%s runs with other flags: 'netctl restart %s "
			       "-- FLAG...' changes them",
			       name, name);
	}
	if (r < 0 || !child)
		return r;
	note(c, restart || child->state != SUP_READY ? "Started" : "Already",
	     name);
	c->wanted |= 1u << (child - s->children);
	return 0;
}

/* What would be started now would outlive the socket that it is asked for by. */
static int check_stays(const struct sup *s, struct err *err)
{
	bool ends = s->quit;

	for (size_t i = 0; i < SUP_CLIENTS; i++)
		ends = ends ||
		       (s->clients[i].used && s->clients[i].op == SUP_OP_DOWN &&
			s->clients[i].all);
	return ends ? err_set(err, -EBUSY,
			      "the supervisor of %s is just ending ('netctl "
			      "down'): try again when it has",
			      s->run_dir)
		    : 0;
}

/* What never came up is taken back: a failed `up` leaves nothing behind. */
static void take_back(struct sup *s, uint32_t wanted)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if ((wanted & 1u << i) && s->children[i].state != SUP_NONE &&
		    !s->children[i].was_ready)
			sup_child_leave(&s->children[i]);
}

static void on_start(struct sup *s, struct sup_client *c, json_object *req,
		     bool restart)
{
	json_object *names = jget_array(req, "Drivers");
	int64_t timeout = jget_int(req, "TimeoutMs");
	struct err err = { 0 };
	int r = same_dirs(s, req, &err);

	if (r == 0)
		r = check_stays(s, &err);

	c->op = SUP_OP_START;
	c->due_ms =
		clock_mono_ms() + (uint64_t)(timeout > 0 ? timeout : DOWN_MS);
	for (size_t i = 0; r == 0 && i < jget_len(names); i++)
		r = start_one(s, c,
			      json_object_get_string(
				      json_object_array_get_idx(names, i)),
			      req, restart, &err);
	if (restart && !names) /* all */
		for (size_t i = 0; r == 0 && i < SUP_CHILDREN; i++)
			if (s->children[i].state != SUP_NONE)
				r = start_one(s, c, s->children[i].name, req,
					      true, &err);
	if (r < 0) {
		uint32_t wanted = c->wanted;

		reply_error(s, c, err.msg[0] ? err.msg : strerror(-r), NULL);
		take_back(s, wanted);
	}
}

/* Return: 0 when all are ready; -EAGAIN; -errno with @err and @ret_child. */
static int start_state(struct sup *s, const struct sup_client *c,
		       struct sup_child **ret_child, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		struct sup_child *child = &s->children[i];

		if (!(c->wanted & 1u << i) || child->state == SUP_READY)
			continue;
		*ret_child = child;
		if (child->state == SUP_NONE || child->leave)
			return err_set(err, -ECANCELED,
				       "stopped by another netctl meanwhile");
		if (child->hopeless ||
		    (child->deaths >= MAX_DEATHS && !sup_has_orphans(s)))
			return err_set(err, -EIO, "%s %s", child->name,
				       child->last);
		if (clock_mono_ms() >= c->due_ms)
			return err_set(
				err, -ETIMEDOUT, "%s is not ready in time%s%s",
				child->name, child->last[0] ? ": it " : "",
				child->last);
		r = -EAGAIN;
	}
	return r;
}

static void settle_start(struct sup *s, struct sup_client *c)
{
	struct sup_child *child = NULL;
	uint32_t wanted = c->wanted;
	struct err err = { 0 };
	int r = start_state(s, c, &child, &err);

	if (r == -EAGAIN)
		return;
	if (r == 0) {
		reply(s, c, take_ptr(c->answer));
		return;
	}
	reply_error(s, c, err.msg,
		    child->state != SUP_NONE ? child->log.tail : NULL);
	take_back(s, wanted);
}

/* ---- down, status -------------------------------------------------------- */

static void on_down(struct sup *s, struct sup_client *c, json_object *req)
{
	json_object *names = jget_array(req, "Drivers");

	c->op = SUP_OP_DOWN;
	c->all = jget_len(names) == 0;
	c->due_ms = clock_mono_ms() + DOWN_MS;
	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		struct sup_child *child = &s->children[i];
		bool named = c->all;

		for (size_t n = 0; n < jget_len(names) && !named; n++)
			named = strcmp(child->name,
				       json_object_get_string(
					       json_object_array_get_idx(
						       names, n))) == 0;
		if (child->state == SUP_NONE || !named)
			continue;
		note(c, "Stopped", child->name);
		c->wanted |= 1u << i;
		sup_child_leave(child);
	}
}

static void settle_down(struct sup *s, struct sup_client *c)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if ((c->wanted & 1u << i) && s->children[i].leave)
			return;
	if (c->all) {
		/* New ones find no supervisor from here on. */
		(void)unlink(s->ctl_path);
		s->quit = true;
	}
	reply(s, c, take_ptr(c->answer));
}

static const char *state_name(const struct sup_child *c)
{
	static const char *const names[] = {
		[SUP_NONE] = "none",         [SUP_WAIT] = "waiting",
		[SUP_STARTING] = "starting", [SUP_READY] = "ready",
		[SUP_BACKOFF] = "dead",      [SUP_STOPPING] = "stopping",
	};

	return names[c->state];
}

static void on_status(struct sup *s, struct sup_client *c)
{
	json_object *list = json_object_new_array();
	json_object *o = c->answer;

	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		const struct sup_child *child = &s->children[i];
		json_object *d;

		if (child->state == SUP_NONE)
			continue;
		d = json_object_new_object();
		jset_str(d, "Name", child->name);
		jset_str(d, "State", state_name(child));
		jset(d, "Pid", json_object_new_int(child->pid));
		jset(d, "Restarts", json_object_new_int64(child->restarts));
		jset_str(d, "Last", child->last);
		jset_str(d, "Log", child->log.path ? child->log.path : "");
		json_object_array_add(list, d);
	}
	jset_str(o, "Version", BERTH_VERSION);
	jset(o, "Pid", json_object_new_int(getpid()));
	jset(o, "UptimeMs",
	     json_object_new_int64((int64_t)(clock_mono_ms() - s->born_ms)));
	jset(o, "Drivers", list);
	reply(s, c, take_ptr(c->answer));
}

/* ---- dispatch ------------------------------------------------------------ */

static void dispatch(struct sup *s, struct sup_client *c, json_object *req)
{
	const char *op = jget_str(req, "Op");
	char text[128];

	if (strcmp(op, "up") == 0) {
		on_start(s, c, req, false);
	} else if (strcmp(op, "restart") == 0) {
		on_start(s, c, req, true);
	} else if (strcmp(op, "down") == 0) {
		on_down(s, c, req);
	} else if (strcmp(op, "status") == 0) {
		on_status(s, c);
	} else {
		snprintf(text, sizeof(text),
			 "the supervisor (%s) knows no \"%.32s\"",
			 BERTH_VERSION, op);
		reply_error(s, c, text, NULL);
	}
}

void sup_ctl_on_client(struct sup *s, struct sup_client *c)
{
	_cleanup_(json_putp) json_object *req = NULL;
	_cleanup_free_ char *buf = malloc(SUP_MSG_MAX);
	struct err err = { 0 };
	ssize_t n;

	n = buf ? recv(c->fd, buf, SUP_MSG_MAX, MSG_DONTWAIT | MSG_TRUNC) : 0;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || c->op != SUP_OP_NONE) {
		drop(s, c);
		return;
	}
	if (n > SUP_MSG_MAX)
		reply_error(s, c, "the request is too long", NULL);
	else if (jdec_parse(buf, (size_t)n, &req, &err) < 0)
		reply_error(s, c, err.msg, NULL);
	else
		dispatch(s, c, req);
}

void sup_ctl_first(struct sup *s, json_object *req)
{
	struct sup_client *c = client_new(s, -EBADF);

	if (!c)
		return;
	c->first = true;
	dispatch(s, c, req);
}

void sup_ctl_settle(struct sup *s)
{
	for (size_t i = 0; i < SUP_CLIENTS; i++) {
		struct sup_client *c = &s->clients[i];

		if (!c->used)
			continue;
		if (c->op == SUP_OP_START)
			settle_start(s, c);
		else if (c->op == SUP_OP_DOWN)
			settle_down(s, c);
		else if (clock_mono_ms() >= c->due_ms)
			drop(s, c);
	}
}
