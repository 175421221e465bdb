/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that a DHCP server leases, beside what happens while it is asked.  The
 * server is the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <string.h>

#include "ipam/dhcp_talk.h"
#include "ipam/ipam_priv.h"
#include "ipam/test/lives.h"

#define POOL "10.9.0.0/24"
#define ID   "berth-local/" POOL

/* ---- in place of the server, and of a wait for a lock -------------------------- */

int __wrap_dhcp_take(const struct dhcp_question *q, struct dhcp_lease *ret,
		     struct err *err);
int __wrap_dhcp_look(const struct dhcp_question *q, struct dhcp_lease *ret,
		     struct err *err);
int __wrap_dhcp_give(const char *ifname, const struct dhcp_lease *l,
		     struct err *err);
void __real_ipam_hold_take(struct ipam_core *core, const char *id,
			   struct ipam_hold *ret);
void __wrap_ipam_hold_take(struct ipam_core *core, const char *id,
			   struct ipam_hold *ret);

/* Called once, before the server answers, and before a lock is had. */
static void (*while_asked)(struct ipam_life *l);
static void (*while_locked)(struct ipam_life *l);
static struct ipam_life *life;
static unsigned int asked, given;

static void meanwhile(void (**fn)(struct ipam_life *l))
{
	void (*f)(struct ipam_life * l) = *fn;

	*fn = NULL;
	if (f)
		f(life);
}

int __wrap_dhcp_take(const struct dhcp_question *q, struct dhcp_lease *ret,
		     struct err *err)
{
	(void)err;
	asked++;
	meanwhile(&while_asked);
	*ret = (struct dhcp_lease){
		.state = DHCP_BOUND, .mac = q->mac, .addr = q->wish, .mask = 24
	};
	if (ip_is_none(&ret->addr))
		CHECK(ip_parse("10.9.0.5", &ret->addr, NULL) == 0);
	CHECK(ip_parse("10.9.0.1", &ret->server, NULL) == 0);
	ret->t1_ms = ret->t2_ms = ret->end_ms = ret->next_ms = DHCP_NEVER;
	return 0;
}

/* What a server offers to one who only looks. */
struct offer_row {
	const char *name, *addr, *router;
	unsigned int mask;
	const char *gateway; /* that is told of; "": none */
	const char *error;   /* a part of it; NULL: it is taken */
};
static const struct offer_row *offered;

int __wrap_dhcp_look(const struct dhcp_question *q, struct dhcp_lease *ret,
		     struct err *err)
{
	*ret = (struct dhcp_lease){ .mask = (uint8_t)offered->mask };
	CHECK(ip_parse(offered->addr, &ret->addr, NULL) == 0);
	CHECK(ip_parse("192.0.2.53", &ret->server, NULL) == 0);
	if (*offered->router)
		CHECK(ip_parse(offered->router, &ret->router, NULL) == 0);
	return q->judge(q->ctx, ret, err);
}

int __wrap_dhcp_give(const char *ifname, const struct dhcp_lease *l,
		     struct err *err)
{
	(void)ifname;
	(void)l;
	(void)err;
	given++;
	return 0;
}

void __wrap_ipam_hold_take(struct ipam_core *core, const char *id,
			   struct ipam_hold *ret)
{
	meanwhile(&while_locked);
	__real_ipam_hold_take(core, id, ret);
}

/* ---- short words ------------------------------------------------------------------ */

static void begin(struct ipam_life *l)
{
	life = l;
	CHECK(pool_get_dhcp(l, POOL, "lo", NULL) == 0);
}

static void put_5(struct ipam_life *l)
{
	CHECK(addr_put(l, ID, "10.9.0.5") == 0);
}

static void pool_anew(struct ipam_life *l)
{
	CHECK(pool_put(l, ID) == 0);
	CHECK(pool_get_dhcp(l, POOL, "lo", NULL) == 0);
}

/* ---- an address -------------------------------------------------------------------- */

static void is_leased(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	begin(l);
	CHECK(addr_get(l, ID, NULL, IPAM_ENDPOINT, 1, a) == 0);
	CHECK(strcmp(a, "10.9.0.5/24") == 0 && asked == 1);
	/* somebody has it, also with this MAC: nobody is asked, nothing given back */
	refused(addr_get(l, ID, "10.9.0.5", IPAM_ENDPOINT, 1, NULL),
		-EADDRINUSE, "by 02:00:00:00:00:01");
	refused(addr_get(l, ID, "10.9.0.5", IPAM_ENDPOINT, 2, NULL),
		-EADDRINUSE, "by 02:00:00:00:00:01");
	CHECK(asked == 1 && given == 0);
	CHECK(lives_problems(l) == 0);
	put_5(l);
	CHECK(given == 1);
}

/* It was in use when the server was to be asked, and is free by now. */
static void released_just_now(struct ipam_life *l, void *arg)
{
	(void)arg;
	begin(l);
	CHECK(addr_get(l, ID, "10.9.0.5", IPAM_ENDPOINT, 1, NULL) == 0);
	while_locked = put_5;
	refused(addr_get(l, ID, "10.9.0.5", IPAM_ENDPOINT, 2, NULL),
		-EADDRINUSE, "10.9.0.5 of pool " ID " was just released");
	CHECK(asked == 1 && given == 1);
	CHECK(addr_get(l, ID, "10.9.0.5", IPAM_ENDPOINT, 2, NULL) == 0);
	CHECK(asked == 2 && given == 1);
	CHECK(lives_problems(l) == 0);
}

/* What was leased for a pool that went meanwhile goes with it. */
static void pool_made_anew(struct ipam_life *l, void *arg)
{
	(void)arg;
	begin(l);
	while_asked = pool_anew;
	refused(addr_get(l, ID, NULL, IPAM_ENDPOINT, 1, NULL), -EADDRINUSE,
		"10.9.0.5 of pool " ID " was just released");
	CHECK(asked == 1 && given == 1);
	CHECK(addr_get(l, ID, NULL, IPAM_ENDPOINT, 1, NULL) == 0);
	CHECK(asked == 2 && given == 1);
	CHECK(lives_problems(l) == 0);
}

/* A tick settles all leases, but not under a request. */
static void tick(struct ipam_life *l)
{
	lives_expire(l);
}

static void not_settled_under_a_request(struct ipam_life *l, void *arg)
{
	(void)arg;
	begin(l);
	while_locked = tick;
	CHECK(addr_get(l, ID, NULL, IPAM_ENDPOINT, 1, NULL) == 0);
	CHECK(asked == 1 && given == 0);
	CHECK(lives_problems(l) == 0);
}

static void has_5(struct ipam_life *l, void *arg)
{
	(void)arg;
	begin(l);
	CHECK(addr_get(l, ID, NULL, IPAM_ENDPOINT, 1, NULL) == 0);
}

static void loses_the_lease(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(store_del(l->d.run, DHCP_KIND, "10.9.0.5", NULL) == 0);
}

static void find_bare(void *ctx, const char *line)
{
	if (strstr(line,
		   "10.9.0.5 of pool " ID " is in use without a DHCP lease"))
		++*(int *)ctx;
}

static void tells_of_it(struct ipam_life *l, void *arg)
{
	int n = 0;

	(void)arg;
	ipam_problems(l->core, find_bare, &n);
	CHECK(n == 1);
}

static void without_a_lease(void **state)
{
	(void)state;
	assert_int_equal(lives_run(has_5, NULL, NULL), 0);
	assert_int_equal(lives_run(loses_the_lease, NULL, NULL), 0);
	assert_int_equal(lives_run(tells_of_it, NULL, NULL), 0);
}

/* ---- damaged records ---------------------------------------------------------------- */

static void damage_lease(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(store_put(l->d.run, LEASE_KIND, "10.9.0.5", POOL, "{\"Pool",
			NULL) == 0);
}

static void damage_pool(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(store_put(l->d.state, POOL_KIND, ID, "", "{\"Pool", NULL) == 0);
}

/* Its container runs: nothing is given back but by its release. */
static void keeps_5_till_released(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(given == 0);
	lives_expire(l);
	CHECK(given == 0);
	refused(addr_get(l, ID, "10.9.0.5", IPAM_ENDPOINT, 2, NULL),
		-EADDRINUSE,
		"the record of 10.9.0.5 of pool " ID " is damaged");
	CHECK(lives_damaged(l) == 1);
	put_5(l);
	CHECK(given == 1);
}

static void a_damaged_lease_is_not_given_back(void **state)
{
	(void)state;
	assert_int_equal(lives_run(has_5, NULL, NULL), 0);
	assert_int_equal(lives_run(damage_lease, NULL, NULL), 0);
	assert_int_equal(lives_run(keeps_5_till_released, NULL, NULL), 0);
}

static void keeps_all_till_released(struct ipam_life *l, void *arg)
{
	int n = 0;

	(void)arg;
	lives_expire(l);
	CHECK(given == 0);
	CHECK(lives_damaged(l) == 1);
	CHECK(ipam_gc(l->core, false, find_bare, &n, NULL) == 0);
	CHECK(addr_put(l, ID, "10.9.0.5") == 0);
	CHECK(given == 0);
}

static void ends_with_its_network(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *text = NULL;

	(void)arg;
	CHECK(store_get(l->d.run, LEASE_KIND, "10.9.0.5", &text, NULL) == 0);
	CHECK(pool_put(l, ID) == 0);
	CHECK(given == 1);
}

static void nothing_is_left(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *text = NULL;

	(void)arg;
	CHECK(lives_problems(l) == 0);
	CHECK(store_get(l->d.run, LEASE_KIND, "10.9.0.5", &text, NULL) ==
	      -ENOENT);
}

static void leases_of_a_damaged_pool_stay(void **state)
{
	(void)state;
	assert_int_equal(lives_run(has_5, NULL, NULL), 0);
	assert_int_equal(lives_run(damage_pool, NULL, NULL), 0);
	assert_int_equal(lives_run(keeps_all_till_released, NULL, NULL), 0);
	assert_int_equal(lives_run(ends_with_its_network, NULL, NULL), 0);
	assert_int_equal(lives_run(nothing_is_left, NULL, NULL), 0);
}

/* ---- the LAN's pool ------------------------------------------------------------------ */

#define NO_HOST "which no host can have"

static const struct offer_row offer_rows[] = {
	{ "a LAN", "198.51.100.9", "198.51.100.1", 24, "198.51.100.1", NULL },
	{ "no router", "198.51.100.9", "", 24, "", NULL },
	{ "its router elsewhere", "198.51.100.9", "203.0.113.1", 24, "", NULL },
	{ "its router the subnet", "198.51.100.9", "198.51.100.0", 24, "",
	  NULL },
	{ "its router everybody", "198.51.100.9", "198.51.100.255", 24, "",
	  NULL },
	{ "its router the client", "198.51.100.9", "198.51.100.9", 24, "",
	  NULL },
	{ "no mask", "198.51.100.9", "", 0, "", "how large its subnet is" },
	{ "a mask of one", "198.51.100.9", "", 32, "",
	  "how large its subnet is" },
	{ "this network", "0.1.2.3", "", 24, "", NO_HOST },
	{ "loopback", "127.1.2.3", "", 24, "", NO_HOST },
	{ "link-local", "169.254.7.9", "", 16, "", NO_HOST },
	{ "beside link-local", "169.253.7.9", "", 24, "", NULL },
	{ "a group", "224.0.0.9", "", 24, "", NO_HOST },
	{ "everybody", "255.255.255.255", "", 24, "", NO_HOST },
	{ "the last that hosts have", "223.255.255.9", "", 24, "", NULL },
};

static void offer_is_judged(struct ipam_life *l, void *arg)
{
	const struct offer_row *row = arg;
	struct ip_addr gateway = { 0 };
	char text[IP_STR_MAX];
	int r;

	offered = row;
	r = pool_get_dhcp(l, NULL, "lo", &gateway);
	if (row->error) {
		refused(r, -EINVAL, row->error);
		return;
	}
	CHECK(r == 0);
	CHECK(strcmp(ip_str(&gateway, text), row->gateway) == 0);
}

static void offer_row(void **state)
{
	assert_int_equal(lives_run(offer_is_judged, *state, NULL), 0);
}

/* ---- the table ----------------------------------------------------------------------- */

#define LIFE(f)                                                \
	static void f##_lives(void **state)                    \
	{                                                      \
		(void)state;                                   \
		assert_int_equal(lives_run(f, NULL, NULL), 0); \
	}
LIFE(is_leased)
LIFE(released_just_now)
LIFE(pool_made_anew)
LIFE(not_settled_under_a_request)

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(is_leased_lives),
		cmocka_unit_test(released_just_now_lives),
		cmocka_unit_test(pool_made_anew_lives),
		cmocka_unit_test(not_settled_under_a_request_lives),
		cmocka_unit_test(without_a_lease),
		cmocka_unit_test(a_damaged_lease_is_not_given_back),
		cmocka_unit_test(leases_of_a_damaged_pool_stay),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(offer_rows)];
	size_t n = ARRAY_SIZE(plain);

	memcpy(tests, plain, sizeof(plain));
	n += TEST_ROWS(tests + n, offer_rows, offer_row);
	for (size_t i = 0; i < n; i++) {
		tests[i].setup_func = lives_setup;
		tests[i].teardown_func = lives_teardown;
	}
	lives_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
