/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sup_priv.h - the supervisor's own structures, for sup*.c only.
 *
 * One thread, one epoll loop, one event a turn.  A child's life:
 *
 *   WAIT      its socket is still held by a daemon that outlived a killed
 *             supervisor: tried again every 100 ms
 *   STARTING  process made, READY=1 not seen
 *   READY
 *   BACKOFF   died unasked; started again at .due_ms; callers wait in the
 *             backlog of the socket, which stays open
 *   STOPPING  SIGTERM sent; SIGKILL at .due_ms.  Then: gone (.leave), or
 *             started anew (.again)
 */
#ifndef NETCTL_SUP_PRIV_H
#define NETCTL_SUP_PRIV_H

#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/err.h"

#define SUP_CHILDREN  16
#define SUP_CLIENTS   32
#define SUP_MSG_MAX   (64 * 1024) /* bytes of a request or an answer */
#define SUP_TAIL_MAX  2048
#define SUP_LOG_BYTES (1024 * 1024)
#define SUP_BACKLOG   1024 /* callers that wait while a daemon is away */

enum sup_state {
	SUP_NONE, /* the slot is free */
	SUP_WAIT,
	SUP_STARTING,
	SUP_READY,
	SUP_BACKOFF,
	SUP_STOPPING,
};

/* A daemon's stderr: kept in a file of bounded size, its end in memory. */
struct sup_log {
	char *path; /* owned; NULL: our own stderr (--foreground) */
	int fd;     /* of path */
	off_t size;
	char tail[SUP_TAIL_MAX]; /* NUL-ended */
	size_t tail_len;
};

struct sup_child {
	enum sup_state state;
	char name[32];
	char bin_dir[PATH_MAX]; /* where its binary is looked for first */
	json_object *flags;     /* owned: array of text, passed on */
	char *sock_path;        /* owned; unlinked when it leaves */
	struct stat sock_file;  /* as we made it */
	bool sock_told;         /* that it is gone and can't be made again */
	int listen_fd, pidfd, out_fd;
	pid_t pid;
	uint64_t started_ms, due_ms;
	unsigned int backoff_ms;
	unsigned int deaths;   /* in a row, before READY */
	unsigned int restarts; /* unasked, in all */
	bool leave, again;
	bool hopeless;  /* it says that it can't work: bad flags, no binary */
	bool was_ready; /* ever */
	char last[96];  /* how it ended the last time; "" never */
	struct sup_log log;
};

enum sup_op {
	SUP_OP_NONE, /* connected, has not asked yet */
	SUP_OP_START,
	SUP_OP_DOWN,
};

struct sup_client {
	int fd; /* -EBADF: free, or the first request of --foreground */
	bool used, first;
	enum sup_op op;
	uint32_t wanted;     /* bit i: children[i] */
	uint64_t due_ms;     /* when we give up */
	bool all;            /* DOWN: the supervisor ends too */
	json_object *answer; /* owned: sent when all wanted are there */
};

struct sup {
	char *dir; /* <run-dir>/netctl; all paths are owned and absolute */
	char *plugin_dir, *state_dir, *run_dir, *bpf_dir;
	char *cgroup; /* NULL: the daemons find it */
	char *notify_path, *ctl_path;
	int lock_fd, epoll_fd, signal_fd, ctl_fd, notify_fd;
	bool foreground, quit;
	bool served;      /* a client has come and gone */
	bool took_over;   /* the supervisor before us was killed */
	int first_failed; /* --foreground: the first request's -errno */
	uint64_t born_ms, idle_since_ms;
	uint64_t look_ms; /* when the sockets' files are looked at next */
	struct sup_child children[SUP_CHILDREN];
	struct sup_client clients[SUP_CLIENTS];
};

/* What an epoll event is about: type in the high half, slot in the low. */
enum sup_source {
	SUP_SRC_SIGNAL,
	SUP_SRC_CTL,
	SUP_SRC_NOTIFY,
	SUP_SRC_CLIENT,
	SUP_SRC_EXIT,
	SUP_SRC_OUTPUT,
};

int sup_watch(struct sup *s, int fd, enum sup_source src, size_t slot);

/* ---- sup.c --------------------------------------------------------------- */

/*
 * sup_prepare() - take the lock and make the control sockets.
 * Return: 0; -EBUSY when another supervisor has the lock.
 */
int sup_prepare(struct sup *s, struct err *err);
/*
 * sup_run() - the loop; returns when all is stopped.
 * @first: borrowed; the request of --foreground, or NULL.
 */
int sup_run(struct sup *s, json_object *first, struct err *err);
void sup_fini(struct sup *s);

/* ---- sup_child.c --------------------------------------------------------- */

/* sup_has_orphans() - may daemons of a killed supervisor still be finishing,
 * with their socket or their records locked? */
bool sup_has_orphans(const struct sup *s);
struct sup_child *sup_child_find(struct sup *s, const char *name);
/* sup_child_look() - is the socket's file still there?  Else it is made again,
 * and the daemon restarted behind it. */
void sup_child_look(struct sup *s, struct sup_child *c);
/*
 * sup_child_add() - a slot, the socket, the first process.
 * @flags: borrowed, NULL: none.
 * Return: 0; -EADDRINUSE when another process serves the socket; -errno.
 */
int sup_child_add(struct sup *s, const char *name, const char *bin_dir,
		  json_object *flags, struct err *err);
/* New process behind the same socket.  @flags NULL: the old ones. */
void sup_child_restart(struct sup *s, struct sup_child *c, const char *bin_dir,
		       json_object *flags);
/* Unlinks its socket if that is still its own, stops it, frees the slot once it is dead. */
void sup_child_leave(struct sup_child *c);
void sup_child_on_exit(struct sup *s, struct sup_child *c);
void sup_child_on_output(struct sup_child *c);
void sup_child_on_ready(struct sup_child *c);
/* What is due by now: restart, kill, another try. */
void sup_child_on_time(struct sup *s, struct sup_child *c);

/* ---- sup_spawn.c --------------------------------------------------------- */

/* Makes the process; fills pid, pidfd, out_fd of @c. */
int sup_spawn(struct sup *s, struct sup_child *c, struct err *err);

/* ---- sup_sock.c ---------------------------------------------------------- */

/*
 * sup_listen() - a listening unix socket, 0600, in place of a stale file.
 * Return: fd, O_CLOEXEC; -EADDRINUSE when somebody serves it.
 */
int sup_listen(const char *path, int type, struct err *err);
int sup_connect(const char *path, int type, struct err *err);
/* mkdir -p; @mode for what is made. */
int sup_mkdirs(const char *path, mode_t mode, struct err *err);

/* ---- sup_log.c ----------------------------------------------------------- */

void sup_log_open(struct sup_log *log, const char *dir, const char *name);
void sup_log_close(struct sup_log *log);
void sup_log_write(struct sup_log *log, const char *text, size_t len);
/* A line of the supervisor's own in the daemon's log. */
void sup_log_note(struct sup_log *log, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- sup_ctl.c ----------------------------------------------------------- */

void sup_ctl_accept(struct sup *s);
void sup_ctl_on_client(struct sup *s, struct sup_client *c);
/* The first request of --foreground. */
void sup_ctl_first(struct sup *s, json_object *req);
/* Answers those whose wish is fulfilled or can't be. */
void sup_ctl_settle(struct sup *s);

#endif
