/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lives.h - for tests of the IPAM core: lives of a daemon as child processes,
 * and requests in few words.
 *
 * What a life leaves on disk is all that the next one knows.
 */
#ifndef IPAM_TEST_LIVES_H
#define IPAM_TEST_LIVES_H

#include <stdio.h>
#include <unistd.h>

#include "ipam/ipam_core.h"

struct ipam_life {
	struct plugd d;
	struct ipam_config config;
	struct ipam_core *core;
};

/* In a child assertions are told and end it. */
#define CHECK(cond)                                                          \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, \
				#cond);                                      \
			_exit(1);                                            \
		}                                                            \
	} while (0)

/* Once, before the tests: memory that the children share. */
void lives_init(void);
void *lives_shared(size_t size);
/* Before and after each test. */
int lives_setup(void **state);
int lives_teardown(void **state);
/* A reboot: what is in the run directory is gone. */
void lives_reboot(void);

/* Run @fn in a life of its own, with the fault @fp (NULL: none).  Return: what
 * waitpid() says. */
int lives_run(void (*fn)(struct ipam_life *l, void *arg), void *arg,
	      const char *fp);
bool lives_killed(int status);
/* Let the time of kept answers pass. */
void lives_expire(struct ipam_life *l);

/*
 * Requests; an answer counts as delivered.  @ret: the PoolID, or the address
 * with its length; may be NULL.  @mac: 0 for none.  They return what the core
 * does; text is in last_error.
 */
#define TEXT_MAX 160
extern char last_error[ERR_MSG_MAX];
int pool_get(struct ipam_life *l, const char *pool, const char *sub,
	     char ret[TEXT_MAX]);
/* @pool: NULL: the LAN's; then @ret_gateway is its router, or NULL: not asked. */
int pool_get_dhcp(struct ipam_life *l, const char *pool, const char *ifname,
		  struct ip_addr *ret_gateway);
int pool_put(struct ipam_life *l, const char *id);
int addr_get(struct ipam_life *l, const char *id, const char *addr,
	     enum ipam_use use, unsigned int mac, char ret[TEXT_MAX]);
int addr_put(struct ipam_life *l, const char *id, const char *addr);

/* All that the core tells of pools and addresses, but times.  Owned. */
char *all_of(struct ipam_life *l);
/* How many problems a check finds; each is told. */
int lives_problems(struct ipam_life *l);
/* How many records a check finds that can't be used. */
int lives_damaged(struct ipam_life *l);

/* In a child: the text is @want; @r is @want, and the last error has @part in it. */
void text_is(const char *got, const char *want);
void refused(int r, int want, const char *part);

/* A test with a directory of its own. */
#define LIVES_TEST(fn)                                                     \
	(struct CMUnitTest)                                                \
	{                                                                  \
		.name = #fn, .test_func = (fn), .setup_func = lives_setup, \
		.teardown_func = lives_teardown,                           \
	}

#endif
