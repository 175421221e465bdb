/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_pool.h - for unit tests: the device-mapper as far as a thin pool needs it, and
 * the life of a daemon that has one.  A test that links it wraps what is in dir.mk.
 * Fails the test where something is not as it must be.
 */
#ifndef VOLPLUGINS_THIN_FAKE_POOL_H
#define VOLPLUGINS_THIN_FAKE_POOL_H

#include "volplugins/thin/pool.h"

#define FAKE_NUMBERS 64

/* The numbers in the pool, its transaction id, the kernel's devices, and what goes
 * wrong; as new after fake_pool_setup(). */
struct fake_pool {
	pthread_mutex_t lock; /* recursive */
	bool there[FAKE_NUMBERS];
	uint64_t transaction;
	char names[8][DMX_NAME_MAX], tables[8][DMX_PARAMS_MAX];
	uint64_t sectors[8];
	bool live[8], foreign[8], suspended[8];
	char resumed[8 * DMX_NAME_MAX]; /* in that order, each with " " */
	bool last[8];      /* goes with its last user, who is there still */
	unsigned int made; /* devices */
	unsigned int full; /* per cent */
	unsigned int meta; /* blocks of metadata in use */
	unsigned int reloads;
	const char *refuse; /* a message that begins so fails */
	unsigned int busy;  /* this number is open until it is let go */
	bool gave_up;       /* the kernel did */
	bool disk_full;     /* of state.db */
	bool little;        /* room for pool.img */
	bool late;          /* no record, once the pool's device is there */
	bool restored;      /* state.db is its last copy */
	int check;          /* what thin_check comes to */
	unsigned int checks;
	uint32_t events;    /* of the pool */
	unsigned int looks; /* at its status */
	bool told;          /* somebody waits for events */
	int bell;           /* where: a duplicate of its eventfd */
	unsigned int deaf;  /* times that events can't be had */
	bool hangs;         /* the pool's disk */
	unsigned int waits; /* for that */
	pthread_cond_t goes_on;
};
extern struct fake_pool fake;

/* FAKE(fake.full = 90); - while a daemon runs: its thread looks at the pool. */
#define FAKE(set)                                 \
	do {                                      \
		pthread_mutex_lock(&fake.lock);   \
		set;                              \
		pthread_mutex_unlock(&fake.lock); \
	} while (0)

/* fake_is(fake.full) - the same, to read. */
#define fake_is(get)                              \
	({                                        \
		__typeof__(get) got_;             \
		pthread_mutex_lock(&fake.lock);   \
		got_ = (get);                     \
		pthread_mutex_unlock(&fake.lock); \
		got_;                             \
	})

/* Which of fake.names; -ENOENT. */
int fake_slot(const char *name);
/* An event of the pool, or of another device: once somebody waits for them.  False:
 * nobody did in 20 s. */
bool fake_event(bool of_pool);
/* Messages to the pool, its status, and thin_check, wait until it does no more. */
void fake_disk_hangs(bool hangs);
/* @waits: threads that do.  False: not in 20 s. */
bool fake_is_waited(unsigned int waits);

struct pool_life {
	char dir[64];
	int fd;
	struct store *store;
	struct thin_config config;
	struct thin_pool pool;
	bool deferred; /* fake_pool_start() does not wait until it is taken up */
};

/* For cmocka: *state is a struct pool_life whose daemon runs.  Without loop devices the
 * program ends, with a SKIP line. */
int fake_pool_setup(void **state);
int fake_pool_teardown(void **state);
void fake_pool_start(struct pool_life *l);
void fake_pool_stop(struct pool_life *l);
void fake_pool_restart(struct pool_life *l);
/* A new device, doomed still. */
uint32_t fake_pool_device(struct pool_life *l);
/* It belongs to a volume "v". */
void fake_pool_give(struct pool_life *l, uint32_t n);

/* Sectors of the metadata's device. */
uint64_t fake_meta_sectors(void);

#define POOL_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, fake_pool_setup, fake_pool_teardown)

#endif
