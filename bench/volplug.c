// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volplug: a volume plugin that does nothing, or as little as one can that is to
 * keep its word, for bench/volumes.sh: what the plugin protocol takes by itself.
 *
 * volplug SOCKET [DIR]
 *
 * Without DIR everything is in memory.  With it a Create writes a record of 4 KiB,
 * waits for the disk (fdatasync, of a file that has its blocks: the cheapest there
 * is) and makes DIR/NAME/_data; a Remove writes one, waits, and takes them away.
 * No retry, no other user, no option, no name that is not plain: a measure, not a
 * plugin.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNS_MAX 16
#define NAMES_MAX 64
#define NAME_SIZE 128
#define RECORD    4096
#define RECORDS   1024 /* then from the start again, as SQLite's log */

struct volplug {
	const char *dir; /* NULL: nothing is kept */
	int dir_fd, log_fd;
	unsigned int at; /* the next record */
	char names[NAMES_MAX][NAME_SIZE];
};

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- volumes ----------------------------------------------------------- */

static char *find(struct volplug *p, const char *name)
{
	for (int i = 0; i < NAMES_MAX; i++)
		if (strcmp(p->names[i], name) == 0)
			return p->names[i];
	return NULL;
}

static void record(struct volplug *p, const char *what)
{
	char text[RECORD] = { 0 };

	snprintf(text, sizeof(text), "%s", what);
	if (pwrite(p->log_fd, text, RECORD,
		   (off_t)(p->at++ % RECORDS) * RECORD) != RECORD ||
	    fdatasync(p->log_fd) < 0)
		die("record");
}

static void create(struct volplug *p, const char *name)
{
	char path[NAME_SIZE + 8], *slot = find(p, "");

	if (!slot)
		die("more volumes than there is room for");
	snprintf(slot, NAME_SIZE, "%s", name);
	if (!p->dir)
		return;
	record(p, name);
	snprintf(path, sizeof(path), "%s/_data", name);
	if (mkdirat(p->dir_fd, name, 0711) < 0 ||
	    mkdirat(p->dir_fd, path, 0755) < 0)
		die(path);
}

static void take_away(struct volplug *p, const char *name)
{
	char path[NAME_SIZE + 8], *slot = find(p, name);

	if (!slot)
		return;
	if (p->dir) {
		record(p, name);
		snprintf(path, sizeof(path), "%s/_data", name);
		if (unlinkat(p->dir_fd, path, AT_REMOVEDIR) < 0 ||
		    unlinkat(p->dir_fd, name, AT_REMOVEDIR) < 0)
			die(path);
	}
	slot[0] = '\0';
}

/* ---- requests ---------------------------------------------------------- */

/* The text of "Name" in @body, "" without. */
static void name_of(const char *body, char name[static NAME_SIZE])
{
	const char *at = strstr(body, "\"Name\":\"");

	name[0] = '\0';
	if (at)
		sscanf(at + 8, "%127[^\"]", name);
}

static void answer_of(struct volplug *p, const char *method, const char *body,
		      char *buf, size_t size)
{
	char name[NAME_SIZE];

	name_of(body, name);
	if (strcmp(method, "Activate") == 0) {
		snprintf(buf, size, "{\"Implements\":[\"VolumeDriver\"]}");
		return;
	}
	if (strcmp(method, "Get") == 0 && find(p, name))
		snprintf(buf, size,
			 "{\"Volume\":{\"Name\":\"%s\","
			 "\"Mountpoint\":\"%s/%s/_data\"}}",
			 name, p->dir ? p->dir : "/nothing", name);
	else if (strcmp(method, "Get") == 0)
		snprintf(buf, size, "{\"Err\":\"no such volume\"}");
	else if (strcmp(method, "List") == 0)
		snprintf(buf, size, "{\"Volumes\":[]}");
	else
		snprintf(buf, size, "{}");
	if (strcmp(method, "Create") == 0)
		create(p, name);
	else if (strcmp(method, "Remove") == 0)
		take_away(p, name);
}

/* A request, whole: dockerd writes it at once.  False: the connection ended. */
static bool serve(struct volplug *p, int fd)
{
	char in[8192], said[1024], out[2048], method[32] = "";
	ssize_t n = recv(fd, in, sizeof(in) - 1, 0);
	const char *body;
	int len;

	if (n <= 0)
		return false;
	in[n] = '\0';
	body = strstr(in, "\r\n\r\n");
	if (!body || sscanf(in, "POST /%*[^.].%31[^ ]", method) != 1)
		die("not a request");
	answer_of(p, method, body, said, sizeof(said));
	len = snprintf(out, sizeof(out),
		       "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		       strlen(said), said);
	return send(fd, out, (size_t)len, MSG_NOSIGNAL) == len;
}

/* ---- life -------------------------------------------------------------- */

static void keep_in(struct volplug *p, const char *dir)
{
	static const char zero[RECORD];
	char path[4096];

	p->dir = dir;
	p->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/.log", dir);
	p->log_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (p->dir_fd < 0 || p->log_fd < 0)
		die(path);
	for (int i = 0; i < RECORDS; i++)
		if (write(p->log_fd, zero, RECORD) != RECORD)
			die(path);
	fsync(p->log_fd);
}

static int listen_at(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(fd, CONNS_MAX) < 0)
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	static struct volplug p;
	struct pollfd fds[1 + CONNS_MAX];
	nfds_t count = 1;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: volplug SOCKET [DIR]\n");
		return 2;
	}
	if (argc == 3)
		keep_in(&p, argv[2]);
	fds[0] = (struct pollfd){ listen_at(argv[1]), POLLIN, 0 };
	while (poll(fds, count, -1) >= 0) {
		for (nfds_t i = 1; i < count; i++) {
			if (!fds[i].revents || serve(&p, fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i--] = fds[--count];
		}
		if (fds[0].revents && count < 1 + CONNS_MAX)
			fds[count++] =
				(struct pollfd){ accept4(fds[0].fd, NULL, NULL,
							 SOCK_CLOEXEC),
						 POLLIN, 0 };
	}
	return 1;
}
