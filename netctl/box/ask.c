// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of "run" as a record. */
#include "netctl/box/ask.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "netctl/book.h"
#include "netctl/box/ask_dns.h"
#include "netctl/box/ask_image.h"
#include "netctl/box/ask_mount.h"
#include "netctl/box/caps.h"
#include "netctl/box/seccomp.h"
#include "netctl/jget.h"
#include "netctl/publish.h"

#define NAME_MAX_LEN 63 /* of a host name, too */
#define TEXT_MAX     (2u << 20)

/* ---- environment ----------------------------------------------------------- */

/* "NAME" alone is the caller's, and nothing where he has none. */
static int add_env(json_object *env, const char *text)
{
	_cleanup_free_ char *pair = NULL;
	const char *value;

	if (strchr(text, '='))
		return json_object_array_add(env, json_object_new_string(text));
	value = getenv(text);
	if (!value)
		return 0;
	if (asprintf(&pair, "%s=%s", text, value) < 0) {
		pair = NULL;
		return -ENOMEM;
	}
	return json_object_array_add(env, json_object_new_string(pair));
}

int box_ask_env_file(const char *path, json_object *env, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int r = 0, n = 0;

	if (!f)
		return err_set(err, -errno, "--env-file %s: %s", path,
			       strerror(errno));
	while (r == 0 && getline(&line, &size, f) >= 0) {
		char *s = line + strspn(line, " \t");

		n++;
		s[strcspn(s, "\r\n")] = '\0';
		if (!*s || *s == '#')
			continue;
		if (*s == '=' || strcspn(s, " \t") < strcspn(s, "="))
			r = err_set(err, -EINVAL,
				    "--env-file %s: line %d is not "
				    "NAME=VALUE",
				    path, n);
		else if (add_env(env, s) < 0)
			r = err_set(err, -ENOMEM, "out of memory");
	}
	free(line);
	fclose(f);
	return r;
}

static bool is_same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strcspn(b, "=") == len && strncmp(a, b, len) == 0;
}

/* Of several of a name the last; where that is a name alone, none. */
static json_object *last_of_each(json_object *env)
{
	json_object *out = json_object_new_array();

	for (size_t i = 0; out && i < jget_len(env); i++) {
		json_object *o = json_object_array_get_idx(env, i);
		const char *text = json_object_get_string(o);
		size_t k;

		for (k = i + 1; k < jget_len(env); k++)
			if (is_same_name(
				    json_object_get_string(
					    json_object_array_get_idx(env, k)),
				    text))
				break;
		if (k == jget_len(env) && strchr(text, '='))
			json_object_array_add(out, json_object_get(o));
	}
	return out;
}

static int ask_env(const struct ctl *ctl, json_object *config, json_object *rec,
		   struct err *err)
{
	_cleanup_(json_putp) json_object *env = box_image_env(config);
	int r = env ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 0; i < ctl->box.env_files.n && r == 0; i++)
		r = box_ask_env_file(ctl->box.env_files.v[i], env, err);
	for (size_t i = 0; i < ctl->box.env.n && r == 0; i++) {
		if (ctl->box.env.v[i][0] == '=')
			r = err_set(err, -EINVAL,
				    "--env \"%s\" is not NAME=VALUE",
				    ctl->box.env.v[i]);
		else if (!strchr(ctl->box.env.v[i], '=') &&
			 !getenv(ctl->box.env.v[i])) /* as Docker: not at all */
			json_object_array_add(
				env, json_object_new_string(ctl->box.env.v[i]));
		else if (add_env(env, ctl->box.env.v[i]) < 0)
			r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r == 0)
		jset(rec, "Env", last_of_each(env));
	return r;
}

/* ---- networks --------------------------------------------------------------- */

static bool is_special(const char *network)
{
	return strcmp(network, "host") == 0 || strcmp(network, "none") == 0 ||
	       strncmp(network, "container:", 10) == 0;
}

static int ask_addresses(const struct ctl *ctl, bool joins, struct err *err)
{
	static const char *const flags[] = { "ip", "ip6", "mac-address",
					     "publish" };
	const char *const given[] = { ctl->ip, ctl->ip6, ctl->mac,
				      ctl->ports.n ? ctl->ports.v[0] : NULL };
	struct mac_addr mac;
	struct ip_addr a;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flags) && !joins; i++)
		if (given[i])
			return err_set(err, -EINVAL,
				       "--%s %s needs a --network that netctl "
				       "made",
				       flags[i], given[i]);
	if (ctl->box.publish_all && !joins)
		return err_set(err, -EINVAL,
			       "--publish-all needs a --network that netctl "
			       "made");
	if (ctl->ip)
		r = ip_parse(ctl->ip, &a, err);
	if (r == 0 && ctl->ip6)
		r = ip_parse(ctl->ip6, &a, err);
	if (r == 0 && ctl->mac)
		r = mac_parse(ctl->mac, &mac, err);
	return r;
}

static json_object *texts(const struct cli_list *list)
{
	json_object *out = json_object_new_array();

	for (size_t i = 0; out && i < list->n; i++)
		json_object_array_add(out, json_object_new_string(list->v[i]));
	return out;
}

static int check_networks(const struct ctl *ctl, struct err *err)
{
	const struct cli_list *nets = &ctl->box.networks;

	for (size_t i = 0; i < nets->n; i++) {
		if (is_special(nets->v[i]) && nets->n > 1)
			return err_set(err, -EINVAL,
				       "--network %s goes with no other",
				       nets->v[i]);
		for (size_t k = 0; k < i; k++)
			if (strcmp(nets->v[i], nets->v[k]) == 0)
				return err_set(err, -EINVAL,
					       "--network %s is given twice",
					       nets->v[i]);
	}
	if (ctl->box.hostname && nets->n &&
	    strncmp(nets->v[0], "container:", 10) == 0)
		return err_set(err, -EINVAL,
			       "--hostname and --network %s contradict each "
			       "other",
			       nets->v[0]);
	return 0;
}

static int ask_networks(const struct ctl *ctl, json_object *config,
			json_object *rec, struct err *err)
{
	_cleanup_(json_putp) json_object *ports = json_object_new_array();
	json_object *words = texts(&ctl->ports);
	const struct cli_list *nets = &ctl->box.networks;
	bool joins = nets->n > 0 && !is_special(nets->v[0]);
	int r = check_networks(ctl, err);

	jset(rec, "Networks", texts(nets));
	jset(rec, "Ports", words);
	if (r == 0)
		r = ask_addresses(ctl, joins, err);
	for (size_t i = 0; i < ctl->ports.n && r == 0; i++)
		r = publish_parse(ctl->ports.v[i], ports, err);
	if (r == 0 && ctl->box.publish_all)
		r = box_image_ports(config, ports, words, err);
	if (r < 0)
		return r;
	jset_str(rec, "Ip", ctl->ip ? ctl->ip : "");
	jset_str(rec, "Ip6", ctl->ip6 ? ctl->ip6 : "");
	jset_str(rec, "Mac", ctl->mac ? ctl->mac : "");
	return 0;
}

/* ---- the rest ---------------------------------------------------------------- */

static int ask_name(const struct ctl *ctl, json_object *rec, struct err *err)
{
	const char *name = ctl->box.name ? ctl->box.name : "";

	if (*name && (!box_is_name(name) || strlen(name) > NAME_MAX_LEN))
		return err_set(
			err, -EINVAL,
			"--name \"%s\": two letters, digits, \"_\", \".\" "
			"or \"-\" at least, the first a letter or digit",
			name);
	jset_str(rec, "Name", name);
	return 0;
}

static int ask_root(const struct ctl *ctl, json_object *rec, struct err *err)
{
	const char *word = ctl->args[0];
	_cleanup_free_ char *real = realpath(word, NULL);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return err_set(err, -errno, "%s: %s", word, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -EINVAL, "%s is no directory", word);
	if (strcmp(real, "/") == 0)
		return err_set(err, -EINVAL,
			       "the host's own root is no root directory for "
			       "a container");
	jset_str(rec, "Root", real);
	return 0;
}

static int ask_process(const struct ctl *ctl, json_object *config,
		       json_object *rec, struct err *err)
{
	const struct ctl_box *x = &ctl->box;
	json_object *args = box_image_args(ctl, config);

	jset(rec, "Args", args);
	if (jget_len(args) == 0)
		return err_set(err, -EINVAL,
			       "which command?  %s has none of "
			       "its own",
			       config ? "The image" : "A root directory");
	if (x->workdir && *x->workdir != '/')
		return err_set(err, -EINVAL,
			       "--workdir \"%s\" does not begin with /",
			       x->workdir);
	if (x->hostname && strlen(x->hostname) > NAME_MAX_LEN)
		return err_set(err, -EINVAL,
			       "--hostname: longer than %d characters",
			       NAME_MAX_LEN);
	jset_str(rec, "Hostname", x->hostname ? x->hostname : "");
	jset(rec, "ReadOnly", json_object_new_boolean(x->read_only));
	jset(rec, "Stdin", json_object_new_boolean(x->interactive));
	jset(rec, "Tty", json_object_new_boolean(x->tty));
	jset(rec, "AutoRemove", json_object_new_boolean(x->remove));
	return box_image_process(ctl, config, rec, err);
}

static int ask_labels(const struct ctl *ctl, json_object *config,
		      json_object *rec)
{
	json_object *o = box_image_labels(config);

	for (size_t i = 0; i < ctl->box.labels.n; i++) {
		const char *text = ctl->box.labels.v[i];
		size_t len = strcspn(text, "=");
		_cleanup_free_ char *key = strndup(text, len);

		if (key)
			jset_str(o, key, text[len] ? text + len + 1 : "");
	}
	jset(rec, "Labels", o);
	return 0;
}

static int ask_caps(const struct ctl *ctl, json_object *rec, struct err *err)
{
	_cleanup_(json_putp) json_object *all = NULL;
	json_object *add = texts(&ctl->box.cap_add);
	json_object *drop = texts(&ctl->box.cap_drop);

	jset(rec, "CapAdd", add);
	jset(rec, "CapDrop", drop);
	return box_caps(add, drop, &all, err); /* are there such? */
}

/* What is on record must be read again. */
static int check_text(json_object *rec, struct err *err)
{
	const char *text =
		json_object_to_json_string_ext(rec, JSON_C_TO_STRING_PLAIN);
	_cleanup_(json_putp) json_object *again = NULL;
	struct err why = { 0 };
	int r = text ? jdec_parse(text, strlen(text), &again, &why) : -ENOMEM;

	if (text && strlen(text) > TEXT_MAX)
		return err_set(err, -E2BIG,
			       "arguments, variables and what else the "
			       "command line and the image say are more than "
			       "%u bytes",
			       TEXT_MAX);
	return r < 0 ? err_set(err, -EINVAL,
			       "an argument or a variable can't be kept: %s",
			       text ? why.msg : "out of memory")
		     : 0;
}

int box_ask(const struct ctl *ctl, const struct image *image, json_object **ret,
	    struct err *err)
{
	_cleanup_(json_putp) json_object *rec = json_object_new_object();
	json_object *config = image ? image->config : NULL;
	int r = ask_name(ctl, rec, err);

	if (r == 0)
		r = image ? box_image_root(ctl, image, rec, err)
			  : ask_root(ctl, rec, err);
	if (r == 0)
		r = ask_process(ctl, config, rec, err);
	if (r == 0)
		r = box_ask_limits(ctl, rec, err);
	if (r == 0)
		r = ask_env(ctl, config, rec, err);
	if (r == 0)
		r = ask_networks(ctl, config, rec, err);
	if (r == 0)
		r = box_ask_dns(ctl, rec, err);
	if (r == 0)
		r = box_ask_mounts(ctl, config, rec, err);
	if (r == 0)
		r = ask_caps(ctl, rec, err);
	if (r == 0)
		r = box_seccomp_ask(ctl, rec, err);
	if (r == 0)
		r = ask_labels(ctl, config, rec);
	if (r == 0)
		r = check_text(rec, err);
	if (r == 0)
		*ret = take_ptr(rec);
	return r;
}
