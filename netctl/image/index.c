// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * index.json: descriptors of manifests, and of further indexes of them, one a machine's
 * architecture.  All for linux and @arch are looked at; of one name there may be one.
 */
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "netctl/image/image_priv.h"
#include "netctl/jget.h"

#define DEPTH_MAX 4
#define LOOKS_MAX 512 /* blobs read to find it */
#define REF       "org.opencontainers.image.ref.name"
#define REF_WHOLE "io.containerd.image.name"

struct finding {
	struct image_source *s;
	const char *tag, *arch;
	unsigned int looks;
	json_object *manifest, *config; /* owned; of what was found */
	char id[DIGEST_HEX_MAX];        /* of .config */
	char *name;                     /* owned */
	bool several;
	char there[192], names[192]; /* platforms, and names, for the error */
	struct err *err;
};

static void finding_fini(struct finding *f)
{
	json_object_put(f->manifest);
	json_object_put(f->config);
	free(f->name);
}

/* Once each. */
static void note(char *list, size_t size, const char *text)
{
	size_t len = strlen(list);

	if (!strstr(list, text))
		snprintf(list + len, size - len, "%s%s", len ? ", " : "", text);
}

static const char *name_of(json_object *desc)
{
	json_object *notes = jget(desc, "annotations");

	return *jget_str(notes, REF_WHOLE) ? jget_str(notes, REF_WHOLE)
					   : jget_str(notes, REF);
}

static bool is_called(json_object *desc, const char *tag, bool whole)
{
	json_object *notes = jget(desc, "annotations");

	return !*tag || image_is_called(jget_str(notes, REF), tag, whole) ||
	       image_is_called(jget_str(notes, REF_WHOLE), tag, whole);
}

static bool is_whole(json_object *list, const char *tag)
{
	for (size_t i = 0; *tag && i < jget_len(list); i++)
		if (is_called(json_object_array_get_idx(list, i), tag, true))
			return true;
	return false;
}

/* Of how it was built, beside the images it is about. */
static bool is_attestation(json_object *desc)
{
	return *jget_str(jget(desc, "annotations"),
			 "vnd.docker.reference.type") != '\0';
}

static bool fits(struct finding *f, json_object *platform)
{
	const char *os = jget_str(platform, "os");
	const char *arch = jget_str(platform, "architecture");
	char text[64];

	snprintf(text, sizeof(text), "%.24s/%.24s", os, arch);
	note(f->there, sizeof(f->there), text);
	return strcmp(os, "linux") == 0 && strcmp(arch, f->arch) == 0;
}

static int look(struct finding *f)
{
	return ++f->looks > LOOKS_MAX
		       ? err_set(f->err, -EFBIG,
				 "the image's index leads to more than %d "
				 "manifests",
				 LOOKS_MAX)
		       : 0;
}

static bool is_config(json_object *manifest)
{
	const char *type = jget_str(jget(manifest, "config"), "mediaType");

	return strcmp(type, "application/vnd.oci.image.config.v1+json") == 0 ||
	       strcmp(type, "application/vnd.docker.container.image.v1+json") ==
		       0;
}

/* A manifest: is it ours?  @manifest is taken where it is. */
static int consider(struct finding *f, json_object *desc, const char *name,
		    json_object *manifest)
{
	_cleanup_(json_putp) json_object *config = NULL;
	char id[DIGEST_HEX_MAX];
	int r;

	if (!is_config(manifest))
		return 0; /* an artifact of another kind */
	if (jget(desc, "platform") && !fits(f, jget(desc, "platform")))
		return 0;
	r = look(f);
	if (r == 0)
		r = image_blob(f->s, jget(manifest, "config"), &config, id,
			       f->err);
	if (r < 0 || !fits(f, config))
		return r;
	note(f->names, sizeof(f->names), *name ? name : "<none>");
	if (f->config) {
		f->several |= strcmp(f->id, id) != 0;
		return 0;
	}
	f->name = strdup(name);
	if (!f->name)
		return err_set(f->err, -ENOMEM, "out of memory");
	memcpy(f->id, id, sizeof(id));
	f->config = take_ptr(config);
	f->manifest = json_object_get(manifest);
	return 0;
}

static int walk(struct finding *f, json_object *index, const char *name,
		unsigned int depth);

static int step(struct finding *f, json_object *desc, const char *name,
		unsigned int depth)
{
	_cleanup_(json_putp) json_object *o = NULL;
	char digest[DIGEST_HEX_MAX];
	int r;

	/* without reading what is not there: a layout need not have all */
	if (is_attestation(desc) ||
	    (jget(desc, "platform") && !fits(f, jget(desc, "platform"))))
		return 0;
	r = look(f);
	if (r == 0)
		r = image_blob(f->s, desc, &o, digest, f->err);
	if (r < 0)
		return r;
	return jget_array(o, "manifests") ? walk(f, o, name, depth + 1)
					  : consider(f, desc, name, o);
}

/* @name: of the descriptor of @index; NULL: the topmost. */
static int walk(struct finding *f, json_object *index, const char *name,
		unsigned int depth)
{
	json_object *list = jget_array(index, "manifests");
	bool whole = !name && is_whole(list, f->tag);
	int r = 0;

	if (depth > DEPTH_MAX)
		return err_set(f->err, -EBADMSG,
			       "the image's indexes lie too deep in each "
			       "other");
	for (size_t i = 0; r == 0 && i < jget_len(list); i++) {
		json_object *desc = json_object_array_get_idx(list, i);

		if (!name && !is_called(desc, f->tag, whole)) {
			note(f->names, sizeof(f->names), name_of(desc));
			continue;
		}
		r = step(f, desc, name ? name : name_of(desc), depth);
	}
	return r;
}

static int check_found(struct finding *f)
{
	if (f->several)
		return err_set(f->err, -ENOTUNIQ,
			       "there are several images in it: put \":\" and "
			       "one of these behind it: %s",
			       f->names);
	if (f->manifest)
		return 0;
	if (*f->there)
		return err_set(f->err, -ENOENT,
			       "the image is for %s, and this machine is "
			       "linux/%s",
			       f->there, f->arch);
	return err_set(f->err, -ENOENT,
		       "there is no image \"%s\" in it, but %s", f->tag,
		       *f->names ? f->names : "none at all");
}

static int add_layers(json_object *manifest, struct image *ret, struct err *err)
{
	json_object *layers = jget_array(manifest, "layers");
	int r = 0;

	for (size_t i = 0; r == 0 && i < jget_len(layers); i++) {
		json_object *desc = json_object_array_get_idx(layers, i);
		char name[sizeof("blobs/sha256/") + DIGEST_HEX_MAX];
		char digest[DIGEST_HEX_MAX];

		if (strstr(jget_str(desc, "mediaType"), "encrypted"))
			return err_set(err, -EBADMSG,
				       "the image's layers are encrypted");
		r = image_digest(jget_str(desc, "digest"), "a layer", digest,
				 err);
		if (r < 0)
			return r;
		snprintf(name, sizeof(name), "blobs/sha256/%s", digest);
		r = image_add_layer(ret, name, err);
		if (r < 0)
			return r;
		memcpy(ret->layers[i].digest, digest, sizeof(digest));
		ret->layers[i].size = (uint64_t)jget_int(desc, "size");
	}
	return r;
}

int image_read_index(struct image_source *s, json_object *index,
		     const char *tag, const char *arch, struct image *ret,
		     struct err *err)
{
	_cleanup_(finding_fini) struct finding f = {
		.s = s, .tag = tag, .arch = arch, .err = err
	};
	int r = walk(&f, index, NULL, 0);

	if (r == 0)
		r = check_found(&f);
	if (r == 0)
		r = add_layers(f.manifest, ret, err);
	if (r < 0)
		return r;
	memcpy(ret->id, f.id, sizeof(f.id));
	r = image_take_name(ret, f.name, err);
	return r == 0 ? image_config(f.config, ret, err) : r;
}
