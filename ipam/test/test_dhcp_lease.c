/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DHCP client's states, on a clock of the test's own. */
#include "lib/test/test.h"

#include <string.h>

#include "ipam/dhcp_lease.h"
#include "lib/base.h"

static const struct mac_addr mac = { { 2, 0x42, 1, 2, 3, 4 } };
static const struct mac_addr from = { { 2, 9, 9, 9, 9, 9 } };
static const struct ip_addr none;

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static uint64_t now;
static struct dhcp_lease lease;
static struct dhcp_msg sent;
static bool ran_out;

/* Is there anything to send at @at? */
static bool due(uint64_t at)
{
	now = at;
	return dhcp_lease_due(&lease, now, 96, &sent, &ran_out);
}

static struct dhcp_msg answer(enum dhcp_type type, const char *addr,
			      const char *server, uint32_t lease_s)
{
	struct dhcp_msg m = { .type = type,
			      .reply = true,
			      .xid = lease.xid,
			      .chaddr = mac,
			      .server = ip(server),
			      .mask = 24,
			      .lease_s = lease_s };

	if (*addr)
		m.yiaddr = ip(addr);
	return m;
}

static enum dhcp_event hear(const struct dhcp_msg *m)
{
	struct dhcp_lease offer;
	enum dhcp_event e = dhcp_lease_input(&lease, now, m, &from, &offer);

	if (e == DHCP_OFFERED)
		dhcp_lease_accept(&lease, &offer, now);
	return e;
}

/* BOUND at 1,000,000 for @lease_s from server .1; xids are multiples of 32, so that
 * T1 is not moved. */
static void bound(uint32_t lease_s)
{
	struct dhcp_msg m;

	now = 1000000;
	dhcp_lease_init(&lease, &mac, &none, 64, now);
	assert_true(due(now));
	assert_int_equal(sent.type, DHCP_DISCOVER);
	assert_true(sent.broadcast);
	assert_true(ip_is_none(&sent.requested));
	m = answer(DHCP_OFFER, "10.9.0.5", "10.9.0.1", lease_s);
	assert_int_equal(hear(&m), DHCP_OFFERED);
	assert_true(due(now));
	assert_int_equal(sent.type, DHCP_REQUEST);
	assert_true(ip_equal(&sent.server, &m.server));
	assert_true(ip_equal(&sent.requested, &m.yiaddr));
	m.type = DHCP_ACK;
	assert_int_equal(hear(&m), DHCP_LEASED);
	assert_int_equal(lease.state, DHCP_BOUND);
	assert_string_equal(dhcp_state_to_string(&lease), "bound");
}

static void asks_again_ever_slower(void **state)
{
	uint64_t wait = 1000;

	(void)state;
	dhcp_lease_init(&lease, &mac, &none, 64, 0);
	now = 0;
	for (int i = 0; i < 12; i++) {
		assert_true(due(now));
		assert_int_equal(sent.type, DHCP_DISCOVER);
		assert_int_equal(sent.secs, now / 1000);
		assert_int_equal(lease.next_ms, now + wait);
		assert_false(due(now + wait - 1));
		now += 1;
		wait = wait < 64000 ? wait * 2 : wait;
	}
}

static void a_day_of_renewals(void **state)
{
	struct dhcp_msg m;

	(void)state;
	bound(3600);
	for (int i = 0; i < 48; i++) {
		uint64_t t1 = lease.t1_ms;

		assert_int_equal(t1 - now, 1800000);
		assert_int_equal(lease.next_ms, t1);
		assert_false(due(t1 - 1));
		assert_true(due(t1));
		assert_int_equal(lease.state, DHCP_RENEWING);
		/* as one that has rebooted: the address, and no server */
		assert_int_equal(sent.type, DHCP_REQUEST);
		assert_true(ip_is_none(&sent.server));
		assert_true(ip_is_none(&sent.ciaddr));
		assert_true(ip_equal(&sent.requested, &lease.addr));
		assert_true(sent.broadcast);
		m = answer(DHCP_ACK, "10.9.0.5", "10.9.0.1", 3600);
		assert_int_equal(hear(&m), DHCP_RENEWED);
		assert_int_equal(lease.end_ms, now + 3600000);
	}
}

static void silence_until_it_is_lost(void **state)
{
	struct dhcp_msg m;
	int asked = 0;

	(void)state;
	bound(3600);
	while (!ran_out) {
		assert_true(lease.next_ms > now);
		assert_true(due(lease.next_ms));
		if (ran_out)
			break;
		asked++;
		assert_int_equal(lease.state, now < lease.t2_ms
						      ? DHCP_RENEWING
						      : DHCP_REBINDING);
	}
	assert_int_equal(now, 1000000 + 3600000);
	assert_in_range(asked, 6, 20);
	assert_string_equal(dhcp_state_to_string(&lease), "lost");
	/* the same address is asked for, and no other taken */
	assert_int_equal(sent.type, DHCP_DISCOVER);
	assert_true(ip_equal(&sent.requested, &lease.addr));
	m = answer(DHCP_OFFER, "10.9.0.6", "10.9.0.1", 3600);
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m = answer(DHCP_OFFER, "10.9.0.5", "10.9.0.2", 3600);
	assert_int_equal(hear(&m), DHCP_OFFERED);
	assert_string_equal(dhcp_state_to_string(&lease), "lost");
	assert_true(due(now));
	m.type = DHCP_ACK;
	assert_int_equal(hear(&m), DHCP_LEASED);
	assert_string_equal(dhcp_state_to_string(&lease), "bound");
	assert_int_equal(lease.server.bytes[3], 2);
}

static void who_may_answer(void **state)
{
	struct dhcp_msg m, ours;

	(void)state;
	bound(3600);
	m = answer(DHCP_NAK, "", "10.9.0.1", 0);
	assert_int_equal(hear(&m), DHCP_NOTHING); /* nothing was asked */
	m = answer(DHCP_ACK, "10.9.0.7", "10.9.0.1", 9);
	assert_int_equal(hear(&m), DHCP_NOTHING);
	assert_true(due(lease.t1_ms));
	ours = answer(DHCP_ACK, "10.9.0.5", "10.9.0.1", 3600);
	m = ours;
	m.xid++;
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m = ours;
	m.chaddr.bytes[5]++;
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m = ours;
	m.reply = false;
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m = ours;
	m.lease_s = 0;
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m = ours;
	m.yiaddr = ip("10.9.0.7");
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m = ours;
	m.server = none;
	assert_int_equal(hear(&m), DHCP_NOTHING);
	/* another server: not until T2, and never its NAK */
	m = answer(DHCP_ACK, "10.9.0.5", "10.9.0.2", 3600);
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m.type = DHCP_NAK;
	assert_int_equal(hear(&m), DHCP_NOTHING);
	assert_int_equal(lease.state, DHCP_RENEWING);
	assert_true(due(lease.t2_ms));
	m = answer(DHCP_NAK, "", "10.9.0.2", 0);
	assert_int_equal(hear(&m), DHCP_NOTHING);
	m = answer(DHCP_ACK, "10.9.0.5", "10.9.0.2", 3600);
	assert_int_equal(hear(&m), DHCP_RENEWED);
	assert_int_equal(lease.server.bytes[3], 2);
}

static void its_server_takes_it_back(void **state)
{
	struct dhcp_msg m;

	(void)state;
	bound(3600);
	assert_true(due(lease.t1_ms));
	m = answer(DHCP_NAK, "", "10.9.0.1", 0);
	assert_int_equal(hear(&m), DHCP_REFUSED);
	assert_string_equal(dhcp_state_to_string(&lease), "lost");
	assert_false(due(now + 9999));
	assert_true(due(now + 1));
	assert_int_equal(sent.type, DHCP_DISCOVER);
}

static void a_refused_request_begins_again(void **state)
{
	struct dhcp_msg m;

	(void)state;
	dhcp_lease_init(&lease, &mac, &none, 64, 0);
	assert_true(due(0));
	m = answer(DHCP_OFFER, "10.9.0.5", "10.9.0.1", 60);
	assert_int_equal(hear(&m), DHCP_OFFERED);
	assert_true(due(0));
	m = answer(DHCP_NAK, "", "10.9.0.1", 0);
	assert_int_equal(hear(&m), DHCP_REFUSED);
	assert_false(lease.lost);
	assert_true(due(1000));
	assert_int_equal(sent.type, DHCP_DISCOVER);
	/* one that is silent after its offer is given up, too */
	m = answer(DHCP_OFFER, "10.9.0.5", "10.9.0.1", 60);
	assert_int_equal(hear(&m), DHCP_OFFERED);
	for (int i = 0; i < 2; i++) {
		assert_true(due(lease.next_ms > now ? lease.next_ms : now));
		assert_int_equal(sent.type, DHCP_REQUEST);
	}
	assert_true(due(lease.next_ms));
	assert_int_equal(sent.type, DHCP_DISCOVER);
}

static void for_ever(void **state)
{
	(void)state;
	bound(DHCP_FOREVER);
	assert_int_equal(lease.next_ms, DHCP_NEVER);
	assert_false(due((uint64_t)1 << 62));
}

/* A server cannot make us ask all the time, nor never. */
static void times_of_a_hostile_server(void **state)
{
	static const struct {
		uint32_t lease, t1, t2;
		uint64_t want1, want2;
	} rows[] = {
		{ 3600, 0, 0, 1800000, 3150000 },
		{ 3600, 600, 900, 600000, 900000 },
		{ 3600, 900, 600, 1800000, 3150000 },
		{ 3600, 10, 3600, 1800000, 3150000 },
		{ 3600, UINT32_MAX, UINT32_MAX, 1800000, 3150000 },
		{ 1, 0, 0, 1000, 875 },
		{ UINT32_MAX - 1, 0, 0, 2147483647000, 3758096382250 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dhcp_msg m;
		uint64_t start;

		bound(3600);
		assert_true(due(lease.t1_ms));
		start = now;
		m = answer(DHCP_ACK, "10.9.0.5", "10.9.0.1", rows[i].lease);
		m.t1_s = rows[i].t1;
		m.t2_s = rows[i].t2;
		assert_int_equal(hear(&m), DHCP_RENEWED);
		assert_in_range(lease.t1_ms, start + rows[i].want1 - 1,
				start + rows[i].want1);
		assert_int_equal(lease.t2_ms, start + rows[i].want2);
	}
}

static void many_do_not_ask_at_once(void **state)
{
	uint64_t first = UINT64_MAX, last = 0;

	(void)state;
	for (uint32_t xid = 0; xid < 64; xid++) {
		struct dhcp_msg m;

		dhcp_lease_init(&lease, &mac, &none, xid, 0);
		assert_true(due(0));
		m = answer(DHCP_OFFER, "10.9.0.5", "10.9.0.1", 3600);
		assert_int_equal(hear(&m), DHCP_OFFERED);
		assert_true(due(0));
		m.type = DHCP_ACK;
		assert_int_equal(hear(&m), DHCP_LEASED);
		first = lease.t1_ms < first ? lease.t1_ms : first;
		last = lease.t1_ms > last ? lease.t1_ms : last;
	}
	assert_int_equal(last, 1800000);
	assert_in_range(first, 1700000, 1720000);
}

static void given_back(void **state)
{
	struct dhcp_way way;

	(void)state;
	bound(3600);
	dhcp_lease_release(&lease, 7, &sent, &way);
	assert_int_equal(sent.type, DHCP_RELEASE);
	assert_true(ip_equal(&sent.ciaddr, &lease.addr));
	assert_true(ip_equal(&sent.server, &lease.server));
	assert_false(sent.broadcast);
	assert_true(mac_equal(&way.to, &from));
	assert_true(ip_equal(&way.ip_from, &lease.addr));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_again_ever_slower),
		cmocka_unit_test(a_day_of_renewals),
		cmocka_unit_test(silence_until_it_is_lost),
		cmocka_unit_test(who_may_answer),
		cmocka_unit_test(its_server_takes_it_back),
		cmocka_unit_test(a_refused_request_begins_again),
		cmocka_unit_test(for_ever),
		cmocka_unit_test(times_of_a_hostile_server),
		cmocka_unit_test(many_do_not_ask_at_once),
		cmocka_unit_test(given_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
