/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which devices a container may use: rules in order, as v1's devices.allow and
 * devices.deny take them, folded to a default and its exceptions.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define ANY (-1)

/* Allowed to every container, after what its configuration says, as by runc. */
#define ALLOW(t, maj, min, rw)                                              \
	{                                                                   \
		.allow = true, .type = (t), .major = (maj), .minor = (min), \
		.read = (rw), .write = (rw), .mknod = true                  \
	}
static const struct cg_device_rule defaults[] = {
	ALLOW('c', ANY, ANY, false), ALLOW('b', ANY, ANY, false),
	ALLOW('c', 1, 3, true),     /* null */
	ALLOW('c', 1, 5, true),     /* zero */
	ALLOW('c', 1, 7, true),     /* full */
	ALLOW('c', 1, 8, true),     /* random */
	ALLOW('c', 1, 9, true),     /* urandom */
	ALLOW('c', 5, 0, true),     /* tty */
	ALLOW('c', 5, 2, true),     /* ptmx */
	ALLOW('c', 136, ANY, true), /* pts */
	ALLOW('c', 10, 200, true),  /* net/tun */
};

static bool same_device(const struct cg_device_rule *a,
			const struct cg_device_rule *b)
{
	return a->type == b->type && a->major == b->major &&
	       a->minor == b->minor;
}

static bool overlaps(const struct cg_device_rule *a,
		     const struct cg_device_rule *b)
{
	return (a->read && b->read) || (a->write && b->write) ||
	       (a->mknod && b->mknod);
}

static bool covers(const struct cg_device_rule *wide,
		   const struct cg_device_rule *rule)
{
	return wide->type == rule->type &&
	       (wide->major == ANY || wide->major == rule->major) &&
	       (wide->minor == ANY || wide->minor == rule->minor);
}

static int add_exception(struct cg_devices *d,
			 const struct cg_device_rule *rule)
{
	struct cg_device_rule *more;

	for (size_t i = 0; i < d->count; i++) {
		struct cg_device_rule *e = &d->rules[i];

		if (same_device(e, rule)) {
			e->read |= rule->read;
			e->write |= rule->write;
			e->mknod |= rule->mknod;
			return 0;
		}
	}
	more = reallocarray(d->rules, d->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	d->rules = more;
	d->rules[d->count++] = *rule;
	return 0;
}

/* Take @rule's rights out of the exceptions.  v1 knows no exception from an
 * exception, and nor do we: better an error than a device more than asked. */
static int drop_exception(struct cg_devices *d,
			  const struct cg_device_rule *rule, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < d->count; i++) {
		struct cg_device_rule *e = &d->rules[i];

		if (!same_device(e, rule) && covers(e, rule) &&
		    overlaps(e, rule))
			return err_set(err, -EINVAL,
				       "devices: %c %lld:%lld can't be taken "
				       "out of the wider rule %c %lld:%lld",
				       rule->type, (long long)rule->major,
				       (long long)rule->minor, e->type,
				       (long long)e->major,
				       (long long)e->minor);
	}
	for (size_t i = 0; i < d->count; i++) {
		struct cg_device_rule e = d->rules[i];

		if (covers(rule, &e)) {
			e.read &= !rule->read;
			e.write &= !rule->write;
			e.mknod &= !rule->mknod;
		}
		if (e.read || e.write || e.mknod)
			d->rules[n++] = e;
	}
	d->count = n;
	return 0;
}

static int fold_rule(struct cg_devices *d, const struct cg_device_rule *rule,
		     struct err *err)
{
	if (rule->type != 'a') {
		if (rule->allow == d->allow)
			return drop_exception(d, rule, err);
		if (add_exception(d, rule) < 0)
			return err_set(err, -ENOMEM, "devices: out of memory");
		return 0;
	}
	if (rule->major != ANY || rule->minor != ANY || !rule->read ||
	    !rule->write || !rule->mknod)
		return err_set(err, -EINVAL,
			       "devices: a rule for all devices is for any "
			       "number and for rwm");
	d->allow = rule->allow;
	d->count = 0;
	return 0;
}

int cg_devices_fold(const struct cgroup_resources *res, struct cg_devices *ret,
		    struct err *err)
{
	const struct cg_device_rule *rules = res ? res->rules.items : NULL;
	size_t n = res ? res->rules.count : 0;
	struct cg_devices d = { 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = fold_rule(&d, &rules[i], err);
		if (r < 0)
			r = err_wrap(err, r, "devices[%zu]", i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(defaults) && r == 0; i++)
		r = fold_rule(&d, &defaults[i], err);
	if (r < 0) {
		cg_devices_free(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void cg_devices_free(struct cg_devices *d)
{
	free(d->rules);
	*d = (struct cg_devices){ 0 };
}

static void number(char *buf, size_t size, int64_t n)
{
	if (n == ANY)
		snprintf(buf, size, "*");
	else
		snprintf(buf, size, "%lld", (long long)n);
}

static int v1_apply(struct cg_part *part, const struct cg_devices *d,
		    struct err *err)
{
	const char *file = d->allow ? "devices.allow" : "devices.deny";
	char text[CG_VALUE_MAX], major[24], minor[24];
	int r = cg_write(part, file, "a");

	if (r < 0)
		return cg_error(err, r, part, file, "a");
	file = d->allow ? "devices.deny" : "devices.allow";
	for (size_t i = 0; i < d->count; i++) {
		const struct cg_device_rule *e = &d->rules[i];

		number(major, sizeof(major), e->major);
		number(minor, sizeof(minor), e->minor);
		snprintf(text, sizeof(text), "%c %s:%s %s%s%s", e->type, major,
			 minor, e->read ? "r" : "", e->write ? "w" : "",
			 e->mknod ? "m" : "");
		r = cg_write(part, file, text);
		if (r < 0)
			return cg_error(err, r, part, file, text);
	}
	return 0;
}

int cg_devices_apply(struct cgroup *cg, const struct cgroup_resources *res,
		     struct err *err)
{
	struct cg_part *v1 = cg_find(cg, "devices"), *v2 = cg_v2(cg);
	struct cg_devices d = { 0 };
	int r;

	if (!v1 && !v2)
		return err_set(err, -EOPNOTSUPP,
			       "devices can't be limited: the v1 controller "
			       "\"devices\" isn't mounted, nor is v2");
	r = cg_devices_fold(res, &d, err);
	if (r < 0)
		return r;
	r = v1 ? v1_apply(v1, &d, err) : cg_bpf_attach(v2, &d, err);
	cg_devices_free(&d);
	return r;
}
