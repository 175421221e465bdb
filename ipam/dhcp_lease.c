/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DHCP client's state machine. */
#include "ipam/dhcp_lease.h"

#include <string.h>

#include "lib/base.h"

#define FIRST_MS      1000 /* before the first repetition; then twice as long */
#define PATIENCE_MS   64000 /* no longer than this between two */
#define REFUSED_MS    10000 /* before a lost one is asked for after a NAK */
#define REQUEST_TRIES 2     /* after 3 s another server is looked for */
#define MIN_WAIT_MS   1000  /* also before a lease is renewed */

const char *dhcp_state_to_string(const struct dhcp_lease *l)
{
	static const char *const names[DHCP_STATE_MAX] = {
		[DHCP_SELECTING] = "selecting",
		[DHCP_REQUESTING] = "requesting",
		[DHCP_BOUND] = "bound",
		[DHCP_RENEWING] = "renewing",
		[DHCP_REBINDING] = "rebinding",
	};

	return l->lost ? "lost" : names[l->state];
}

static void begin(struct dhcp_lease *l, enum dhcp_state state, uint32_t xid,
		  uint64_t now)
{
	l->state = state;
	l->xid = xid;
	l->tries = 0;
	l->asked_ms = l->next_ms = now;
}

void dhcp_lease_init(struct dhcp_lease *l, const struct mac_addr *mac,
		     const struct ip_addr *wish, uint32_t xid, uint64_t now)
{
	*l = (struct dhcp_lease){ .mac = *mac, .wish = *wish };
	begin(l, DHCP_SELECTING, xid, now);
}

/* ---- time -------------------------------------------------------------------- */

/* It is nobody's any more as far as the server is concerned; the container has
 * it all the same, so this one is asked for and no other. */
static void lose(struct dhcp_lease *l, uint32_t xid, uint64_t now)
{
	l->lost = true;
	l->wish = l->addr;
	begin(l, DHCP_SELECTING, xid, now);
}

/* 1, 2, 4, 8 s ... */
static uint64_t back_off(const struct dhcp_lease *l)
{
	uint32_t n = l->tries < 7 ? l->tries : 7;
	uint64_t ms = (uint64_t)FIRST_MS << n;

	return ms < PATIENCE_MS ? ms : PATIENCE_MS;
}

/* Until @end half of the time that is left, but not too often (RFC 2131, 4.4.5:
 * a minute; a short lease has less). */
static uint64_t half_way(const struct dhcp_lease *l, uint64_t now, uint64_t end)
{
	uint64_t least = (l->end_ms - l->asked_ms) / 8, half = (end - now) / 2;

	if (least > 60000)
		least = 60000;
	if (least < MIN_WAIT_MS)
		least = MIN_WAIT_MS;
	if (half < least)
		half = least;
	return now + half < end ? now + half : end;
}

/* From one state to the next by the clock alone. */
static void advance(struct dhcp_lease *l, uint64_t now, uint32_t xid,
		    bool *ret_ran_out)
{
	if (l->state == DHCP_SELECTING)
		return;
	if (l->state == DHCP_REQUESTING) {
		if (l->tries >= REQUEST_TRIES && now >= l->next_ms)
			begin(l, DHCP_SELECTING, xid, now);
		return;
	}
	if (now >= l->end_ms) {
		*ret_ran_out = true;
		lose(l, xid, now);
	} else if (now >= l->t2_ms && l->state != DHCP_REBINDING) {
		begin(l, DHCP_REBINDING, xid, now);
	} else if (now >= l->t1_ms && l->state == DHCP_BOUND) {
		begin(l, DHCP_RENEWING, xid, now);
	}
}

static void wait_more(struct dhcp_lease *l, uint64_t now)
{
	if (l->state == DHCP_RENEWING)
		l->next_ms = half_way(l, now, l->t2_ms);
	else if (l->state == DHCP_REBINDING)
		l->next_ms = half_way(l, now, l->end_ms);
	else
		l->next_ms = now + back_off(l);
	l->tries++;
}

bool dhcp_lease_due(struct dhcp_lease *l, uint64_t now, uint32_t xid,
		    struct dhcp_msg *ret, bool *ret_ran_out)
{
	uint64_t secs;

	*ret_ran_out = false;
	advance(l, now, xid, ret_ran_out);
	if (now < l->next_ms || l->state == DHCP_BOUND)
		return false;
	secs = (now - l->asked_ms) / 1000;
	*ret = (struct dhcp_msg){
		.type = l->state == DHCP_SELECTING ? DHCP_DISCOVER
						   : DHCP_REQUEST,
		.xid = l->xid,
		.secs = secs < UINT16_MAX ? (uint16_t)secs : UINT16_MAX,
		.broadcast = true,
		.chaddr = l->mac,
		.requested = l->state == DHCP_SELECTING ? l->wish : l->addr,
	};
	if (l->state == DHCP_REQUESTING) /* of those that offered, this one */
		ret->server = l->server;
	wait_more(l, now);
	return true;
}

/* ---- answers ------------------------------------------------------------------- */

/* Do not let all that were started at once ask at once: up to 5 % earlier. */
static uint64_t fuzzed(uint64_t ms, uint32_t xid)
{
	return ms - ms / 640 * (xid % 32);
}

static void set_times(struct dhcp_lease *l, const struct dhcp_msg *m)
{
	uint64_t lease = (uint64_t)m->lease_s * 1000;
	uint64_t t1 = (uint64_t)m->t1_s * 1000, t2 = (uint64_t)m->t2_s * 1000;

	if (m->lease_s == DHCP_FOREVER) {
		l->t1_ms = l->t2_ms = l->end_ms = DHCP_NEVER;
		return;
	}
	if (!t1 || !t2 || t1 >= t2 || t2 >= lease) {
		t1 = lease / 2;
		t2 = lease / 8 * 7;
	}
	if (t1 < MIN_WAIT_MS) /* nobody makes us ask all the time */
		t1 = MIN_WAIT_MS;
	l->t1_ms = l->asked_ms + fuzzed(t1, l->xid);
	l->t2_ms = l->asked_ms + t2;
	l->end_ms = l->asked_ms + lease;
}

/* From the time of the question: the server counts from a later one. */
static void bind_lease(struct dhcp_lease *l, const struct dhcp_msg *m,
		       const struct mac_addr *from)
{
	set_times(l, m);
	l->addr = m->yiaddr;
	l->server = m->server;
	l->server_mac = *from;
	l->router = m->router;
	l->mask = m->mask;
	l->state = DHCP_BOUND;
	l->lost = false;
	l->next_ms = l->t1_ms;
}

static enum dhcp_event on_offer(const struct dhcp_lease *l,
				const struct dhcp_msg *m,
				const struct mac_addr *from,
				struct dhcp_lease *ret)
{
	if (l->state != DHCP_SELECTING || ip_is_none(&m->yiaddr))
		return DHCP_NOTHING;
	if (l->lost && !ip_equal(&m->yiaddr, &l->addr))
		return DHCP_NOTHING; /* of no use: it has the other one */
	*ret = *l;
	ret->addr = m->yiaddr;
	ret->server = m->server;
	ret->server_mac = *from;
	ret->router = m->router;
	ret->mask = m->mask;
	return DHCP_OFFERED;
}

static enum dhcp_event on_ack(struct dhcp_lease *l, const struct dhcp_msg *m,
			      const struct mac_addr *from)
{
	bool fresh = l->state == DHCP_REQUESTING;

	if (l->state == DHCP_SELECTING || l->state == DHCP_BOUND ||
	    !ip_equal(&m->yiaddr, &l->addr) || !m->lease_s)
		return DHCP_NOTHING;
	if (l->state != DHCP_REBINDING && !ip_equal(&m->server, &l->server))
		return DHCP_NOTHING;
	bind_lease(l, m, from);
	return fresh ? DHCP_LEASED : DHCP_RENEWED;
}

static enum dhcp_event on_nak(struct dhcp_lease *l, const struct dhcp_msg *m,
			      uint64_t now)
{
	bool fresh = l->state == DHCP_REQUESTING && !l->lost;

	if (l->state == DHCP_SELECTING || l->state == DHCP_BOUND ||
	    !ip_equal(&m->server, &l->server))
		return DHCP_NOTHING;
	if (fresh)
		begin(l, DHCP_SELECTING, l->xid, now);
	else
		lose(l, l->xid, now);
	/* no ping-pong with a server that is not of one mind */
	l->next_ms = now + (fresh ? FIRST_MS : REFUSED_MS);
	return DHCP_REFUSED;
}

enum dhcp_event dhcp_lease_input(struct dhcp_lease *l, uint64_t now,
				 const struct dhcp_msg *m,
				 const struct mac_addr *from,
				 struct dhcp_lease *ret_offer)
{
	if (!m->reply || m->xid != l->xid || !mac_equal(&m->chaddr, &l->mac) ||
	    ip_is_none(&m->server))
		return DHCP_NOTHING;
	if (m->type == DHCP_OFFER)
		return on_offer(l, m, from, ret_offer);
	if (m->type == DHCP_ACK)
		return on_ack(l, m, from);
	return m->type == DHCP_NAK ? on_nak(l, m, now) : DHCP_NOTHING;
}

void dhcp_lease_accept(struct dhcp_lease *l, const struct dhcp_lease *offer,
		       uint64_t now)
{
	*l = *offer;
	begin(l, DHCP_REQUESTING, l->xid, now);
}

/* ---- the end --------------------------------------------------------------------- */

void dhcp_lease_release(const struct dhcp_lease *l, uint32_t xid,
			struct dhcp_msg *ret, struct dhcp_way *ret_way)
{
	*ret = (struct dhcp_msg){ .type = DHCP_RELEASE,
				  .xid = xid,
				  .chaddr = l->mac,
				  .ciaddr = l->addr,
				  .server = l->server };
	*ret_way = (struct dhcp_way){ .from = l->mac,
				      .to = l->server_mac,
				      .ip_from = l->addr,
				      .ip_to = l->server };
}

struct dhcp_way dhcp_lease_way(const struct dhcp_lease *l)
{
	return (struct dhcp_way){ .from = l->mac };
}
