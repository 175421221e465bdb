/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DHCP leases that are kept: on record. */
#include "lib/clock.h"
#include "lib/test/store_test.h"

#include <errno.h>
#include <time.h>

#include "ipam/dhcp_keep.h"
#include "ipam/dhcp_talk.h"

#define HOUR_MS 3600000

/* ---- a server that hears a RELEASE, or does not --------------------------------- */

int __wrap_dhcp_give(const char *ifname, const struct dhcp_lease *l,
		     struct err *err);

static _Atomic unsigned int given; /* bit by the address's last byte */
static _Atomic bool deaf;

int __wrap_dhcp_give(const char *ifname, const struct dhcp_lease *l,
		     struct err *err)
{
	if (deaf)
		return err_set(err, -ENETDOWN, "%s is down", ifname);
	given |= 1U << l->addr.bytes[3];
	return 0;
}

/* ---- short words ---------------------------------------------------------------- */

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

/* 10.9.0.@n of MAC @mac, for an hour. */
static struct dhcp_kept leased(unsigned int n, unsigned int mac)
{
	struct dhcp_kept e = { .ifname = "eth9",
			       .pool_id = "berth-local/10.9.0.0/24",
			       .born = 7,
			       .lease = { .state = DHCP_BOUND,
					  .addr = ip("10.9.0.0"),
					  .server = ip("10.9.0.1"),
					  .mask = 24 } };

	e.lease.addr.bytes[3] = (uint8_t)n;
	e.lease.mac = (struct mac_addr){ { 2, 0x42, 0, 0, 0, (uint8_t)mac } };
	e.lease.t1_ms = clock_boot_ms() + HOUR_MS / 2;
	e.lease.t2_ms = clock_boot_ms() + HOUR_MS / 8 * 7;
	e.lease.end_ms = clock_boot_ms() + HOUR_MS;
	e.lease.next_ms = e.lease.t1_ms;
	return e;
}

struct keeping {
	struct place *p;
	struct problems problems;
	struct dhcp_keep *k;
};

static void keep_open(struct keeping *t, struct place *p)
{
	struct err err = { 0 };

	given = 0;
	deaf = false;
	t->p = p;
	problems_init(&t->problems);
	place_must(dhcp_keep_open(p->s, &t->problems, &t->k, &err), &err);
}

static void keep_close(struct keeping *t)
{
	dhcp_keep_close(t->k);
	problems_fini(&t->problems);
}

static void keep_reopen(struct keeping *t)
{
	keep_close(t);
	keep_open(t, t->p);
}

static void add(struct keeping *t, const struct dhcp_kept *e)
{
	struct err err = { 0 };

	place_must(dhcp_keep_add(t->k, e, &err), &err);
}

/* ---- records -------------------------------------------------------------------- */

static void same_lease(const struct dhcp_kept *a, const struct dhcp_kept *b)
{
	assert_string_equal(a->ifname, b->ifname);
	assert_string_equal(a->pool_id, b->pool_id);
	assert_int_equal(a->born, b->born);
	assert_true(ip_equal(&a->lease.addr, &b->lease.addr));
	assert_true(ip_equal(&a->lease.server, &b->lease.server));
	assert_true(mac_equal(&a->lease.mac, &b->lease.mac));
	assert_int_equal(a->lease.state, b->lease.state);
	assert_int_equal(a->lease.mask, b->lease.mask);
	assert_int_equal(a->lease.t1_ms, b->lease.t1_ms);
	assert_int_equal(a->lease.t2_ms, b->lease.t2_ms);
	assert_int_equal(a->lease.end_ms, b->lease.end_ms);
	assert_int_equal(a->lease.next_ms, b->lease.next_ms);
}

static void a_lease_comes_back(void **state)
{
	struct dhcp_kept hour = leased(5, 1), ever = leased(6, 2), got;
	struct keeping t = { 0 };

	place_open(*state, STORE_RUN);
	keep_open(&t, *state);
	ever.lease.t1_ms = ever.lease.t2_ms = ever.lease.end_ms =
		ever.lease.next_ms = DHCP_NEVER;
	add(&t, &hour);
	add(&t, &ever);
	keep_reopen(&t);
	assert_true(dhcp_keep_find(t.k, &hour.lease.addr, &got));
	same_lease(&got, &hour);
	assert_true(dhcp_keep_find(t.k, &ever.lease.addr, &got));
	same_lease(&got, &ever);
	assert_int_equal(t.problems.count, 0);
	keep_close(&t);
}

static void a_damaged_record_is_told(void **state)
{
	struct dhcp_kept hour = leased(5, 1), got;
	struct keeping t = { 0 };

	place_open(*state, STORE_RUN);
	place_put(*state, DHCP_KIND, "10.9.0.6", "", "{\"Parent\":7}");
	keep_open(&t, *state);
	add(&t, &hour);
	keep_reopen(&t);
	assert_int_equal(t.problems.count, 1);
	assert_non_null(strstr(t.problems.lines[0],
			       "record of dhcp 10.9.0.6 can't be used: "));
	assert_true(dhcp_keep_find(t.k, &hour.lease.addr, &got));
	keep_close(&t);
}

/* ---- giving back ------------------------------------------------------------------ */

static bool nobody(void *ctx, const struct dhcp_kept *e)
{
	(void)ctx;
	(void)e;
	return false;
}

static void begin(struct keeping *t, struct dhcp_taking *taking,
		  const struct dhcp_kept *e)
{
	dhcp_keep_begin(t->k, taking, e->ifname, &e->lease.mac);
}

/* Of two that ask for one MAC the first to end takes nothing from the other. */
static void who_asks_keeps_what_it_has(void **state)
{
	struct dhcp_kept a = leased(5, 1), b = leased(6, 2);
	struct dhcp_taking one, two;
	struct keeping t = { 0 };

	place_open(*state, STORE_RUN);
	keep_open(&t, *state);
	begin(&t, &one, &a);
	begin(&t, &two, &a);
	add(&t, &a);
	add(&t, &b);
	assert_false(dhcp_keep_alone(t.k, &one, &a.lease.addr));
	dhcp_keep_settle(t.k, nobody, NULL);
	assert_int_equal(given, 1 << 6);
	dhcp_keep_end(t.k, &one);
	dhcp_keep_settle(t.k, nobody, NULL);
	assert_int_equal(given, 1 << 6);
	assert_true(dhcp_keep_alone(t.k, &two, &b.lease.addr));
	assert_false(dhcp_keep_alone(t.k, &two, &a.lease.addr));
	dhcp_keep_end(t.k, &two);
	dhcp_keep_settle(t.k, nobody, NULL);
	assert_int_equal(given, 1 << 6 | 1 << 5);
	keep_close(&t);
}

static void wait_given(unsigned int bits)
{
	struct timespec ms = { .tv_nsec = 1000000 }, start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (given != bits && test_ms_since(&start) < 30000)
		nanosleep(&ms, NULL);
	assert_int_equal(given, bits);
}

/* The thread tries again what could not be given back, but not under one who asks. */
static void no_second_try_under_one_who_asks(void **state)
{
	struct dhcp_kept a = leased(5, 1), b = leased(6, 2);
	struct dhcp_taking taking;
	struct keeping t = { 0 };
	struct err err = { 0 };

	place_open(*state, STORE_RUN);
	keep_open(&t, *state);
	add(&t, &b);
	add(&t, &a); /* looked at first */
	deaf = true;
	dhcp_keep_settle(t.k, nobody, NULL);
	deaf = false;
	begin(&t, &taking, &a);
	place_must(dhcp_keep_start(t.k, &err), &err);
	wait_given(1 << 6);
	dhcp_keep_end(t.k, &taking);
	wait_given(1 << 6 | 1 << 5);
	keep_close(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(a_lease_comes_back),
		PLACE_TEST(a_damaged_record_is_told),
		PLACE_TEST(who_asks_keeps_what_it_has),
		PLACE_TEST(no_second_try_under_one_who_asks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
