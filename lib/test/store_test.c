/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store for a test. */
#include "lib/test/store_test.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/problems.h"

int place_new(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->root, "/tmp/berth-store-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->dir, sizeof(p->dir), "%s/d", p->root);
	*state = p;
	return 0;
}

int place_free(void **state)
{
	struct place *p = *state;

	store_close(p->s);
	if (p->mounted)
		umount2(p->root, MNT_DETACH);
	test_rmdir(p->root);
	free(p);
	return 0;
}

void place_must(int r, const struct err *err)
{
	if (r < 0)
		fail_msg("%s (%d)", err->msg, r);
}

void place_open(struct place *p, enum store_life life)
{
	struct err err = { 0 };

	place_must(store_open(p->dir, life, &p->s, &err), &err);
}

void place_reopen(struct place *p)
{
	store_close(take_ptr(p->s));
	place_open(p, STORE_STATE);
}

int place_open_again(struct place *p, struct err *err)
{
	store_close(take_ptr(p->s));
	return store_open(p->dir, STORE_STATE, &p->s, err);
}

void place_put(struct place *p, const char *kind, const char *id,
	       const char *parent, const char *json)
{
	struct err err = { 0 };

	place_must(store_put(p->s, kind, id, parent, json, &err), &err);
}

void place_has(struct place *p, const char *id, const char *json)
{
	_cleanup_free_ char *got = NULL;
	struct err err = { 0 };
	int r = store_get(p->s, "k", id, &got, &err);

	if (!json) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	place_must(r, &err);
	assert_string_equal(got, json);
}

void place_path(const struct place *p, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", p->dir, name);
}

bool place_there(const struct place *p, const char *name)
{
	char path[160];

	place_path(p, name, path, sizeof(path));
	return access(path, F_OK) == 0;
}

int place_count_one(void *ctx, const char *id, const char *parent,
		    const char *json)
{
	(void)id;
	(void)parent;
	(void)json;
	++*(int *)ctx;
	return 0;
}

void place_fifty(struct place *p)
{
	char id[16];

	place_open(p, STORE_STATE);
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "id%d", i);
		place_put(p, "k", id, "",
			  "{\"text\":\"some text to find again\"}");
	}
	store_close(take_ptr(p->s));
}

void place_has_fifty(struct place *p)
{
	int n = 0;

	assert_int_equal(store_each(p->s, "k", NULL, place_count_one, &n, NULL),
			 0);
	assert_int_equal(n, 50);
}

static void told(void *ctx, const char *line)
{
	strncat(ctx, line, 127);
}

void place_told(const struct place *p, const char *want)
{
	char text[256] = "";

	problems_of_store(p->s, told, text);
	assert_string_equal(text, want);
}

void place_killed_writer(struct place *p)
{
	pid_t pid = fork();

	if (pid == 0) {
		char id[16];

		if (store_open(p->dir, STORE_STATE, &p->s, NULL) < 0)
			_exit(1);
		for (int i = 0; i < 10; i++) {
			snprintf(id, sizeof(id), "%d", i);
			if (store_put(p->s, "k", id, "", "{}", NULL) < 0)
				_exit(1);
		}
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
}
