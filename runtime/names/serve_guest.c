// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Containers' own 127.0.0.11: sockets that were made in their namespaces.
 *
 * The kernel gives them what comes by the container's lo alone.  Whose names are told, who
 * is asked on, and whose limits count is said by who handed them over, who is root.
 */
#include "runtime/names/guest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/fail.h"
#include "lib/fdpass.h"
#include "lib/log.h"
#include "runtime/names/serve_priv.h"

#define BACKLOG    4096 /* all of a host's, after a restart */
#define GUESTS_MAX 8192

static const struct jdec_field net_fields[] = {
	JDEC_FIELD("Key", JDEC_STR, struct guest_net, key, JDEC_REQUIRED),
	JDEC_FIELD("Domain", JDEC_STR, struct guest_net, domain, 0),
	JDEC_FIELD("Subnet4", JDEC_PREFIX, struct guest_net, subnet4, 0),
	JDEC_FIELD("Subnet6", JDEC_PREFIX, struct guest_net, subnet6, 0),
	JDEC_FIELD("Host4", JDEC_IP, struct guest_net, host4, 0),
	JDEC_FIELD("Host6", JDEC_IP, struct guest_net, host6, 0),
	{ 0 },
};

const struct jdec_field guest_fields[] = {
	JDEC_FIELD("Address", JDEC_IP, struct guest_says, address,
		   JDEC_REQUIRED),
	JDEC_FIELD("Forward", JDEC_BOOL, struct guest_says, forward, 0),
	JDEC_FIELD("Servers", JDEC_TEXTS, struct guest_says, servers, 0),
	JDEC_FIELD_ARRAY("Networks", struct guest_says, networks,
			 struct guest_net, net_fields, JDEC_REQUIRED),
	{ 0 },
};

struct served *guest_find_locked(struct serve *s, uint64_t id)
{
	for (struct guest *g = s->guests; g; g = g->next)
		if (g->served.id == id)
			return &g->served;
	return NULL;
}

/* ---- one of them ---------------------------------------------------------- */

static void guest_free(struct serve *s, struct guest *g)
{
	served_close(s, &g->served);
	closep(&g->watch.fd);
	free(g->nets);
	free(g);
}

static void guest_end(struct serve *s, struct guest *g)
{
	struct guest **at = &s->guests;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	s->guest_count--;
	s->changes++;
	forward_drop(s, g->served.id);
	conn_shut_locked(s, g->served.id);
	guest_free(s, g);
}

static int take_servers(struct serve *s, struct guest *g,
			const struct guest_says *says, struct err *err)
{
	const char *const *text = says->servers.items;
	struct ip_addr a;
	int r = 0;

	if (says->servers.count > UPSTREAM_MAX)
		return err_set(err, -EINVAL,
			       "%zu servers: %d are asked at most",
			       says->servers.count, UPSTREAM_MAX);
	for (size_t i = 0; r == 0 && i < says->servers.count; i++) {
		r = ip_parse(text[i], &a, err);
		if (r == 0)
			g->servers.at[g->servers.count++] =
				upstream_at(&a, s->up.port);
	}
	return r;
}

static int take_nets(struct guest *g, const struct guest_says *says,
		     struct err *err)
{
	const struct guest_net *from = says->networks.items;

	if (says->networks.count > GUEST_NETS_MAX)
		return err_set(err, -EINVAL, "%zu networks: %d at most",
			       says->networks.count, GUEST_NETS_MAX);
	g->nets = calloc(says->networks.count + 1, sizeof(*g->nets));
	if (!g->nets)
		return err_set(err, -ENOMEM, "no memory for networks");
	for (; g->count < says->networks.count; g->count++, from++) {
		struct serve_net *to = &g->nets[g->count];

		memcpy(to->net, from->key, sizeof(to->net));
		to->subnet[0] = from->subnet4;
		to->subnet[1] = from->subnet6;
		to->gateway[0] = from->host4;
		to->gateway[1] = from->host6;
		if (names_valid(from->domain, NULL) == 0)
			memcpy(to->domain, from->domain, sizeof(to->domain));
	}
	return 0;
}

static bool is_socket(int fd, int protocol, bool listens)
{
	int family = 0, is = 0, accepts = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &is, &size) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) ==
		       0 &&
	       family == AF_INET && is == protocol && !accepts == !listens &&
	       fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0;
}

/* @fds: taken. */
static int take_sockets(struct serve *s, struct guest *g,
			int fds[static GUEST_FDS], struct err *err)
{
	int r = FAILPOINT("serve.guest");

	if (r < 0)
		return err_set(err, r, "sockets: %s", strerror(-r));
	if (fds[GUEST_TCP] < 0 ||
	    !is_socket(fds[GUEST_UDP], IPPROTO_UDP, false) ||
	    !is_socket(fds[GUEST_TCP], IPPROTO_TCP, true))
		return err_set(err, -EINVAL,
			       "a UDP socket and one that listens by TCP must "
			       "come with it");
	for (int i = 0; r == 0 && i < GUEST_FDS; i++) {
		struct serve_sock *k = &g->served.socks[i];

		k->watch = (struct watch){
			.kind = i == GUEST_TCP ? WATCH_LISTEN : WATCH_UDP,
			.fd = take_fd(fds[i]),
		};
		k->of = &g->served;
		r = serve_watch(s, &k->watch, err);
	}
	g->served.ifindex = GUEST_LOOPBACK;
	return r;
}

static int take(struct serve *s, struct guest *g, size_t len,
		int fds[static GUEST_FDS], struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	struct guest_says says = { .forward = false };
	int r;

	if (g->served.ifindex)
		return err_set(err, -EALREADY, "it was told already");
	r = jdec_parse((const char *)s->in, len, &o, err);
	if (r == 0)
		r = jdec_object(o, guest_fields, &says, err);
	if (r == 0) {
		g->who = says.address;
		g->forwards = says.forward;
		r = take_servers(s, g, &says, err);
	}
	if (r == 0)
		r = take_nets(g, &says, err);
	if (r == 0)
		r = take_sockets(s, g, fds, err);
	jdec_free(guest_fields, &says);
	return r;
}

static int answer(const struct guest *g, const char *text)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	const char *says;

	json_object_object_add(o, "Err", json_object_new_string(text));
	says = json_object_to_json_string(o);
	return fdpass_send(g->watch.fd, says, strlen(says), NULL, 0);
}

void guest_input(struct serve *s, struct guest *g)
{
	int fds[GUEST_FDS];
	struct err err = { 0 };
	char quoted[256];
	ssize_t n = fdpass_recv(g->watch.fd, s->in, GUEST_SAYS_MAX,
				MSG_DONTWAIT, fds, GUEST_FDS);
	int r;

	if (n == -EAGAIN)
		return;
	r = n > 0 ? take(s, g, (size_t)n, fds, &err) : -EPIPE;
	for (int i = 0; i < GUEST_FDS; i++)
		closep(&fds[i]);
	if (n > 0 && r < 0)
		log_warn("op=names.guest err=%s",
			 log_quote(quoted, sizeof(quoted), err.msg));
	if (n > 0 && answer(g, err.msg) < 0)
		r = -EPIPE;
	if (r < 0)
		guest_end(s, g);
}

/* ---- where they come ------------------------------------------------------ */

static bool door_is_there(const struct serve *s)
{
	struct stat st;

	return s->door.fd >= 0 && lstat(s->door_path, &st) == 0 &&
	       st.st_ino == s->door_made.st_ino &&
	       st.st_dev == s->door_made.st_dev;
}

static void door_shut(struct serve *s)
{
	if (s->door.fd < 0)
		return;
	if (door_is_there(s))
		(void)unlink(s->door_path);
	serve_unwatch(s, &s->door);
	closep(&s->door.fd);
	s->door.fd = -EBADF;
}

int door_open(struct serve *s, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	int r;

	if (!s->door_path || door_is_there(s))
		return 0;
	door_shut(s);
	if (strlen(s->door_path) >= sizeof(at.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "%s: a socket's path has %zu characters at most",
			       s->door_path, sizeof(at.sun_path) - 1);
	strcpy(at.sun_path, s->door_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* the directory is ours alone, by the lock of the store in it */
	(void)unlink(s->door_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chmod(s->door_path, 0600) < 0 ||
	    lstat(s->door_path, &s->door_made) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, -errno, "listening on %s: %m",
			       s->door_path);
	s->door = (struct watch){ .kind = WATCH_DOOR, .fd = fd };
	r = serve_watch(s, &s->door, err);
	if (r < 0)
		s->door.fd = -EBADF;
	else
		(void)take_fd(fd);
	return r;
}

void door_close(struct serve *s)
{
	struct guest *next;

	door_shut(s);
	for (struct guest *g = s->guests; g; g = next) {
		next = g->next;
		guest_free(s, g);
	}
	s->guests = NULL;
}

/* The socket's mode lets nobody else, until somebody changes it. */
static bool may_come(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	log_warn("op=names.guest peer_uid=%u peer_pid=%d err=\"refused: only "
		 "root may hand over a container\"",
		 peer.uid, peer.pid);
	return false;
}

void door_accept(struct serve *s)
{
	_cleanup_close_ int fd =
		accept4(s->door.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct guest *g;
	struct err err;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		serve_turn_away(s, s->door.fd);
	if (fd < 0 || s->guest_count >= GUESTS_MAX || !may_come(fd))
		return;
	g = calloc(1, sizeof(*g));
	if (!g)
		return;
	g->watch = (struct watch){ .kind = WATCH_GUEST, .fd = take_fd(fd) };
	for (size_t i = 0; i < ARRAY_SIZE(g->served.socks); i++)
		g->served.socks[i].watch.fd = -EBADF;
	g->served.guest = g;
	g->served.id = ++s->next_id;
	if (serve_watch(s, &g->watch, &err) < 0) {
		guest_free(s, g);
		return;
	}
	g->next = s->guests;
	s->guests = g;
	s->guest_count++;
}
