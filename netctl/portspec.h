/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portspec.h - a balanced port and its backends as they are typed. */
#ifndef NETCTL_PORTSPEC_H
#define NETCTL_PORTSPEC_H

#include <stdint.h>

#include "lib/err.h"

/* "8080", "8080/udp", "10.0.0.1:8080", "[::1]:8080/tcp". */
struct portspec {
	char ip[64];   /* as the daemons write it; "": any */
	char proto[8]; /* "tcp", "udp", "sctp" */
	uint16_t port;
};

/* "web", "web:80", "10.0.0.2:80*3", "fd00::2", "[fd00::2]:80". */
struct backendspec {
	char name[128];  /* a container's name or id, or an address */
	uint16_t port;   /* 0: not said */
	uint16_t weight; /* 0: not said */
};

/* Return: 0; -EINVAL, saying what would be right. */
int portspec_parse(const char *text, struct portspec *ret, struct err *err);
int backendspec_parse(const char *text, struct backendspec *ret,
		      struct err *err);

#endif
