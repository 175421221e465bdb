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
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/netns.h"
#include "netplugins/bridge/bridge.h"

#define NOTE_MAX 65536 /* bytes; one word an interface */

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

/* The guard stands before the first packet is forwarded. */
static int set_guard(struct bridge_host *host, bool v4, bool v6,
		     struct err *err)
{
	return dp_forward_guard(host->dp, v4 || turned_on_by_us(host, &family4),
				v6 || turned_on_by_us(host, &family6), err);
}

static int turn_on(struct bridge_host *host, const struct family *f,
		   struct err *err)
{
	struct note n = { .f = f };
	_cleanup_free_ char *text = calloc(1, NOTE_MAX);
	int r = 0;

	if (sysctl_is(f->on, "1"))
		return turned_on_by_us(host, f)
			       ? set_guard(host, !f->v6, f->v6, err)
			       : 0;
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
	return r < 0 ? r : sysctl_set(f->on, "1", err);
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

struct docker_find {
	struct bridge_host *host;
	const struct family *f;
	char name[IFNAMSIZ]; /* "": none found */
	bool routed;         /* the bridge at hand has such an address */
};

static int find_addr(void *ctx, int index, const struct ip_prefix *p)
{
	struct docker_find *d = ctx;
	bool local = p->addr.bytes[0] == 0xfe && p->addr.bytes[1] == 0x80;

	(void)index;
	if (p->addr.family == (d->f->v6 ? AF_INET6 : AF_INET) &&
	    !(d->f->v6 && local))
		d->routed = true;
	return 0;
}

static int find_docker(void *ctx, const struct nlk_link *l)
{
	struct docker_find *d = ctx;
	bool hex = strlen(l->name) == 15 && strncmp(l->name, "br-", 3) == 0 &&
		   strspn(l->name + 3, "0123456789abcdef") == 12;

	if (strcmp(l->kind, "bridge") != 0 || l->alias[0] ||
	    (!hex && strcmp(l->name, "docker0") != 0 &&
	     strcmp(l->name, "docker_gwbridge") != 0))
		return 0;
	d->routed = false;
	if (nlk_addr_each(d->host->nlk, l->index, find_addr, d, NULL) == 0 &&
	    d->routed)
		memcpy(d->name, l->name, IFNAMSIZ);
	return 0;
}

/* A bridge of dockerd's with an address of the family: it needs forwarding. */
static bool docker_forwards(struct bridge_host *host, const struct family *f,
			    char name[static IFNAMSIZ])
{
	struct docker_find d = { .host = host, .f = f };
	int r = nlk_link_each(host->nlk, find_docker, &d, NULL);

	memcpy(name, d.name, IFNAMSIZ);
	return r == 0 && d.name[0];
}

static int turn_off(struct bridge_host *host, const struct family *f,
		    struct err *err)
{
	_cleanup_free_ char *text = malloc(NOTE_MAX);
	char docker[IFNAMSIZ];
	int r = 0;

	if (!text)
		return err_set(err, -ENOMEM, "forwarding");
	if (read_note(host, f, text) < 0 || still_wanted(host, f))
		return 0;
	/* Docker found it on and relies on it: it stays, and bridge_check
	 * says so. */
	if (docker_forwards(host, f, docker))
		return 0;
	if (sysctl_is(f->on, "1"))
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

	return dp_forward_guard(host->dp, v4, v6, err);
}

int bridge_forward_guard(struct bridge_host *host, struct err *err)
{
	int r;

	pthread_mutex_lock(&host->forward_lock);
	r = guard_as_wanted(host, err);
	pthread_mutex_unlock(&host->forward_lock);
	return r;
}

int bridge_forward_off(struct bridge_host *host, struct err *err)
{
	int r;

	pthread_mutex_lock(&host->forward_lock);
	r = turn_off(host, &family6, err);
	if (r == 0)
		r = turn_off(host, &family4, err);
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

void bridge_forward_check(struct bridge_host *host,
			  void (*fn)(void *ctx, const char *line), void *ctx)
{
	static const struct family *const both[] = { &family4, &family6 };
	char line[160], docker[IFNAMSIZ];

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		bool want = still_wanted(host, both[i]);
		bool on = sysctl_is(both[i]->on, "1");

		if (want && !on)
			snprintf(line, sizeof(line),
				 "%s is 0: containers reach nothing outside; "
				 "set it to 1 or restart the daemon",
				 both[i]->on);
		else if (!want && on && turned_on_by_us(host, both[i]) &&
			 docker_forwards(host, both[i], docker))
			snprintf(line, sizeof(line),
				 "%s stays 1 after our last network: Docker's "
				 "bridge %s relies on it",
				 both[i]->on, docker);
		else
			continue;
		fn(ctx, line);
	}
}
