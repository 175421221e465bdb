// SPDX-License-Identifier: GPL-2.0-or-later
/* An image's configuration, member by member. */
#include "netctl/box/ask_image.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "netctl/jget.h"
#include "netctl/publish.h"

#define SIGNAL_MAX  16
#define EXPOSED_MAX 1024

static void add_all(json_object *list, json_object *more)
{
	for (size_t i = 0; i < jget_len(more); i++)
		json_object_array_add(
			list,
			json_object_get(json_object_array_get_idx(more, i)));
}

int box_image_root(const struct ctl *ctl, const struct image *image,
		   json_object *rec, struct err *err)
{
	json_object *layers = json_object_new_array();

	if (!layers)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < image->layer_count; i++)
		json_object_array_add(
			layers,
			json_object_new_string(image->layers[i].diff_id));
	jset_str(rec, "Image", image->id);
	jset_str(rec, "ImageName", *image->name ? image->name : ctl->args[0]);
	jset(rec, "Layers", layers);
	jset_str(rec, "Root", "");
	return 0;
}

json_object *box_image_args(const struct ctl *ctl, json_object *config)
{
	const char *entry = ctl->box.entrypoint;
	json_object *args = json_object_new_array();

	if (!args)
		return NULL;
	if (entry && *entry)
		json_object_array_add(args, json_object_new_string(entry));
	if (!entry)
		add_all(args, jget_array(config, "Entrypoint"));
	for (int i = 1; i < ctl->arg_count; i++)
		json_object_array_add(args,
				      json_object_new_string(ctl->args[i]));
	/* another entrypoint would not know what to make of it */
	if (!entry && ctl->arg_count < 2)
		add_all(args, jget_array(config, "Cmd"));
	return args;
}

/* A name or a number; which there are the runtime knows. */
static int check_signal(const char *text, struct err *err)
{
	bool fits = isalnum((unsigned char)*text) && strlen(text) <= SIGNAL_MAX;

	for (const char *s = text; *s; s++)
		fits &= isalnum((unsigned char)*s) || *s == '+' || *s == '-';
	return fits ? 0
		    : err_set(err, -EINVAL,
			      "--stop-signal \"%.64s\" is no signal: write "
			      "SIGQUIT or 3",
			      text);
}

int box_image_process(const struct ctl *ctl, json_object *config,
		      json_object *rec, struct err *err)
{
	const struct ctl_box *x = &ctl->box;
	const char *sig = x->stop_signal ? x->stop_signal
					 : jget_str(config, "StopSignal");
	const char *cwd =
		x->workdir ? x->workdir : jget_str(config, "WorkingDir");
	_cleanup_free_ char *from_root = NULL;

	if (!*sig && !x->stop_signal)
		sig = "TERM";
	if (asprintf(&from_root, "%s%s", *cwd == '/' ? "" : "/", cwd) < 0) {
		from_root = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	jset_str(rec, "Cwd", from_root);
	jset_str(rec, "User", x->user ? x->user : jget_str(config, "User"));
	jset_str(rec, "StopSignal", sig);
	return check_signal(sig, err);
}

json_object *box_image_env(json_object *config)
{
	json_object *given = jget_array(config, "Env");
	json_object *env = json_object_new_array();

	for (size_t i = 0; env && i < jget_len(given); i++) {
		json_object *o = json_object_array_get_idx(given, i);
		const char *text = json_object_get_string(o);

		/* else it is none */
		if (*text != '=' && strchr(text, '='))
			json_object_array_add(env, json_object_get(o));
	}
	return env;
}

json_object *box_image_labels(json_object *config)
{
	json_object *labels = json_object_new_object();
	json_object *given = jget(config, "Labels");

	if (!labels || !json_object_is_type(given, json_type_object))
		return labels;
	json_object_object_foreach(
		given, key,
		value) if (json_object_is_type(value, json_type_string))
		jset(labels, key, json_object_get(value));
	return labels;
}

/* ---- ports --------------------------------------------------------------------------- */

static bool is_published(json_object *ports, size_t n, json_object *row)
{
	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_array_get_idx(ports, i);

		if (jget_int(o, "Port") == jget_int(row, "Port") &&
		    jget_int(o, "Proto") == jget_int(row, "Proto"))
			return true;
	}
	return false;
}

/* Those of @rows, which are of @key, that no "-p" is about; as words again. */
static int add_exposed(json_object *ports, size_t given, json_object *rows,
		       const char *key, json_object *words, struct err *err)
{
	const char *proto = strchr(key, '/');

	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		char word[32];

		if (is_published(ports, given, row))
			continue;
		if (jget_len(ports) - given == EXPOSED_MAX)
			return err_set(err, -EINVAL,
				       "the image exposes more than %d ports: "
				       "-p those that are meant",
				       EXPOSED_MAX);
		snprintf(word, sizeof(word), "%lld%s",
			 (long long)jget_int(row, "Port"), proto ? proto : "");
		json_object_array_add(ports, json_object_get(row));
		json_object_array_add(words, json_object_new_string(word));
	}
	return 0;
}

int box_image_ports(json_object *config, json_object *ports, json_object *words,
		    struct err *err)
{
	json_object *exposed = jget(config, "ExposedPorts");
	size_t given = jget_len(ports);

	if (!exposed)
		return 0;
	json_object_object_foreach(exposed, key, value)
	{
		_cleanup_(json_putp) json_object *rows =
			json_object_new_array();
		int r = strchr(key, ':') ? err_set(err, -EINVAL, "no port")
					 : publish_parse(key, rows, err);

		(void)value;
		if (r < 0)
			return err_wrap(err, r, "the image exposes \"%.64s\"",
					key);
		r = add_exposed(ports, given, rows, key, words, err);
		if (r < 0)
			return r;
	}
	return 0;
}
