/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plugd_priv.h - what plugd.c, plugd_flags.c and plugd_sock.c share. */
#ifndef LIB_PLUGD_PRIV_H
#define LIB_PLUGD_PRIV_H

#include <limits.h>
#include <sys/stat.h>

#include "lib/plugd.h"

struct plugd_sock {
	int fd; /* until rpc_start() takes it */
	bool ours, told;
	char path[PATH_MAX];
	struct stat made; /* of the file, when we made it */
};

/*
 * plugd_flags() - fill @d from the command line and the config file.
 *
 * Return: 0: go on; 1: all was said (--help), exit 0; -EINVAL: told on stderr.
 */
int plugd_flags(struct plugd *d, int argc, char **argv);

/* From LISTEN_FDS, or made at <plugin-dir>/<name>.sock. */
int plugd_sock_open(struct plugd_sock *k, const struct plugd *d,
		    struct err *err);
/* 1: the file of a socket we made is gone or another's: listen again. */
int plugd_sock_lost(const struct plugd_sock *k);
int plugd_sock_make(struct plugd_sock *k, struct err *err);
void plugd_sock_unlink(const struct plugd_sock *k);
/* mkdir -p, 0755 for what is made on the way. */
int plugd_mkdirs(const char *path, mode_t mode, struct err *err);

#endif
