// SPDX-License-Identifier: GPL-2.0-or-later
/* An image's configuration and layers; index.c finds which. */
#include "netctl/image/image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "lib/jdec.h"
#include "netctl/image/image_priv.h"
#include "netctl/jget.h"

#define HEX "0123456789abcdef"

void image_fini(struct image *i)
{
	free(take_ptr(i->name));
	json_object_put(take_ptr(i->config));
	while (i->layer_count)
		free(i->layers[--i->layer_count].name);
}

const char *image_arch(void)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" },
		{ "aarch64", "arm64" },
		{ "armv7l", "arm" },
		{ "armv6l", "arm" },
		{ "i686", "386" },
		{ "ppc64le", "ppc64le" },
		{ "s390x", "s390x" },
		{ "riscv64", "riscv64" },
		{ "loongarch64", "loong64" },
	};
	struct utsname u;

	if (uname(&u) < 0)
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i][0], u.machine) == 0)
			return names[i][1];
	return "";
}

int image_digest(const char *text, const char *what,
		 char ret[static DIGEST_HEX_MAX], struct err *err)
{
	if (strncmp(text, "sha256:", 7) != 0 || strlen(text) != 7 + 64 ||
	    strspn(text + 7, HEX) != 64)
		return err_set(err, -EBADMSG,
			       "%s has the digest \"%.100s\": only sha256:HEX "
			       "is known",
			       what, text);
	memcpy(ret, text + 7, DIGEST_HEX_MAX);
	return 0;
}

/* ---- what "run" was given ---------------------------------------------------------- */

static bool has(const char *dir, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return false;
	}
	return access(path, F_OK) == 0;
}

/*
 * A root directory has /proc from the first container on, at the latest: what that wrote
 * into its "/" does not make an image of it, with another root and what it says of itself.
 */
static bool is_layout(const char *dir)
{
	return !has(dir, "proc") &&
	       (has(dir, "oci-layout") || has(dir, "manifest.json"));
}

/* Where the path in @word ends; 0: there is no such. */
static size_t path_in(const char *word, struct stat *ret)
{
	if (stat(word, ret) == 0)
		return strlen(word);
	for (const char *s = strchr(word, ':'); s; s = strchr(s + 1, ':')) {
		_cleanup_free_ char *path = strndup(word, (size_t)(s - word));

		if (path && *path && stat(path, ret) == 0)
			return (size_t)(s - word);
	}
	return 0;
}

int image_word(const char *word, char **ret_path, const char **ret_tag,
	       struct err *err)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	size_t len = path_in(word, &st);

	if (!len)
		return err_set(err, -ENOENT,
			       "%s: no such file or directory (images are not "
			       "fetched from registries: 'docker save' or "
			       "'skopeo copy' them)",
			       word);
	path = strndup(word, len);
	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	if (S_ISDIR(st.st_mode) && !word[len] && !is_layout(path))
		return 0;
	*ret_path = take_ptr(path);
	*ret_tag = word[len] ? word + len + 1 : word + len;
	return 1;
}

/* ---- JSON -------------------------------------------------------------------------- */

int image_json(struct image_source *s, const char *name,
	       char digest[static DIGEST_HEX_MAX], json_object **ret,
	       struct err *err)
{
	_cleanup_(json_putp) json_object *all = NULL;
	_cleanup_free_ char *text = NULL, *whole = NULL;
	size_t len;
	int r = image_source_text(s, name, &text, &len, digest, err);

	if (r < 0)
		return r;
	/* manifest.json is an array, which jdec_parse() does not read; no text has its own
	 * digest in it, so one that goes on behind its end has more members */
	if (asprintf(&whole, "{\"%s\":%s}", digest, text) < 0) {
		whole = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (strlen(text) != len)
		return err_set(err, -EBADMSG, "%.200s: JSON: a NUL", name);
	r = jdec_parse(whole, strlen(whole), &all, err);
	if (r < 0)
		return err_wrap(err, r, "%.200s", name);
	if (json_object_object_length(all) != 1)
		return err_set(err, -EBADMSG,
			       "%.200s: JSON: text after the document", name);
	*ret = json_object_get(jget(all, digest));
	return 0;
}

int image_blob(struct image_source *s, json_object *desc, json_object **ret,
	       char digest[static DIGEST_HEX_MAX], struct err *err)
{
	char name[sizeof("blobs/sha256/") + DIGEST_HEX_MAX];
	char got[DIGEST_HEX_MAX];
	json_object *all = NULL;
	int r = image_digest(jget_str(desc, "digest"), "a manifest", digest,
			     err);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest);
	r = image_json(s, name, got, &all, err);
	if (r < 0)
		return r;
	if (strcmp(got, digest) != 0)
		r = err_set(err, -EBADMSG,
			    "%s has the digest %.12s...: it was changed", name,
			    got);
	else if (!json_object_is_type(all, json_type_object))
		r = err_set(err, -EBADMSG, "%s is no object", name);
	else
		*ret = take_ptr(all);
	json_object_put(all);
	return r;
}

/* ---- the configuration ---------------------------------------------------------------- */

static bool is_texts(json_object *o)
{
	if (!o)
		return true;
	if (!json_object_is_type(o, json_type_array))
		return false;
	for (size_t i = 0; i < jget_len(o); i++)
		if (!json_object_is_type(json_object_array_get_idx(o, i),
					 json_type_string))
			return false;
	return true;
}

static bool is_null_or(json_object *o, json_type type)
{
	return !o || json_object_is_type(o, type);
}

/* What is wrong here would be told later by nobody. */
static int check_config(json_object *c, struct err *err)
{
	static const char *const texts[] = { "Entrypoint", "Cmd", "Env" };
	static const char *const maps[] = { "Volumes", "ExposedPorts",
					    "Labels" };
	static const char *const words[] = { "User", "WorkingDir",
					     "StopSignal" };
	const char *bad = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!is_texts(jget(c, texts[i])))
			bad = texts[i];
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		if (!is_null_or(jget(c, maps[i]), json_type_object))
			bad = maps[i];
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!is_null_or(jget(c, words[i]), json_type_string))
			bad = words[i];
	return bad ? err_set(err, -EBADMSG,
			     "the image's configuration: \"%s\" is of the "
			     "wrong kind",
			     bad)
		   : 0;
}

static int read_diff_ids(json_object *all, struct image *ret, struct err *err)
{
	json_object *ids = jget_array(jget(all, "rootfs"), "diff_ids");

	if (jget_len(ids) != ret->layer_count || ret->layer_count == 0)
		return err_set(err, -EBADMSG,
			       "the image has %zu layers, and %zu in its "
			       "configuration",
			       ret->layer_count, jget_len(ids));
	for (size_t i = 0; i < ret->layer_count; i++) {
		json_object *o = json_object_array_get_idx(ids, i);
		int r = image_digest(json_object_is_type(o, json_type_string)
					     ? json_object_get_string(o)
					     : "",
				     "a layer", ret->layers[i].diff_id, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int image_config(json_object *all, struct image *ret, struct err *err)
{
	json_object *c = jget(all, "config");
	int r = 0;

	if (c && !json_object_is_type(c, json_type_object))
		return err_set(err, -EBADMSG,
			       "the image's configuration is no object");
	ret->config = c ? json_object_get(c) : json_object_new_object();
	r = check_config(ret->config, err);
	return r == 0 ? read_diff_ids(all, ret, err) : r;
}

int image_take_name(struct image *i, const char *name, struct err *err)
{
	if (strlen(name) >= IMAGE_NAME_MAX)
		return err_set(err, -EBADMSG,
			       "the image's name \"%.40s...\" has %zu bytes: "
			       "it may have %d",
			       name, strlen(name), IMAGE_NAME_MAX - 1);
	i->name = strdup(name);
	return i->name ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int image_add_layer(struct image *i, const char *name, struct err *err)
{
	struct image_layer *l = &i->layers[i->layer_count];

	if (i->layer_count == IMAGE_LAYERS_MAX)
		return err_set(err, -EFBIG, "the image has more than %d layers",
			       IMAGE_LAYERS_MAX);
	*l = (struct image_layer){ 0 };
	l->name = strdup(name);
	if (!l->name)
		return err_set(err, -ENOMEM, "out of memory");
	i->layer_count++;
	return 0;
}

int image_read(struct image_source *s, const char *tag, const char *arch,
	       struct image *ret, struct err *err)
{
	_cleanup_(json_putp) json_object *all = NULL;
	char digest[DIGEST_HEX_MAX];
	struct err why = { 0 };
	int r = image_json(s, "index.json", digest, &all, &why);

	if (r == 0)
		return image_read_index(s, all, tag, arch, ret, err);
	if (r != -ENOENT)
		return err_set(err, r, "%s", why.msg);
	r = image_json(s, "manifest.json", digest, &all, &why);
	if (r == 0)
		return image_read_saved(s, all, tag, arch, ret, err);
	return r == -ENOENT
		       ? err_set(err, -EBADMSG,
				 "neither an OCI image layout nor what docker "
				 "save writes: it has no index.json and no "
				 "manifest.json")
		       : err_set(err, r, "%s", why.msg);
}
