// SPDX-License-Identifier: GPL-2.0-or-later
/* Which names may be told. */
#include <string.h>
#include <strings.h>

#include "lib/log.h"
#include "runtime/names/names.h"

#define LABEL_MAX 63

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* What is wrong with the letters and lengths of @name; NULL: nothing. */
static const char *wrong(const char *name)
{
	size_t label = 0;

	for (const char *s = name; *s; s++) {
		if (*s == '.' && label == 0)
			return "an empty label";
		if (*s != '.' && !letter(*s))
			return "only letters, digits, '-', '_' and '.' can be "
			       "in a name";
		label = *s == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return "a label of more than 63 characters";
	}
	if (label == 0)
		return *name ? "it ends in a dot" : "it is empty";
	return strlen(name) < NAMES_NAME_MAX ? NULL
					     : "more than 253 characters";
}

/* RFC 6761: every resolver answers it by itself, or should. */
static bool localhost(const char *name)
{
	size_t len = strlen(name), n = sizeof("localhost") - 1;

	return len >= n && strcasecmp(name + len - n, "localhost") == 0 &&
	       (len == n || name[len - n - 1] == '.');
}

/* 10.0.0.9, and what old resolvers take for one: 10.9, 8. */
static bool address(const char *name)
{
	return name[strspn(name, "0123456789.")] == '\0';
}

int names_valid(const char *name, struct err *err)
{
	const char *why = wrong(name);
	char text[128];

	if (!why && localhost(name))
		why = "\"localhost\" is everyone's own";
	if (!why && address(name))
		why = "it reads as an address";
	return why ? err_set(err, -EINVAL, "%s can't be a name: %s",
			     log_quote(text, sizeof(text), name), why)
		   : 0;
}
