/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: global options, the table of commands, the log. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "runtime/oci/oci.h"
#include "runtime/oci/selfexe.h"

static const struct command {
	const char *name;
	oci_command *run;
	const char *doc;
	bool sealed; /* runs a container's process: from a sealed copy */
} commands[] = {
	{ "create", cmd_create, "make a container from a bundle", true },
	{ "delete", cmd_delete, "remove a container", false },
	{ "exec", cmd_exec, "run another process in a container", true },
	{ "features", cmd_features, "what this runtime can, as JSON", false },
	{ "kill", cmd_kill, "send a signal to a container", false },
	{ "list", cmd_list, "the containers below --root", false },
	{ "pause", cmd_pause, "freeze a container", false },
	{ "ps", cmd_ps, "the processes of a container", false },
	{ "resume", cmd_resume, "let a paused container go on", false },
	{ "run", cmd_run, "create and start, and wait", true },
	{ "spec", cmd_spec, "write a config.json to begin with", false },
	{ "start", cmd_start, "let a created container's process run", false },
	{ "state", cmd_state, "a container's state, as JSON", false },
	{ "update", cmd_update, "change a container's limits", false },
};

/* logrus quotes its text as Go does; for printable text JSON is the same. */
static void quote(const char *s, char *buf, size_t size)
{
	size_t n = 0;

	buf[n++] = '"';
	for (; *s && n + 8 < size; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			buf[n++] = '\\';
			buf[n++] = *s;
		} else if (c < 0x20 || c == 0x7f) {
			n += (size_t)snprintf(buf + n, size - n, "\\u%04x", c);
		} else {
			buf[n++] = *s;
		}
	}
	buf[n++] = '"';
	buf[n] = '\0';
}

void oci_log(const struct oci *oci, const char *level, const char *fmt, ...)
{
	char text[ERR_MSG_MAX], quoted[6 * ERR_MSG_MAX], when[32], zone[8];
	time_t now = time(NULL);
	struct tm tm;
	va_list ap;

	if (oci->log_fd < 0 || (strcmp(level, "debug") == 0 && !oci->debug))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	quote(text, quoted, sizeof(quoted));
	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	/* one write a line: several of us append to the same file */
	if (oci->log_json)
		dprintf(oci->log_fd,
			"{\"level\":\"%s\",\"msg\":%s,\"time\":\"%s%.3s:%.2s\"}"
			"\n",
			level, quoted, when, zone, zone + 3);
	else
		dprintf(oci->log_fd, "time=\"%s%.3s:%.2s\" level=%s msg=%s\n",
			when, zone, zone + 3, level, quoted);
}

static void usage(FILE *out)
{
	fputs("usage: berth-oci [global options] COMMAND [options] [ID]\n\n"
	      "  --root DIR           state (default " OCI_ROOT_DEFAULT ")\n"
	      "  --log FILE           append errors to FILE\n"
	      "  --log-format FORMAT  text or json\n"
	      "  --debug              debug lines in the log too\n"
	      "  --version, --help\n\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].doc);
}

int oci_option(int argc, char **argv, const char *shorts,
	       const struct option *longs, struct err *err)
{
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, shorts, longs, NULL);
	if (c == -1)
		return 0;
	if (c == ':')
		return err_set(err, -EINVAL, "option %s needs a value",
			       argv[optind - 1]);
	if (c == '?' && optopt && optopt < 128)
		return err_set(err, -EINVAL, "there is no option -%c", optopt);
	if (c == '?')
		return err_set(err, -EINVAL,
			       "option %s is not supported, or its value is "
			       "too much",
			       argv[optind - 1]);
	return c;
}

int oci_one_id(int argc, char **argv, const char **ret_id, struct err *err)
{
	if (argc - optind != 1)
		return err_set(err, -EINVAL, "%s takes one container id",
			       argv[0]);
	*ret_id = argv[optind];
	return 0;
}

enum { OPT_ROOT = 256, OPT_LOG, OPT_FORMAT, OPT_SYSTEMD, OPT_ROOTLESS };

static const struct option global_options[] = {
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-format", required_argument, NULL, OPT_FORMAT },
	{ "debug", no_argument, NULL, 'd' },
	{ "systemd-cgroup", no_argument, NULL, OPT_SYSTEMD },
	{ "rootless", required_argument, NULL, OPT_ROOTLESS },
	{ "list-failpoints", no_argument, NULL, 'F' },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int open_log(struct oci *oci, const char *path, struct err *err)
{
	if (oci->log_fd >= 0)
		close(oci->log_fd);
	oci->log_fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (oci->log_fd < 0)
		return err_set(err, -errno, "--log %s: %s", path,
			       strerror(errno));
	return 0;
}

/* Return: 1 when that was all; 0; -errno. */
static int global_option(struct oci *oci, int c, struct err *err)
{
	switch (c) {
	case OPT_ROOT:
		oci->root = optarg;
		return 0;
	case OPT_LOG:
		return open_log(oci, optarg, err);
	case OPT_FORMAT:
		oci->log_json = strcmp(optarg, "json") == 0;
		if (oci->log_json || strcmp(optarg, "text") == 0)
			return 0;
		return err_set(err, -EINVAL,
			       "--log-format: \"%.32s\" is not text or json",
			       optarg);
	case 'd':
		oci->debug = true;
		return 0;
	case OPT_SYSTEMD:
		return err_set(err, -EOPNOTSUPP,
			       "--systemd-cgroup: not supported, use the "
			       "cgroupfs driver");
	case OPT_ROOTLESS:
		if (strcmp(optarg, "false") == 0 || strcmp(optarg, "auto") == 0)
			return 0;
		return err_set(err, -EOPNOTSUPP,
			       "--rootless %.32s: not supported", optarg);
	case 'F':
		fail_list(stdout);
		return 1;
	case 'v':
		printf("berth-oci version " OCI_VERSION "\nspec: " OCI_VERSION
		       "\n");
		return 1;
	default:
		usage(stdout);
		return 1;
	}
}

static int run_command(struct oci *oci, int argc, char **argv, char **all,
		       struct err *err)
{
	const struct command *cmd = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			cmd = &commands[i];
	if (!cmd)
		return err_set(err, -EINVAL, "there is no command \"%.64s\"",
			       argv[0]);
	if (cmd->sealed) {
		r = selfexe_seal(all, err);
		if (r < 0)
			return r;
	}
	optind = 0; /* glibc: begin anew, with the next options' table */
	return cmd->run(oci, argc, argv, err);
}

/* One of 0 to 2 that is closed would become ours, to be read and written by the
 * container and by hooks. */
static int fill_stdio(struct err *err)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd < 0)
		return err_set(err, -errno, "/dev/null: %s", strerror(errno));
	close(fd);
	return 0;
}

int oci_main(int argc, char **argv)
{
	struct oci oci = { .root = OCI_ROOT_DEFAULT, .log_fd = -EBADF };
	struct err err = { 0 };
	int r = fill_stdio(&err), c = 0;

	/* ignored by our caller, a child's end could not be waited for */
	(void)signal(SIGCHLD, SIG_DFL);

	while (r == 0 &&
	       (c = oci_option(argc, argv, "+:vh", global_options, &err)) > 0)
		r = global_option(&oci, c, &err);
	if (c < 0)
		r = c;
	if (r == 1)
		return 0;
	if (r == 0 && optind >= argc) {
		usage(stderr);
		return 1;
	}
	if (r == 0)
		r = run_command(&oci, argc - optind, argv + optind, argv, &err);
	if (r >= 0)
		return r;
	oci_log(&oci, "error", "%s", err.msg);
	fprintf(stderr, "berth-oci: %s\n", err.msg);
	return 1;
}
