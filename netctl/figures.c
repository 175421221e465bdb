/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages of figures of all daemons as one. */
#include "netctl/figures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/client.h"
#include "lib/prom.h"
#include "netctl/drivers.h"

#define HELP "# HELP "

/* ---- joining --------------------------------------------------------------------- */

struct family {
	struct family *next;
	const char *name; /* borrowed from a page, not ended */
	size_t name_len;
	FILE *to;   /* writes .text */
	char *text; /* owned */
	size_t len;
};

static void families_freep(struct family **list)
{
	while (*list) {
		struct family *f = *list;

		*list = f->next;
		if (f->to)
			fclose(f->to);
		free(f->text);
		free(f);
	}
}

/* @ret_new: it was not there.  NULL: out of memory. */
static struct family *find(struct family **list, const char *name, size_t len,
			   bool *ret_new)
{
	struct family *f;

	*ret_new = false;
	while ((f = *list)) {
		if (f->name_len == len && memcmp(f->name, name, len) == 0)
			return f;
		list = &f->next;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->name = name;
	f->name_len = len;
	f->to = open_memstream(&f->text, &f->len);
	if (!f->to) {
		free(f);
		return NULL;
	}
	*ret_new = true;
	*list = f;
	return f;
}

static size_t line_len(const char *p)
{
	size_t n = strcspn(p, "\n");

	return n + (p[n] == '\n');
}

static bool begins_family(const char *p)
{
	return strncmp(p, HELP, strlen(HELP)) == 0;
}

/* The lines of a family, but for a head that is there.  Return: what follows them;
 * NULL: out of memory. */
static const char *add_family(struct family **list, const char *p)
{
	const char *name = p + strlen(HELP);
	bool is_new;
	struct family *f = find(list, name, strcspn(name, " \n"), &is_new);

	if (!f)
		return NULL;
	do {
		if (*p != '#' || is_new)
			fwrite(p, 1, line_len(p), f->to);
		p += line_len(p);
	} while (*p && !begins_family(p));
	return p;
}

/* What stands before the first family belongs to none. */
static int add_page(struct family **list, const char *p)
{
	while (*p && !begins_family(p))
		p += line_len(p);
	while (p && *p)
		p = add_family(list, p);
	return p ? 0 : -ENOMEM;
}

char *figures_join(const char *const *pages, size_t count, size_t *ret_len)
{
	_cleanup_(families_freep) struct family *list = NULL;
	size_t len = 0;
	char *all, *at;

	for (size_t i = 0; i < count; i++)
		if (add_page(&list, pages[i]) < 0)
			return NULL;
	for (struct family *f = list; f; f = f->next) {
		bool failed = ferror(f->to);

		if (fclose(take_ptr(f->to)) != 0 || failed)
			return NULL;
		len += f->len;
	}
	all = at = malloc(len + 1);
	if (!all)
		return NULL;
	for (const struct family *f = list; f; f = f->next) {
		memcpy(at, f->text, f->len);
		at += f->len;
	}
	*at = '\0';
	*ret_len = len;
	return all;
}

/* ---- asking ---------------------------------------------------------------------- */

#define DAEMONS_MAX 16

struct pages {
	char *text[DAEMONS_MAX + 1]; /* owned; the last is berth_up's */
	size_t count;
};

static void pages_fini(struct pages *pages)
{
	for (size_t i = 0; i < pages->count; i++)
		free(pages->text[i]);
}

/* Return: 1: @ret is its page; 0: it is not in use; -errno. */
static int ask(const struct ctl *ctl, const char *name, char **ret,
	       struct err *err)
{
	_cleanup_free_ char *sock = driver_sock(ctl, name);
	size_t len;
	int r;

	if (!sock)
		return err_set(err, -ENOMEM, "out of memory");
	r = client_text_get(sock, "/metrics", ctl->timeout_ms, ret, &len, err);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int figures_collect(const struct ctl *ctl, char **ret, size_t *ret_len,
		    struct err *err)
{
	_cleanup_(pages_fini) struct pages pages = { .count = 0 };
	_cleanup_(prom_freep) struct prom *up = prom_new();
	size_t len;
	int r;

	if (!up)
		return err_set(err, -ENOMEM, "out of memory");
	prom_family(up, "berth_up", PROM_GAUGE,
		    "Does the daemon answer?  None, where it has no socket.");
	for (const struct driver *d = drivers; d->name; d++) {
		const struct prom_label own[] = { { "driver", d->name },
						  { 0 } };
		struct err why = { 0 };

		if (pages.count == DAEMONS_MAX)
			break;
		r = ask(ctl, d->name, &pages.text[pages.count], &why);
		if (r == -ENOMEM)
			return err_set(err, r, "%s", why.msg);
		if (r < 0)
			cli_warn("%s", why.msg);
		if (r != 0)
			prom_u64(up, "", own, r > 0);
		pages.count += r > 0;
	}
	pages.text[pages.count] = prom_end(up, &len);
	if (!pages.text[pages.count])
		return err_set(err, -ENOMEM, "out of memory");
	pages.count++;
	*ret = figures_join((const char *const *)pages.text, pages.count,
			    ret_len);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}
