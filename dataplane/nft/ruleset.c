// SPDX-License-Identifier: GPL-2.0-or-later
/* Make, change and compare the driver's two nftables tables. */
#include "dataplane/nft/ruleset.h"

#include <linux/netfilter.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/nft/ruleset_priv.h"
#include "lib/base.h"
#include "lib/fail.h"

struct ruleset {
	struct fw *fw; /* owned */
	char name[64];
	struct fw_table inet, bridge;
	struct fw_table late[2]; /* ip, ip6 */
	int again;               /* device for firewall=respect; 0: none */
	int made_again;          /* what the tables in the kernel say */
	bool there; /* the tables were made and not removed by us since */
	bool untracked, made_untracked; /* the form: wished, in the kernel */
	bool refused; /* the kernel does not take the untracked form */
};

static const struct fw_table *table_of(const struct ruleset *rs,
				       enum set_id set)
{
	return set < SET_BRIDGE_FIRST ? &rs->inet : &rs->bridge;
}

/* Ports are published by maps where the rules translate; without, the same keys
 * are sets. */
static struct fw_set set_of(const struct ruleset *rs, enum set_id id)
{
	struct fw_set set = ruleset_sets[id];

	if (rs->untracked && id >= SET_ADDR4 && id <= SET_ANY6R)
		set.data_type = set.data_len = 0;
	return set;
}

static bool tracks(const struct fw_expr *e)
{
	for (; e->kind != FW_KIND_END; e++)
		if (e->kind == FW_KIND_CT || e->kind == FW_KIND_CT_SET ||
		    e->kind == FW_KIND_NAT || e->kind == FW_KIND_MASQ ||
		    e->kind == FW_KIND_NOTRACK)
			return true;
	return false;
}

/* Is @r in the form that the tables are to have? */
static bool in_form(const struct ruleset *rs, const struct chain_rule *r)
{
	return !rs->untracked || !tracks(r->exprs);
}

#define LISTS 3

/* The inet table's chains in that form, but for firewall=respect. */
static void inet_lists(const struct ruleset *rs,
		       const struct chain_def *ret[static LISTS])
{
	ret[0] = ruleset_wire_chains;
	ret[1] = rs->untracked ? ruleset_filter_chains : ruleset_nat_chains;
	ret[2] = rs->untracked ? ruleset_untracked_chains
			       : ruleset_filter_chains;
}

/* Made by an earlier daemon: in which form? */
static int find_form(struct ruleset *rs, struct err *err)
{
	int r = fw_chain_find(rs->fw, &rs->inet, "astray", NULL, err);

	if (r < 0 && r != -ENOENT)
		return r;
	rs->untracked = rs->made_untracked = r == 0;
	return 0;
}

int ruleset_open(const char *driver, struct ruleset **ret, struct err *err)
{
	_cleanup_(ruleset_closep) struct ruleset *rs = calloc(1, sizeof(*rs));
	int r;

	if (!rs)
		return err_set(err, -ENOMEM, "nftables");
	snprintf(rs->name, sizeof(rs->name), "%s", driver);
	rs->inet = (struct fw_table){ NFPROTO_INET, rs->name };
	rs->bridge = (struct fw_table){ NFPROTO_BRIDGE, rs->name };
	rs->late[0] = (struct fw_table){ NFPROTO_IPV4, rs->name };
	rs->late[1] = (struct fw_table){ NFPROTO_IPV6, rs->name };
	r = fw_open(&rs->fw, err);
	if (r < 0)
		return r;
	r = fw_table_find(rs->fw, &rs->inet, err);
	if (r < 0 && r != -ENOENT)
		return err_wrap(err, r, "nftables");
	if (err)
		err->msg[0] = '\0';
	rs->there = r == 0;
	r = rs->there ? find_form(rs, err) : 0;
	if (r < 0)
		return err_wrap(err, r, "nftables");
	if (err)
		err->msg[0] = '\0';
	*ret = take_ptr(rs);
	return 0;
}

void ruleset_close(struct ruleset *rs)
{
	if (!rs)
		return;
	fw_close(rs->fw);
	free(rs);
}

struct fw *ruleset_fw(struct ruleset *rs)
{
	return rs->fw;
}

bool ruleset_is_ours(const struct ruleset *rs, const struct fw_event *e)
{
	if (e->portid == fw_portid(rs->fw))
		return false;
	return strcmp(e->table, rs->name) == 0;
}

void ruleset_set_again(struct ruleset *rs, int index)
{
	rs->again = index;
}

void ruleset_set_tracked(struct ruleset *rs, bool tracked)
{
	rs->untracked = !tracked && !rs->refused;
}

bool ruleset_is_tracked(const struct ruleset *rs)
{
	return !rs->made_untracked;
}

bool ruleset_is_as_set(const struct ruleset *rs)
{
	return rs->made_untracked == rs->untracked;
}

bool ruleset_can_untracked(const struct ruleset *rs)
{
	return !rs->refused;
}

/* ---- all of it ---------------------------------------------------------- */

static void make_chains(const struct ruleset *rs, struct fw_batch *b,
			const struct fw_table *t, const struct chain_def *defs)
{
	for (const struct chain_def *d = defs; d->chain.name; d++)
		fw_chain_add(b, t, &d->chain);
	for (const struct chain_def *d = defs; d->chain.name; d++) {
		for (const struct chain_rule *r = d->rules; r->exprs; r++) {
			const struct fw_rule rule = { .chain = d->chain.name,
						      .exprs = r->exprs,
						      .comment = r->comment };

			if (in_form(rs, r))
				fw_rule_add(b, t, &rule);
		}
	}
}

/* Add or delete what a walk yields; the batch joins neighbours of one set into
 * one message. */
struct adder {
	const struct ruleset *rs;
	struct fw_batch *b;
	bool del;
};

static void change_elem(void *ctx, enum set_id set, const struct fw_elem *e)
{
	struct adder *a = ctx;
	const struct fw_table *t = table_of(a->rs, set);
	const struct fw_set s = set_of(a->rs, set);

	if (a->del)
		fw_elem_del(a->b, t, &s, e);
	else
		fw_elem_add(a->b, t, &s, e, false);
}

/* Walk everything in @st. */
static int each_elem(const struct state *st, elem_fn fn, void *ctx)
{
	for (size_t i = 0; i < st->networks.count; i++)
		elems_network(st->networks.items[i], fn, ctx);
	for (size_t i = 0; i < st->ports.count; i++) {
		const struct state_port *p = st->ports.items[i];
		const struct dp_network *net =
			state_network(st, p->port.network);

		if (net)
			elems_port(net, &p->port, fn, ctx);
	}
	for (size_t i = 0; i < st->pubs.count; i++) {
		const struct state_row *row = st->pubs.items[i];
		const struct dp_network *net =
			state_network(st, state_row_network(row));
		struct state_pub p = { 0 };
		int r = net ? state_row_view(row, &p, NULL) : 0;

		if (net && r == 0)
			r = elems_publish(net, &p.pub, fn, ctx);
		portmap_free(&p.pub.ports);
		if (r < 0)
			return r;
	}
	elems_links(st, fn, ctx);
	return 0;
}

static void remove_table(struct fw_batch *b, const struct fw_table *t)
{
	fw_table_add(b, t); /* so that removing succeeds in any case */
	fw_table_del(b, t);
}

static void make_again(struct fw_batch *b, const struct ruleset *rs)
{
	make_chains(rs, b, &rs->inet, ruleset_again_chains);
	for (size_t i = 0; i < ARRAY_SIZE(rs->late); i++) {
		fw_table_add(b, &rs->late[i]);
		ruleset_late(b, &rs->late[i], rs->again);
	}
}

static int rebuild(struct ruleset *rs, const struct state *st, struct err *err)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = fw_batch_new(rs->fw);
	struct adder add = { .rs = rs, .b = b };
	const struct chain_def *lists[LISTS];
	int r;

	if (!b)
		return err_set(err, -ENOMEM, "nftables");
	if (st->networks.count == 0 && !rs->there)
		return 0;
	remove_table(b, &rs->inet);
	remove_table(b, &rs->bridge);
	remove_table(b, &rs->late[0]);
	remove_table(b, &rs->late[1]);
	if (st->networks.count) {
		fw_table_add(b, &rs->inet);
		fw_table_add(b, &rs->bridge);
		for (enum set_id s = 0; s < SET_MAX; s++) {
			const struct fw_set set = set_of(rs, s);

			fw_set_add(b, table_of(rs, s), &set);
		}
		inet_lists(rs, lists);
		for (size_t i = 0; i < LISTS; i++)
			make_chains(rs, b, &rs->inet, lists[i]);
		make_chains(rs, b, &rs->bridge, ruleset_bridge_chains);
		if (rs->again)
			make_again(b, rs);
		r = each_elem(st, change_elem, &add);
		if (r < 0)
			return err_set(err, r, "nftables");
	}
	r = fw_commit(b, err);
	if (r < 0)
		return err_wrap(err, r, "nftables table %s", rs->name);
	rs->there = st->networks.count > 0;
	rs->made_again = rs->again;
	rs->made_untracked = rs->untracked;
	return 0;
}

int ruleset_rebuild(struct ruleset *rs, const struct state *st, struct err *err)
{
	int r = rs->untracked && st->networks.count ? FAILPOINT("nft.untracked")
						    : 0;

	if (r < 0)
		err_set(err, r, "test: nft.untracked");
	else
		r = rebuild(rs, st, err);
	if (r == 0 || !rs->untracked || st->networks.count == 0)
		return r;
	/* a kernel without nft_socket, say; the other form needs nothing new */
	rs->refused = true;
	rs->untracked = false;
	if (err)
		err->msg[0] = '\0';
	return rebuild(rs, st, err);
}

/* ---- one change --------------------------------------------------------- */

static int walk_change(const struct ruleset_change *c, struct adder *a)
{
	int r = 0;

	a->del = true;
	if (c->pub_old)
		r = elems_publish(c->net_old, c->pub_old, change_elem, a);
	if (r < 0)
		return r;
	if (c->port_old)
		elems_port(c->net_old, c->port_old, change_elem, a);
	if (c->net_old && c->net_old != c->net_new)
		elems_network(c->net_old, change_elem, a);

	a->del = false;
	if (c->net_new && c->net_old != c->net_new)
		elems_network(c->net_new, change_elem, a);
	if (c->port_new)
		elems_port(c->net_new, c->port_new, change_elem, a);
	if (c->pub_new)
		r = elems_publish(c->net_new, c->pub_new, change_elem, a);
	return r;
}

int ruleset_apply(struct ruleset *rs, const struct state *st,
		  const struct ruleset_change *change, struct err *err)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = fw_batch_new(rs->fw);
	struct adder a = { .rs = rs, .b = b };
	int r;

	if (!b)
		return err_set(err, -ENOMEM, "nftables");
	if (!rs->there || st->networks.count == 0 ||
	    rs->made_again != rs->again || rs->made_untracked != rs->untracked)
		return ruleset_rebuild(rs, st, err);
	r = walk_change(change, &a);
	if (r < 0)
		return err_set(err, r, "nftables");
	r = fw_commit(b, err);
	if (r == 0)
		return 0;
	/* The first thing that is not as we left it: somebody changed or
	 * flushed our tables.  All of it anew, or the error of that. */
	if (err)
		err->msg[0] = '\0';
	return ruleset_rebuild(rs, st, err);
}

int ruleset_links(struct ruleset *rs, const struct state *st, struct err *err)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = fw_batch_new(rs->fw);
	struct adder a = { .rs = rs, .b = b };
	int r;

	if (!b)
		return err_set(err, -ENOMEM, "nftables");
	if (!rs->there || st->networks.count == 0)
		return 0;
	if (rs->made_untracked != rs->untracked)
		return ruleset_rebuild(rs, st, err);
	fw_set_flush(b, &rs->inet, ruleset_sets[SET_FOREIGN].name);
	fw_set_flush(b, &rs->inet, ruleset_sets[SET_FRIENDS].name);
	fw_set_flush(b, &rs->inet, ruleset_sets[SET_WITHIN].name);
	fw_set_flush(b, &rs->inet, ruleset_sets[SET_STOP].name);
	elems_links(st, change_elem, &a);
	r = fw_commit(b, err);
	if (r == 0)
		return 0;
	if (err)
		err->msg[0] = '\0';
	return ruleset_rebuild(rs, st, err);
}

int ruleset_stops(struct ruleset *rs, const char *driver, bool v6,
		  struct err *err)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	const struct fw_set *set = &ruleset_sets[SET_STOP];
	const struct fw_table t = { NFPROTO_INET, driver };
	const struct fw_elem mine = { .key = &families[v6] };
	struct fw_digest got = { 0 }, want = { 0 };
	int r = fw_set_digest(rs->fw, &t, set->name, &got, err);

	if (r < 0) {
		if (r == -ENOENT && err)
			err->msg[0] = '\0';
		return r == -ENOENT ? 0 : r;
	}
	fw_digest_add(&want, set, &mine);
	/* both families, or this one */
	return got.count == 2 || (got.count == 1 && got.sum == want.sum);
}

/* ---- compare ------------------------------------------------------------ */

struct checker {
	struct ruleset *rs;
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	int found;
	struct fw_digest want[SET_MAX];
};

__attribute__((format(printf, 2, 3))) static void differs(struct checker *c,
							  const char *fmt, ...)
{
	char line[256];
	va_list ap;

	c->found++;
	if (!c->fn)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	c->fn(c->ctx, line);
}

static void want_elem(void *ctx, enum set_id set, const struct fw_elem *e)
{
	struct checker *c = ctx;
	const struct fw_set s = set_of(c->rs, set);

	fw_digest_add(&c->want[set], &s, e);
}

static int count_rule(void *ctx, const struct fw_rule_info *r)
{
	size_t *n = ctx;

	(void)r;
	(*n)++;
	return 0;
}

static size_t count_wanted(const struct ruleset *rs,
			   const struct chain_def *defs, const char *chain)
{
	size_t n = 0;

	for (const struct chain_def *d = defs; d->chain.name; d++)
		for (const struct chain_rule *r = d->rules;
		     strcmp(d->chain.name, chain) == 0 && r->exprs; r++)
			n += in_form(rs, r);
	return n;
}

/* @more: has further rules of some of @defs' chains; or NULL. */
static int check_chains(struct checker *c, const struct fw_table *t,
			const struct chain_def *defs,
			const struct chain_def *more, struct err *err)
{
	for (const struct chain_def *d = defs; d->chain.name; d++) {
		size_t want = count_wanted(c->rs, defs, d->chain.name);
		size_t have = 0;
		int r = fw_rule_each(c->rs->fw, t, d->chain.name, count_rule,
				     &have, err);

		if (r < 0 && r != -ENOENT)
			return r;
		if (more)
			want += count_wanted(c->rs, more, d->chain.name);
		if (r == -ENOENT)
			differs(c, "nftables: chain %s %s %s is missing",
				fw_family_str(t->family), t->name,
				d->chain.name);
		else if (want != have)
			differs(c,
				"nftables: chain %s %s %s has %zu rules, "
				"should have %zu",
				fw_family_str(t->family), t->name,
				d->chain.name, have, want);
	}
	return 0;
}

static int check_inet(struct checker *c, struct err *err)
{
	const struct chain_def *lists[LISTS];
	int r = 0;

	inet_lists(c->rs, lists);
	for (size_t i = 0; r == 0 && i < LISTS; i++) {
		/* of the untracked form each of the last two has rules in the
		 * other's chains */
		const struct chain_def *more =
			!c->rs->untracked || i == 0 ? NULL : lists[3 - i];

		r = check_chains(c, &c->rs->inet, lists[i], more, err);
	}
	return r;
}

static int check_sets(struct checker *c, struct err *err)
{
	for (enum set_id s = 0; s < SET_MAX; s++) {
		const struct fw_table *t = table_of(c->rs, s);
		const struct fw_digest *want = &c->want[s];
		struct fw_digest have = { 0 };
		int r = fw_set_digest(c->rs->fw, t, ruleset_sets[s].name, &have,
				      err);

		if (r < 0 && r != -ENOENT)
			return r;
		if (r == -ENOENT)
			differs(c, "nftables: set %s %s %s is missing",
				fw_family_str(t->family), t->name,
				ruleset_sets[s].name);
		else if (have.count != want->count)
			differs(c,
				"nftables: set %s %s %s has %zu elements, "
				"should have %zu",
				fw_family_str(t->family), t->name,
				ruleset_sets[s].name, have.count, want->count);
		else if (have.sum != want->sum)
			differs(c,
				"nftables: set %s %s %s has other elements "
				"than it should",
				fw_family_str(t->family), t->name,
				ruleset_sets[s].name);
	}
	return 0;
}

static int check_table(struct checker *c, const struct fw_table *t, bool want,
		       struct err *err)
{
	int r = fw_table_find(c->rs->fw, t, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (want != (r == 0))
		differs(c, "nftables: table %s %s is %s",
			fw_family_str(t->family), t->name,
			want ? "missing" : "there without a network");
	return 0;
}

static int check_tables(struct checker *c, bool want, struct err *err)
{
	struct ruleset *rs = c->rs;
	int r = check_table(c, &rs->inet, want, err);

	if (r == 0)
		r = check_table(c, &rs->bridge, want, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rs->late); i++)
		r = check_table(c, &rs->late[i], want && rs->again, err);
	return r;
}

int ruleset_missing(struct ruleset *rs, const struct state *st, struct err *err)
{
	struct checker c = { .rs = rs };
	int r = check_tables(&c, st->networks.count > 0, err);

	if (r == 0 && err)
		err->msg[0] = '\0';
	return r < 0 ? r : c.found;
}

static int check_late(struct checker *c, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->rs->late); i++) {
		const struct fw_table *t = &c->rs->late[i];
		size_t have = 0;
		int r = fw_rule_each(c->rs->fw, t, "late", count_rule, &have,
				     err);

		if (r < 0 && r != -ENOENT)
			return r;
		if (have != LATE_RULES)
			differs(c,
				"nftables: chain %s %s late has %zu rules, "
				"should have %u",
				fw_family_str(t->family), t->name, have,
				LATE_RULES);
	}
	return 0;
}

int ruleset_check(struct ruleset *rs, const struct state *st,
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err)
{
	struct checker c = { .rs = rs, .fn = fn, .ctx = ctx };
	bool want = st->networks.count > 0;
	int r = check_tables(&c, want, err);

	if (r == 0 && want && c.found == 0)
		r = each_elem(st, want_elem, &c);
	if (r == 0 && want && c.found == 0)
		r = check_inet(&c, err);
	if (r == 0 && want && c.found == 0)
		r = check_chains(&c, &rs->bridge, ruleset_bridge_chains, NULL,
				 err);
	if (r == 0 && want && c.found == 0 && rs->again)
		r = check_chains(&c, &rs->inet, ruleset_again_chains, NULL,
				 err);
	if (r == 0 && want && c.found == 0 && rs->again)
		r = check_late(&c, err);
	if (r == 0 && want && c.found == 0)
		r = check_sets(&c, err);
	if (r < 0)
		return r;
	if (err)
		err->msg[0] = '\0';
	return c.found;
}
