// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls of etcd, and what the answers say of etcd itself. */
#include "lib/etcd_seen.h"
#include "lib/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define READY_MS 1000 /* of being away nobody waits again */

void etcd_seen_init(struct etcd_seen *s, const char *until)
{
	*s = (struct etcd_seen){ .until = until };
	pthread_mutex_init(&s->lock, NULL);
}

void etcd_seen_fini(struct etcd_seen *s)
{
	pthread_mutex_destroy(&s->lock);
}

/* What an answer is judged by. */
struct before {
	uint64_t cluster_id;
	int64_t revision;
	unsigned int adopted;
};

#define UNTIL                                                              \
	"nothing is written until `%s`; do that on each host when etcd's " \
	"data is right"

static int back(const struct etcd_seen *s, struct err *err)
{
	return err_set(err, -ESTALE, "%s: " UNTIL, s->back_why, s->until);
}

static int begin(struct etcd_seen *s, struct before *ret, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (s->back_why[0])
		r = back(s, err);
	ret->cluster_id = s->cluster_id;
	ret->revision = s->revision;
	ret->adopted = s->adopted;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void judge_head(struct etcd_seen *s, const struct etcd_head *h,
		       const struct before *b)
{
	if (b->cluster_id && h->cluster_id != b->cluster_id)
		snprintf(s->back_why, sizeof(s->back_why),
			 "another etcd answers: cluster %" PRIx64
			 " instead of %" PRIx64,
			 h->cluster_id, b->cluster_id);
	else if (h->revision < b->revision)
		snprintf(s->back_why, sizeof(s->back_why),
			 "etcd went back from revision %" PRId64 " to %" PRId64
			 ": was it restored from a backup?",
			 b->revision, h->revision);
	else
		s->cluster_id = h->cluster_id;
	if (h->revision > s->revision)
		s->revision = h->revision;
}

static void note_locked(struct etcd_seen *s, int r, const struct err *why)
{
	if (r == -ENOSPC)
		s->full = true;
	/* that there is no such thing is an answer, and so is one too long */
	if (r == 0 || r == -ENOENT || r == -ENOSPC || r == -EMSGSIZE)
		s->away_ms = 0;
	else if (!s->away_ms)
		s->away_ms = clock_boot_ms();
	if (r < 0)
		snprintf(s->away_why, sizeof(s->away_why), "%.255s", why->msg);
}

void etcd_seen_note(struct etcd_seen *s, int r, const struct err *err)
{
	pthread_mutex_lock(&s->lock);
	note_locked(s, r, err);
	pthread_mutex_unlock(&s->lock);
}

/* @put: something would have been put. */
static int judge(struct etcd_seen *s, int r, bool put,
		 const struct etcd_head *h, const struct before *b,
		 const struct err *why, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	note_locked(s, r, why);
	if (r == 0 && put)
		s->full = false;
	/* asked before its data was said to be right, it proves nothing */
	if (r == 0 && !s->back_why[0] && s->adopted == b->adopted)
		judge_head(s, h, b);
	if (r < 0)
		r = err_set(err, r, "%s", why->msg);
	else if (s->back_why[0])
		r = back(s, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int etcd_seen_range(struct etcd_seen *s, struct etcd *e,
		    const struct etcd_range *q, struct etcd_kvs *ret,
		    struct etcd_head *head, struct err *err)
{
	struct etcd_head h = { 0 };
	struct err why = { 0 };
	struct before b;
	int asked, r = begin(s, &b, err);

	if (r < 0)
		return r;
	asked = etcd_range(e, q, ret, &h, &why);
	r = judge(s, asked, false, &h, &b, &why, err);
	if (asked == 0 && r < 0)
		etcd_kvs_clear(ret);
	if (head)
		*head = h;
	return r;
}

int etcd_seen_txn(struct etcd_seen *s, struct etcd *e, const struct etcd_txn *t,
		  struct etcd_result *ret, struct err *err)
{
	struct err why = { 0 };
	struct before b;
	int asked, r = begin(s, &b, err);

	if (r < 0)
		return r;
	asked = etcd_txn_run(e, t, true, ret, &why);
	r = judge(s, asked, etcd_txn_puts(t), &ret->head, &b, &why, err);
	if (asked == 0 && r < 0)
		etcd_result_clear(ret);
	return r;
}

int etcd_seen_ready(struct etcd_seen *s, struct err *err)
{
	uint64_t now = clock_boot_ms();
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (s->back_why[0])
		r = back(s, err);
	else if (s->away_ms && now - s->away_ms > READY_MS)
		r = err_set(err, -EAGAIN,
			    "no word of etcd for %" PRIu64 " s: %s",
			    (now - s->away_ms) / 1000, s->away_why);
	pthread_mutex_unlock(&s->lock);
	return r;
}

bool etcd_seen_adopt(struct etcd_seen *s)
{
	bool back;

	pthread_mutex_lock(&s->lock);
	back = s->back_why[0];
	if (back) {
		s->back_why[0] = '\0';
		s->cluster_id = 0;
		s->revision = 0;
		s->adopted++;
	}
	pthread_mutex_unlock(&s->lock);
	return back;
}

bool etcd_seen_back(struct etcd_seen *s)
{
	bool back;

	pthread_mutex_lock(&s->lock);
	back = s->back_why[0];
	pthread_mutex_unlock(&s->lock);
	return back;
}

uint64_t etcd_seen_away_ms(struct etcd_seen *s)
{
	uint64_t since;

	pthread_mutex_lock(&s->lock);
	since = s->away_ms;
	pthread_mutex_unlock(&s->lock);
	return since ? clock_boot_ms() - since + 1 : 0;
}

void etcd_seen_lines(struct etcd_seen *s,
		     void (*line)(void *arg, const char *text), void *arg)
{
	char away[400] = "", back_text[500] = "";
	bool full;

	pthread_mutex_lock(&s->lock);
	if (s->away_ms)
		snprintf(away, sizeof(away),
			 "etcd has not answered for %" PRIu64
			 " s, what runs goes on: %s",
			 (clock_boot_ms() - s->away_ms) / 1000, s->away_why);
	if (s->back_why[0])
		snprintf(back_text, sizeof(back_text), "%s; " UNTIL,
			 s->back_why, s->until);
	full = s->full;
	pthread_mutex_unlock(&s->lock);
	if (away[0])
		line(arg, away);
	if (full)
		line(arg,
		     "etcd is full (alarm NOSPACE): compact and defragment it, "
		     "then `etcdctl alarm disarm`");
	if (back_text[0])
		line(arg, back_text);
}
