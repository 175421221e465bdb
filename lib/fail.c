/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fail points: what BERTH_FP asks for happens where FAILPOINT() stands. */
#include "lib/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"

#define RULES_MAX 16

enum action { ACT_KILL, ACT_ERR, ACT_SLEEP };

struct rule {
	char name[64];
	enum action action;
	int code;         /* ACT_ERR: negative errno */
	long ms;          /* ACT_SLEEP */
	unsigned int nth; /* 0: every pass */
	_Atomic unsigned int passes;
};

/* The linker makes these for a section whose name is an identifier; weak, so
 * that a binary without a fail point links. */
extern const char __start_berth_fp[] __attribute__((weak));
extern const char __stop_berth_fp[] __attribute__((weak));

/* Set once, before the first pass returns; then read only. */
static struct {
	struct rule rules[RULES_MAX];
	unsigned int count;
	const char *log; /* NULL: none */
} plan;
static pthread_once_t plan_once = PTHREAD_ONCE_INIT;
static _Atomic int armed = -1; /* -1: not read, 0: nothing asked, 1 */

static int errno_from_name(const char *name)
{
	for (int e = 1; e < 134; e++) {
		const char *known = strerrorname_np(e);

		if (known && strcmp(known, name) == 0)
			return e;
	}
	return 0;
}

static bool parse_number(const char *s, long *ret)
{
	char *end;

	errno = 0;
	*ret = strtol(s, &end, 10);
	return *s && !*end && errno == 0 && *ret >= 0 && *ret <= 1000000000;
}

static bool parse_word(struct rule *rule, const char *word)
{
	long n;

	if (strcmp(word, "kill") == 0) {
		rule->action = ACT_KILL;
	} else if (strncmp(word, "err=", 4) == 0) {
		rule->action = ACT_ERR;
		rule->code = -errno_from_name(word + 4);
		return rule->code != 0;
	} else if (strncmp(word, "sleep=", 6) == 0) {
		rule->action = ACT_SLEEP;
		return parse_number(word + 6, &rule->ms);
	} else if (strncmp(word, "nth=", 4) == 0) {
		if (!parse_number(word + 4, &n) || n < 1)
			return false;
		rule->nth = (unsigned int)n;
	} else {
		return false;
	}
	return true;
}

/* name:action[:nth=K], in place. */
static bool parse_rule(struct rule *rule, char *text)
{
	char *save = NULL, *word = strtok_r(text, ":", &save);
	bool acts = false;

	if (!word || strlen(word) >= sizeof(rule->name))
		return false;
	strcpy(rule->name, word);
	while ((word = strtok_r(NULL, ":", &save))) {
		if (!parse_word(rule, word))
			return false;
		acts |= strncmp(word, "nth=", 4) != 0;
	}
	return acts;
}

static void read_plan(void)
{
	const char *env = getenv("BERTH_FP"), *log = getenv("BERTH_FP_LOG");
	_cleanup_free_ char *text = env ? strdup(env) : NULL;
	char *save = NULL, *part, shown[128];

	part = text ? strtok_r(text, ",", &save) : NULL;
	for (; part; part = strtok_r(NULL, ",", &save)) {
		log_quote(shown, sizeof(shown), part);
		if (plan.count < RULES_MAX &&
		    parse_rule(&plan.rules[plan.count], part))
			plan.count++;
		else
			log_error("op=failpoint err=\"not understood\" rule=%s",
				  shown);
	}
	plan.log = log && *log ? log : NULL;
	atomic_store(&armed, plan.count || plan.log);
}

static void log_pass(const char *name)
{
	_cleanup_close_ int fd =
		open(plan.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	char line[80];
	int n = snprintf(line, sizeof(line), "%s\n", name);

	if (fd < 0 || n < 0 || write(fd, line, (size_t)n) != n)
		log_error("op=failpoint err=\"cannot write BERTH_FP_LOG: %s\"",
			  strerror(errno));
}

static void sleep_ms(long ms)
{
	struct timespec left = { .tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* Count this pass; is it the rule's turn? */
static bool due(struct rule *rule, const char *name)
{
	if (strcmp(rule->name, name) != 0)
		return false;
	return !rule->nth ||
	       atomic_fetch_add(&rule->passes, 1) + 1 == rule->nth;
}

static int act(const struct rule *rule)
{
	switch (rule->action) {
	case ACT_KILL:
		kill(getpid(), SIGKILL);
		pause(); /* not a step further, whichever thread is hit first */
		return 0;
	case ACT_ERR:
		return rule->code;
	case ACT_SLEEP:
		sleep_ms(rule->ms);
		return 0;
	}
	return 0;
}

int fail_point(const char *name)
{
	int r = 0, state = atomic_load_explicit(&armed, memory_order_acquire);
	unsigned int turns = 0;

	if (state == 0)
		return 0;
	if (state < 0)
		pthread_once(&plan_once, read_plan);
	if (plan.log)
		log_pass(name);
	/* all are counted before one sleeps */
	for (unsigned int i = 0; i < plan.count; i++)
		turns |= (unsigned int)due(&plan.rules[i], name) << i;
	for (unsigned int i = 0; i < plan.count; i++)
		if (turns & 1u << i) {
			int code = act(&plan.rules[i]);

			r = r ? r : code;
		}
	return r;
}

void fail_list(FILE *out)
{
	const char *at = __start_berth_fp, *end = __stop_berth_fp;

	while (at && at < end) {
		if (*at)
			fprintf(out, "%s\n", at);
		at += strlen(at) + 1;
	}
}
