// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of what netctl made: two kinds in a store of its own. */
#include "netctl/book.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/jdec.h"
#include "lib/store.h"
#include "netctl/jget.h"

#define BUSY_LOOK_MS 20

struct book {
	struct store *store;
};

/* Owned; NULL: out of memory. */
static char *dir_of(const struct ctl *ctl)
{
	char *dir = NULL;

	return asprintf(&dir, "%s/netctl", ctl->state_dir) < 0 ? NULL : dir;
}

static int open_dir(const struct ctl *ctl, const char *dir, bool make,
		    struct err *err)
{
	if (access(dir, F_OK) == 0)
		return 0;
	if (!make)
		return err_set(err, -ENOENT, "netctl made no network here");
	if (mkdir(ctl->state_dir, 0755) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make %s: %s", ctl->state_dir,
			       strerror(errno));
	return 0;
}

int book_open(const struct ctl *ctl, bool make, struct book **ret,
	      struct err *err)
{
	_cleanup_(book_closep) struct book *b = calloc(1, sizeof(*b));
	const struct timespec look = { .tv_nsec = BUSY_LOOK_MS * 1000000L };
	_cleanup_free_ char *dir = dir_of(ctl);
	unsigned int waited = 0;
	int r;

	if (!b || !dir)
		return err_set(err, -ENOMEM, "out of memory");
	r = open_dir(ctl, dir, make, err);
	if (r < 0)
		return r;
	for (;;) {
		r = store_open(dir, STORE_STATE, &b->store, err);
		if (r != -EBUSY || waited >= ctl->timeout_ms)
			break;
		nanosleep(&look, NULL);
		waited += BUSY_LOOK_MS;
	}
	if (r < 0)
		return err_wrap(err, r, "the networks that netctl made");
	*ret = take_ptr(b);
	return 0;
}

void book_close(struct book *b)
{
	if (!b)
		return;
	if (b->store)
		store_copy_if_due(b->store, NULL);
	store_close(b->store);
	free(b);
}

int book_new_id(char ret[static BOOK_ID_MAX], struct err *err)
{
	unsigned char bytes[(BOOK_ID_MAX - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_set(err, -EIO, "no random numbers");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int put(struct book *b, const char *kind, json_object *row,
	       const char *id, const char *parent, struct err *err)
{
	const char *text =
		json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN);

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	return store_put(b->store, kind, id, parent, text, err);
}

static int add_row(void *ctx, const char *id, const char *parent,
		   const char *json)
{
	json_object *row = json_tokener_parse(json);

	(void)id;
	(void)parent;
	if (!row)
		return -EBADMSG;
	if (json_object_array_add(ctx, row) < 0) {
		json_object_put(row);
		return -ENOMEM;
	}
	return 0;
}

static int rows(struct book *b, const char *kind, const char *parent,
		json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *list = json_object_new_array();
	int r;

	if (!list)
		return err_set(err, -ENOMEM, "out of memory");
	r = store_each(b->store, kind, parent, add_row, list, err);
	if (r < 0)
		return err_wrap(err, r, "the networks that netctl made");
	*ret = take_ptr(list);
	return 0;
}

int book_put_network(struct book *b, json_object *net, struct err *err)
{
	return put(b, "network", net, jget_str(net, "NetworkID"), "", err);
}

int book_del_network(struct book *b, const char *id, struct err *err)
{
	return store_del(b->store, "network", id, err);
}

int book_networks(struct book *b, json_object **ret, struct err *err)
{
	return rows(b, "network", NULL, ret, err);
}

int book_put_endpoint(struct book *b, json_object *ep, struct err *err)
{
	return put(b, "endpoint", ep, jget_str(ep, "EndpointID"),
		   jget_str(ep, "NetworkID"), err);
}

int book_del_endpoint(struct book *b, const char *id, struct err *err)
{
	return store_del(b->store, "endpoint", id, err);
}

int book_endpoints(struct book *b, const char *network, json_object **ret,
		   struct err *err)
{
	return rows(b, "endpoint", network, ret, err);
}

int book_find_network(struct book *b, const char *word, json_object **ret,
		      struct err *err)
{
	_cleanup_(json_putp) json_object *list = NULL;
	json_object *found = NULL;
	size_t prefixes = 0;
	int r = book_networks(b, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *net = json_object_array_get_idx(list, i);
		const char *id = jget_str(net, "NetworkID");

		if (strcmp(jget_str(net, "Name"), word) == 0 ||
		    strcmp(id, word) == 0) {
			*ret = json_object_get(net);
			return 0;
		}
		if (*word && strncmp(id, word, strlen(word)) == 0) {
			found = net;
			prefixes++;
		}
	}
	if (prefixes > 1)
		return err_set(err, -ENOTUNIQ,
			       "%zu networks begin with \"%s\": give more of "
			       "the id",
			       prefixes, word);
	if (!found)
		return err_set(err, -ENOENT,
			       "netctl made no network \"%s\": 'netctl network "
			       "ls' lists them",
			       word);
	*ret = json_object_get(found);
	return 0;
}
