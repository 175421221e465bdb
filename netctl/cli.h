/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli.h - verbs, their flags and their help, all from tables.
 *
 * A verb is a struct cmd in a cmd_<noun>.c; main.c lists them.  Flags are one
 * table (cli.c) for all of netctl; a verb says which groups it takes, and a
 * flag it does not take is a usage error, never ignored.
 */
#ifndef NETCTL_CLI_H
#define NETCTL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "netctl/out.h"

/* Exit statuses beside 0. */
enum {
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_PROBLEMS = 3, /* the command worked and found something wrong */
};

/* Groups of flags a verb takes. */
enum {
	CLI_DIRS = 1 << 0,    /* --plugin-dir and its siblings */
	CLI_FORMAT = 1 << 1,  /* --format, --json */
	CLI_DOCKER = 1 << 2,  /* --docker */
	CLI_TIMEOUT = 1 << 3, /* --timeout */
	CLI_FOREGROUND = 1 << 4,
	CLI_DRY_RUN = 1 << 5,
	CLI_REST = 1 << 6,       /* arguments after -- */
	CLI_QUIET = 1 << 7,      /* --quiet */
	CLI_FORCE = 1 << 8,      /* --force */
	CLI_ALL = 1 << 9,        /* --all */
	CLI_OPT = 1 << 10,       /* -o, --opt KEY=VALUE, any number */
	CLI_OUTPUT = 1 << 11,    /* -o, --output */
	CLI_LIVE = 1 << 12,      /* --live */
	CLI_SNAPSHOTS = 1 << 13, /* --snapshots */
	CLI_DRIVER = 1 << 14,    /* --driver */
	CLI_FOR = 1 << 15,       /* --for */
	CLI_BACKENDS = 1 << 16,  /* --backend, any number; --service */
	CLI_STATS = 1 << 17,     /* --stats */
	CLI_NODE = 1 << 18,      /* --node */
	CLI_SINCE = 1 << 19,     /* --since */
	CLI_POOLS = 1 << 20,     /* --subnet and its siblings, --ipam-driver */
	CLI_PLUG = 1 << 21,      /* --ip and its siblings, --publish */
	CLI_NETNS = 1 << 22,     /* --netns */
	CLI_LISTEN = 1 << 23,    /* --listen, --token-file */
	CLI_NETWORK = 1 << 24,   /* --network */
};

#define CLI_LIST_MAX 64

/* A flag that was given several times. */
struct cli_list {
	const char *v[CLI_LIST_MAX];
	size_t n;
};

/* What "run" and its siblings were told; NULL: not said. */
struct ctl_box {
	bool attach, detach, remove, interactive, tty, read_only, follow;
	bool publish_all, remove_volumes;
	const char *name, *workdir, *user, *hostname, *restart;
	const char *entrypoint, *stop_signal;
	const char *memory, *cpus, *pids; /* as typed */
	const char *volume_driver, *signal, *tail, *seconds;
	struct cli_list env, env_files, labels, networks, volumes, tmpfs,
		mounts, cap_add, cap_drop, dns, dns_search, dns_options,
		aliases, security;
};

/* What "top" was told; NULL, 0: not said. */
struct ctl_top {
	const char *iterations, *sort; /* as typed */
	unsigned int delay_ms;
	bool once;
};

/* What "events" was told. */
struct ctl_events {
	struct cli_list filters;
	unsigned int since_ms; /* 0: not said */
};

/* What the command line and BERTH_* in the environment said. */
struct ctl {
	const char *plugin_dir, *state_dir, *run_dir, *bpf_dir;
	const char *cgroup; /* NULL: the daemons find it */
	const char *docker; /* dockerd's socket */
	enum out_format format;
	unsigned int timeout_ms;
	unsigned int for_ms; /* 0: until it is interrupted */
	bool foreground, dry_run, quiet, force, all, live, snapshots, stats;
	const char *output, *driver, *node, *since; /* NULL: not said */
	struct cli_list opts, backends;
	const char *service;             /* NULL: not said */
	const char *network;             /* likewise */
	const char *listen, *token_file; /* NULL: not said */
	struct cli_list subnets, gateways, ranges, aux, ipam_opts, ports;
	bool ipv6, internal, no_default_route;
	const char *ipam;                            /* NULL: not said */
	const char *netns, *ip, *ip6, *mac, *ifname; /* NULL: not said */
	struct ctl_box box;
	struct ctl_top top;
	struct ctl_events events;
	char **args; /* positional arguments, NULL-ended */
	int arg_count;
	char **rest; /* what stood after "--", NULL-ended */
	int rest_count;
	bool has_rest; /* there was a "--" */
};

enum cli_kind {
	FLAG_PATH,
	FLAG_TEXT, /* may be empty */
	FLAG_PAIR,
	FLAG_LIST,
	FLAG_SWITCH,
	FLAG_DURATION,
	FLAG_FORMAT,
	FLAG_JSON,
	FLAG_HELP,
};

struct cli_flag {
	const char *name, *arg, *help;
	enum cli_kind kind;
	unsigned int group; /* CLI_*; 0: every verb */
	size_t offset;      /* in struct ctl */
	bool in_env;        /* BERTH_NAME sets it too */
};

/* One that a verb has by itself, with its letter (0: none). */
struct cli_own {
	struct cli_flag flag;
	char letter;
};

struct cmd {
	const char *name;       /* "network ls" */
	const char *args;       /* "[DRIVER...]"; NULL: none */
	const char *summary;    /* one line, for the list of verbs */
	const char *help;       /* the rest of --help: what it does, examples */
	unsigned int takes;     /* CLI_* */
	int min_args, max_args; /* max_args -1: no limit */
	const struct cli_own
		*own; /* its own flags, ended by { 0 }; may be NULL */
	bool stops;   /* what follows the first operand is no flag of ours */
	int fails_as; /* exit status of errors and wrong usage; 0: CLI_* */
	/* Return: the exit status; -errno with @err for CLI_FAILED. */
	int (*run)(struct ctl *ctl, struct err *err);
};

/* cli_main() - choose the verb, parse, run.  @cmds ends with NULL.
 * Return: the exit status. */
int cli_main(const struct cmd *const *cmds, int argc, char **argv);

/* cli_duration() - "500ms", "30s", "10m", "1h", or plain seconds.
 * Return: 0; -EINVAL with text. */
int cli_duration(const char *text, unsigned int *ret_ms, struct err *err);

/* cli_clock() - nanoseconds since 1970 as "15:04:05.123", local time.  Return: @buf. */
#define CLI_CLOCK_MAX 32
const char *cli_clock(int64_t ns, char buf[static CLI_CLOCK_MAX]);

/* cli_absolute() - @path from the root.  Owned; NULL: no memory, no cwd. */
char *cli_absolute(const char *path);

/* cli_warn() - one escaped line "netctl: ..." on stderr. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* cli_line() - a line of the output, written on return.  Return: 0; -errno with text. */
int cli_line(const char *text, struct err *err);

/*
 * cli_keep() - of the operands of a verb one has come out with @r and @why.  The first that
 * has failed stays in @failed and @err, for the verb to return; others are told at once.
 */
void cli_keep(int r, const struct err *why, int *failed, struct err *err);

/* A row of a verb's own flags (struct cli_own): @at_ is a member of struct ctl. */
#define CLI_OWN(letter_, name_, arg_, kind_, at_, help_)         \
	{                                                        \
		.flag = { .name = (name_),                       \
			  .arg = (arg_),                         \
			  .help = (help_),                       \
			  .kind = (kind_),                       \
			  .offset = offsetof(struct ctl, at_) }, \
		.letter = (letter_)                              \
	}

#endif
