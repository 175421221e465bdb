/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread that renews DHCP leases: a clock for their state machines, and sockets
 * while an answer is awaited. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "ipam/dhcp_keep_priv.h"
#include "ipam/dhcp_sock.h"
#include "ipam/dhcp_talk.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"

#define LISTEN_MS  10000 /* after a question */
#define RELEASE_MS 5000  /* between tries to give one back */
#define SLEEP_MS   30000 /* poll(2)'s clock stops while the host is suspended */

static void tell(enum log_level level, const char *event,
		 const struct dhcp_kept *e, const char *text)
{
	char addr[IP_STR_MAX], mac[MAC_STR_MAX], server[IP_STR_MAX],
		quoted[200];
	uint64_t now = clock_boot_ms(), end = e->lease.end_ms;

	log_line(level,
		 "op=dhcp event=%s address=%s mac=%s parent=%s server=%s "
		 "left_s=%lld text=%s",
		 event, ip_str(&e->lease.addr, addr),
		 mac_str(&e->lease.mac, mac), e->ifname,
		 ip_str(&e->lease.server, server),
		 end == DHCP_NEVER ? -1LL
		 : end > now       ? (long long)(end - now) / 1000
				   : 0LL,
		 log_quote(quoted, sizeof(quoted), text));
}

/* ---- sockets ------------------------------------------------------------------- */

static struct port *port_of(struct dhcp_keep *k, const char *ifname,
			    struct err *err)
{
	struct port *p;
	int fd;

	for (unsigned int i = 0; i < k->port_count; i++)
		if (strcmp(k->ports[i].ifname, ifname) == 0)
			return &k->ports[i];
	if (k->port_count == PORT_MAX) {
		err_set(err, -EMFILE, "%d interfaces are asked already",
			PORT_MAX);
		return NULL;
	}
	fd = dhcp_sock_open(ifname, err);
	if (fd < 0)
		return NULL;
	p = &k->ports[k->port_count++];
	snprintf(p->ifname, sizeof(p->ifname), "%s", ifname);
	p->fd = fd;
	return p;
}

static void port_close(struct dhcp_keep *k, struct port *p)
{
	close(p->fd);
	*p = k->ports[--k->port_count];
}

static bool listening(const struct entry *e, uint64_t now)
{
	return e->kept.lease.state != DHCP_BOUND && e->sent_ms &&
	       now < e->sent_ms + LISTEN_MS;
}

/* A packet socket looks at each frame of its interface. */
static void close_idle(struct dhcp_keep *k, uint64_t now)
{
	for (unsigned int i = k->port_count; i-- > 0;) {
		const struct entry *e = k->entries;

		while (e && (!listening(e, now) ||
			     strcmp(e->kept.ifname, k->ports[i].ifname) != 0))
			e = e->next;
		if (!e)
			port_close(k, &k->ports[i]);
	}
}

/* ---- asking -------------------------------------------------------------------- */

static void save(struct dhcp_keep *k, const struct entry *e)
{
	struct err err = { 0 };

	if (dhcp_entry_save(k, e, &err) < 0)
		tell(LOG_LVL_WARN, "not-recorded", &e->kept, err.msg);
}

/* A failure is told once, and again where it is another. */
static void failed(struct entry *e, const char *why)
{
	if (strncmp(e->kept.why, why, sizeof(e->kept.why) - 1) == 0)
		return;
	snprintf(e->kept.why, sizeof(e->kept.why), "%.159s", why);
	tell(LOG_LVL_WARN, "failed", &e->kept, why);
}

static void ask(struct dhcp_keep *k, struct entry *e, uint64_t now,
		const struct dhcp_msg *m)
{
	struct dhcp_way way = dhcp_lease_way(&e->kept.lease);
	struct err err = { 0 };
	struct port *p = port_of(k, e->kept.ifname, &err);

	if (p && dhcp_sock_send(p->fd, p->ifname, &way, m, &err) == 0) {
		e->sent_ms = now;
		return;
	}
	failed(e, err.msg);
	if (p)
		port_close(k, p);
}

static void step(struct dhcp_keep *k, struct entry *e, uint64_t now)
{
	struct dhcp_msg m;
	bool ran_out, due = dhcp_lease_due(&e->kept.lease, now, dhcp_random(),
					   &m, &ran_out);

	if (ran_out) {
		tell(LOG_LVL_WARN, "lost", &e->kept,
		     "its server has not renewed it: another host may get it");
		save(k, e);
	}
	if (due)
		ask(k, e, now, &m);
}

static void retry_release(struct dhcp_keep *k, struct entry *e, uint64_t now)
{
	if (now < e->sent_ms + RELEASE_MS || dhcp_entry_asked(k, e))
		return;
	e->sent_ms = now;
	(void)dhcp_entry_release(k, e);
}

/* When there is something to do for @e. */
static uint64_t next_of(const struct dhcp_keep *k, const struct entry *e,
			uint64_t now)
{
	uint64_t next = e->kept.releasing ? e->sent_ms + RELEASE_MS
					  : e->kept.lease.next_ms;

	if (e->kept.releasing && dhcp_entry_asked(k, e))
		return UINT64_MAX; /* dhcp_keep_end() wakes us up */
	if (listening(e, now) && e->sent_ms + LISTEN_MS < next)
		next = e->sent_ms + LISTEN_MS;
	return next;
}

/* Return: milliseconds until there is something to do. */
static int work(struct dhcp_keep *k)
{
	uint64_t now = clock_boot_ms(), wait = SLEEP_MS;
	struct entry *next;

	for (struct entry *e = k->entries; e; e = next) {
		next = e->next;
		if (e->kept.releasing)
			retry_release(k, e, now);
		else if (now >= e->kept.lease.next_ms)
			step(k, e, now);
	}
	for (const struct entry *e = k->entries; e; e = e->next) {
		uint64_t at = next_of(k, e, now);

		if (at < now + wait)
			wait = at > now ? at - now : 0;
	}
	close_idle(k, now);
	return (int)wait;
}

/* ---- answers -------------------------------------------------------------------- */

static void on_event(struct dhcp_keep *k, struct entry *e,
		     enum dhcp_event event, const struct dhcp_lease *offer,
		     const char *text)
{
	if (event == DHCP_NOTHING)
		return;
	if (event == DHCP_OFFERED) { /* of what was lost */
		dhcp_lease_accept(&e->kept.lease, offer, clock_boot_ms());
		return;
	}
	if (event != DHCP_REFUSED)
		e->kept.why[0] = '\0';
	save(k, e);
	(void)FAILPOINT("dhcp.renewed");
	if (event == DHCP_RENEWED)
		tell(LOG_LVL_INFO, "renewed", &e->kept, "");
	else if (event == DHCP_LEASED)
		tell(LOG_LVL_INFO, "regained", &e->kept, "");
	else
		tell(LOG_LVL_WARN, "lost", &e->kept,
		     *text ? text : "its server takes it back");
}

/* -errno of a socket that is of no more use. */
static int hear(struct dhcp_keep *k, const struct port *p)
{
	struct mac_addr from;
	struct dhcp_msg m;
	int r = 0;

	for (int i = 0; i < DHCP_HEAR_MAX; i++) {
		r = dhcp_sock_recv(p->fd, &from, &m);
		if (r < 0)
			break;
		for (struct entry *e = k->entries; e; e = e->next) {
			struct dhcp_lease offer;

			if (e->kept.releasing ||
			    strcmp(e->kept.ifname, p->ifname) != 0)
				continue;
			on_event(k, e,
				 dhcp_lease_input(&e->kept.lease,
						  clock_boot_ms(), &m, &from,
						  &offer),
				 &offer, m.text);
		}
	}
	return r == -EAGAIN || r == -EINTR ? 0 : r;
}

void *dhcp_renew_run(void *keep)
{
	struct dhcp_keep *k = keep;
	struct pollfd fds[PORT_MAX + 1] = { { .fd = k->wake,
					      .events = POLLIN } };
	uint64_t drain;

	pthread_mutex_lock(&k->lock);
	while (!k->stop) {
		int wait = work(k);
		unsigned int n = k->port_count; /* this thread's alone */

		for (unsigned int i = 0; i < n; i++)
			fds[i + 1] = (struct pollfd){ .fd = k->ports[i].fd,
						      .events = POLLIN };
		pthread_mutex_unlock(&k->lock);
		(void)poll(fds, n + 1, wait);
		(void)!read(k->wake, &drain, sizeof(drain));
		pthread_mutex_lock(&k->lock);
		for (unsigned int i = n; i-- > 0;)
			if (fds[i + 1].revents && hear(k, &k->ports[i]) < 0)
				port_close(k, &k->ports[i]);
	}
	while (k->port_count)
		port_close(k, &k->ports[0]);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}
