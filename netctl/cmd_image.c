// SPDX-License-Identifier: GPL-2.0-or-later
/* netctl image ls, rm, prune: what "run" unpacked. */
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/image/store.h"
#include "netctl/jget.h"

static const struct out_col cols[] = {
	{ "ID", "ID", OUT_ID, NULL },
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Bytes", "SIZE", OUT_SIZE, NULL },
	{ "LayerCount", "LAYERS", OUT_NUM, NULL },
	{ "Containers", "CONTAINERS", OUT_LIST, NULL },
	{ "Created", NULL, OUT_TEXT, NULL },
	{ "Layers", NULL, OUT_LIST, NULL },
	{ 0 },
};

static int by_name(const void *a, const void *b)
{
	json_object *const *x = a, *const *y = b;

	return strcmp(jget_str(*x, "Name"), jget_str(*y, "Name"));
}

static int ls_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	struct image_store s;
	int r = image_store_open(ctl, &s, err);

	if (r < 0)
		return r;
	r = image_store_list(&s, &rows, err);
	image_store_close(&s);
	if (r < 0)
		return r;
	json_object_array_sort(rows, by_name);
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *o = json_object_array_get_idx(rows, i);

		jset(o, "LayerCount",
		     json_object_new_int64(
			     (int64_t)jget_len(jget_array(o, "Layers"))));
	}
	return out_rows(stdout, ctl->format, cols, rows, err);
}

static bool is_whole(json_object *o, const char *word)
{
	return strcmp(jget_str(o, "Name"), word) == 0 ||
	       strcmp(jget_str(o, "ID"), word) == 0;
}

static bool is_part(json_object *o, const char *word)
{
	return image_ends_in(jget_str(o, "Name"), word) ||
	       (*word && strncmp(jget_str(o, "ID"), word, strlen(word)) == 0);
}

static size_t find_by(json_object *rows, const char *word,
		      bool (*is)(json_object *o, const char *word),
		      json_object **ret)
{
	size_t found = 0;

	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *o = json_object_array_get_idx(rows, i);

		if (is(o, word)) {
			*ret = o;
			found++;
		}
	}
	return found;
}

/* By its name, with or without what is before it, or the beginning of its id. */
static int find(json_object *rows, const char *word, json_object **ret,
		struct err *err)
{
	size_t found = find_by(rows, word, is_whole, ret);

	if (found == 0)
		found = find_by(rows, word, is_part, ret);
	if (found == 1)
		return 0;
	return found ? err_set(err, -ENOTUNIQ,
			       "several images are called \"%s\": take the ID",
			       word)
		     : err_set(err, -ENOENT, "no image \"%s\" is unpacked here",
			       word);
}

static int remove_one(struct image_store *s, json_object *o, struct err *err)
{
	_cleanup_free_ char *name = out_escape(jget_str(o, "Name"));
	int r = image_store_remove(s, jget_str(o, "ID"), err);

	if (r == 0 && name)
		puts(name);
	return r;
}

static int rm_one(struct image_store *s, json_object *rows, const char *word,
		  struct err *err)
{
	json_object *o = NULL, *users;
	int r = find(rows, word, &o, err);

	if (r < 0)
		return r;
	users = jget_array(o, "Containers");
	if (jget_len(users))
		return err_set(err, -EBUSY,
			       "image %s is container %s's: 'netctl rm' it "
			       "first",
			       word,
			       json_object_get_string(
				       json_object_array_get_idx(users, 0)));
	return remove_one(s, o, err);
}

static int rm_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	struct image_store s;
	int r = image_store_open(ctl, &s, err);

	if (r < 0)
		return r;
	r = image_store_list(&s, &rows, err);
	for (int i = 0; r == 0 && i < ctl->arg_count; i++)
		r = rm_one(&s, rows, ctl->args[i], err);
	image_store_close(&s);
	return r;
}

static int prune_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	struct image_store s;
	int r = image_store_open(ctl, &s, err);

	if (r < 0)
		return r;
	r = image_store_list(&s, &rows, err);
	for (size_t i = 0; r == 0 && i < jget_len(rows); i++) {
		json_object *o = json_object_array_get_idx(rows, i);

		if (jget_len(jget_array(o, "Containers")) == 0)
			r = remove_one(&s, o, err);
	}
	image_store_close(&s);
	return r;
}

const struct cmd cmd_image_ls = {
	.name = "image ls",
	.summary = "list the images that 'netctl run' has unpacked",
	.help = "\n"
		"SIZE is that of its layers on the disk, which images share.\n",
	.takes = CLI_DIRS | CLI_FORMAT,
	.run = ls_run,
};

const struct cmd cmd_image_rm = {
	.name = "image rm",
	.args = "IMAGE...",
	.summary = "delete what was unpacked of images that no container has",
	.help = "\n"
		"IMAGE is its name, or a beginning of its id.  The file that "
		"it was unpacked from\nstays; 'netctl run' of that unpacks it "
		"anew.\n",
	.takes = CLI_DIRS,
	.min_args = 1,
	.max_args = -1,
	.run = rm_run,
};

const struct cmd cmd_image_prune = {
	.name = "image prune",
	.summary = "delete what was unpacked of all images that no container "
		   "has",
	.takes = CLI_DIRS,
	.run = prune_run,
};
