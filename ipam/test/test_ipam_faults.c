/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPAM core with a death or an error at every fail point. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipam/ipam_priv.h"
#include "ipam/test/lives.h"
#include "lib/fail.h"
#include "lib/test/fail_passes.h"

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
		progress->passed[i] = fail_passes_length();
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

/* What a run without faults passes. */
static struct fail_passes way;

static int passes_of(const char *point)
{
	int n = 0;

	for (int i = 0; i < way.count; i++)
		n += strcmp(way.at[i].point, point) == 0;
	return n;
}

/* In which step the run came to @end of what it passed. */
static int step_at(off_t end)
{
	int step = 0;

	while (step < STEPS - 1 && end > progress->passed[step])
		step++;
	return step;
}

/* Return: the step that passes it first, from @step on; STEPS: none does. */
static int step_passing(const char *point, int step)
{
	for (int i = 0; i < way.count; i++)
		if (step_at(way.at[i].end) >= step &&
		    strcmp(way.at[i].point, point) == 0)
			return step_at(way.at[i].end);
	return STEPS;
}

static void without_a_fault(void **state)
{
	(void)state;
	progress->recorded = false;
	fail_passes_begin();
	assert_int_equal(play((const char *const[]){ NULL }), 0);
	fail_passes_take(&way);
	fail_passes_end();
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVES_TEST(without_a_fault),
		LIVES_TEST(error_at_each_point_changes_nothing),
		LIVES_TEST(killed_at_each_point_and_pass),
		LIVES_TEST(killed_again_in_recovery_three_deep),
	};

	lives_init();
	progress = lives_shared(sizeof(*progress));
	points_load();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
