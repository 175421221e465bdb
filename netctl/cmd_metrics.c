/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl metrics: the figures of all daemons for Prometheus, printed or served. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"
#include "lib/rpc_page.h"
#include "netctl/cmds.h"
#include "netctl/figures.h"

#define TOKEN_MIN 16
#define TOKEN_MAX 256

static int print(const struct ctl *ctl, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = figures_collect(ctl, &text, &len, err);

	if (r < 0)
		return r;
	if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
		return err_set(err, -errno, "print: %s", strerror(errno));
	return 0;
}

/* ---- served ------------------------------------------------------------------------ */

/* The first line of the file; who else can read it is let in. */
static int read_token(const char *path, char token[static TOKEN_MAX],
		      struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "--token-file %s: %s", path,
			       strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022) || (st.st_mode & 04))
		return err_set(err, -EPERM,
			       "--token-file %s: must be a file of yours that "
			       "nobody else writes, and not everybody reads: "
			       "chmod 600",
			       path);
	n = read(fd, token, TOKEN_MAX);
	if (n < 0)
		return err_set(err, -errno, "--token-file %s: %s", path,
			       strerror(errno));
	if (n == TOKEN_MAX)
		n--; /* cut: refused below, unless a line ends before */
	token[n] = '\0';
	token[strcspn(token, "\n")] = '\0';
	if (strlen(token) < TOKEN_MIN || strlen(token) >= TOKEN_MAX - 1 ||
	    strpbrk(token, " \t\r"))
		return err_set(err, -EINVAL,
			       "--token-file %s: its first line must be a "
			       "token of %d to %d characters without blanks",
			       path, TOKEN_MIN, TOKEN_MAX - 2);
	return 0;
}

static int page(void *ctx, char **ret, size_t *ret_len, struct err *err)
{
	return figures_collect(ctx, ret, ret_len, err);
}

static int serve(const struct ctl *ctl, struct err *err)
{
	_cleanup_(rpc_page_stopp) struct rpc_page *server = NULL;
	struct rpc_page_config cfg = { .listen = ctl->listen,
				       .path = "/metrics",
				       .text = page,
				       .ctx = (void *)(uintptr_t)ctl };
	char token[TOKEN_MAX];
	unsigned int port;
	sigset_t stop;
	int r, sig;

	if (!ctl->token_file)
		return err_set(err, -EINVAL,
			       "--listen needs --token-file: everybody on this "
			       "host reaches the port.  Make one by "
			       "(umask 077; head -c 24 /dev/urandom | base64 "
			       ">FILE)");
	r = read_token(ctl->token_file, token, err);
	if (r < 0)
		return r;
	cfg.token = token;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	r = rpc_page_start(&cfg, &server, &port, err);
	if (r < 0)
		return r;
	fprintf(stderr, "netctl: /metrics is served on port %u\n", port);
	sigwait(&stop, &sig);
	return 0;
}

static int metrics_run(struct ctl *ctl, struct err *err)
{
	if (ctl->listen)
		return serve(ctl, err);
	if (ctl->token_file)
		return err_set(err, -EINVAL, "--token-file is for --listen");
	return print(ctl, err);
}

const struct cmd cmd_metrics = {
	.name = "metrics",
	.summary = "figures of all daemons, for Prometheus",
	.help = "\n"
		"What each daemon answers to GET /metrics on its socket, as "
		"one page in\n"
		"Prometheus' text format; berth_up is 0 for one that has a "
		"socket and does\n"
		"not answer. docs/metrics.md lists them.\n"
		"\n"
		"With --listen the page is served over HTTP at /metrics of a "
		"loopback address,\n"
		"until the command is interrupted, to who sends the file's "
		"first line as\n"
		"'Authorization: Bearer TOKEN'.\n"
		"\n"
		"  netctl metrics\n"
		"  netctl metrics >/var/lib/node_exporter/berth.prom\n"
		"  (umask 077; head -c 24 /dev/urandom | base64 "
		">/etc/berth-token)\n"
		"  netctl metrics --listen 127.0.0.1:9186 --token-file "
		"/etc/berth-token\n",
	.takes = CLI_DIRS | CLI_TIMEOUT | CLI_LISTEN,
	.run = metrics_run,
};
