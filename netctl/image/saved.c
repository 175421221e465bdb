// SPDX-License-Identifier: GPL-2.0-or-later
/* manifest.json: an array of images, each with its configuration's file, names and
 * layers' files.  No digest of those is said, but the layers' diff_ids are. */
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "netctl/image/image_priv.h"
#include "netctl/jget.h"

bool image_ends_in(const char *name, const char *word)
{
	size_t len = strlen(name), tail = strlen(word);

	return tail && tail <= len && strcmp(name + len - tail, word) == 0 &&
	       (tail == len || name[len - tail - 1] == '/');
}

bool image_is_called(const char *name, const char *tag, bool whole)
{
	const char *colon = strrchr(name, ':');

	if (whole)
		return *name && strcmp(name, tag) == 0;
	return image_ends_in(name, tag) ||
	       (*name && colon && strcmp(colon + 1, tag) == 0);
}

static const char *tag_at(json_object *tags, size_t i)
{
	json_object *o = json_object_array_get_idx(tags, i);

	return json_object_is_type(o, json_type_string)
		       ? json_object_get_string(o)
		       : "";
}

static bool is_whole(json_object *manifest, const char *tag)
{
	for (size_t i = 0; i < jget_len(manifest); i++) {
		json_object *tags = jget_array(
			json_object_array_get_idx(manifest, i), "RepoTags");

		for (size_t k = 0; k < jget_len(tags); k++)
			if (image_is_called(tag_at(tags, k), tag, true))
				return true;
	}
	return false;
}

/* Borrowed; "": it has none.  @tag "": the first. */
static const char *name_of(json_object *image, const char *tag, bool whole,
			   bool *ret_is)
{
	json_object *tags = jget_array(image, "RepoTags");
	const char *first = "";

	*ret_is = !*tag;
	for (size_t i = 0; i < jget_len(tags); i++) {
		const char *name = tag_at(tags, i);

		if (!*first)
			first = name;
		if (*tag && image_is_called(name, tag, whole)) {
			*ret_is = true;
			return name;
		}
	}
	return first;
}

static int which(json_object *manifest, const char *tag, json_object **ret,
		 const char **ret_name, struct err *err)
{
	bool whole = is_whole(manifest, tag);
	char names[256] = "";
	size_t found = 0;

	for (size_t i = 0; i < jget_len(manifest); i++) {
		json_object *o = json_object_array_get_idx(manifest, i);
		size_t len = strlen(names);
		bool is;
		const char *name = name_of(o, tag, whole, &is);

		snprintf(names + len, sizeof(names) - len, "%s%s",
			 len ? ", " : "", *name ? name : "<none>");
		if (!is || (found && strcmp(jget_str(*ret, "Config"),
					    jget_str(o, "Config")) == 0))
			continue;
		found++;
		*ret = o;
		*ret_name = name;
	}
	if (found == 1)
		return 0;
	if (found == 0)
		return err_set(err, -ENOENT,
			       "there is no image \"%s\" in it, but %s", tag,
			       *names ? names : "none at all");
	return err_set(err, -ENOTUNIQ,
		       "there are several images in it: put \":\" and one of "
		       "these behind it: %s",
		       names);
}

/* The name of a configuration's file is its digest. */
static int check_name(const char *file, const char *id, struct err *err)
{
	const char *base = strrchr(file, '/');

	base = base ? base + 1 : file;
	if (strspn(base, "0123456789abcdef") != 64 ||
	    strncmp(base, id, 64) == 0)
		return 0;
	return err_set(err, -EBADMSG,
		       "%.100s has the digest %.12s...: it was changed", file,
		       id);
}

static int check_arch(json_object *config, const char *arch, struct err *err)
{
	const char *os = jget_str(config, "os");
	const char *is = jget_str(config, "architecture");

	return strcmp(os, "linux") == 0 && strcmp(is, arch) == 0
		       ? 0
		       : err_set(err, -ENOENT,
				 "the image is for %.32s/%.32s, and this "
				 "machine is linux/%s",
				 os, is, arch);
}

int image_read_saved(struct image_source *s, json_object *manifest,
		     const char *tag, const char *arch, struct image *ret,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *all = NULL;
	json_object *image = NULL, *layers;
	const char *name = "", *file;
	int r = which(manifest, tag, &image, &name, err);

	if (r < 0)
		return r;
	file = jget_str(image, "Config");
	layers = jget_array(image, "Layers");
	r = image_take_name(ret, name, err);
	if (r == 0)
		r = image_json(s, file, ret->id, &all, err);
	if (r == 0)
		r = check_name(file, ret->id, err);
	if (r == 0)
		r = check_arch(all, arch, err);
	for (size_t i = 0; r == 0 && i < jget_len(layers); i++) {
		json_object *o = json_object_array_get_idx(layers, i);

		r = json_object_is_type(o, json_type_string)
			    ? image_add_layer(ret, json_object_get_string(o),
					      err)
			    : err_set(err, -EBADMSG,
				      "manifest.json: a layer that is no "
				      "file");
	}
	return r == 0 ? image_config(all, ret, err) : r;
}
