/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thread a question; answers change hands under one lock. */
#include "netctl/askers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/clock.h"

struct slot {
	struct askers *all;
	const struct question *q;
	pthread_t thread;
	bool started, wanted;
	uint64_t since_ms; /* being asked since; 0: it is not */
	void *fresh;       /* owned: not looked at yet */
	struct asked state;
};

struct askers {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	int fd;
	void *ctx;
	size_t count;
	struct slot slots[];
};

static void give(struct slot *s, int r, void *answer, const struct err *err,
		 uint64_t from, uint64_t to)
{
	if (s->fresh)
		s->q->free(s->fresh);
	s->fresh = r < 0 ? NULL : answer;
	s->state.r = r;
	s->state.err = *err;
	s->state.at_ns = from + (to - from) / 2;
	s->state.took++;
	s->since_ms = 0;
	eventfd_write(s->all->fd, 1);
}

static void *asker(void *arg)
{
	struct slot *s = arg;
	struct askers *p = s->all;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct err err = { 0 };
		void *answer = NULL;
		uint64_t from;
		int r;

		if (!s->wanted) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		s->wanted = false;
		pthread_mutex_unlock(&p->lock);
		from = clock_mono_ns();
		r = s->q->ask(p->ctx, s->q->arg, &answer, &err);
		pthread_mutex_lock(&p->lock);
		give(s, r, answer, &err, from, clock_mono_ns());
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int askers_start(const struct question *q, size_t count, void *ctx,
		 struct askers **ret, struct err *err)
{
	_cleanup_(askers_stopp) struct askers *p =
		calloc(1, sizeof(*p) + count * sizeof(p->slots[0]));

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->ctx = ctx;
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->fd < 0)
		return err_set(err, -errno, "eventfd: %s", strerror(errno));
	for (size_t i = 0; i < count; i++) {
		struct slot *s = &p->slots[i];
		int r;

		s->all = p;
		s->q = &q[i];
		p->count++;
		r = pthread_create(&s->thread, NULL, asker, s);
		if (r != 0)
			return err_set(err, -r, "thread: %s", strerror(r));
		s->started = true;
	}
	*ret = take_ptr(p);
	return 0;
}

void askers_stop(struct askers *p)
{
	bool left = false;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->wake);
	for (size_t i = 0; i < p->count; i++)
		left |= p->slots[i].since_ms != 0;
	pthread_mutex_unlock(&p->lock);
	if (left)
		return;
	for (size_t i = 0; i < p->count; i++) {
		struct slot *s = &p->slots[i];

		if (s->started)
			pthread_join(s->thread, NULL);
		if (s->fresh)
			s->q->free(s->fresh);
		if (s->state.answer)
			s->q->free(s->state.answer);
	}
	closep(&p->fd);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void askers_ask(struct askers *p, size_t i)
{
	pthread_mutex_lock(&p->lock);
	if (!p->slots[i].since_ms) {
		p->slots[i].since_ms = clock_mono_ms();
		p->slots[i].wanted = true;
		pthread_cond_broadcast(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
}

int askers_fd(const struct askers *p)
{
	return p->fd;
}

void askers_clear(struct askers *p)
{
	eventfd_t n;

	(void)eventfd_read(p->fd, &n);
}

bool askers_busy(struct askers *p, size_t count)
{
	bool busy = false;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < count; i++)
		busy |= p->slots[i].since_ms != 0;
	pthread_mutex_unlock(&p->lock);
	return busy;
}

void askers_look(struct askers *p, size_t i, struct asked *ret)
{
	struct slot *s = &p->slots[i];

	pthread_mutex_lock(&p->lock);
	if ((s->fresh || s->state.r < 0) && s->state.answer) {
		s->q->free(s->state.answer);
		s->state.answer = NULL;
	}
	if (s->fresh)
		s->state.answer = take_ptr(s->fresh);
	*ret = s->state;
	ret->busy_ms = s->since_ms ? clock_mono_ms() - s->since_ms + 1 : 0;
	pthread_mutex_unlock(&p->lock);
}
