/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * life.h - a daemon's life in a test: stores in a directory of its own, the
 * core on top, requests as the plugin server hands them over.
 */
#ifndef NETPLUGINS_TEST_LIFE_H
#define NETPLUGINS_TEST_LIFE_H

#include "netplugins/net_core.h"

struct life {
	struct plugd d;
	struct net_core *core;
};

/* A directory below /tmp; test_rmdir() removes it. */
void life_mkdir(char dir[static 32]);
int life_open(struct life *l, const char *dir, const struct net_driver *drv,
	      struct err *err);
void life_close(struct life *l);

/*
 * life_call() - one request, @body NULL: an empty one.
 * @deliver: the answer reaches its peer.
 * @ret: the answer's text, at most 1023 bytes; may be NULL.
 */
int life_call(struct life *l, const char *method, const char *body,
	      bool deliver, char ret[1024], struct err *err);

/* The same; what fails ends the test. */
void life_start(struct life *l, const char *dir, const struct net_driver *drv);
void life_good(struct life *l, const char *method, const char *body,
	       char ret[1024]);
/* Networks and endpoints on record. */
int life_records(struct life *l);

#endif
