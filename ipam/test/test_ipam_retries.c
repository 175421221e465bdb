/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of requests to the IPAM core that nobody comes back for, and of
 * several that were cut off at once. */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "ipam/ipam_priv.h"
#include "ipam/test/lives.h"

#define P "berth-local/10.1.0.0/29"

/* ---- what nobody asks for again ------------------------------------------------- */

static void pool_only(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/29", NULL, NULL) == 0);
}

static void lease_only(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(addr_get(l, P, "10.1.0.3", IPAM_ENDPOINT, 9, NULL) == 0);
}

static void gateway_only(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(addr_get(l, P, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
}

static bool is_told(struct ipam_life *l, const char *part)
{
	_cleanup_free_ char *all = all_of(l);

	return strstr(all, part);
}

static void pool_goes(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(is_told(l, P));
	lives_expire(l);
	CHECK(!is_told(l, P));
	CHECK(lives_problems(l) == 0);
}

static void named_pool_stays(struct ipam_life *l, void *arg)
{
	gateway_only(l, arg);
	lives_expire(l);
	CHECK(is_told(l, P " networks=1 leases=0 reserved=1"));
}

static void counted_pool_goes_once(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(is_told(l, P " networks=2"));
	lives_expire(l);
	CHECK(is_told(l, P " networks=1"));
}

static void committed_pool_stays(struct ipam_life *l, void *arg)
{
	(void)arg;
	lives_expire(l);
	CHECK(is_told(l, P " networks=1"));
}

static void lease_goes(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(is_told(l, "10.1.0.3/29 endpoint"));
	lives_expire(l);
	CHECK(!is_told(l, "10.1.0.3/29 endpoint"));
	CHECK(lives_problems(l) == 0);
}

static void repeated_lease_stays(struct ipam_life *l, void *arg)
{
	lease_only(l, arg);
	lives_expire(l);
	CHECK(is_told(l, "10.1.0.3/29 endpoint"));
}

static void gateway_goes(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(is_told(l, "10.1.0.1/29 gateway"));
	lives_expire(l);
	CHECK(!is_told(l, "10.1.0.1/29 gateway"));
	CHECK(is_told(l, P));
}

static void nothing(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(lives_problems(l) == 0);
}

static const struct ending {
	const char *name;
	void (*begin)(struct ipam_life *l, void *arg);
	const char *fp;
	void (*then)(struct ipam_life *l, void *arg);
	bool prepared; /* the pool was there before */
} endings[] = {
	{ "a pool nobody came back for is taken back", pool_only,
	  "ipam.pool.intent:kill", pool_goes, false },
	{ "a pool that was used meanwhile stays", pool_only,
	  "ipam.pool.intent:kill", named_pool_stays, false },
	{ "a pool counted once more is counted down", pool_only,
	  "ipam.pool.intent:kill", counted_pool_goes_once, true },
	{ "a pool that was on record stays", pool_only, "ipam.pool.done:kill",
	  committed_pool_stays, false },
	{ "an address nobody came back for is taken back", lease_only,
	  "ipam.lease.intent:kill", lease_goes, true },
	{ "an address asked for again stays", lease_only,
	  "ipam.lease.intent:kill", repeated_lease_stays, true },
	{ "a gateway nobody came back for is taken back", gateway_only,
	  "ipam.reserve.intent:kill", gateway_goes, true },
};

static void ending_row(void **state)
{
	const struct ending *e = *state;

	assert_int_equal(lives_setup(NULL), 0);
	if (e->prepared)
		assert_int_equal(lives_run(pool_only, NULL, NULL), 0);
	assert_true(lives_killed(lives_run(e->begin, NULL, e->fp)));
	assert_int_equal(lives_run(e->then, NULL, NULL), 0);
	assert_int_equal(lives_run(nothing, NULL, NULL), 0);
	assert_int_equal(lives_teardown(NULL), 0);
}

/* ---- several at once -------------------------------------------------------------- */

/* A gateway and an endpoint's address at once, and the death of the daemon in
 * both: they are in different stores, and still two. */
static void *gateway_thread(void *arg)
{
	(void)addr_get(arg, P, "10.1.0.1", IPAM_GATEWAY, 0, NULL);
	return NULL;
}

static void *other_pool_thread(void *arg)
{
	(void)addr_get(arg, "berth-local/10.2.0.0/29", NULL, IPAM_ENDPOINT, 3,
		       NULL);
	return NULL;
}

static void two_pools(struct ipam_life *l, void *arg)
{
	pool_only(l, arg);
	CHECK(pool_get(l, "10.2.0.0/29", NULL, NULL) == 0);
}

static void ask_two(struct ipam_life *l, void *arg)
{
	pthread_t t, u;

	(void)arg;
	pthread_create(&t, NULL, gateway_thread, l);
	pthread_create(&u, NULL, other_pool_thread, l);
	pthread_join(t, NULL);
	pthread_join(u, NULL);
	_exit(1); /* one of them died before */
}

static void two_retries(struct ipam_life *l, void *arg)
{
	char *answer = NULL;
	uint64_t seq;

	(void)arg;
	CHECK(is_told(l, "10.1.0.1/29 gateway"));
	CHECK(is_told(l, "10.2.0.1/29 endpoint"));
	CHECK(ipam_replay(l->core, "IpamDriver.RequestAddress", true, &answer,
			  &seq, NULL) == -ENOTUNIQ);
	CHECK(!is_told(l, "10.1.0.1/29 gateway"));
	CHECK(!is_told(l, "10.2.0.1/29 endpoint"));
	CHECK(ipam_replay(l->core, "IpamDriver.RequestAddress", true, &answer,
			  &seq, NULL) == -EBADMSG);
	CHECK(ipam_replay(l->core, "IpamDriver.GetCapabilities", true, &answer,
			  &seq, NULL) == -EBADMSG);
}

static void one_candidate_in_each_store_is_two(void **state)
{
	(void)state;
	assert_int_equal(lives_run(two_pools, NULL, NULL), 0);
	assert_true(lives_killed(lives_run(ask_two, NULL,
					   "ipam.reserve.intent:sleep=20000,"
					   "ipam.lease.intent:sleep=300:nth=1,"
					   "ipam.lease.recorded:kill")));
	assert_int_equal(lives_run(two_retries, NULL, NULL), 0);
	assert_int_equal(lives_run(nothing, NULL, NULL), 0);
}

static void *some_thread(void *arg)
{
	(void)addr_get(arg, P, NULL, IPAM_ENDPOINT, 7, NULL);
	return NULL;
}

/* One holds the pool, the others wait for it; all die. */
static void ask_many(struct ipam_life *l, void *arg)
{
	pthread_t t[4];

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, some_thread, l);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	_exit(1);
}

static int replay_one(struct ipam_life *l, const char *method)
{
	char *answer = NULL;
	uint64_t seq;

	return ipam_replay(l->core, method, true, &answer, &seq, NULL);
}

/* A single one comes again: it may be any of the four. */
static void one_retry_of_four(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(is_told(l, P " networks=1 leases=4"));
	/* who is refused knows of nobody's */
	CHECK(addr_get(l, P, "10.1.0.2", IPAM_ENDPOINT, 9, NULL) ==
	      -EADDRINUSE);
	CHECK(replay_one(l, "IpamDriver.RequestAddress") == -ENOTUNIQ);
	CHECK(is_told(l, P " networks=1 leases=0"));
	CHECK(replay_one(l, "IpamDriver.RequestAddress") == -EBADMSG);
	CHECK(lives_problems(l) == 0);
}

static void those_that_waited_count(void **state)
{
	(void)state;
	assert_int_equal(lives_run(pool_only, NULL, NULL), 0);
	assert_true(lives_killed(lives_run(ask_many, NULL,
					   "ipam.lease.intent:sleep=300,"
					   "ipam.lease.recorded:kill")));
	assert_int_equal(lives_run(one_retry_of_four, NULL, NULL), 0);
	assert_int_equal(lives_run(nothing, NULL, NULL), 0);
}

/* Done, and the answers not sent. */
static void done_not_sent(struct ipam_life *l, void *arg)
{
	struct ipam_pool_req p = { .space = IPAM_SPACE_LOCAL };
	struct ipam_addr_req a = { .pool_id = P };
	struct ip_addr gw;
	char id[IPAM_ID_MAX];
	struct ip_prefix got;
	uint64_t seq;

	(void)arg;
	CHECK(ip_prefix_parse("10.1.0.0/29", &p.pool, NULL) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK(ipam_pool_request(l->core, &p, id, &got, &gw, &seq,
					NULL) == 0);
		CHECK(ipam_addr_request(l->core, &a, &got, &seq, NULL) == 0);
		a.addr = got.addr;
		a.addr.bytes[3] = 5;
	}
	a.use = IPAM_GATEWAY;
	a.addr.bytes[3] = 1;
	CHECK(ipam_addr_request(l->core, &a, &got, &seq, NULL) == -EADDRINUSE);
	a.addr.bytes[3] = 6;
	for (int i = 0; i < 2; i++)
		CHECK(ipam_addr_request(l->core, &a, &got, &seq, NULL) == 0);
}

static void all_undone(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *all = NULL;

	(void)arg;
	CHECK(is_told(l, P " networks=2 leases=2 reserved=1"));
	CHECK(replay_one(l, "IpamDriver.RequestAddress") == -ENOTUNIQ);
	CHECK(is_told(l, P " networks=2 leases=0 reserved=0"));
	CHECK(replay_one(l, "IpamDriver.RequestPool") == -ENOTUNIQ);
	all = all_of(l);
	CHECK(!*all);
	CHECK(lives_problems(l) == 0);
}

/* A network that uses the pool: its own use of it stays. */
static void the_sure_one_stays(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(is_told(l, P " networks=3"));
	CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, 3, NULL) == 0);
	CHECK(replay_one(l, "IpamDriver.RequestPool") == -ENOTUNIQ);
	CHECK(is_told(l, P " networks=1 leases=3"));
	CHECK(lives_problems(l) == 0);
}

static void what_was_not_sent_is_undone(void **state)
{
	(void)state;
	assert_int_equal(lives_run(done_not_sent, NULL, NULL), 0);
	assert_int_equal(lives_run(nothing, NULL, NULL), 0);
	assert_int_equal(lives_run(all_undone, NULL, NULL), 0);
	assert_int_equal(lives_run(nothing, NULL, NULL), 0);
	assert_int_equal(lives_run(pool_only, NULL, NULL), 0);
	assert_int_equal(lives_run(done_not_sent, NULL, NULL), 0);
	assert_int_equal(lives_run(the_sure_one_stays, NULL, NULL), 0);
	assert_int_equal(lives_run(nothing, NULL, NULL), 0);
}

/* A release waits for a pool; meanwhile what it names is given back and reserved:
 * it is announced in one store and done in the other. */
static void released_as_another(struct ipam_life *l, void *arg)
{
	struct ipam_record rec = { .id = P };
	struct ipam_intent i;
	struct err err = { 0 };

	(void)arg;
	CHECK(ip_parse("10.1.0.1", &rec.addr, NULL) == 0);
	CHECK(ipam_use_peek(l->core, P, &rec.addr) == IPAM_ENDPOINT);
	i = ipam_announce(l->d.run, ipam_method_addr_release, &rec);
	CHECK(i.seq);
	gateway_only(l, arg);
	CHECK(ipam_use_peek(l->core, P, &rec.addr) == IPAM_GATEWAY);
	CHECK(ipam_addr_release_run(l->core, &i, &rec, &err) == 0);
	CHECK(i.store == l->d.state);
	CHECK(is_told(l, P " networks=1 leases=0 reserved=0"));
}

/* One row, in the store that was written. */
static void answered_once(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(is_told(l, P " networks=1 leases=0 reserved=0"));
	CHECK(replay_one(l, "IpamDriver.ReleaseAddress") == 0);
	CHECK(lives_problems(l) == 0);
}

static void a_release_ends_in_the_store_of_what_it_found(void **state)
{
	(void)state;
	assert_int_equal(lives_run(pool_only, NULL, NULL), 0);
	assert_int_equal(lives_run(released_as_another, NULL, NULL), 0);
	assert_int_equal(lives_run(answered_once, NULL, NULL), 0);
}

#define ALL 4

int main(void)
{
	struct CMUnitTest tests[ALL + ARRAY_SIZE(endings)] = {
		LIVES_TEST(one_candidate_in_each_store_is_two),
		LIVES_TEST(those_that_waited_count),
		LIVES_TEST(what_was_not_sent_is_undone),
		LIVES_TEST(a_release_ends_in_the_store_of_what_it_found),
	};

	lives_init();
	TEST_ROWS(tests + ALL, endings, ending_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
