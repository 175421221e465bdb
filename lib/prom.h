/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prom.h - figures in Prometheus' text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * A family is announced, then all of its samples follow.  Out of memory is told
 * once, at the end.
 */
#ifndef LIB_PROM_H
#define LIB_PROM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum prom_type {
	PROM_GAUGE,
	PROM_COUNTER, /* @name ends in "_total" */
	PROM_HISTOGRAM,
};

/* Borrowed; a list of them ends with { 0 }. */
struct prom_label {
	const char *name, *value;
};

struct prom;

struct prom *prom_new(void); /* NULL: out of memory */
void prom_free(struct prom *p);
DEFINE_CLEANUP(struct prom, prom_free)

/* @name, @help: one line, borrowed until the next family or the end. */
void prom_family(struct prom *p, const char *name, enum prom_type type,
		 const char *help);
/* A sample of the last family.  @suffix: "", or "_bucket", "_sum", "_count". */
void prom_u64(struct prom *p, const char *suffix,
	      const struct prom_label *labels, uint64_t value);
/* @value: a number, in decimal. */
void prom_number(struct prom *p, const char *suffix,
		 const struct prom_label *labels, const char *value);
/* Microseconds, shown as seconds. */
void prom_us(struct prom *p, const char *suffix,
	     const struct prom_label *labels, uint64_t us);

/*
 * prom_end() - the text; nothing more is added.
 * Return: owned; NULL: out of memory.
 */
char *prom_end(struct prom *p, size_t *ret_len);

#endif
