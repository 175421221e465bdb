/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A question to the DHCP servers of a LAN, and its answer. */
#include "ipam/dhcp_talk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "ipam/dhcp_sock.h"
#include "lib/base.h"

#define OTHERS_MS 1500 /* for a better offer, after one that is of no use */

uint64_t dhcp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint32_t dhcp_random(void)
{
	uint32_t n = 0;

	/* does not block once the host is up; 0 is as good as any other where it
	 * fails, only easier to guess */
	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint32_t)dhcp_now();
	return n;
}

struct talk {
	const struct dhcp_question *q;
	int fd;
	bool look; /* an offer is enough */
	bool done;
	uint64_t until;
	struct dhcp_lease l, offer;
	struct err why; /* of the offer that was of no use; or "" */
	int bad;
};

static void on_event(struct talk *t, enum dhcp_event e,
		     const struct dhcp_msg *m, uint64_t now)
{
	char server[IP_STR_MAX];

	if (e == DHCP_LEASED)
		t->done = true;
	if (e == DHCP_REFUSED)
		t->bad = err_set(&t->why, -EADDRNOTAVAIL,
				 "the DHCP server %s on %s refuses the address "
				 "it offered%s%s",
				 ip_str(&m->server, server), t->q->ifname,
				 *m->text ? ": " : "", m->text);
	if (e != DHCP_OFFERED)
		return;
	t->bad = t->q->judge(t->q->ctx, &t->offer, &t->why);
	if (t->bad < 0) {
		if (t->until > now + OTHERS_MS)
			t->until = now + OTHERS_MS;
	} else if (t->look) {
		t->done = true;
	} else {
		t->until = t->q->until;
		dhcp_lease_accept(&t->l, &t->offer, now);
	}
}

static int hear(struct talk *t, struct err *err)
{
	struct mac_addr from;
	struct dhcp_msg m;
	int r = 0;

	/* whoever sends without end does not keep us from looking at the clock */
	for (int i = 0; i < DHCP_HEAR_MAX && !t->done; i++) {
		uint64_t now = dhcp_now();

		r = dhcp_sock_recv(t->fd, &from, &m);
		if (r < 0)
			break;
		on_event(t, dhcp_lease_input(&t->l, now, &m, &from, &t->offer),
			 &m, now);
	}
	if (r == 0 || r == -EAGAIN || r == -EINTR)
		return 0;
	return err_set(err, r, "DHCP on %s: %s", t->q->ifname, strerror(-r));
}

static int say(struct talk *t, uint64_t now, struct err *err)
{
	struct dhcp_way way = dhcp_lease_way(&t->l);
	struct dhcp_msg m;
	bool lost;

	return dhcp_lease_due(&t->l, now, t->l.xid, &m, &lost)
		       ? dhcp_sock_send(t->fd, t->q->ifname, &way, &m, err)
		       : 0;
}

static int give_up(struct talk *t, struct err *err)
{
	if (t->bad < 0)
		return err_set(err, t->bad, "%s", t->why.msg);
	return err_set(err, -ETIMEDOUT,
		       "no DHCP server answers on %s: is one running, and does "
		       "%s lead to its LAN?",
		       t->q->ifname, t->q->ifname);
}

static int converse(struct talk *t, struct err *err)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	int r = 0;

	while (r == 0 && !t->done) {
		uint64_t now = dhcp_now(), next;

		if (now >= t->until)
			return give_up(t, err);
		r = say(t, now, err);
		if (r < 0)
			break;
		next = t->l.next_ms < t->until ? t->l.next_ms : t->until;
		if (poll(&p, 1, next > now ? (int)(next - now) : 0) > 0)
			r = hear(t, err);
	}
	return r;
}

static int talk(const struct dhcp_question *q, bool look,
		struct dhcp_lease *ret, struct err *err)
{
	_cleanup_close_ int fd = dhcp_sock_open(q->ifname, err);
	struct talk t = { .q = q, .fd = fd, .look = look, .until = q->until };
	int r;

	if (fd < 0)
		return fd;
	dhcp_lease_init(&t.l, &q->mac, &q->wish, dhcp_random(), dhcp_now());
	r = converse(&t, err);
	if (r == 0)
		*ret = look ? t.offer : t.l;
	return r;
}

int dhcp_take(const struct dhcp_question *q, struct dhcp_lease *ret,
	      struct err *err)
{
	return talk(q, false, ret, err);
}

int dhcp_look(const struct dhcp_question *q, struct dhcp_lease *ret,
	      struct err *err)
{
	return talk(q, true, ret, err);
}

int dhcp_give(const char *ifname, const struct dhcp_lease *l, struct err *err)
{
	_cleanup_close_ int fd = dhcp_sock_open(ifname, err);
	struct dhcp_way way;
	struct dhcp_msg m;

	if (fd < 0)
		return fd;
	dhcp_lease_release(l, dhcp_random(), &m, &way);
	return dhcp_sock_send(fd, ifname, &way, &m, err);
}
