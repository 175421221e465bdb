/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPAM core with a death or an error at every fail point, and what becomes of
 * requests that nobody comes back for. */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ipam/ipam_priv.h"
#include "ipam/test/lives.h"
#include "lib/fail.h"

/* ---- a fault at every point ---------------------------------------------------- */

#define P "berth-local/10.1.0.0/29"
#define Q "berth-local/10.1.0.0/29/10.1.0.4/30"

enum what { POOL, POOL_END, ADDR, ADDR_END };

static const struct step {
	enum what what;
	const char *id, *addr; /* POOL: the subpool */
	enum ipam_use use;
	unsigned int mac;
} steps[] = {
	{ POOL, P, NULL, 0, 0 },
	{ ADDR, P, "10.1.0.1", IPAM_GATEWAY, 0 },
	{ ADDR, P, "10.1.0.2", IPAM_AUX, 0 },
	{ ADDR, P, NULL, IPAM_ENDPOINT, 1 },
	{ ADDR, P, "10.1.0.5", IPAM_ENDPOINT, 2 },
	{ ADDR_END, P, "10.1.0.3", 0, 0 },
	{ ADDR, P, NULL, IPAM_ENDPOINT, 3 }, /* .4: .3 rests */
	{ POOL, Q, "10.1.0.4/30", 0, 0 },
	{ ADDR, Q, "10.1.0.1", IPAM_GATEWAY, 0 }, /* the same router */
	{ ADDR, Q, NULL, IPAM_ENDPOINT, 4 },
	{ ADDR_END, P, "10.1.0.1", 0, 0 },
	{ ADDR_END, P, "10.1.0.5", 0, 0 },
	{ ADDR, P, NULL, IPAM_ENDPOINT, 5 }, /* only what rests is left */
	{ POOL, P, NULL, 0, 0 },
	{ POOL_END, P, NULL, 0, 0 },
	{ ADDR_END, P, "10.1.0.2", 0, 0 },
	{ ADDR_END, Q, "10.1.0.6", 0, 0 },
	{ ADDR_END, Q, "10.1.0.1", 0, 0 },
	{ POOL_END, Q, NULL, 0, 0 },
	{ POOL_END, P, NULL, 0, 0 }, /* with leases in it */
};

#define STEPS ((int)ARRAY_SIZE(steps))

/* How far the scenario came; in shared memory, for the parent. */
static struct progress {
	int next;     /* step to be done */
	bool retry;   /* it was begun in an earlier life */
	bool refused; /* its retry without a body was */
	bool recorded;
	/* Of a run without faults: what each step answers, and leaves, and where the
	 * log of the points passed ends then. */
	char answers[ARRAY_SIZE(steps)][TEXT_MAX];
	char states[ARRAY_SIZE(steps)][1024];
	off_t passed[ARRAY_SIZE(steps)];
} * progress;

static int pass_log = -EBADF; /* while that is recorded */

static const char *const methods[] = {
	[POOL] = "IpamDriver.RequestPool",
	[POOL_END] = "IpamDriver.ReleasePool",
	[ADDR] = "IpamDriver.RequestAddress",
	[ADDR_END] = "IpamDriver.ReleaseAddress",
};

static int step_do(struct ipam_life *l, const struct step *s,
		   char ret[TEXT_MAX])
{
	ret[0] = '\0';
	switch (s->what) {
	case POOL:
		return pool_get(l, "10.1.0.0/29", s->addr, ret);
	case POOL_END:
		return pool_put(l, s->id);
	case ADDR:
		return addr_get(l, s->id, s->addr, s->use, s->mac, ret);
	case ADDR_END:
		return addr_put(l, s->id, s->addr);
	}
	return -EINVAL;
}

static void step_seen(struct ipam_life *l, int i)
{
	_cleanup_free_ char *now = all_of(l);

	if (!progress->recorded) {
		CHECK(strlen(now) < sizeof(progress->states[i]));
		strcpy(progress->states[i], now);
		progress->passed[i] = lseek(pass_log, 0, SEEK_END);
	}
	if (strcmp(now, progress->states[i]) != 0)
		fprintf(stderr, "# step %d: is\n%swant\n%s", i, now,
			progress->states[i]);
	CHECK(strcmp(now, progress->states[i]) == 0);
}

static void answered(int i, const char *answer)
{
	if (!progress->recorded)
		strcpy(progress->answers[i], answer);
	CHECK(strcmp(answer, progress->answers[i]) == 0);
}

static void go_on(struct ipam_life *l, void *arg)
{
	struct progress *p = arg;

	for (; p->next < STEPS; p->next++) {
		const struct step *s = &steps[p->next];
		_cleanup_free_ char *kept = NULL;
		char answer[TEXT_MAX];
		uint64_t seq = 0;
		int r = -EBADMSG;

		if (p->retry) {
			p->retry = false;
			r = ipam_replay(l->core, methods[s->what], true, &kept,
					&seq, NULL);
			CHECK(r == 0 || r == -EBADMSG);
			if (r == 0)
				ipam_core_delivered(l->core, seq);
			p->refused = r < 0;
			if (r == 0) /* slashes are escaped in it */
				CHECK(strlen(kept) >=
				      strlen(p->answers[p->next]));
		}
		p->retry = true;
		if (r < 0) {
			CHECK(step_do(l, s, answer) == 0);
			answered(p->next, answer);
		}
		p->retry = false;
		step_seen(l, p->next);
	}
	CHECK(lives_problems(l) == 0);
}

static void start_over(void)
{
	progress->next = 0;
	progress->retry = progress->refused = false;
}

/* The scenario with each of @fps (ended by NULL) in one life after the other, while
 * they die of it, then to its end.  Return: lives that ended by a fault. */
static int play(const char *const *fps)
{
	int deaths = 0, status = 0;

	start_over();
	for (; *fps; fps++) {
		status = lives_run(go_on, progress, *fps);
		if (!lives_killed(status))
			break;
		deaths++;
	}
	if (!*fps)
		status = lives_run(go_on, progress, NULL);
	if (status)
		print_message("# %d deaths, then %s\n", deaths,
			      *fps ? *fps : "none");
	assert_int_equal(status, 0);
	assert_int_equal(progress->next, STEPS);
	return deaths;
}

/* The names of all fail points, NUL-separated, ended by an empty one. */
static char *points;

static void points_load(void)
{
	size_t size = 0;
	FILE *f = open_memstream(&points, &size);

	fail_list(f);
	fclose(f);
	for (char *p = points; *p; p++)
		if (*p == '\n')
			*p = '\0';
}

static const char *point_next(const char *p)
{
	return p + strlen(p) + 1;
}

static bool ours(const char *point)
{
	return strncmp(point, "ipam.", 5) == 0;
}

/* What a run without faults passes, in its order. */
static struct {
	FILE *log;
	struct pass {
		char point[64];
		int step;
	} all[500];
	int count;
} way;

static void passes_load(void)
{
	struct pass *p = way.all;
	int step = 0;

	rewind(way.log);
	while (fscanf(way.log, "%63s", p->point) == 1) {
		while (step < STEPS - 1 &&
		       ftell(way.log) > progress->passed[step])
			step++;
		p->step = step;
		p = &way.all[++way.count];
		assert_true(way.count < (int)ARRAY_SIZE(way.all));
	}
	assert_true(way.count > 0);
}

static int passes_of(const char *point)
{
	int n = 0;

	for (int i = 0; i < way.count; i++)
		n += strcmp(way.all[i].point, point) == 0;
	return n;
}

/* Return: the step that passes it first, from @step on; STEPS: none does. */
static int step_passing(const char *point, int step)
{
	for (int i = 0; i < way.count; i++)
		if (way.all[i].step >= step &&
		    strcmp(way.all[i].point, point) == 0)
			return way.all[i].step;
	return STEPS;
}

static void record(void)
{
	char path[32];

	pass_log = memfd_create("passes", MFD_CLOEXEC);
	way.log = fdopen(pass_log, "r");
	assert_non_null(way.log);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pass_log);
	setenv("BERTH_FP_LOG", path, 1);
	assert_int_equal(play((const char *const[]){ NULL }), 0);
	unsetenv("BERTH_FP_LOG");
	passes_load();
	fclose(way.log);
}

static void without_a_fault(void **state)
{
	(void)state;
	progress->recorded = false;
	record();
	assert_string_equal(progress->answers[0], P);
	assert_string_equal(progress->answers[6], "10.1.0.4/29");
	assert_string_equal(progress->answers[9], "10.1.0.6/29");
	assert_string_equal(progress->answers[12], "10.1.0.3/29");
	assert_string_equal(progress->states[STEPS - 1], "");
	progress->recorded = true;
	/* the same again, on what that left */
	assert_int_equal(play((const char *const[]){ NULL }), 0);
}

static void killed_at_each_point_and_pass(void **state)
{
	int hit = 0;

	(void)state;
	TEST_ONE_THREAD();
	for (const char *p = points; *p; p = point_next(p)) {
		int deaths = 1, passes = 0;

		for (int nth = 1; deaths && nth < 60; nth++) {
			char fp[128];

			snprintf(fp, sizeof(fp), "%s:kill:nth=%d", p, nth);
			deaths = play((const char *const[]){ fp, NULL });
			passes += deaths;
			if (deaths && ours(p) && progress->refused) {
				print_message("# %s\n", fp);
				fail();
			}
			progress->refused = false;
		}
		if (ours(p) && !passes && strcmp(p, "ipam.recover.redo") != 0) {
			print_message("# never reached: %s\n", p);
			fail();
		}
		hit += passes;
	}
	assert_true(hit > 80);
}

/* Does the life after a death at the first pass of @p come to @q while it does again
 * what was under way?  What a run without faults never passes is of a recovery. */
static bool soon(const char *p, const char *q)
{
	int step = step_passing(p, 0);

	return !passes_of(q) || step_passing(q, step) == step;
}

/* Of those that come later some, at random: BERTH_IPAM_SEED is the seed, and
 * BERTH_IPAM_PAIRS of 100 are taken. */
static bool taken(unsigned int *seed)
{
	const char *part = getenv("BERTH_IPAM_PAIRS");

	return rand_r(seed) % 100 < (part ? atoi(part) : 10);
}

static unsigned int seed_of_pairs(void)
{
	const char *from = getenv("BERTH_IPAM_SEED");
	unsigned int seed = from ? (unsigned int)strtoul(from, NULL, 10)
				 : (unsigned int)time(NULL);

	print_message("# BERTH_IPAM_SEED=%u\n", seed);
	return seed;
}

static int killed_again(const char *p, const char *q)
{
	char first[128], then[128];

	snprintf(first, sizeof(first), "%s:kill:nth=1", p);
	snprintf(then, sizeof(then), "%s:kill:nth=1", q);
	return play((const char *const[]){ first, then, then, then, NULL });
}

static void killed_again_in_recovery_three_deep(void **state)
{
	unsigned int seed = seed_of_pairs();
	int deepest = 0, pairs = 0;

	(void)state;
	TEST_ONE_THREAD();
	for (const char *p = points; *p; p = point_next(p))
		for (const char *q = points; *q; q = point_next(q)) {
			int deaths;

			if (!ours(p) || !ours(q) || !passes_of(p) ||
			    !(soon(p, q) || taken(&seed)))
				continue;
			deaths = killed_again(p, q);
			deepest = deaths > deepest ? deaths : deepest;
			pairs++;
		}
	print_message("# %d pairs\n", pairs);
	assert_true(pairs > 60);
	assert_int_equal(deepest, 4);
}

static void fail_once(struct ipam_life *l, void *arg)
{
	bool failed = false;

	(void)arg;
	for (int i = 0; i < STEPS; i++) {
		char answer[TEXT_MAX];
		int r = step_do(l, &steps[i], answer);

		CHECK(r == 0 || (r == -ENOSPC && !failed));
		failed |= r < 0;
		if (r < 0 && i > 0) /* nothing of it is left */
			step_seen(l, i - 1);
		if (r < 0)
			CHECK(step_do(l, &steps[i], answer) == 0);
		answered(i, answer);
		step_seen(l, i);
	}
	CHECK(lives_problems(l) == 0);
}

static void error_at_each_point_changes_nothing(void **state)
{
	int runs = 0;

	(void)state;
	TEST_ONE_THREAD();
	for (const char *p = points; *p; p = point_next(p))
		for (int nth = 1; nth <= passes_of(p); nth++) {
			char fp[128];
			int status;

			/* others are passed by the start, too */
			if (!ours(p))
				continue;
			snprintf(fp, sizeof(fp), "%s:err=ENOSPC:nth=%d", p,
				 nth);
			status = lives_run(fail_once, NULL, fp);
			if (status)
				print_message("# %s\n", fp);
			assert_int_equal(status, 0);
			runs++;
		}
	assert_true(runs > 40);
}

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

#define ALL 8

int main(void)
{
	struct CMUnitTest tests[ALL + ARRAY_SIZE(endings)] = {
		LIVES_TEST(without_a_fault),
		LIVES_TEST(error_at_each_point_changes_nothing),
		LIVES_TEST(killed_at_each_point_and_pass),
		LIVES_TEST(killed_again_in_recovery_three_deep),
		LIVES_TEST(one_candidate_in_each_store_is_two),
		LIVES_TEST(those_that_waited_count),
		LIVES_TEST(what_was_not_sent_is_undone),
		LIVES_TEST(a_release_ends_in_the_store_of_what_it_found),
	};

	lives_init();
	progress = lives_shared(sizeof(*progress));
	points_load();
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		tests[ALL + i] = (struct CMUnitTest){
			.name = endings[i].name,
			.test_func = ending_row,
			.initial_state = (void *)(uintptr_t)&endings[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
