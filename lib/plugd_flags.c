// SPDX-License-Identifier: GPL-2.0-or-later
/* Flags of a daemon: the common ones, its own, and the same from a file. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "lib/plugd_priv.h"

#define FLAGS_MAX 64

enum common {
	FLAG_PLUGIN_DIR,
	FLAG_STATE_DIR,
	FLAG_RUN_DIR,
	FLAG_BPF_DIR,
	FLAG_CGROUP,
	FLAG_CONFIG,
	FLAG_LOG_LEVEL,
	FLAG_LIST_FAILPOINTS,
	FLAG_VERSION,
	FLAG_HELP,
	FLAG_OWN, /* the program's start here */
};

static const struct {
	const char *name, *arg, *help;
} common[] = {
	[FLAG_PLUGIN_DIR] = { "plugin-dir", "DIR",
			      "where the socket is made "
			      "[/run/docker/plugins]" },
	[FLAG_STATE_DIR] = { "state-dir", "DIR",
			     "what survives a reboot [/var/lib/berth]" },
	[FLAG_RUN_DIR] = { "run-dir", "DIR",
			   "what dies with the kernel [/run/berth]" },
	[FLAG_BPF_DIR] = { "bpf-dir", "DIR",
			   "the BPF file system [/sys/fs/bpf]" },
	[FLAG_CGROUP] = { "cgroup", "DIR",
			  "where socket hooks attach [the cgroup v2 root]" },
	[FLAG_CONFIG] = { "config", "FILE",
			  "read flags from FILE, as lines \"name = value\"" },
	[FLAG_LOG_LEVEL] = { "log-level", "LEVEL",
			     "error, warn, info or debug [info]" },
	[FLAG_LIST_FAILPOINTS] = { "list-failpoints", NULL,
				   "print the points where tests can make it "
				   "fail" },
	[FLAG_VERSION] = { "version", NULL, "print the version" },
	[FLAG_HELP] = { "help", NULL, "print this" },
};

static const struct plugd_flag *own_flag(const struct plugd *d, int i)
{
	return &d->prog->flags[i - FLAG_OWN];
}

static void help(const struct plugd *d)
{
	const struct plugd_flag *f = d->prog->flags;
	char left[64];

	printf("Usage: %s [FLAG]...\n%s.\n\n", d->prog->name, d->prog->summary);
	for (int i = 0; f && f[i].name; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", f[i].name,
			 f[i].arg ? " " : "", f[i].arg ? f[i].arg : "");
		printf("  %-24s %s\n", left, f[i].help);
	}
	if (f && f[0].name)
		printf("\n");
	for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
		snprintf(left, sizeof(left), "--%s%s%s", common[i].name,
			 common[i].arg ? " " : "",
			 common[i].arg ? common[i].arg : "");
		printf("  %-24s %s\n", left, common[i].help);
	}
	printf("\nServes %s/%s.sock, or the socket handed over by LISTEN_FDS.\n"
	       "Runs until SIGTERM; networks and volumes stay as they are.\n"
	       "`netctl up` starts it, `netctl doctor` looks after it.\n",
	       d->dirs.plugin_dir, d->prog->name);
}

/* Give a flag's value to where it belongs.  @value NULL: a switch. */
static int flag_apply(struct plugd *d, int which, const char *value,
		      struct err *err)
{
	switch (which) {
	case FLAG_PLUGIN_DIR:
		d->dirs.plugin_dir = value;
		return 0;
	case FLAG_STATE_DIR:
		d->dirs.state_dir = value;
		return 0;
	case FLAG_RUN_DIR:
		d->dirs.run_dir = value;
		return 0;
	case FLAG_BPF_DIR:
		d->dirs.bpf_dir = value;
		return 0;
	case FLAG_CGROUP:
		d->dirs.cgroup = value;
		return 0;
	case FLAG_LOG_LEVEL:
		return log_level_set(value, err);
	default:
		return own_flag(d, which)->set(d, d->prog->config, value, err);
	}
}

/* ---- the config file --------------------------------------------------- */

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (isspace((unsigned char)*s))
		s++;
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return s;
}

static int flag_find(const struct option *opts, const char *name)
{
	for (int i = 0; opts[i].name; i++)
		if (!strcmp(opts[i].name, name))
			return i;
	return -ENOENT;
}

/* A switch in a file is "name = true" or "name = false". */
static int config_switch(const char *value, bool *ret)
{
	if (!strcmp(value, "true") || !strcmp(value, "false")) {
		*ret = value[0] == 't';
		return 0;
	}
	return -EINVAL;
}

static int config_line(struct plugd *d, const struct option *opts, char *line,
		       struct err *err)
{
	char *equals = strchr(line, '='), *name = line, *value;
	int which;
	bool on = true;

	line[strcspn(line, "\n")] = '\0';
	name = trim(name);
	if (!*name || *name == '#')
		return 0;
	if (!equals)
		return err_set(err, -EINVAL, "\"%s\" is not \"name = value\"",
			       name);
	*equals = '\0';
	name = trim(name);
	value = trim(equals + 1);
	which = flag_find(opts, name);
	if (which < 0 || which == FLAG_CONFIG ||
	    (which >= FLAG_LIST_FAILPOINTS && which <= FLAG_HELP))
		return err_set(err, -EINVAL,
			       "there is no setting \"%s\"; "
			       "--help lists them",
			       name);
	if (!opts[which].has_arg) {
		if (config_switch(value, &on) < 0)
			return err_set(err, -EINVAL,
				       "%s is true or false, not \"%s\"", name,
				       value);
		return on ? flag_apply(d, which, NULL, err) : 0;
	}
	value = strdup(value); /* kept for the life of the process */
	return value ? flag_apply(d, which, value, err)
		     : err_set(err, -ENOMEM, "%s", name);
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static int config_read(struct plugd *d, const struct option *opts,
		       const char *path, struct err *err)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r;

	if (!f)
		return err_set(err, -errno, "%s: %m", path);
	for (int n = 1; getline(&line, &size, f) >= 0; n++) {
		r = config_line(d, opts, line, err);
		if (r < 0)
			return err_wrap(err, r, "%s, line %d", path, n);
	}
	return 0;
}

/* ---- the command line -------------------------------------------------- */

static void options_fill(const struct plugd *d, struct option *opts)
{
	const struct plugd_flag *f = d->prog->flags;
	int n = 0;

	for (; n < FLAG_OWN; n++)
		opts[n] = (struct option){ .name = common[n].name,
					   .has_arg = common[n].arg != NULL,
					   .val = n };
	for (; f && f->name && n < FLAGS_MAX; f++, n++)
		opts[n] = (struct option){ .name = f->name,
					   .has_arg = f->arg != NULL,
					   .val = n };
	opts[n] = (struct option){ 0 };
}

/* The file comes first, so that the command line has the last word. */
static int config_first(struct plugd *d, const struct option *opts, int argc,
			char **argv, struct err *err)
{
	int c, r = 0;

	opterr = 0;
	optind = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "", opts, NULL)) != -1)
		if (c == FLAG_CONFIG)
			r = config_read(d, opts, optarg, err);
	opterr = 1;
	optind = 0;
	return r;
}

/* Return: 1 when @which was one that only prints. */
static int flag_prints(const struct plugd *d, int which)
{
	switch (which) {
	case FLAG_HELP:
		help(d);
		return 1;
	case FLAG_VERSION:
		printf("%s %s\n", d->prog->name, BERTH_VERSION);
		return 1;
	case FLAG_LIST_FAILPOINTS:
		fail_list(stdout);
		return 1;
	default:
		return 0;
	}
}

static int complain(const struct plugd *d, const char *flag,
		    const struct err *err)
{
	fprintf(stderr, "%s: %s%s%s\n", d->prog->name, flag, *flag ? ": " : "",
		err->msg);
	return -EINVAL;
}

int plugd_flags(struct plugd *d, int argc, char **argv)
{
	struct option opts[FLAGS_MAX + 1];
	struct err err = { 0 };
	int c;

	options_fill(d, opts);
	if (config_first(d, opts, argc, argv, &err) < 0)
		return complain(d, "", &err);
	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (c == '?') {
			fprintf(stderr, "Try '%s --help'.\n", d->prog->name);
			return -EINVAL;
		}
		if (flag_prints(d, c))
			return 1;
		if (c != FLAG_CONFIG && flag_apply(d, c, optarg, &err) < 0)
			return complain(d, opts[c].name, &err);
	}
	if (optind < argc) {
		fprintf(stderr, "%s: \"%s\" is no flag\nTry '%s --help'.\n",
			d->prog->name, argv[optind], d->prog->name);
		return -EINVAL;
	}
	return 0;
}
