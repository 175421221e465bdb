// SPDX-License-Identifier: GPL-2.0-or-later
/* Limits and the restart policy of a container. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "netctl/box/ask.h"
#include "netctl/jget.h"

#define MEMORY_MIN (6 << 20)

/* ---- numbers -------------------------------------------------------------- */

int box_ask_size(const char *text, int64_t *ret)
{
	static const char units[] = "bkmgt";
	size_t digits = strspn(text, "0123456789");
	const char *rest = text + digits, *unit = units;
	long double n = strtold(text, NULL);

	if (digits && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	rest += *rest == ' ';
	if (*rest)
		unit = strchr(units, tolower((unsigned char)*rest));
	if (!digits || !unit)
		return -EINVAL;
	if (*rest)
		rest++;
	if (*rest && (unit == units || (strcasecmp(rest, "b") != 0 &&
					strcasecmp(rest, "ib") != 0)))
		return -EINVAL;
	n *= (long double)(1ull << 10 * (unsigned int)(unit - units));
	if (n > (long double)(INT64_MAX >> 1))
		return -ERANGE;
	*ret = (int64_t)n;
	return 0;
}

int box_ask_bytes(const char *text, int64_t *ret, struct err *err)
{
	int r = box_ask_size(text, ret);

	if (r == -ERANGE)
		return err_set(err, -EINVAL, "--memory %s is too large", text);
	if (r < 0)
		return err_set(err, -EINVAL,
			       "--memory \"%s\" is no size: write 64m or 1g",
			       text);
	if (*ret < MEMORY_MIN)
		return err_set(err, -EINVAL,
			       "--memory %s is too little: 6m at least", text);
	return 0;
}

int box_ask_cpus(const char *text, int64_t *ret, struct err *err)
{
	int64_t n = 0, unit = 1000000000;
	const char *s = text;
	bool digits = false;

	for (; isdigit((unsigned char)*s) && n < 100000; s++, digits = true)
		n = n * 10 + (*s - '0');
	n *= unit;
	if (*s == '.')
		for (s++; isdigit((unsigned char)*s) && unit > 1; s++) {
			unit /= 10;
			n += unit * (*s - '0');
			digits = true;
		}
	/* the kernel's least quota is 1 ms in 100 */
	if (*s || !digits || n < 10000000)
		return err_set(err, -EINVAL,
			       "--cpus \"%s\" is no number of processors: "
			       "write 1.5; 0.01 at least",
			       text);
	*ret = n;
	return 0;
}

static int ask_pids(const char *text, int64_t *ret, struct err *err)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end || n < -1 || n > INT_MAX)
		return err_set(err, -EINVAL, "--pids-limit \"%s\" is no number",
			       text);
	*ret = n > 0 ? n : 0; /* 0 and -1: none, as Docker */
	return 0;
}

int box_ask_restart(const char *text, const char **ret_name, int64_t *ret_max,
		    struct err *err)
{
	static const char *const names[] = { "no", "always", "unless-stopped",
					     "on-failure" };
	size_t len = strcspn(text, ":");
	char *end;

	*ret_max = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) != len ||
		    strncmp(names[i], text, len) != 0)
			continue;
		*ret_name = names[i];
		if (!text[len])
			return 0;
		errno = 0;
		*ret_max = strtoll(text + len + 1, &end, 10);
		if (i == 3 && isdigit((unsigned char)text[len + 1]) && !*end &&
		    !errno && *ret_max <= INT_MAX)
			return 0;
	}
	return err_set(err, -EINVAL,
		       "--restart \"%s\": write no, always, unless-stopped, "
		       "on-failure or on-failure:TIMES",
		       text);
}

int box_ask_limits(const struct ctl *ctl, json_object *rec, struct err *err)
{
	const struct ctl_box *x = &ctl->box;
	int64_t memory = 0, cpus = 0, pids = 0, max = 0;
	const char *name = "no";
	int r = 0;

	if (x->memory)
		r = box_ask_bytes(x->memory, &memory, err);
	if (r == 0 && x->cpus)
		r = box_ask_cpus(x->cpus, &cpus, err);
	if (r == 0 && x->pids)
		r = ask_pids(x->pids, &pids, err);
	if (r == 0 && x->restart)
		r = box_ask_restart(x->restart, &name, &max, err);
	if (r == 0 && x->remove && strcmp(name, "no") != 0)
		r = err_set(err, -EINVAL,
			    "--rm and --restart %s contradict each other",
			    x->restart);
	jset(rec, "Memory", json_object_new_int64(memory));
	jset(rec, "NanoCpus", json_object_new_int64(cpus));
	jset(rec, "PidsLimit", json_object_new_int64(pids));
	jset_str(rec, "RestartName", name);
	jset(rec, "RestartMax", json_object_new_int64(max));
	return r;
}
