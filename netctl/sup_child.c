/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One supervised daemon: its states are in sup_priv.h. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "netctl/jget.h"
#include "netctl/sup_priv.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define STABLE_MS      10000 /* up that long: the next death starts anew */
#define RETRY_MS       100   /* SUP_WAIT */
#define ORPHAN_MS      15000 /* a daemon's time to finish and exit */
#define KILL_MS        20000 /* after SIGTERM; handlers get 10 s of it */
#define EXIT_USAGE     2     /* the daemon doesn't like its flags */
#define EXIT_NO_EXEC   127

struct sup_child *sup_child_find(struct sup *s, const char *name)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (s->children[i].state != SUP_NONE &&
		    strcmp(s->children[i].name, name) == 0)
			return &s->children[i];
	return NULL;
}

bool sup_has_orphans(const struct sup *s)
{
	return s->took_over && clock_mono_ms() - s->born_ms < ORPHAN_MS;
}

static size_t slot_of(const struct sup *s, const struct sup_child *c)
{
	return (size_t)(c - s->children);
}

static void free_slot(struct sup_child *c)
{
	closep(&c->listen_fd);
	closep(&c->pidfd);
	closep(&c->out_fd);
	sup_log_close(&c->log);
	free(c->sock_path);
	json_object_put(c->flags);
	*c = (struct sup_child){ .state = SUP_NONE };
}

/* It could not even be started: the same as a daemon that died at once. */
static void died(struct sup_child *c)
{
	uint64_t now = clock_mono_ms();

	if (c->state == SUP_READY && now - c->started_ms >= STABLE_MS)
		c->backoff_ms = 0;
	c->deaths = c->state == SUP_READY ? 0 : c->deaths + 1;
	c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : BACKOFF_MIN_MS;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	c->state = SUP_BACKOFF;
	c->due_ms = now + c->backoff_ms;
	sup_log_note(&c->log, "%s %s; next start in %u ms", c->name, c->last,
		     c->backoff_ms);
}

static void start(struct sup *s, struct sup_child *c)
{
	struct err err = { 0 };
	int r;

	c->state = SUP_STARTING;
	c->started_ms = clock_mono_ms();
	c->again = false;
	r = sup_spawn(s, c, &err);
	if (r == 0)
		r = sup_watch(s, c->pidfd, SUP_SRC_EXIT, slot_of(s, c));
	if (r == 0)
		r = sup_watch(s, c->out_fd, SUP_SRC_OUTPUT, slot_of(s, c));
	if (r == 0)
		return;
	c->hopeless = r == -ENOENT;
	snprintf(c->last, sizeof(c->last), "could not be started");
	sup_log_write(&c->log, err.msg, strlen(err.msg));
	sup_log_write(&c->log, "\n", 1);
	died(c);
}

/* Take the socket over and start; -EAGAIN: an orphan still has it. */
static int open_and_start(struct sup *s, struct sup_child *c, struct err *err)
{
	int fd = sup_listen(c->sock_path, SOCK_STREAM, err);

	if (fd == -EADDRINUSE && sup_has_orphans(s)) {
		c->state = SUP_WAIT;
		c->due_ms = clock_mono_ms() + RETRY_MS;
		return -EAGAIN;
	}
	if (fd == -EADDRINUSE && s->took_over)
		return err_set(err, fd,
			       "%s is still served by a daemon that outlived "
			       "its killed supervisor: end it (pgrep -x %s)",
			       c->sock_path, c->name);
	if (fd < 0)
		return fd;
	c->listen_fd = fd;
	(void)lstat(c->sock_path, &c->sock_file);
	start(s, c);
	return 0;
}

static bool sock_file_is_there(const struct sup_child *c)
{
	struct stat st;

	return lstat(c->sock_path, &st) == 0 &&
	       st.st_ino == c->sock_file.st_ino &&
	       st.st_dev == c->sock_file.st_dev;
}

/* Somebody cleaned up /run: a socket without its file is reached by nobody. */
void sup_child_look(struct sup *s, struct sup_child *c)
{
	char bin_dir[sizeof(c->bin_dir)];
	struct err err = { 0 };
	int fd;

	if (c->listen_fd < 0 || c->leave || sock_file_is_there(c)) {
		c->sock_told = false;
		return;
	}
	fd = sup_mkdirs(s->plugin_dir, 0755, &err);
	if (fd == 0)
		fd = sup_listen(c->sock_path, SOCK_STREAM, &err);
	if (fd < 0) {
		if (!c->sock_told)
			sup_log_note(&c->log, "%s cannot be reached: %s",
				     c->name, err.msg);
		c->sock_told = true; /* and tried every second */
		return;
	}
	closep(&c->listen_fd);
	c->listen_fd = fd;
	(void)lstat(c->sock_path, &c->sock_file);
	sup_log_note(&c->log, "%s: %s was gone: made again", c->name,
		     c->sock_path);
	memcpy(bin_dir, c->bin_dir, sizeof(bin_dir));
	sup_child_restart(s, c, bin_dir, NULL);
}

/* Return: 0; -ENOMEM, with what was made so far in @c. */
static int fill(const struct sup *s, struct sup_child *c, const char *name,
		const char *bin_dir, json_object *flags)
{
	*c = (struct sup_child){ .listen_fd = -EBADF,
				 .pidfd = -EBADF,
				 .out_fd = -EBADF };
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(c->bin_dir, sizeof(c->bin_dir), "%s", bin_dir);
	sup_log_open(&c->log, s->foreground ? NULL : s->dir, name);
	c->flags = flags ? json_object_get(flags) : json_object_new_array();
	if (asprintf(&c->sock_path, "%s/%s.sock", s->plugin_dir, name) < 0)
		c->sock_path = NULL;
	return c->flags && c->sock_path ? 0 : -ENOMEM;
}

int sup_child_add(struct sup *s, const char *name, const char *bin_dir,
		  json_object *flags, struct err *err)
{
	struct sup_child *c = NULL;
	int r;

	for (size_t i = 0; !c && i < SUP_CHILDREN; i++)
		if (s->children[i].state == SUP_NONE)
			c = &s->children[i];
	if (!c)
		return err_set(err, -ENOSPC, "%d daemons run already",
			       SUP_CHILDREN);
	r = fill(s, c, name, bin_dir, flags);
	if (r == 0)
		r = open_and_start(s, c, err);
	if (r == 0 || r == -EAGAIN)
		return 0;
	free_slot(c);
	return r;
}

static void terminate(struct sup_child *c)
{
	if (c->state == SUP_STOPPING)
		return;
	c->state = SUP_STOPPING;
	c->due_ms = clock_mono_ms() + KILL_MS;
	(void)pidfd_send_signal(c->pidfd, SIGTERM, NULL, 0);
}

void sup_child_restart(struct sup *s, struct sup_child *c, const char *bin_dir,
		       json_object *flags)
{
	snprintf(c->bin_dir, sizeof(c->bin_dir), "%s", bin_dir);
	if (flags) {
		json_object_put(c->flags);
		c->flags = json_object_get(flags);
	}
	c->deaths = 0;
	c->backoff_ms = 0;
	c->hopeless = false;
	if (c->state == SUP_BACKOFF) {
		start(s, c);
		return;
	}
	if (c->state == SUP_WAIT) {
		c->due_ms = clock_mono_ms();
		return;
	}
	c->again = true;
	terminate(c);
}

void sup_child_leave(struct sup_child *c)
{
	if (c->leave)
		return;
	c->leave = true;
	/* First of all: who comes now learns at once that it's off.  Not the
	 * file of another, who took the path over. */
	if (c->listen_fd >= 0 && sock_file_is_there(c))
		(void)unlink(c->sock_path);
	if (c->state == SUP_WAIT || c->state == SUP_BACKOFF)
		free_slot(c);
	else
		terminate(c);
}

static void describe_end(struct sup_child *c, const siginfo_t *si)
{
	if (si->si_code == CLD_EXITED)
		snprintf(c->last, sizeof(c->last), "exited with status %d",
			 si->si_status);
	else
		snprintf(c->last, sizeof(c->last), "was killed by %s",
			 sigabbrev_np(si->si_status)
				 ? sigabbrev_np(si->si_status)
				 : "a signal");
}

void sup_child_on_exit(struct sup *s, struct sup_child *c)
{
	siginfo_t si = { 0 };

	if (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) < 0 ||
	    si.si_pid == 0)
		return;
	sup_child_on_output(c); /* its last words */
	closep(&c->pidfd);
	closep(&c->out_fd);
	c->pidfd = c->out_fd = -EBADF;
	c->pid = 0;
	describe_end(c, &si);
	if (c->leave) {
		sup_log_note(&c->log, "%s %s: stopped", c->name, c->last);
		free_slot(c);
	} else if (c->again) {
		sup_log_note(&c->log, "%s %s: restarting", c->name, c->last);
		start(s, c);
	} else {
		c->hopeless = si.si_code == CLD_EXITED &&
			      (si.si_status == EXIT_USAGE ||
			       si.si_status == EXIT_NO_EXEC);
		c->restarts++;
		died(c);
	}
}

void sup_child_on_output(struct sup_child *c)
{
	char buf[4096];
	ssize_t n = -1;

	if (c->out_fd < 0)
		return;
	/* Bounded: one that writes without end must not starve the others. */
	for (int i = 0; i < 16; i++) {
		n = read(c->out_fd, buf, sizeof(buf));
		if (n > 0)
			sup_log_write(&c->log, buf, (size_t)n);
		if (n <= 0)
			break;
	}
	if (n == 0) { /* closed: else epoll would tell us for ever */
		closep(&c->out_fd);
		c->out_fd = -EBADF;
	}
}

void sup_child_on_ready(struct sup_child *c)
{
	if (c->state != SUP_STARTING)
		return;
	c->state = SUP_READY;
	c->was_ready = true;
	c->deaths = 0;
	sup_log_note(&c->log, "%s is ready (pid %d)", c->name, c->pid);
}

void sup_child_on_time(struct sup *s, struct sup_child *c)
{
	struct err err = { 0 };
	int r;

	if (c->state == SUP_BACKOFF) {
		start(s, c);
	} else if (c->state == SUP_STOPPING) {
		sup_log_note(&c->log, "%s did not stop within %d s: killed",
			     c->name, KILL_MS / 1000);
		c->due_ms = UINT64_MAX;
		(void)pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
	} else if (c->state == SUP_WAIT) {
		r = open_and_start(s, c, &err);
		if (r < 0 && r != -EAGAIN) {
			c->hopeless = true;
			c->due_ms = UINT64_MAX;
			snprintf(c->last, sizeof(c->last), "has no socket");
			sup_log_write(&c->log, err.msg, strlen(err.msg));
		}
	}
}
