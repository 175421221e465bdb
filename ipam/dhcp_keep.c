/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which DHCP leases there are: in memory and in run.db. */
#include "ipam/dhcp_keep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "ipam/dhcp_keep_priv.h"
#include "ipam/dhcp_talk.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/log.h"

/* A container that is started again asks within this time of its end. */
#define AGAIN_MS 30000

void dhcp_unlockp(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* ---- records ------------------------------------------------------------------ */

static const struct jdec_field fields[] = {
	JDEC_FIELD("Parent", JDEC_STR, struct dhcp_kept, ifname, JDEC_REQUIRED),
	JDEC_FIELD("PoolID", JDEC_STR, struct dhcp_kept, pool_id, 0),
	JDEC_FIELD("Born", JDEC_U64, struct dhcp_kept, born, 0),
	JDEC_FIELD("Address", JDEC_IP, struct dhcp_kept, lease.addr,
		   JDEC_REQUIRED),
	JDEC_FIELD("MAC", JDEC_MAC, struct dhcp_kept, lease.mac, JDEC_REQUIRED),
	JDEC_FIELD("Server", JDEC_IP, struct dhcp_kept, lease.server,
		   JDEC_REQUIRED),
	JDEC_FIELD("ServerMAC", JDEC_MAC, struct dhcp_kept, lease.server_mac,
		   0),
	JDEC_FIELD("Router", JDEC_IP, struct dhcp_kept, lease.router, 0),
	JDEC_FIELD("Mask", JDEC_U8, struct dhcp_kept, lease.mask, 0),
	JDEC_FIELD("T1", JDEC_U64, struct dhcp_kept, lease.t1_ms, 0),
	JDEC_FIELD("T2", JDEC_U64, struct dhcp_kept, lease.t2_ms, 0),
	JDEC_FIELD("End", JDEC_U64, struct dhcp_kept, lease.end_ms, 0),
	JDEC_FIELD("Lost", JDEC_BOOL, struct dhcp_kept, lease.lost, 0),
	{ 0 },
};

int dhcp_entry_save(struct dhcp_keep *k, const struct entry *e, struct err *err)
{
	_cleanup_(json_putp) json_object *obj = jdec_to_json(fields, &e->kept);
	const char *text = obj ? json_object_to_json_string_ext(
					 obj, JSON_C_TO_STRING_PLAIN)
			       : NULL;
	char id[IP_STR_MAX];

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	return store_put(k->run, DHCP_KIND, ip_str(&e->kept.lease.addr, id), "",
			 text, err);
}

static struct entry *insert(struct dhcp_keep *k, const struct dhcp_kept *what)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->kept = *what;
	e->next = k->entries;
	k->entries = e;
	return e;
}

/* One that is bound goes on where it was: this host has not been away.  One that
 * was lost is asked for. */
static int load(void *ctx, const char *id, const char *parent, const char *text)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	struct dhcp_kept kept = { 0 };
	struct dhcp_keep *k = ctx;
	struct err err = { 0 };
	char why[200];
	int r = jdec_parse(text, strlen(text), &obj, &err);

	(void)parent;
	if (r == 0)
		r = jdec_object(obj, fields, &kept, &err);
	if (r < 0) {
		problems_add(k->problems,
			     "the record of " DHCP_KIND " %s can't be used: %s",
			     id, err.msg);
		log_warn("op=load kind=" DHCP_KIND " id=%s err=%s", id,
			 log_quote(why, sizeof(why), err.msg));
		return 0;
	}
	kept.lease.state = DHCP_BOUND;
	kept.lease.next_ms = kept.lease.t1_ms;
	if (kept.lease.lost) {
		kept.lease.state = DHCP_SELECTING;
		kept.lease.wish = kept.lease.addr;
		kept.lease.xid = dhcp_random();
		kept.lease.asked_ms = kept.lease.next_ms = clock_boot_ms();
	}
	return insert(k, &kept) ? 0 : -ENOMEM;
}

int dhcp_keep_open(struct store *run, struct problems *problems,
		   struct dhcp_keep **ret, struct err *err)
{
	_cleanup_(dhcp_keep_closep) struct dhcp_keep *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_set(err, -ENOMEM, "out of memory");
	k->run = run;
	k->problems = problems;
	pthread_mutex_init(&k->lock, NULL);
	k->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->wake < 0)
		return err_set(err, -errno, "eventfd: %s", strerror(errno));
	r = store_each(run, DHCP_KIND, NULL, load, k, err);
	if (r < 0)
		return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
	*ret = take_ptr(k);
	return 0;
}

static void wake(struct dhcp_keep *k)
{
	uint64_t one = 1;

	/* full means that it wakes up anyway */
	(void)!write(k->wake, &one, sizeof(one));
}

int dhcp_keep_start(struct dhcp_keep *k, struct err *err)
{
	int r = pthread_create(&k->thread, NULL, dhcp_renew_run, k);

	if (r != 0)
		return err_set(err, -r, "thread for DHCP: %s", strerror(r));
	k->started = true;
	return 0;
}

void dhcp_keep_close(struct dhcp_keep *k)
{
	if (!k)
		return;
	if (k->started) {
		pthread_mutex_lock(&k->lock);
		k->stop = true;
		pthread_mutex_unlock(&k->lock);
		wake(k);
		pthread_join(k->thread, NULL);
	}
	while (k->entries) {
		struct entry *e = k->entries;

		k->entries = e->next;
		free(e);
	}
	closep(&k->wake);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* ---- coming and going ----------------------------------------------------------- */

static struct entry *find(struct dhcp_keep *k, const struct ip_addr *addr,
			  bool releasing)
{
	for (struct entry *e = k->entries; e; e = e->next)
		if (ip_equal(&e->kept.lease.addr, addr) &&
		    e->kept.releasing == releasing)
			return e;
	return NULL;
}

static void drop(struct dhcp_keep *k, struct entry *e)
{
	struct entry **at = &k->entries;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	free(e);
}

static void forget_past(struct dhcp_keep *k, const struct ip_addr *addr)
{
	for (size_t i = 0; i < PAST_MAX; i++)
		if (ip_equal(&k->past[i].addr, addr))
			k->past[i] = (struct past){ 0 };
}

static void remember(struct dhcp_keep *k, const struct dhcp_kept *kept)
{
	struct past *p = &k->past[k->past_at++ % PAST_MAX];

	forget_past(k, &kept->lease.addr);
	*p = (struct past){ .mac = kept->lease.mac,
			    .addr = kept->lease.addr,
			    .when = clock_boot_ms() };
	snprintf(p->ifname, sizeof(p->ifname), "%s", kept->ifname);
}

static bool same_asker(const struct dhcp_taking *t, const char *ifname,
		       const struct mac_addr *mac)
{
	return strcmp(t->ifname, ifname) == 0 && mac_equal(&t->mac, mac);
}

bool dhcp_entry_asked(const struct dhcp_keep *k, const struct entry *e)
{
	for (const struct dhcp_taking *t = k->taking; t; t = t->next)
		if (same_asker(t, e->kept.ifname, &e->kept.lease.mac))
			return true;
	return false;
}

void dhcp_keep_begin(struct dhcp_keep *k, struct dhcp_taking *t,
		     const char *ifname, const struct mac_addr *mac)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;

	pthread_mutex_lock(lock);
	snprintf(t->ifname, sizeof(t->ifname), "%s", ifname);
	t->mac = *mac;
	t->next = k->taking;
	k->taking = t;
}

void dhcp_keep_end(struct dhcp_keep *k, struct dhcp_taking *t)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;
	struct dhcp_taking **at = &k->taking;

	pthread_mutex_lock(lock);
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	wake(k); /* what could not be given back meanwhile */
}

bool dhcp_keep_alone(struct dhcp_keep *k, const struct dhcp_taking *t,
		     const struct ip_addr *addr)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;

	pthread_mutex_lock(lock);
	for (const struct dhcp_taking *o = k->taking; o; o = o->next)
		if (o != t && same_asker(o, t->ifname, &t->mac))
			return false;
	return !find(k, addr, false);
}

int dhcp_keep_add(struct dhcp_keep *k, const struct dhcp_kept *what,
		  struct err *err)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;
	struct entry *e, *fresh = NULL;
	struct dhcp_kept before;
	int r;

	pthread_mutex_lock(lock);
	/* the server has given it out anew */
	e = find(k, &what->lease.addr, true);
	if (e)
		drop(k, e);
	e = find(k, &what->lease.addr, false);
	if (e)
		before = e->kept;
	else
		fresh = e = insert(k, what);
	if (!e)
		return err_set(err, -ENOMEM, "out of memory");
	e->kept = *what;
	r = dhcp_entry_save(k, e, err);
	if (r == 0)
		forget_past(k, &what->lease.addr);
	else if (fresh)
		drop(k, e);
	else
		e->kept = before;
	wake(k);
	return r;
}

bool dhcp_entry_release(struct dhcp_keep *k, struct entry *e)
{
	struct dhcp_lease *l = &e->kept.lease;
	char addr[IP_STR_MAX], server[IP_STR_MAX], id[IP_STR_MAX], why[200];
	struct err err = { 0 };
	int r = 0;

	(void)FAILPOINT("dhcp.release");
	/* what is lost is not ours to give back */
	if (!l->lost && clock_boot_ms() < l->end_ms)
		r = dhcp_give(e->kept.ifname, l, &err);
	if (r < 0 && !e->kept.releasing)
		log_warn("op=dhcp.release address=%s parent=%s err=%s",
			 ip_str(&l->addr, addr), e->kept.ifname,
			 log_quote(why, sizeof(why), err.msg));
	e->kept.releasing = true;
	snprintf(e->kept.why, sizeof(e->kept.why), "%.159s", err.msg);
	if (r < 0)
		return false;
	(void)FAILPOINT("dhcp.released");
	log_info("op=dhcp.release address=%s parent=%s server=%s",
		 ip_str(&l->addr, addr), e->kept.ifname,
		 ip_str(&l->server, server));
	/* a record that stays is released once more, which is no harm */
	if (store_del(k->run, DHCP_KIND, ip_str(&l->addr, id), &err) < 0)
		log_warn("op=dhcp.release address=%s err=%s", addr,
			 log_quote(why, sizeof(why), err.msg));
	drop(k, e);
	return true;
}

void dhcp_keep_settle(struct dhcp_keep *k,
		      bool (*used)(void *ctx, const struct dhcp_kept *e),
		      void *ctx)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;
	struct entry *next;
	bool left = false;

	pthread_mutex_lock(lock);
	for (struct entry *e = k->entries; e; e = next) {
		next = e->next;
		if (e->kept.releasing || dhcp_entry_asked(k, e) ||
		    used(ctx, &e->kept))
			continue;
		remember(k, &e->kept);
		left |= !dhcp_entry_release(k, e);
	}
	if (left)
		wake(k);
}

/* dockerd makes one up for each start; another is the user's, and so is its
 * address. */
static bool made_up(const struct mac_addr *mac)
{
	return mac->bytes[0] == 0x02 && mac->bytes[1] == 0x42;
}

struct ip_addr dhcp_keep_hint(struct dhcp_keep *k, const char *ifname,
			      const struct ip_prefix *pool,
			      const struct mac_addr *mac)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;
	uint64_t now = clock_boot_ms(), best = 0;
	struct ip_addr ret = { 0 };

	pthread_mutex_lock(lock);
	for (size_t i = 0; i < PAST_MAX; i++) {
		const struct past *p = &k->past[i];

		if (ip_is_none(&p->addr) || strcmp(p->ifname, ifname) != 0 ||
		    !ip_prefix_contains(pool, &p->addr))
			continue;
		if (mac_equal(&p->mac, mac))
			return p->addr;
		if (p->when < best || p->when + AGAIN_MS < now ||
		    !made_up(&p->mac) || !made_up(mac))
			continue;
		best = p->when;
		ret = p->addr;
	}
	return ret;
}

/* ---- telling ---------------------------------------------------------------------- */

bool dhcp_keep_find(struct dhcp_keep *k, const struct ip_addr *addr,
		    struct dhcp_kept *ret)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;
	const struct entry *e;

	pthread_mutex_lock(lock);
	e = find(k, addr, false);
	if (e)
		*ret = e->kept;
	return e;
}

void dhcp_keep_each(struct dhcp_keep *k,
		    void (*fn)(void *ctx, const struct dhcp_kept *e), void *ctx)
{
	_cleanup_(dhcp_unlockp) pthread_mutex_t *lock = &k->lock;

	pthread_mutex_lock(lock);
	for (const struct entry *e = k->entries; e; e = e->next)
		fn(ctx, &e->kept);
}
