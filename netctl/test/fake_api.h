/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake_api.h - a dockerd or a daemon with fixed answers, on a unix socket. */
#ifndef NETCTL_TEST_FAKE_API_H
#define NETCTL_TEST_FAKE_API_H

#include <pthread.h>
#include <stdbool.h>

struct fake_answer {
	const char *request; /* "GET /networks"; NULL: the end */
	const char *body;    /* JSON, of status 200 */
};

/* Requests one after the other; 404 for what is not in the list. */
struct fake_api {
	int fd;
	const struct fake_answer *answers;
	pthread_t thread;
	char asked[4096]; /* a request a line; read it after the end */
};

void fake_api_start(struct fake_api *f, const char *path,
		    const struct fake_answer *answers);
void fake_api_end(struct fake_api *f);

#endif
