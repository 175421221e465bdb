/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' text format. */
#include "lib/prom.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct prom {
	FILE *to;   /* writes .text */
	char *text; /* owned */
	size_t len;
	const char *name; /* of the last family */
};

struct prom *prom_new(void)
{
	struct prom *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->to = open_memstream(&p->text, &p->len);
	if (p->to)
		return p;
	free(p);
	return NULL;
}

void prom_free(struct prom *p)
{
	if (!p)
		return;
	if (p->to)
		fclose(p->to);
	free(p->text);
	free(p);
}

void prom_family(struct prom *p, const char *name, enum prom_type type,
		 const char *help)
{
	static const char *const types[] = { [PROM_GAUGE] = "gauge",
					     [PROM_COUNTER] = "counter",
					     [PROM_HISTOGRAM] = "histogram" };

	p->name = name;
	fprintf(p->to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		types[type]);
}

static void put_value(FILE *to, const char *s)
{
	for (; *s; s++)
		if (*s == '\n') {
			fputs("\\n", to);
		} else {
			if (*s == '\\' || *s == '"')
				fputc('\\', to);
			fputc(*s, to);
		}
}

static void begin(struct prom *p, const char *suffix,
		  const struct prom_label *labels)
{
	const char *before = "{";

	fprintf(p->to, "%s%s", p->name, suffix);
	for (; labels && labels->name; labels++) {
		fprintf(p->to, "%s%s=\"", before, labels->name);
		put_value(p->to, labels->value);
		fputc('"', p->to);
		before = ",";
	}
	fputs(*before == ',' ? "} " : " ", p->to);
}

void prom_u64(struct prom *p, const char *suffix,
	      const struct prom_label *labels, uint64_t value)
{
	begin(p, suffix, labels);
	fprintf(p->to, "%" PRIu64 "\n", value);
}

void prom_number(struct prom *p, const char *suffix,
		 const struct prom_label *labels, const char *value)
{
	begin(p, suffix, labels);
	fprintf(p->to, "%s\n", value);
}

void prom_us(struct prom *p, const char *suffix,
	     const struct prom_label *labels, uint64_t us)
{
	begin(p, suffix, labels);
	fprintf(p->to, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000,
		us % 1000000);
}

char *prom_end(struct prom *p, size_t *ret_len)
{
	bool failed = ferror(p->to);

	if (fclose(take_ptr(p->to)) != 0 || failed)
		return NULL;
	*ret_len = p->len;
	return take_ptr(p->text);
}
