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

static size_t line_len(const char *p)
{
	size_t n = strcspn(p, "\n");

	return n + (p[n] == '\n');
}

/* The next family from @p on, or the end. */
static const char *next_family(const char *p)
{
	while (*p && strncmp(p, HELP, strlen(HELP)) != 0)
		p += line_len(p);
	return p;
}

static bool has_name(const char *family, const char *name, size_t len)
{
	family += strlen(HELP);
	return strncmp(family, name, len) == 0 &&
	       (family[len] == ' ' || family[len] == '\n');
}

/* NULL: it is not in the page, or not before @end. */
static const char *find(const char *page, const char *end, const char *name,
			size_t len)
{
	for (const char *p = next_family(page); *p && p != end;
	     p = next_family(p + line_len(p)))
		if (has_name(p, name, len))
			return p;
	return NULL;
}

/* The lines of the family at @p to @at.  @head: with what is said of it.  Return: what
 * follows in the text. */
static char *copy(char *at, const char *p, bool head)
{
	const char *end = next_family(p + line_len(p));

	for (; p != end; p += line_len(p))
		if (*p != '#' || head)
			at = mempcpy(at, p, line_len(p));
	return at;
}

static bool was_copied(const char *const *pages, size_t page,
		       const char *family, const char *name, size_t len)
{
	for (size_t i = 0; i < page; i++)
		if (find(pages[i], NULL, name, len))
			return true;
	return find(pages[page], family, name, len) != NULL;
}

char *figures_join(const char *const *pages, size_t count, size_t *ret_len)
{
	size_t len = 0, name_len;
	char *text, *at;

	for (size_t i = 0; i < count; i++)
		len += strlen(pages[i]);
	text = at = malloc(len + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < count; i++)
		for (const char *p = next_family(pages[i]); *p;
		     p = next_family(p + line_len(p))) {
			const char *name = p + strlen(HELP), *more;

			name_len = strcspn(name, " \n");
			if (was_copied(pages, i, p, name, name_len))
				continue;
			at = copy(at, p, true);
			for (size_t k = i + 1; k < count; k++) {
				more = find(pages[k], NULL, name, name_len);
				if (more)
					at = copy(at, more, false);
			}
		}
	*at = '\0';
	*ret_len = (size_t)(at - text);
	return text;
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
