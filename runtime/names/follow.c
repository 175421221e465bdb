// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Follows Docker, berth-overlay and berth-bridge.
 *
 * A turn: networks when it is time; where there is no stream of events, one, and a list;
 * who is due is asked about; what changed is told; then wait for events.  When the stream
 * ends dockerd was restarted or is gone: another is opened, less and less often, and all
 * is listed again.
 */
#include "runtime/names/follow.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/clock.h"
#include "lib/jdec.h"
#include "lib/log.h"
#include "runtime/names/follow_priv.h"

#define NETS_MS        5000 /* what the drivers have is asked for again */
#define KICK_S         3    /* who names a network that is not known waits */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 4000
#define EVENTS_MAX     256 /* in one go */

void follow_note(struct follow *f, struct follow_peer *p, const char *what,
		 const struct err *why)
{
	bool was, is = why;
	char quoted[256];

	pthread_mutex_lock(&f->lock);
	was = p->away_ms;
	if (!why)
		p->away_ms = 0;
	else if (!was)
		p->away_ms = clock_boot_ms();
	if (why)
		snprintf(p->why, sizeof(p->why), "%.255s", why->msg);
	pthread_mutex_unlock(&f->lock);
	if (is && !was)
		log_warn("op=names.%s state=away err=%s", what,
			 log_quote(quoted, sizeof(quoted), why->msg));
	else if (was && !is)
		log_info("op=names.%s state=answers", what);
}

/* ---- the thread -------------------------------------------------------------------- */

static void docker_failed(struct follow *f, const struct err *err)
{
	follow_note(f, &f->docker, "docker", err);
	client_stream_close(take_ptr(f->events));
	f->listed = false;
	backoff_failed(&f->backoff, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
}

static void nets_turn(struct follow *f)
{
	uint64_t now = clock_boot_ms(), kicks;
	struct err err = { 0 };
	bool kicked;

	pthread_mutex_lock(&f->lock);
	kicks = f->kicks;
	kicked = kicks != f->kicks_done;
	pthread_mutex_unlock(&f->lock);
	if (!f->nets_due && !kicked && now < f->nets_ms)
		return;
	f->nets_due = false;
	f->nets_ms = now + NETS_MS;
	if (follow_nets(f, &err) < 0)
		log_warn("op=names.networks err=\"%s\"", err.msg);
	pthread_mutex_lock(&f->lock);
	f->kicks_done = kicks;
	pthread_cond_broadcast(&f->read);
	pthread_mutex_unlock(&f->lock);
}

static int docker_once(struct follow *f, struct err *err)
{
	uint64_t now = clock_boot_ms();
	int r = 0;

	if (!f->events) {
		r = docker_events_open(f->cfg.docker, &f->events, err);
		f->listed = false;
	}
	if (r == 0 && (!f->listed || now >= f->list_ms)) {
		r = follow_list(f, err);
		f->list_ms = now + (uint64_t)f->cfg.relist_s * 1000;
		if (!f->listed) {
			follow_all_due(f);
			f->domains_due = true;
		}
		f->listed = r == 0;
	}
	if (r == 0 && f->domains_due)
		r = follow_domains(f, err);
	return r == 0 ? follow_inspect(f, err) : r;
}

static void docker_turn(struct follow *f)
{
	struct err err = { 0 };
	int r;

	if (backoff_left_ms(&f->backoff))
		return;
	r = docker_once(f, &err);
	if (r < 0) {
		docker_failed(f, &err);
		return;
	}
	follow_note(f, &f->docker, "docker", NULL);
	(void)backoff_well(&f->backoff);
}

/* The cluster is told of all at once: until each is known, what was told of them in an
 * earlier life stays; for a while, as dockerd may be away, or hold one. */
static void publish_turn(struct follow *f)
{
	uint64_t grace = f->begin_ms + (uint64_t)f->cfg.grace_s * 1000;
	struct err err = { 0 };
	char quoted[256];
	bool all = f->told || follow_complete(f) || clock_boot_ms() >= grace;

	if (!f->changed && (f->told || !all))
		return;
	/* what fails is tried again with the next turn */
	if (follow_publish(f, all, &err) < 0)
		log_warn("op=names.publish err=%s",
			 log_quote(quoted, sizeof(quoted), err.msg));
}

static void event_take(struct follow *f, json_object *o)
{
	struct docker_event e;

	if (!docker_event_parse(o, &e))
		return;
	if (e.networks)
		f->nets_due = f->domains_due = true;
	if (e.container[0] && follow_due(f, e.container) < 0)
		f->listed = false;
}

static void wait_events(struct follow *f, unsigned int ms)
{
	struct err err = { 0 };
	int r = 1;

	for (unsigned int i = 0; r > 0 && i < EVENTS_MAX; i++) {
		json_object *o = NULL;

		r = client_stream_next(f->events, f->wake, ms, &o, &err);
		if (r > 0)
			event_take(f, o);
		json_object_put(o);
		ms = 0;
	}
	if (r < 0)
		docker_failed(f, &err);
}

static unsigned int until(const struct follow *f)
{
	uint64_t now = clock_boot_ms(), next = f->nets_ms, due;

	if (f->nets_due)
		return 0;
	if (!f->events)
		due = f->backoff.until_ms;
	else
		due = f->list_ms < follow_next_ms(f) ? f->list_ms
						     : follow_next_ms(f);
	if (f->events && (f->domains_due || !f->listed))
		due = now;
	if (due < next)
		next = due;
	return next > now ? (unsigned int)(next - now) : 0;
}

bool follow_stopped(struct follow *f)
{
	bool stop;

	pthread_mutex_lock(&f->lock);
	stop = f->stop;
	pthread_mutex_unlock(&f->lock);
	return stop;
}

static void *thread(void *arg)
{
	struct follow *f = arg;
	struct pollfd p = { .fd = f->wake, .events = POLLIN };

	for (;;) {
		eventfd_t told;

		/* before what it tells of is looked at */
		(void)eventfd_read(f->wake, &told);
		if (follow_stopped(f))
			break;
		nets_turn(f);
		docker_turn(f);
		publish_turn(f);
		if (f->events)
			wait_events(f, until(f));
		else
			poll(&p, 1, (int)until(f));
	}
	return NULL;
}

/* ---- what others call ------------------------------------------------------------ */

int follow_new(struct names *names, struct share *share,
	       const struct follow_config *cfg, struct follow **ret,
	       struct err *err)
{
	struct follow *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_set(err, -ENOMEM, "names");
	f->names = names;
	f->share = share;
	f->cfg = *cfg;
	if (!f->cfg.docker)
		f->cfg.docker = DOCKER_SOCKET;
	if (!f->cfg.relist_s)
		f->cfg.relist_s = 60;
	if (!f->cfg.grace_s)
		f->cfg.grace_s = 60;
	if (!f->cfg.inspect_ms)
		f->cfg.inspect_ms = 5000;
	f->begin_ms = clock_boot_ms();
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->read, NULL);
	f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = f->wake < 0 ? -errno : -pthread_create(&f->thread, NULL, thread, f);
	if (r == 0) {
		*ret = f;
		return 0;
	}
	closep(&f->wake);
	pthread_cond_destroy(&f->read);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return err_set(err, r, "names: %s", strerror(-r));
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_mutex_unlock(&f->lock);
	(void)eventfd_write(f->wake, 1);
	pthread_join(f->thread, NULL);
	client_stream_close(f->events);
	follow_known_clear(f);
	nets_clear(&f->nets);
	closep(&f->wake);
	pthread_cond_destroy(&f->read);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void net_list(const struct nets *n, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n->count && len + 80 < size; i++)
		len += (size_t)snprintf(
			buf + len, size - len, "%s%.64s", i ? ", " : "",
			n->v[i].serve.domain[0] ? n->v[i].serve.domain
						: n->v[i].serve.net);
}

static bool find_net(const struct follow *f, const char *word,
		     char ret[static NAMES_NET_MAX])
{
	for (size_t i = 0; i < f->nets.count; i++) {
		const struct nets_one *n = &f->nets.v[i];

		if (strcmp(n->serve.net, word) != 0 &&
		    strcmp(n->id, word) != 0 &&
		    strcmp(n->serve.domain, word) != 0)
			continue;
		memcpy(ret, n->serve.net, sizeof(n->serve.net));
		return true;
	}
	return false;
}

/* It may have been made this moment: have the drivers asked.  Under ->lock. */
static void look_again(struct follow *f)
{
	uint64_t want = ++f->kicks;
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += KICK_S;
	(void)eventfd_write(f->wake, 1);
	while (r == 0 && !f->stop && f->kicks_done < want)
		r = pthread_cond_timedwait(&f->read, &f->lock, &until);
}

int follow_net(struct follow *f, const char *word,
	       char ret[static NAMES_NET_MAX], struct err *err)
{
	char there[320];
	bool found;

	pthread_mutex_lock(&f->lock);
	found = find_net(f, word, ret);
	if (!found) {
		look_again(f);
		found = find_net(f, word, ret);
	}
	net_list(&f->nets, there, sizeof(there));
	pthread_mutex_unlock(&f->lock);
	if (found)
		return 0;
	return err_set(err, -ENOENT,
		       "no network \"%.64s\" with names on this host: there "
		       "%s%s",
		       word, there[0] ? "are " : "is none", there);
}

void follow_net_name(struct follow *f, const char *key,
		     char ret[static NAMES_NAME_MAX])
{
	const char *name = key;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->nets.count; i++) {
		const struct serve_net *n = &f->nets.v[i].serve;

		if (n->domain[0] && !strcmp(n->net, key))
			name = n->domain;
	}
	snprintf(ret, NAMES_NAME_MAX, "%s", name);
	pthread_mutex_unlock(&f->lock);
}

static void peer_problem(const struct follow_peer *p, const char *who,
			 void (*line)(void *arg, const char *text), void *arg)
{
	char text[512];

	if (!p->away_ms)
		return;
	snprintf(text, sizeof(text),
		 "%s has not answered for %" PRIu64
		 " s, names stay as they were: %s",
		 who, (clock_boot_ms() - p->away_ms) / 1000, p->why);
	line(arg, text);
}

void follow_problems(struct follow *f,
		     void (*line)(void *arg, const char *text), void *arg)
{
	pthread_mutex_lock(&f->lock);
	/* A host that has no network of the kind may well have nobody who makes them;
	 * on bridges names are asked for where there is no dockerd. */
	for (int d = 0; d < NETS_DRIVERS; d++) {
		enum nets_driver driver = (enum nets_driver)d;

		if (!nets_has(&f->nets, driver))
			continue;
		if (driver == NETS_OVERLAY)
			peer_problem(&f->docker, "dockerd", line, arg);
		peer_problem(&f->drivers[d], nets_driver_name(driver), line,
			     arg);
	}
	pthread_mutex_unlock(&f->lock);
}
