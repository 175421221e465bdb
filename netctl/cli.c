/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line by table: verbs, flags, environment, help. */
#include "netctl/cli.h"

#include <ctype.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/opts.h"

/* Of one verb, its own and the table's. */
#define FLAGS_MAX  (ARRAY_SIZE(flags) + 40)

#define IN(member) offsetof(struct ctl, member)

static const struct cli_flag flags[] = {
	{ "format", "table|json", "how to print (default: table)", FLAG_FORMAT,
	  CLI_FORMAT, IN(format), false },
	{ "json", NULL, "the same as --format json", FLAG_JSON, CLI_FORMAT,
	  IN(format), false },
	{ "quiet", NULL, "print what is wrong only", FLAG_SWITCH, CLI_QUIET,
	  IN(quiet), false },
	{ "foreground", NULL, "stay, and log to stderr", FLAG_SWITCH,
	  CLI_FOREGROUND, IN(foreground), false },
	{ "force", NULL, "do not ask", FLAG_SWITCH, CLI_FORCE, IN(force),
	  false },
	{ "all", NULL, "those with a name as well", FLAG_SWITCH, CLI_ALL,
	  IN(all), false },
	{ "stats", NULL, "with what was counted", FLAG_SWITCH, CLI_STATS,
	  IN(stats), false },
	{ "for", "TIME", "stop after that (default: until ^C)", FLAG_DURATION,
	  CLI_FOR, IN(for_ms), false },
	{ "dry-run", NULL, "or -n: say what would be done, change nothing",
	  FLAG_SWITCH, CLI_DRY_RUN, IN(dry_run), false },
	{ "live", NULL, "although others write to it meanwhile", FLAG_SWITCH,
	  CLI_LIVE, IN(live), false },
	{ "snapshots", NULL, "and its snapshots with it", FLAG_SWITCH,
	  CLI_SNAPSHOTS, IN(snapshots), false },
	{ "opt", "KEY=VALUE", "or -o: an option, as docker volume create -o",
	  FLAG_PAIR, CLI_OPT, IN(opts), false },
	{ "backend", "CONTAINER|ADDRESS[:PORT][*WEIGHT]",
	  "one of those that share the port; again for each", FLAG_LIST,
	  CLI_BACKENDS, IN(backends), false },
	{ "service", "NAME", "and whoever has berth.service=NAME", FLAG_PATH,
	  CLI_BACKENDS, IN(service), false },
	{ "network", "NAME", "of the container: which of several", FLAG_PATH,
	  CLI_NETWORK, IN(network), false },
	{ "listen", "ADDRESS:PORT", "serve it there (a loopback address)",
	  FLAG_PATH, CLI_LISTEN, IN(listen), false },
	{ "token-file", "FILE", "whose first line a client must send",
	  FLAG_PATH, CLI_LISTEN, IN(token_file), false },
	{ "driver", "NAME",
	  "or -d: who makes it (default: berth-named, for a "
	  "network berth-bridge)",
	  FLAG_PATH, CLI_DRIVER, IN(driver), false },
	{ "subnet", "PREFIX", "its addresses; again for each", FLAG_LIST,
	  CLI_POOLS, IN(subnets), false },
	{ "gateway", "ADDRESS", "of a subnet", FLAG_LIST, CLI_POOLS,
	  IN(gateways), false },
	{ "ip-range", "PREFIX", "what addresses are chosen from, in a subnet",
	  FLAG_LIST, CLI_POOLS, IN(ranges), false },
	{ "aux-address", "NAME=ADDRESS", "one that nobody is given", FLAG_LIST,
	  CLI_POOLS, IN(aux), false },
	{ "ipv6", NULL, "with IPv6", FLAG_SWITCH, CLI_POOLS, IN(ipv6), false },
	{ "internal", NULL, "nothing gets out of it", FLAG_SWITCH, CLI_POOLS,
	  IN(internal), false },
	{ "ipam-driver", "NAME",
	  "who hands out addresses (default: berth-ipam)", FLAG_PATH, CLI_POOLS,
	  IN(ipam), false },
	{ "ipam-opt", "KEY=VALUE", "an option for it", FLAG_PAIR, CLI_POOLS,
	  IN(ipam_opts), false },
	{ "netns", "NAME|PID|PATH", "the network namespace", FLAG_PATH,
	  CLI_NETNS, IN(netns), false },
	{ "ip", "ADDRESS", "IPv4 address (default: a free one)", FLAG_PATH,
	  CLI_PLUG, IN(ip), false },
	{ "ip6", "ADDRESS", "IPv6 address (default: a free one)", FLAG_PATH,
	  CLI_PLUG, IN(ip6), false },
	{ "mac-address", "MAC", "of the interface", FLAG_PATH, CLI_PLUG,
	  IN(mac), false },
	{ "ifname", "NAME", "of the interface (default: eth0, eth1, ...)",
	  FLAG_PATH, CLI_PLUG, IN(ifname), false },
	{ "publish", "[[HOST:]PORT:]PORT[/PROTO]",
	  "or -p: a port, as docker run -p; again for each", FLAG_LIST,
	  CLI_PLUG, IN(ports), false },
	{ "no-default-route", NULL, "not by this network", FLAG_SWITCH,
	  CLI_PLUG, IN(no_default_route), false },
	{ "node", "NAME", "a host of the cluster that is gone for ever",
	  FLAG_PATH, CLI_NODE, IN(node), false },
	{ "output", "FILE|DIR|-", "or -o: where to (default: here)", FLAG_PATH,
	  CLI_OUTPUT, IN(output), false },
	{ "since", "ARCHIVE", "only what was changed since that backup",
	  FLAG_PATH, CLI_SINCE, IN(since), false },
	{ "timeout", "TIME", "give up after that (default: 60s)", FLAG_DURATION,
	  CLI_TIMEOUT, IN(timeout_ms), false },
	{ "plugin-dir", "DIR", "sockets (default: /run/docker/plugins)",
	  FLAG_PATH, CLI_DIRS, IN(plugin_dir), true },
	{ "state-dir", "DIR", "what survives reboot (default: /var/lib/berth)",
	  FLAG_PATH, CLI_DIRS, IN(state_dir), true },
	{ "run-dir", "DIR", "what does not (default: /run/berth)", FLAG_PATH,
	  CLI_DIRS, IN(run_dir), true },
	{ "bpf-dir", "DIR", "a bpf file system (default: /sys/fs/bpf)",
	  FLAG_PATH, CLI_DIRS, IN(bpf_dir), true },
	{ "cgroup", "DIR",
	  "cgroup v2 directory for the socket hooks (default: its root)",
	  FLAG_PATH, CLI_DIRS, IN(cgroup), true },
	{ "docker", "SOCKET",
	  "dockerd's, for names (default: /run/docker.sock)", FLAG_PATH,
	  CLI_DOCKER, IN(docker), true },
	{ "help", NULL, "print this", FLAG_HELP, 0, 0, false },
};

static bool takes(const struct cmd *cmd, const struct cli_flag *f)
{
	return f->group == 0 || (cmd->takes & f->group);
}

/* Its own flags after those of the table.  NULL: there are no more. */
static const struct cli_flag *nth_flag(const struct cmd *cmd, size_t i)
{
	if (i < ARRAY_SIZE(flags))
		return &flags[i];
	if (!cmd->own)
		return NULL;
	for (size_t k = ARRAY_SIZE(flags);; k++) {
		const struct cli_flag *f =
			&cmd->own[k - ARRAY_SIZE(flags)].flag;

		if (k == i || !f->name)
			return f->name ? f : NULL;
	}
}

static int add_to(struct cli_list *list, const char *name, const char *value,
		  struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--%s is empty", name);
	if (list->n == CLI_LIST_MAX)
		return err_set(err, -EINVAL, "more than %d times --%s",
			       CLI_LIST_MAX, name);
	list->v[list->n++] = value;
	return 0;
}

static int add_pair(struct cli_list *list, const char *name, const char *value,
		    struct err *err)
{
	if (*value == '=' || !strchr(value, '='))
		return err_set(err, -EINVAL,
			       "\"%s\" is no option: write --%s KEY=VALUE",
			       value, name);
	return add_to(list, name, value, err);
}

static int set_flag(struct ctl *ctl, const struct cli_flag *f,
		    const char *value, struct err *err)
{
	void *at = (char *)ctl + f->offset;

	switch (f->kind) {
	case FLAG_PATH:
		if (!*value)
			return err_set(err, -EINVAL, "--%s is empty", f->name);
		*(const char **)at = value;
		return 0;
	case FLAG_TEXT:
		*(const char **)at = value;
		return 0;
	case FLAG_PAIR:
		return add_pair(at, f->name, value, err);
	case FLAG_LIST:
		return add_to(at, f->name, value, err);
	case FLAG_SWITCH:
		*(bool *)at = true;
		return 0;
	case FLAG_DURATION:
		return cli_duration(value, at, err);
	case FLAG_JSON:
		ctl->format = OUT_JSON;
		return 0;
	case FLAG_FORMAT:
		if (strcmp(value, "json") == 0)
			ctl->format = OUT_JSON;
		else if (strcmp(value, "table") == 0)
			ctl->format = OUT_TABLE;
		else
			return err_set(err, -EINVAL,
				       "--format is table or json, not \"%s\"",
				       value);
		return 0;
	case FLAG_HELP:
	default:
		return 0;
	}
}

/* BERTH_PLUGIN_DIR for "plugin-dir". */
static const char *env_of(const struct cli_flag *f)
{
	char name[64] = "BERTH_";
	size_t n = strlen(name);

	for (const char *s = f->name; *s && n + 1 < sizeof(name); s++) {
		int c = *s == '-' ? '_' : toupper((unsigned char)*s);

		name[n++] = (char)c;
	}
	name[n] = '\0';
	return getenv(name);
}

static int defaults(struct ctl *ctl, struct err *err)
{
	const char *host = getenv("DOCKER_HOST");

	*ctl = (struct ctl){
		.plugin_dir = "/run/docker/plugins",
		.state_dir = "/var/lib/berth",
		.run_dir = "/run/berth",
		.bpf_dir = "/sys/fs/bpf",
		.docker = "/run/docker.sock",
		.timeout_ms = 60000,
		.top = { .delay_ms = 1000 },
	};
	if (host && strncmp(host, "unix://", 7) == 0 && host[7])
		ctl->docker = host + 7;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const char *value = flags[i].in_env ? env_of(&flags[i]) : NULL;

		if (value && *value) {
			int r = set_flag(ctl, &flags[i], value, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- help ---------------------------------------------------------------- */

static void print_help(const struct cmd *cmd)
{
	const struct cli_flag *f;

	printf("usage: netctl %s [FLAG...]%s%s%s\n\n%s.\n", cmd->name,
	       cmd->args ? " " : "", cmd->args ? cmd->args : "",
	       cmd->takes & CLI_REST ? " [-- DAEMON-FLAG...]" : "",
	       cmd->summary);
	if (cmd->help)
		printf("%s", cmd->help);
	printf("\nFlags:\n");
	for (size_t i = 0; (f = nth_flag(cmd, i)); i++) {
		char left[64];

		if (!takes(cmd, f))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", f->name,
			 f->arg ? " " : "", f->arg ? f->arg : "");
		printf("  %-20s %s\n", left, f->help);
	}
}

static void print_verbs(const struct cmd *const *cmds, FILE *f)
{
	fprintf(f, "usage: netctl VERB [FLAG...] [ARGUMENT...]\n\n"
		   "Runs Berth's daemons and shows what they hold.\n\n");
	for (; *cmds; cmds++)
		fprintf(f, "  %-18s %s\n", (*cmds)->name, (*cmds)->summary);
	fprintf(f, "\n'netctl VERB --help' explains a verb.  Directory flags "
		   "(--plugin-dir, ...) may\nstand in the environment: "
		   "BERTH_PLUGIN_DIR and so on.\n\n"
		   "Exit status: 0 done, 1 failed, 2 wrong usage, 3 problems "
		   "found (doctor).\n");
}

static const struct cli_flag *flag_short(const struct cmd *cmd, int c);

/* The letter that @f has in this verb; 0: none. */
static int letter_of(const struct cmd *cmd, const struct cli_flag *f)
{
	for (int c = 'A'; c <= 'z'; c++)
		if (flag_short(cmd, c) == f)
			return c;
	return 0;
}

/* For programs (shell completion, tests): "verb<TAB>arguments", and below it
 * "<TAB>--flag<TAB>-letter<TAB>argument" for each flag. */
static void print_table(const struct cmd *const *cmds)
{
	const struct cli_flag *f;

	for (; *cmds; cmds++) {
		printf("%s\t%s\n", (*cmds)->name,
		       (*cmds)->args ? (*cmds)->args : "");
		for (size_t i = 0; (f = nth_flag(*cmds, i)); i++) {
			int c = letter_of(*cmds, f);

			if (takes(*cmds, f))
				printf("\t--%s\t%s%c\t%s\n", f->name,
				       c ? "-" : "", c ? c : ' ',
				       f->arg ? f->arg : "");
		}
	}
}

/* ---- choosing the verb --------------------------------------------------- */

/* How many of @argv the name of @cmd takes up; 0: it is not this verb. */
static int words_matched(const struct cmd *cmd, char **argv)
{
	const char *s = cmd->name;
	int n = 0;

	for (;;) {
		size_t len = strcspn(s, " ");

		if (!argv[n] || strlen(argv[n]) != len ||
		    strncmp(argv[n], s, len) != 0)
			return 0;
		n++;
		if (!s[len])
			return n;
		s += len + 1;
	}
}

/* "network" alone, or with a second word that is none of its verbs. */
static bool complain_noun(const struct cmd *const *cmds, char **argv)
{
	size_t len = strlen(argv[0]);
	bool found = false;

	for (; *cmds; cmds++) {
		const char *name = (*cmds)->name;

		if (strncmp(name, argv[0], len) != 0 || name[len] != ' ')
			continue;
		if (!found && argv[1] && argv[1][0] != '-')
			cli_warn("%s has no verb \"%s\"; there are:", argv[0],
				 argv[1]);
		else if (!found)
			cli_warn("%s what?  There are:", argv[0]);
		found = true;
		fprintf(stderr, "  netctl %-18s %s\n", name, (*cmds)->summary);
	}
	return found;
}

static void complain_verb(const struct cmd *const *cmds, char **argv)
{
	struct opt_field names[64] = { 0 };
	char words[ARRAY_SIZE(names)][16];
	const char *near;

	if (complain_noun(cmds, argv))
		return;
	for (size_t i = 0; cmds[i] && i + 1 < ARRAY_SIZE(names); i++) {
		const char *name = cmds[i]->name;

		snprintf(words[i], sizeof(words[i]), "%.*s",
			 (int)strcspn(name, " "), name);
		names[i].key = words[i];
	}
	near = opts_nearest(argv[0], names);
	if (near)
		cli_warn("no verb \"%s\": did you mean \"%s\"?", argv[0], near);
	else
		cli_warn("no verb \"%s\": 'netctl help' lists them", argv[0]);
}

static const struct cmd *find_cmd(const struct cmd *const *cmds, char **argv,
				  int *ret_words)
{
	for (; *cmds; cmds++) {
		*ret_words = words_matched(*cmds, argv);
		if (*ret_words)
			return *cmds;
	}
	return NULL;
}

/* ---- flags --------------------------------------------------------------- */

static void complain_flag(const struct cmd *cmd, const char *arg, int opt)
{
	struct opt_field names[FLAGS_MAX + 1] = { 0 };
	const struct cli_flag *f;
	size_t len = strcspn(arg, "=");
	_cleanup_free_ char *name = NULL;
	const char *near = NULL;
	size_t n = 0;

	if (opt == ':') {
		cli_warn("%s needs a value: see 'netctl %s --help'", arg,
			 cmd->name);
		return;
	}
	for (size_t i = 0; n < FLAGS_MAX && (f = nth_flag(cmd, i)); i++)
		if (takes(cmd, f))
			names[n++].key = f->name;
	name = strndup(arg, len);
	if (name && strncmp(name, "--", 2) == 0)
		near = opts_nearest(name + 2, names);
	if (near)
		cli_warn("%s has no flag %s: did you mean --%s?", cmd->name,
			 name, near);
	else
		cli_warn("%s has no flag %s: see 'netctl %s --help'", cmd->name,
			 name ? name : arg, cmd->name);
}

/* What a letter is short for in this verb.  NULL: nothing. */
static const struct cli_flag *flag_short(const struct cmd *cmd, int c)
{
	for (const struct cli_own *own = cmd->own; own && own->flag.name; own++)
		if (own->letter && own->letter == c)
			return &own->flag;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const struct cli_flag *f = &flags[i];

		if (takes(cmd, f) &&
		    ((c == 'o' &&
		      (f->group == CLI_OUTPUT || f->kind == FLAG_PAIR)) ||
		     (c == 'd' && f->group == CLI_DRIVER) ||
		     (c == 'p' && strcmp(f->name, "publish") == 0)))
			return f;
	}
	return NULL;
}

#define SHORTS_MAX (4 + 2 * 52)

/* For getopt: the letters this verb has. */
static void list_shorts(const struct cmd *cmd, char shorts[static SHORTS_MAX])
{
	size_t n = (size_t)snprintf(shorts, SHORTS_MAX,
				    "%s:", cmd->stops ? "+" : "");

	for (int c = 'A'; c <= 'z'; c++) {
		const struct cli_flag *f = flag_short(cmd, c);

		if (!f && c != 'h' && c != 'q' && c != 'n')
			continue;
		shorts[n++] = (char)c;
		if (f && f->arg)
			shorts[n++] = ':';
	}
	shorts[n] = '\0';
}

static size_t list_longs(const struct cmd *cmd,
			 struct option longs[static FLAGS_MAX + 1])
{
	const struct cli_flag *f;
	size_t n = 0;

	for (size_t i = 0; n < FLAGS_MAX && (f = nth_flag(cmd, i)); i++)
		if (takes(cmd, f))
			longs[n++] = (struct option){
				.name = f->name,
				.has_arg = f->arg ? required_argument
						  : no_argument,
				.val = (int)i + 256,
			};
	return n;
}

/* Return: 0; 1 after --help; -EINVAL, told. */
static int parse_flags(const struct cmd *cmd, int argc, char **argv,
		       struct ctl *ctl)
{
	struct option longs[FLAGS_MAX + 1] = { 0 };
	char shorts[SHORTS_MAX];
	const struct cli_flag *f;
	struct err err = { 0 };
	int opt;

	list_longs(cmd, longs);
	list_shorts(cmd, shorts);
	opterr = 0;
	optind = 0; /* glibc: begin anew, with this verb's letters */
	while ((opt = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		f = opt >= 256 ? nth_flag(cmd, (size_t)opt - 256)
			       : flag_short(cmd, opt);
		if ((!f && opt == 'h') || (f && f->kind == FLAG_HELP)) {
			print_help(cmd);
			return 1;
		}
		if (!f && opt == 'n' && (cmd->takes & CLI_DRY_RUN)) {
			ctl->dry_run = true;
			continue;
		}
		if (!f) {
			complain_flag(cmd, argv[optind - 1], opt);
			return -EINVAL;
		}
		if (set_flag(ctl, f, optarg, &err) < 0) {
			cli_warn("%s", err.msg);
			return -EINVAL;
		}
	}
	return 0;
}

static int check_args(const struct cmd *cmd, const struct ctl *ctl)
{
	if (ctl->has_rest && !(cmd->takes & CLI_REST)) {
		cli_warn("%s takes nothing after --", cmd->name);
		return -EINVAL;
	}
	if (ctl->arg_count >= cmd->min_args &&
	    (cmd->max_args < 0 || ctl->arg_count <= cmd->max_args))
		return 0;
	if (ctl->arg_count < cmd->min_args)
		cli_warn("%s needs %s: see 'netctl %s --help'", cmd->name,
			 cmd->args, cmd->name);
	else
		cli_warn("%s: \"%s\" is one argument too many", cmd->name,
			 ctl->args[cmd->max_args]);
	return -EINVAL;
}

/* @argv[0] is the last word of the verb. */
static int run_cmd(const struct cmd *cmd, int argc, char **argv)
{
	struct err err = { 0 };
	struct ctl ctl;
	int r;

	if (defaults(&ctl, &err) < 0) {
		cli_warn("in the environment: %s", err.msg);
		return CLI_USAGE;
	}
	/* getopt moves arguments about and would hide where "--" stood. */
	for (int i = 1; i < argc && !cmd->stops; i++)
		if (strcmp(argv[i], "--") == 0) {
			ctl.has_rest = true;
			ctl.rest = argv + i + 1;
			ctl.rest_count = argc - i - 1;
			argv[i] = NULL;
			argc = i;
		}
	r = parse_flags(cmd, argc, argv, &ctl);
	if (r > 0)
		return 0;
	ctl.args = argv + optind;
	ctl.arg_count = argc - optind;
	if (r < 0 || check_args(cmd, &ctl) < 0)
		return cmd->fails_as ? cmd->fails_as : CLI_USAGE;
	r = cmd->run(&ctl, &err);
	if (r >= 0)
		return r;
	cli_warn("%s: %s", cmd->name, err.msg[0] ? err.msg : strerror(-r));
	return cmd->fails_as ? cmd->fails_as : CLI_FAILED;
}

static bool is_help(const char *arg)
{
	return strcmp(arg, "help") == 0 || strcmp(arg, "--help") == 0 ||
	       strcmp(arg, "-h") == 0;
}

int cli_main(const struct cmd *const *cmds, int argc, char **argv)
{
	const struct cmd *cmd;
	int words = 0;

	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		print_verbs(cmds, stderr);
		return CLI_USAGE;
	}
	if (is_help(argv[1]) && argc == 2) {
		print_verbs(cmds, stdout);
		return 0;
	}
	if (is_help(argv[1]) && strcmp(argv[2], "--table") == 0) {
		print_table(cmds);
		return 0;
	}
	if (is_help(argv[1])) { /* help VERB */
		cmd = find_cmd(cmds, argv + 2, &words);
		if (cmd)
			print_help(cmd);
		else
			complain_verb(cmds, argv + 2);
		return cmd ? 0 : CLI_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0)
		argv[1] += 2;
	cmd = find_cmd(cmds, argv + 1, &words);
	if (!cmd) {
		complain_verb(cmds, argv + 1);
		return CLI_USAGE;
	}
	return run_cmd(cmd, argc - words, argv + words);
}
