/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A question to the DHCP servers of a LAN, and its answer. */
#include "ipam/dhcp_talk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>

#include "ipam/dhcp_sock.h"
#include "lib/base.h"
#include "lib/clock.h"

/* For a better offer, after one that is of no use; a dnsmasq pings for 3 s first. */
#define OTHERS_MS 4000

uint32_t dhcp_random(void)
{
	uint32_t n = 0;

	/* does not block once the host is up; 0 is as good as any other where it
	 * fails, only easier to guess */
	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint32_t)clock_boot_ms();
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
	struct ip_addr silent;   /* the server that did not confirm its offer */
	struct dhcp_lease spare; /* what it offers again, */
	uint64_t spare_ms;       /* taken then; 0: nothing */
};

static void take_offer(struct talk *t, const struct dhcp_lease *offer,
		       uint64_t now)
{
	t->until = t->q->until;
	t->spare_ms = 0;
	dhcp_lease_accept(&t->l, offer, now);
}

/* Others first: it may be dead, or never meant it.  A REQUEST may be lost, too. */
static void put_by(struct talk *t, uint64_t now)
{
	if (t->spare_ms)
		return;
	t->until = t->q->until;
	t->spare = t->offer;
	t->spare_ms = now + OTHERS_MS;
}

static void on_event(struct talk *t, enum dhcp_event e,
		     const struct dhcp_msg *m, uint64_t now)
{
	char server[IP_STR_MAX];
	int r;

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
	r = t->q->judge(t->q->ctx, &t->offer, &t->why);
	if (r < 0) {
		t->bad = r;
		if (!t->spare_ms && t->until > now + OTHERS_MS)
			t->until = now + OTHERS_MS;
	} else if (t->look) {
		t->done = true;
	} else if (ip_equal(&t->offer.server, &t->silent)) {
		put_by(t, now);
	} else {
		take_offer(t, &t->offer, now);
	}
}

static int hear(struct talk *t, struct err *err)
{
	struct mac_addr from;
	struct dhcp_msg m;
	int r = 0;

	/* whoever sends without end does not keep us from looking at the clock */
	for (int i = 0; i < DHCP_HEAR_MAX && !t->done; i++) {
		uint64_t now = clock_boot_ms();

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

static void unconfirmed(struct talk *t)
{
	char server[IP_STR_MAX], addr[IP_STR_MAX];

	t->bad = err_set(&t->why, -ETIMEDOUT,
			 "the DHCP server %s on %s offers %s, but does not "
			 "confirm it",
			 ip_str(&t->l.server, server), t->q->ifname,
			 ip_str(&t->l.addr, addr));
}

static int say(struct talk *t, uint64_t now, struct err *err)
{
	struct dhcp_way way = dhcp_lease_way(&t->l);
	enum dhcp_state before;
	struct dhcp_msg m;
	bool lost, due;

	if (t->spare_ms && now >= t->spare_ms)
		take_offer(t, &t->spare, now);
	before = t->l.state;
	due = dhcp_lease_due(&t->l, now, t->l.xid, &m, &lost);
	if (before == DHCP_REQUESTING && t->l.state == DHCP_SELECTING) {
		t->silent = t->l.server;
		unconfirmed(t);
	}
	return due ? dhcp_sock_send(t->fd, t->q->ifname, &way, &m, err) : 0;
}

/* When there is something to do without an answer. */
static uint64_t next_of(const struct talk *t)
{
	uint64_t next = t->l.next_ms < t->until ? t->l.next_ms : t->until;

	return t->spare_ms && t->spare_ms < next ? t->spare_ms : next;
}

static int give_up(struct talk *t, struct err *err)
{
	if (t->l.state == DHCP_REQUESTING)
		unconfirmed(t);
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
		uint64_t now = clock_boot_ms(), next;

		if (now >= t->until)
			return give_up(t, err);
		r = say(t, now, err);
		if (r < 0)
			break;
		next = next_of(t);
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
	dhcp_lease_init(&t.l, &q->mac, &q->wish, dhcp_random(),
			clock_boot_ms());
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
