// SPDX-License-Identifier: GPL-2.0-or-later
/* --mount, as docker run reads it: fields of CSV, each a KEY=VALUE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/ask.h"
#include "netctl/box/ask_mount.h"
#include "netctl/jget.h"

/* What it says; texts borrowed from the fields, NULL: not said. */
struct told {
	const char *text;
	const char *type, *source, *target, *driver, *subpath, *propagation,
		*recursive, *size, *mode, *consistency;
	bool ro, nocopy, alone;
	json_object *opts; /* owned */
	const char *of_type
		[3]; /* a key of volume's, of bind's, of tmpfs's; or NULL */
};

static const char *const types[] = { "volume", "bind", "tmpfs" };

static void told_fini(struct told *t)
{
	json_object_put(t->opts);
}

/* ---- fields ---------------------------------------------------------------------- */

/* The next field of @in, in place: begins at @ret.  @in: then where the one after it
 * begins; NULL: there is none. */
static int next_field(char **in, char **ret, const char *text, struct err *err)
{
	char *s = *in, *to = s;
	bool quoted = *s == '"';

	*ret = s;
	if (quoted)
		s++;
	for (; *s; s++) {
		if (!quoted && *s == ',')
			break;
		if (*s == '"' && (!quoted || s[1] != '"'))
			break;
		if (*s == '"')
			s++; /* "" is one */
		*to++ = *s;
	}
	if (quoted != (*s == '"') || (quoted && s[1] && s[1] != ','))
		return err_set(
			err, -EINVAL,
			"--mount %.200s: a field with a comma or a \" in "
			"it is written \"KEY=VALUE\", each \" in it twice",
			text);
	if (quoted)
		s++;
	*in = *s ? s + 1 : NULL;
	*to = '\0';
	return 0;
}

/* ---- keys ------------------------------------------------------------------------ */

enum kind { TEXT, SWITCH, OPT };

struct key {
	const char *name;
	enum kind kind;
	size_t at;
};

#define AT(member) offsetof(struct told, member)

static const struct key keys[] = {
	{ "type", TEXT, AT(type) },
	{ "source", TEXT, AT(source) },
	{ "src", TEXT, AT(source) },
	{ "target", TEXT, AT(target) },
	{ "dst", TEXT, AT(target) },
	{ "destination", TEXT, AT(target) },
	{ "readonly", SWITCH, AT(ro) },
	{ "ro", SWITCH, AT(ro) },
	{ "volume-driver", TEXT, AT(driver) },
	{ "volume-opt", OPT, AT(opts) },
	{ "volume-nocopy", SWITCH, AT(nocopy) },
	{ "volume-subpath", TEXT, AT(subpath) },
	{ "bind-propagation", TEXT, AT(propagation) },
	{ "bind-nonrecursive", SWITCH, AT(alone) },
	{ "bind-recursive", TEXT, AT(recursive) },
	{ "consistency", TEXT, AT(consistency) }, /* nothing, on Linux */
	{ "tmpfs-size", TEXT, AT(size) },
	{ "tmpfs-mode", TEXT, AT(mode) },
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcasecmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static int read_switch(const char *text, const char *key, const char *value,
		       bool *ret, struct err *err)
{
	static const char *const yes[] = { "1", "t", "true", NULL };
	static const char *const no[] = { "0", "f", "false", NULL };

	for (int i = 0; value && i < 3; i++) {
		if (strcasecmp(value, yes[i]) != 0 &&
		    strcasecmp(value, no[i]) != 0)
			continue;
		*ret = strcasecmp(value, yes[i]) == 0;
		return 0;
	}
	if (value)
		return err_set(err, -EINVAL,
			       "--mount %.200s: %s=%.64s: write true or false",
			       text, key, value);
	*ret = true;
	return 0;
}

static int read_opt(struct told *t, char *value, struct err *err)
{
	char *eq = strchr(value, '=');

	if (!eq || eq == value)
		return err_set(err, -EINVAL,
			       "--mount %.200s: volume-opt=%.64s: write "
			       "volume-opt=KEY=VALUE",
			       t->text, value);
	*eq = '\0';
	if (!t->opts)
		t->opts = json_object_new_object();
	if (!t->opts)
		return err_set(err, -ENOMEM, "out of memory");
	jset_str(t->opts, value, eq + 1);
	return 0;
}

/* volume-driver is volume's. */
static bool is_of(const char *key, const char *type)
{
	size_t len = strlen(type);

	return strncmp(key, type, len) == 0 && key[len] == '-';
}

static int read_field(struct told *t, char *field, struct err *err)
{
	char *value = strchr(field, '=');
	const struct key *k;

	if (value)
		*value++ = '\0';
	k = find_key(field);
	if (!k)
		return err_set(err, -EINVAL,
			       "--mount %.200s: there is no \"%.64s\": there "
			       "are type, source, target, readonly, "
			       "volume-driver, volume-opt, volume-nocopy, "
			       "volume-subpath, bind-propagation, "
			       "bind-nonrecursive, bind-recursive, tmpfs-size, "
			       "tmpfs-mode and consistency",
			       t->text, field);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (is_of(k->name, types[i]))
			t->of_type[i] = k->name;
	if (k->kind == SWITCH)
		return read_switch(t->text, k->name, value,
				   (bool *)((char *)t + k->at), err);
	/* as Docker: one that is empty is not said */
	if (value && !*value && k->at == AT(source)) {
		t->source = NULL;
		return 0;
	}
	if (!value || !*value)
		return err_set(err, -EINVAL,
			       "--mount %.200s: %s wants a value: %s=...",
			       t->text, k->name, k->name);
	if (k->kind == OPT)
		return read_opt(t, value, err);
	*(const char **)(void *)((char *)t + k->at) = value;
	return 0;
}

/* A key of another type.  The type is said once, anywhere. */
static int check_type(const struct told *t, const char *type, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (t->of_type[i] && strcmp(types[i], type) != 0)
			return err_set(err, -EINVAL,
				       "--mount %.200s: %s does not go with "
				       "type=%s: write type=%s, or leave it "
				       "out",
				       t->text, t->of_type[i], type, types[i]);
	return 0;
}

/* ---- types ----------------------------------------------------------------------- */

static int wrong(const struct told *t, const char *what, struct err *err)
{
	return err_set(err, -EINVAL, "--mount %.200s: %s", t->text, what);
}

/* Docker's filepath.IsLocal(): nothing of it leads out by itself. */
static bool is_local(const char *path)
{
	int depth = 0;

	if (*path == '/')
		return false;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && strncmp(path, "..", 2) == 0)
			depth--;
		else if (len && !(len == 1 && *path == '.'))
			depth++;
		if (depth < 0)
			return false;
		path += len;
		path += strspn(path, "/");
	}
	return true;
}

static int to_volume(const struct told *t, const char *driver, json_object *m,
		     struct err *err)
{
	int r;

	if (t->source && !box_is_name(t->source))
		return wrong(t,
			     "source is no volume's name: for a path of the "
			     "host write type=bind",
			     err);
	if (!t->source && t->ro)
		return wrong(t,
			     "readonly: a volume without a name is new, and "
			     "nobody could write to it: give a source",
			     err);
	if (!t->source && t->subpath)
		return wrong(t,
			     "volume-subpath: a volume without a name is new, "
			     "and has none: give a source",
			     err);
	if (t->subpath && !is_local(t->subpath))
		return wrong(t,
			     "volume-subpath must be a relative path within "
			     "the volume",
			     err);
	r = box_mount_volume(m, t->source, t->driver ? t->driver : driver, err);
	if (r < 0)
		return r;
	if (t->nocopy)
		jset(m, "NoCopy", json_object_new_boolean(true));
	if (t->subpath)
		jset_str(m, "Subpath", t->subpath);
	if (t->opts)
		jset(m, "DriverOpts", json_object_get(t->opts));
	return 0;
}

/* @ret: as it is spelled; NULL: there is no such. */
static const char *propagation_of(const char *text)
{
	static const char *const known[] = { "rprivate", "private", "rslave",
					     "slave" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcasecmp(text, known[i]) == 0)
			return known[i];
	return NULL;
}

static int set_recursive(const struct told *t, const char *propagation,
			 json_object *m, struct err *err)
{
	const char *how = t->recursive;

	if (t->alone || (how && strcmp(how, "disabled") == 0))
		jset(m, "NonRecursive", json_object_new_boolean(true));
	if (!how || strcmp(how, "enabled") == 0 || strcmp(how, "disabled") == 0)
		return 0;
	if (strcmp(how, "writable") != 0 && strcmp(how, "readonly") != 0)
		return wrong(t,
			     "bind-recursive is enabled, disabled, writable or "
			     "readonly",
			     err);
	if (!t->ro)
		return wrong(t,
			     "bind-recursive=writable and =readonly want "
			     "readonly as well",
			     err);
	if (*how == 'r' && strcmp(propagation, "rprivate") != 0)
		return wrong(t,
			     "bind-recursive=readonly wants "
			     "bind-propagation=rprivate as well",
			     err);
	/* else what is below is read-only in any case */
	if (*how == 'w')
		jset(m, "WritableBelow", json_object_new_boolean(true));
	return 0;
}

static int to_bind(const struct told *t, json_object *m, struct err *err)
{
	const char *p = t->propagation ? propagation_of(t->propagation) : "";

	if (!t->source || *t->source != '/')
		return wrong(t,
			     "source, a path of the host's that begins with /, "
			     "is needed",
			     err);
	if (access(t->source, F_OK) < 0)
		return err_set(err, -EINVAL,
			       "--mount %.200s: bind source path does not "
			       "exist: %.200s (-v makes it)",
			       t->text, t->source);
	if (!p)
		return wrong(t,
			     "bind-propagation is rprivate, private, rslave or "
			     "slave; what is mounted in a container does not "
			     "reach the host (shared, rshared)",
			     err);
	jset_str(m, "Source", t->source);
	jset(m, "MustExist", json_object_new_boolean(true));
	if (*p)
		jset_str(m, "Propagation", p);
	return set_recursive(t, p, m, err);
}

static int to_tmpfs(const struct told *t, json_object *m, struct err *err)
{
	_cleanup_free_ char *options = NULL;
	int64_t size = 0;
	unsigned long mode = 0;
	char *end = NULL, size_text[32] = "", mode_text[24] = "";

	if (t->source)
		return wrong(t, "source: a tmpfs has none, leave it out", err);
	if (t->size && (box_ask_size(t->size, &size) < 0 || !size))
		return wrong(t, "tmpfs-size: write bytes, or like 64m", err);
	if (t->mode)
		mode = strtoul(t->mode, &end, 8);
	if (t->mode && (*t->mode < '0' || *end || mode > 07777))
		return wrong(t, "tmpfs-mode: write it in octal, as 1777", err);
	if (size)
		snprintf(size_text, sizeof(size_text), "size=%lld,",
			 (long long)size);
	if (t->mode)
		snprintf(mode_text, sizeof(mode_text), "mode=%lo,", mode);
	if (asprintf(&options, "%s%s%s", size_text, mode_text,
		     t->ro ? "ro," : "") < 0) {
		options = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (*options)
		options[strlen(options) - 1] = '\0';
	jset_str(m, "Options", options);
	return 0;
}

/* ---- all of it ------------------------------------------------------------------- */

static int convert(const struct told *t, const char *driver, json_object **ret,
		   struct err *err)
{
	_cleanup_(json_putp) json_object *m = NULL;
	_cleanup_free_ char *target = strdup(t->target ? t->target : "");
	const char *type = NULL;
	int r;

	if (!target)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcasecmp(t->type, types[i]) == 0)
			type = types[i];
	if (!type)
		return wrong(t, "type is volume, bind or tmpfs", err);
	if (!t->target)
		return wrong(t, "target, the path in the container, is needed",
			     err);
	r = check_type(t, type, err);
	if (r == 0)
		r = box_mount_new("--mount", t->text, type, target, &m, err);
	if (r < 0)
		return r;
	jset(m, "ReadOnly", json_object_new_boolean(t->ro));
	if (type == types[0])
		r = to_volume(t, driver, m, err);
	else
		r = type == types[1] ? to_bind(t, m, err) : to_tmpfs(t, m, err);
	if (r == 0)
		*ret = take_ptr(m);
	return r;
}

int box_ask_mount(const char *text, const char *driver, json_object **ret,
		  struct err *err)
{
	_cleanup_(told_fini) struct told t = { .text = text, .type = "volume" };
	_cleanup_free_ char *copy = strdup(text);
	char *in = copy, *field;
	int r = copy ? 0 : err_set(err, -ENOMEM, "out of memory");

	while (r == 0 && in) {
		r = next_field(&in, &field, text, err);
		if (r == 0)
			r = read_field(&t, field, err);
	}
	return r == 0 ? convert(&t, driver, ret, err) : r;
}
