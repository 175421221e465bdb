/* SPDX-License-Identifier: GPL-2.0-or-later */
/* badreq_values.h - JSON texts for each type of field. */
#ifndef INTEGRATION_TOOLS_BADREQ_VALUES_H
#define INTEGRATION_TOOLS_BADREQ_VALUES_H

#include <stdbool.h>

#include "lib/jdec.h"

enum kind {
	KIND_NULL,
	KIND_FALSE,
	KIND_TRUE,
	KIND_INT,
	KIND_NEGATIVE,
	KIND_REAL,
	KIND_HUGE,
	KIND_EMPTY,
	KIND_STRING,
	KIND_ARRAY,
	KIND_OBJECT,
	KIND_MAX,
};

/* One of each kind. */
extern const char *const value_kinds[KIND_MAX];

/* Texts that are wrong for the type; each list is ended by NULL. */
extern const char *const value_bad_numbers[];
extern const char *const value_bad_texts[];
extern const char *const value_bad_ids[];
extern const char *const value_bad_ips[];
extern const char *const value_bad_prefixes[];
extern const char *const value_bad_macs[];

bool value_is_text(const struct jdec_field *f);
bool value_is_number(const struct jdec_field *f);
/* Would a right decoder take it? */
bool value_kind_fits(const struct jdec_field *f, enum kind k);
/* The smallest right value. */
const char *value_sample(const struct jdec_field *f);

#endif
