/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forwarding, turned on without changing anything else on this host, and off
 * again with the last network.
 *
 * Turning it on makes the kernel a router, and that has side effects: for IPv4
 * every interface starts forwarding and the default of accept_redirects flips;
 * for IPv6 every interface with accept_ra=1 stops listening to router
 * advertisements and loses the routes it has from them.  So: those interfaces
 * get accept_ra=2 first, and so does "default", which later ones are made from
 * (they keep the 2, which says the same as 1 where nothing is forwarded);
 * everything touched is noted in the memo before it is
 * touched, and the dataplane drops what would be forwarded between interfaces
 * that are not ours.  Where forwarding was on before us nothing is changed.
 *
 * Others want it, too, perhaps later: libvirt, podman, LXD, a VPN's PostUp, the
 * administrator.  They all write 1, or look whether it is 1 and write it.  So we
 * write 2, which the kernel takes for on as well, and see from a 1 that it is
 * somebody else's by now: nothing is dropped from then on, and it is not turned
 * off with our last network.
 *
 * Another daemon of ours (berth-overlay beside berth-bridge) writes and finds the
 * same 2.  Each notes what it changed, and guards.  Whose last network goes first
 * leaves forwarding on for the other and owes its note; when the other has turned
 * it off the rest is put back.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/netns.h"
#include "netplugins/bridge/bridge.h"

#define NOTE_MAX 65536 /* bytes; one word an interface */
#define OURS     "2"   /* on, by us */

/* One family: where its switch is and what the memo calls it. */
struct family {
	const char *note, *conf, *on;
	bool v6;
};

static const struct family family4 = { "forward4", "net/ipv4/conf",
				       "net/ipv4/ip_forward", false };
static const struct family family6 = { "forward6", "net/ipv6/conf",
				       "net/ipv6/conf/all/forwarding", true };

static bool sysctl_is(const char *path, const char *want)
{
	char val[16];

	return sysctl_get(path, val, sizeof(val), NULL) == 0 &&
	       strcmp(val, want) == 0;
}

enum state { OFF, ON_BY_US, ON_BY_OTHERS };

static enum state forwarding(const struct family *f)
{
	char val[16];

	if (sysctl_get(f->on, val, sizeof(val), NULL) < 0 ||
	    strcmp(val, "0") == 0)
		return OFF;
	return strcmp(val, OURS) == 0 ? ON_BY_US : ON_BY_OTHERS;
}

static int conf_set(const struct family *f, const char *dev, const char *key,
		    const char *value, struct err *err)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s/%s", f->conf, dev, key);
	return sysctl_set(path, value, err);
}

static bool conf_is(const struct family *f, const char *dev, const char *key,
		    const char *want)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s/%s", f->conf, dev, key);
	return sysctl_is(path, want);
}

/* ---- the note ------------------------------------------------------------- */

/*
 * Words: "f:DEV" forwarded before us, "r:DEV" accepted redirects, "a:DEV"
 * listened to router advertisements (accept_ra=1).
 */
struct note {
	const struct family *f;
	char *text; /* NOTE_MAX */
	size_t len;
	bool full;
};

static void note_word(struct note *n, char what, const char *dev)
{
	int w = snprintf(n->text + n->len, NOTE_MAX - n->len, "%s%c:%s",
			 n->len ? " " : "", what, dev);

	if (w < 0 || (size_t)w >= NOTE_MAX - n->len)
		n->full = true;
	else
		n->len += (size_t)w;
}

static void note_dev(struct note *n, const char *dev)
{
	if (conf_is(n->f, dev, "forwarding", "1"))
		note_word(n, 'f', dev);
	else if (n->f->v6 && conf_is(n->f, dev, "accept_ra", "1"))
		note_word(n, 'a', dev);
}

static int note_link(void *ctx, const struct nlk_link *l)
{
	/* A port's packets are its bridge's; ours are set up already. */
	if (!l->master && strncmp(l->alias, "berth:", 6) != 0)
		note_dev(ctx, l->name);
	return 0;
}

static int take_note(struct bridge_host *host, struct note *n, struct err *err)
{
	int r = nlk_link_each(host->nlk, note_link, n, err);

	note_dev(n, "default");
	if (!n->f->v6 && conf_is(n->f, "all", "accept_redirects", "1"))
		note_word(n, 'r', "all");
	if (r == 0 && n->full)
		r = err_set(err, -E2BIG,
			    "forwarding: too many interfaces to remember");
	if (r < 0)
		return r;
	return host->memo->put(host->memo->ctx, n->f->note, n->text, err);
}

/* Each word of @text to @fn; the text is cut up. */
static int note_each(char *text,
		     int (*fn)(const struct family *f, char what,
			       const char *dev, struct err *err),
		     const struct family *f, struct err *err)
{
	char *save = NULL, *word = strtok_r(text, " ", &save);
	int r = 0;

	for (; r == 0 && word; word = strtok_r(NULL, " ", &save))
		if (word[0] && word[1] == ':')
			r = fn(f, word[0], word + 2, err);
	return r;
}

static int keep_listening(const struct family *f, char what, const char *dev,
			  struct err *err)
{
	int r;

	if (what != 'a')
		return 0;
	r = conf_set(f, dev, "accept_ra", "2", err);
	return r == -ENOENT ? 0 : r; /* the interface went */
}

static int put_back(const struct family *f, char what, const char *dev,
		    struct err *err)
{
	int r = 0;

	if (what == 'f')
		r = conf_set(f, dev, "forwarding", "1", err);
	else if (what == 'r')
		r = conf_set(f, dev, "accept_redirects", "1", err);
	else if (what == 'a' && conf_is(f, dev, "accept_ra", "2"))
		r = conf_set(f, dev, "accept_ra", "1", err);
	return r == -ENOENT ? 0 : r;
}

/* ---- on ------------------------------------------------------------------- */

static int read_note(struct bridge_host *host, const struct family *f,
		     char *buf)
{
	return host->memo->get(host->memo->ctx, f->note, buf, NOTE_MAX, NULL);
}

static bool turned_on_by_us(struct bridge_host *host, const struct family *f)
{
	_cleanup_free_ char *text = malloc(NOTE_MAX);

	return text && read_note(host, f, text) == 0;
}

static int say_guard(struct bridge_host *host, bool v4, bool v6,
		     struct err *err)
{
	int r = dp_forward_guard(host->dp, v4, v6, err);

	if (r == 0) {
		host->guard4 = v4;
		host->guard6 = v6;
	}
	return r;
}

/* The guard stands before the first packet is forwarded. */
static int set_guard(struct bridge_host *host, bool v4, bool v6,
		     struct err *err)
{
	return say_guard(host, v4 || turned_on_by_us(host, &family4),
			 v6 || turned_on_by_us(host, &family6), err);
}

static int turn_on(struct bridge_host *host, const struct family *f,
		   struct err *err)
{
	struct note n = { .f = f };
	_cleanup_free_ char *text = calloc(1, NOTE_MAX);
	enum state now = forwarding(f);
	int r = 0;

	if (now == ON_BY_OTHERS)
		return 0; /* a note of ours bridge_forward_follow() drops */
	if (now == ON_BY_US && turned_on_by_us(host, f))
		return set_guard(host, !f->v6, f->v6, err);
	if (!text)
		return err_set(err, -ENOMEM, "forwarding");
	n.text = text;
	/* A note that is there: somebody has turned it off since. */
	if (read_note(host, f, text) < 0)
		r = take_note(host, &n, err);
	if (r == 0)
		r = FAILPOINT("bridge.forward.noted");
	if (r == 0)
		r = set_guard(host, !f->v6, f->v6, err);
	if (r == 0)
		r = note_each(text, keep_listening, f, err);
	if (r == 0)
		r = FAILPOINT("bridge.forward.listening");
	return r < 0 ? r : sysctl_set(f->on, OURS, err);
}

static bool wants(const struct bridge_network *br, const struct family *f)
{
	const struct net_pool *p = f->v6 ? &br->base.v6 : &br->base.v4;
	int mode = f->v6 ? br->opt.mode6 : br->opt.mode4;

	return !br->base.internal && mode != DP_GW_ISOLATED &&
	       !ip_is_none(&p->pool.addr);
}

int bridge_forward_on(struct bridge_host *host, const struct bridge_network *br,
		      struct err *err)
{
	int r = 0;

	if (host->loading) /* all at once when the rules are there */
		return 0;
	pthread_mutex_lock(&host->forward_lock);
	if (wants(br, &family4))
		r = turn_on(host, &family4, err);
	if (r == 0 && wants(br, &family6))
		r = turn_on(host, &family6, err);
	pthread_mutex_unlock(&host->forward_lock);
	return r < 0 ? err_wrap(err, r, "forwarding") : 0;
}

/* ---- off ------------------------------------------------------------------ */

static bool still_wanted(struct bridge_host *host, const struct family *f)
{
	bool yes = false;

	pthread_mutex_lock(&host->lock);
	for (struct bridge_network *br = host->networks; br; br = br->next)
		yes |= wants(br, f);
	pthread_mutex_unlock(&host->lock);
	return yes;
}

static int turn_off(struct bridge_host *host, const struct family *f,
		    struct err *err)
{
	_cleanup_free_ char *text = malloc(NOTE_MAX);
	int r;

	if (!text)
		return err_set(err, -ENOMEM, "forwarding");
	if (read_note(host, f, text) < 0 || still_wanted(host, f))
		return 0;
	if (forwarding(f) == ON_BY_OTHERS) /* and it stays as they found it */
		return host->memo->del(host->memo->ctx, f->note, err);
	r = dp_forward_shared(host->dp, f->v6, err);
	if (r != 0) {
		host->owed |= r > 0;
		return r < 0 ? r : 0;
	}
	if (forwarding(f) == ON_BY_US)
		r = sysctl_set(f->on, "0", err);
	if (r == 0)
		r = FAILPOINT("bridge.forward.off");
	if (r == 0)
		r = note_each(text, put_back, f, err);
	return r < 0 ? r : host->memo->del(host->memo->ctx, f->note, err);
}

/* Without a network of ours there is nothing to guard for. */
static int guard_as_wanted(struct bridge_host *host, struct err *err)
{
	bool v4 =
		still_wanted(host, &family4) && turned_on_by_us(host, &family4);
	bool v6 =
		still_wanted(host, &family6) && turned_on_by_us(host, &family6);

	return say_guard(host, v4, v6, err);
}

int bridge_forward_guard(struct bridge_host *host, struct err *err)
{
	int r;

	pthread_mutex_lock(&host->forward_lock);
	r = guard_as_wanted(host, err);
	pthread_mutex_unlock(&host->forward_lock);
	return r;
}

/* Under host->forward_lock. */
static int turn_both_off(struct bridge_host *host, struct err *err)
{
	int r;

	host->owed = false;
	r = turn_off(host, &family6, err);
	if (r == 0)
		r = turn_off(host, &family4, err);
	return r;
}

int bridge_forward_off(struct bridge_host *host, struct err *err)
{
	int r;

	pthread_mutex_lock(&host->forward_lock);
	r = turn_both_off(host, err);
	if (r == 0)
		r = guard_as_wanted(host, err);
	pthread_mutex_unlock(&host->forward_lock);
	return r < 0 ? err_wrap(err, r, "forwarding") : 0;
}

int bridge_forward_load(struct bridge_host *host, struct err *err)
{
	int r = 0;

	/* Without host->lock: nobody else runs yet. */
	for (struct bridge_network *br = host->networks; r == 0 && br;
	     br = br->next)
		r = bridge_forward_on(host, br, err);
	/* Its last network may have gone with the daemon's life. */
	return r < 0 ? r : bridge_forward_off(host, err);
}

/* Somebody else wants it: it is not ours to guard or to turn off any more.
 * Return: 1: so it is; 0; -errno. */
static int give_up(struct bridge_host *host, const struct family *f,
		   struct err *err)
{
	int r;

	if (forwarding(f) != ON_BY_OTHERS)
		return 0;
	r = host->memo->del(host->memo->ctx, f->note, err);
	return r < 0 ? r : 1;
}

int bridge_forward_follow(struct bridge_host *host, struct err *err)
{
	int r4 = 0, r6 = 0, r = 0;

	pthread_mutex_lock(&host->forward_lock);
	if (host->guard4)
		r4 = give_up(host, &family4, err);
	if (host->guard6)
		r6 = give_up(host, &family6, err);
	if (r4 > 0 || r6 > 0)
		r = guard_as_wanted(host, err);
	if (r == 0 && host->owed)
		r = turn_both_off(host, err);
	if (r == 0)
		r = r4 < 0 ? r4 : r6 < 0 ? r6 : 0;
	pthread_mutex_unlock(&host->forward_lock);
	return r < 0 ? err_wrap(err, r, "forwarding") : 0;
}

void bridge_forward_check(struct bridge_host *host,
			  void (*fn)(void *ctx, const char *line), void *ctx)
{
	static const struct family *const both[] = { &family4, &family6 };
	char line[160];

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		if (!still_wanted(host, both[i]) || forwarding(both[i]) != OFF)
			continue;
		snprintf(line, sizeof(line),
			 "%s is 0: containers reach nothing outside; set it to "
			 "1 or restart the daemon",
			 both[i]->on);
		fn(ctx, line);
	}
}
