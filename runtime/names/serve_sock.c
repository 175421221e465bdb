// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network's sockets: bound to its bridge and to its gateway address there, so that
 * the kernel gives them nothing that came another way.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/fail.h"
#include "runtime/names/serve_priv.h"

#define BACKLOG      128
#define RECEIVE_SIZE (1 << 20)

static unsigned int ifindex_of(const struct serve *s, const char *ifname)
{
	struct ifreq req = { 0 };

	memcpy(req.ifr_name, ifname, strlen(ifname) + 1);
	return ioctl(s->ctl, SIOCGIFINDEX, &req) < 0
		       ? 0
		       : (unsigned int)req.ifr_ifindex;
}

void served_close(struct serve *s, struct served *v)
{
	for (size_t i = 0; i < ARRAY_SIZE(v->socks); i++) {
		struct watch *w = &v->socks[i].watch;

		if (w->fd < 0)
			continue;
		serve_unwatch(s, w);
		closep(&w->fd);
		w->fd = -EBADF;
	}
	v->ifindex = 0;
}

static int set_on(int fd, int level, int option)
{
	const int one = 1;

	return setsockopt(fd, level, option, &one, sizeof(one));
}

/* The address may come to the bridge after us. */
static int set_options(int fd, const struct served *v, bool v6, bool tcp)
{
	const int size = RECEIVE_SIZE;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, v->net.ifname,
		       (socklen_t)strlen(v->net.ifname) + 1) < 0)
		return -errno;
	if (v6 ? set_on(fd, IPPROTO_IPV6, IPV6_FREEBIND) < 0 ||
			    set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0 ||
			    set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) < 0
	       : set_on(fd, IPPROTO_IP, IP_FREEBIND) < 0 ||
			    set_on(fd, IPPROTO_IP, IP_PKTINFO) < 0)
		return -errno;
	if (tcp) /* connections of a daemon that was killed are no clash */
		return set_on(fd, SOL_SOCKET, SO_REUSEADDR) < 0 ? -errno : 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

static int bind_to(int fd, const struct ip_addr *a, uint16_t port)
{
	union upstream_sock at = upstream_at(a, port);

	return bind(fd, &at.sa, upstream_len(&at)) < 0 ? -errno : 0;
}

/* Who has the socket; to find that out all processes are looked through, so it is not done
 * again for each network and second that it has it. */
static const char *holder(struct serve *s, uint32_t inode)
{
	if (inode != s->holder)
		sockdiag_owner(inode, s->holder_name);
	s->holder = inode;
	return s->holder_name;
}

static int taken(struct serve *s, const struct ip_addr *a, bool tcp,
		 struct err *err)
{
	char text[IP_STR_MAX];
	struct sockdiag_entry e;
	const char *who = "";
	/* whose descriptors we may not see: the unit gives no CAP_SYS_PTRACE */
	const char *unseen = tcp ? "another program (ss -lntp shows which)"
				 : "another program (ss -lnup shows which)";

	if (sockdiag_find(tcp ? IPPROTO_TCP : IPPROTO_UDP, a, s->port, s->port,
			  &e, NULL) > 0)
		who = holder(s, e.inode);
	return err_set(err, -EADDRINUSE,
		       "%s port %u of %s is taken by %s: let it listen on its "
		       "own addresses only",
		       tcp ? "TCP" : "UDP", s->port, ip_str(a, text),
		       *who ? who : unseen);
}

static int sock_open(struct serve *s, struct served *v, size_t which,
		     struct err *err)
{
	const struct ip_addr *a = &v->net.gateway[which / 2];
	struct serve_sock *k = &v->socks[which];
	bool tcp = which & 1;
	_cleanup_close_ int fd = socket(a->family,
					(tcp ? SOCK_STREAM : SOCK_DGRAM) |
						SOCK_CLOEXEC | SOCK_NONBLOCK,
					0);
	char text[IP_STR_MAX];
	int r = fd < 0 ? -errno : FAILPOINT("serve.sock");

	if (r == 0)
		r = set_options(fd, v, a->family == AF_INET6, tcp);
	if (r == 0)
		r = bind_to(fd, a, s->port);
	if (r == -EADDRINUSE)
		return taken(s, a, tcp, err);
	if (r == 0 && tcp && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "%s on %s: %s", ip_str(a, text),
			       v->net.ifname, strerror(-r));
	k->watch = (struct watch){ .kind = tcp ? WATCH_LISTEN : WATCH_UDP,
				   .fd = fd };
	k->of = v;
	r = serve_watch(s, &k->watch, err);
	if (r < 0)
		k->watch.fd = -EBADF;
	else
		(void)take_fd(fd);
	return r;
}

void served_open(struct serve *s, struct served *v)
{
	unsigned int ifindex = ifindex_of(s, v->net.ifname);
	struct err err = { 0 };
	int r = 0;

	if (ifindex && ifindex == v->ifindex)
		return;
	if (v->ifindex) {
		forward_drop(s, v->id);
		conn_shut_locked(s, v->id);
		served_close(s, v);
		s->changes++;
	}
	v->problem[0] = '\0';
	if (!ifindex) {
		snprintf(v->problem, sizeof(v->problem), "there is no %s here",
			 v->net.ifname);
		return;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(v->socks); i++)
		if (!ip_is_none(&v->net.gateway[i / 2]))
			r = sock_open(s, v, i, &err);
	if (r < 0) {
		served_close(s, v);
		s->changes++;
		snprintf(v->problem, sizeof(v->problem), "%.250s", err.msg);
		return;
	}
	v->ifindex = ifindex;
}
