/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signame.h - signals by the names that kill(1) takes. */
#ifndef RUNTIME_OCI_SIGNAME_H
#define RUNTIME_OCI_SIGNAME_H

#include "lib/err.h"

/* signame_parse() - "TERM", "sigterm", "15", "SIGRTMIN+3".  Return: 1 to 64;
 * -EINVAL. */
int signame_parse(const char *text, struct err *err);

#endif
