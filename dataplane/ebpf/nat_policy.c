/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of who may reach a published port, as entries of a trie. */
#include "dataplane/ebpf/nat_policy.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "dataplane/ebpf/nat_priv.h"
#include "lib/fail.h"

struct entry {
	struct nat_policy_key key;
	__u32 verdict;
};

struct entries {
	struct entry *e; /* owned */
	size_t count, room;
};

static void entries_fini(struct entries *l)
{
	free(l->e);
}

static int add(struct entries *l, const struct nat_policy_key *key,
	       __u32 verdict, struct err *err)
{
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct entry *p = reallocarray(l->e, room, sizeof(*p));

		if (!p)
			return err_set(err, -ENOMEM, "lists: out of memory");
		l->e = p;
		l->room = room;
	}
	l->e[l->count++] = (struct entry){ *key, verdict };
	return 0;
}

/* ---- a list as entries --------------------------------------------------- */

/* IPv4 is ::ffff:0:0/96 here. */
static struct nat_policy_key key_of(uint32_t id, const struct ip_prefix *net)
{
	struct nat_policy_key k = { .policy = id };

	k.bits = NAT_POLICY_BITS + net->len +
		 (net->addr.family == AF_INET ? 96u : 0u);
	nat_addr(k.addr, &net->addr);
	return k;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nat_policy_key));
}

/* By key, what denies first. */
static int by_entry(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;
	int c = by_key(a, b);

	return c ? c : (a->verdict > b->verdict) - (a->verdict < b->verdict);
}

/* Both families have an entry for everybody, so that a prefix of IPv6 that is
 * as short as ::/0 says nothing of IPv4. */
static int add_others(struct entries *l, const struct nat_policy_list *list,
		      struct err *err)
{
	const __u32 verdict = dp_policy_allows_others(list->policy)
				      ? NAT_POLICY_ALLOW
				      : NAT_POLICY_DENY;
	static const struct ip_prefix all[] = {
		{ .addr.family = AF_INET },
		{ .addr.family = AF_INET6 },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++) {
		struct nat_policy_key k = key_of(list->id, &all[i]);
		bool said = false;

		for (uint32_t n = 0; n < list->policy->count; n++) {
			const struct ip_prefix *p = &list->policy->rules[n].net;

			said = said || (p->len == 0 &&
					p->addr.family == all[i].addr.family);
		}
		if (!said)
			r = add(l, &k, verdict, err);
	}
	return r;
}

static int expand(const struct nat_policy_list *lists, size_t count,
		  struct entries *ret, struct err *err)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct dp_policy *p = lists[i].policy;

		r = add_others(ret, &lists[i], err);
		for (uint32_t k = 0; r == 0 && k < p->count; k++) {
			const struct nat_policy_key key =
				key_of(lists[i].id, &p->rules[k].net);

			r = add(ret, &key,
				p->rules[k].allow ? NAT_POLICY_ALLOW
						  : NAT_POLICY_DENY,
				err);
		}
	}
	if (r < 0 || !ret->count)
		return r;
	qsort(ret->e, ret->count, sizeof(*ret->e), by_entry);
	for (size_t i = 0; i < ret->count; i++)
		if (!n || by_key(&ret->e[n - 1], &ret->e[i]) != 0)
			ret->e[n++] = ret->e[i];
	ret->count = n;
	return 0;
}

/* ---- the map against the list -------------------------------------------- */

static int fd_of(const struct nat *nat)
{
	return bpf_map__fd(nat->skel->maps.nat_policy);
}

static int map_error(int r, struct err *err)
{
	if (r == -ENOSPC || r == -E2BIG)
		return err_set(err, -E2BIG,
			       "the table of allowed and denied addresses is "
			       "full: %d",
			       NAT_POLICY_MAX);
	return err_set(err, r, "table of allowed and denied addresses: %s",
		       strerror(-r));
}

/* A trie's lookup may find a shorter prefix, so all of it is read.  Nobody else
 * writes it. */
static int read_map(const struct nat *nat, struct entries *ret, struct err *err)
{
	struct nat_policy_key key;
	const void *from = NULL;
	__u32 verdict;
	int r = 0;

	while (r == 0 && bpf_map_get_next_key(fd_of(nat), from, &key) == 0) {
		from = &key;
		r = bpf_map_lookup_elem(fd_of(nat), &key, &verdict);
		r = r < 0 ? map_error(r, err) : add(ret, &key, verdict, err);
	}
	if (r == 0 && ret->count)
		qsort(ret->e, ret->count, sizeof(*ret->e), by_entry);
	return r;
}

static const struct entry *find(const struct entries *l, const struct entry *e)
{
	return l->count ? bsearch(e, l->e, l->count, sizeof(*e), by_key) : NULL;
}

static int put(struct nat *nat, const struct entry *e, struct err *err)
{
	int r = FAILPOINT("nat.policy.put");

	if (r == 0)
		r = bpf_map_update_elem(fd_of(nat), &e->key, &e->verdict,
					BPF_ANY);
	return r < 0 ? map_error(r, err) : 0;
}

/* Add and change what is not in @there as in @want, of one verdict; what was
 * done is noted. */
static int put_all(struct nat *nat, const struct entries *want,
		   const struct entries *there, __u32 verdict,
		   struct entries *done, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < want->count; i++) {
		const struct entry *e = &want->e[i], *old = find(there, e);

		if (e->verdict != verdict ||
		    (old && old->verdict == e->verdict))
			continue;
		r = add(done, &e->key, e->verdict, err);
		if (r == 0)
			r = put(nat, e, err);
	}
	return r;
}

/* Back to what was there. */
static void undo(struct nat *nat, const struct entries *done,
		 const struct entries *there)
{
	for (size_t i = done->count; i-- > 0;) {
		const struct entry *old = find(there, &done->e[i]);

		if (old)
			(void)bpf_map_update_elem(fd_of(nat), &old->key,
						  &old->verdict, BPF_ANY);
		else
			(void)bpf_map_delete_elem(fd_of(nat), &done->e[i].key);
	}
}

static int drop_rest(struct nat *nat, const struct entries *want,
		     const struct entries *there, struct err *err)
{
	int n = 0;

	for (size_t i = 0; i < there->count; i++) {
		int r;

		if (find(want, &there->e[i]))
			continue;
		r = bpf_map_delete_elem(fd_of(nat), &there->e[i].key);
		if (r < 0 && r != -ENOENT)
			return map_error(r, err);
		n++;
	}
	return n;
}

int nat_policy_sync(struct nat *nat, const struct nat_policy_list *lists,
		    size_t count, struct err *err)
{
	_cleanup_(entries_fini) struct entries want = { 0 }, there = { 0 },
					       done = { 0 };
	int r = expand(lists, count, &want, err);

	if (r == 0)
		r = read_map(nat, &there, err);
	if (r < 0)
		return r;
	r = put_all(nat, &want, &there, NAT_POLICY_DENY, &done, err);
	if (r == 0)
		r = put_all(nat, &want, &there, NAT_POLICY_ALLOW, &done, err);
	if (r < 0) {
		undo(nat, &done, &there);
		return r;
	}
	r = drop_rest(nat, &want, &there, err);
	return r < 0 ? r : r + (int)done.count;
}

int nat_policy_differ(struct nat *nat, const struct nat_policy_list *lists,
		      size_t count, struct err *err)
{
	_cleanup_(entries_fini) struct entries want = { 0 }, there = { 0 };
	int r = expand(lists, count, &want, err), n = 0;

	if (r == 0)
		r = read_map(nat, &there, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < want.count; i++) {
		const struct entry *old = find(&there, &want.e[i]);

		n += !old || old->verdict != want.e[i].verdict;
	}
	for (size_t i = 0; i < there.count; i++)
		n += !find(&want, &there.e[i]);
	return n;
}
