/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs, flags, environment and exit statuses by the command line. */
#include "netctl/cli.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/test/test.h"

/* What the verb was called with, as one line. */
static char seen[512];

static int record(struct ctl *ctl, struct err *err)
{
	int n = snprintf(seen, sizeof(seen), "%s %s %s %u%s%s", ctl->plugin_dir,
			 ctl->cgroup ? ctl->cgroup : "-",
			 ctl->format == OUT_JSON ? "json" : "table",
			 ctl->timeout_ms, ctl->dry_run ? " dry" : "",
			 ctl->foreground ? " fg" : "");

	(void)err;
	for (int i = 0; i < ctl->arg_count; i++)
		n += snprintf(seen + n, sizeof(seen) - (size_t)n, " [%s]",
			      ctl->args[i]);
	for (int i = 0; i < ctl->rest_count; i++)
		n += snprintf(seen + n, sizeof(seen) - (size_t)n, " <%s>",
			      ctl->rest[i]);
	return 0;
}

static int give_three(struct ctl *ctl, struct err *err)
{
	(void)ctl;
	(void)err;
	return CLI_PROBLEMS;
}

static int give_error(struct ctl *ctl, struct err *err)
{
	(void)ctl;
	return err_set(err, -ENOENT, "no \033[31mthing");
}

static const struct cmd up = {
	.name = "up",
	.args = "[DRIVER...]",
	.summary = "start",
	.takes = CLI_DIRS | CLI_REST | CLI_FORMAT | CLI_TIMEOUT | CLI_DRY_RUN,
	.max_args = -1,
	.run = record,
};
static const struct cmd net_ls = {
	.name = "net ls",
	.summary = "list",
	.takes = CLI_FORMAT,
	.run = record,
};
static const struct cmd net_inspect = {
	.name = "net inspect",
	.args = "NET",
	.summary = "show",
	.takes = CLI_FORMAT,
	.min_args = 1,
	.max_args = 1,
	.run = record,
};
static const struct cmd doctor = {
	.name = "doctor",
	.summary = "look",
	.run = give_three,
};
static const struct cmd broken = {
	.name = "broken",
	.summary = "fail",
	.run = give_error,
};
static const struct cli_own go_flags[] = {
	{ .flag = { .name = "dry-go",
		    .help = "pretend",
		    .kind = FLAG_SWITCH,
		    .offset = offsetof(struct ctl, dry_run) },
	  .letter = 'd' },
	{ .flag = { .name = "where",
		    .arg = "DIR",
		    .help = "there",
		    .kind = FLAG_PATH,
		    .offset = offsetof(struct ctl, cgroup) },
	  .letter = 'h' },
	{ .letter = 0 },
};
static const struct cmd go = {
	.name = "go",
	.args = "WHAT...",
	.summary = "leave",
	.takes = CLI_FORMAT,
	.min_args = 1,
	.max_args = -1,
	.own = go_flags,
	.stops = true,
	.fails_as = 125,
	.run = record,
};
static const struct cmd *const cmds[] = { &up,     &net_ls, &net_inspect, &go,
					  &doctor, &broken, NULL };

#define DEFAULTS "/run/docker/plugins - table 60000"

struct row {
	const char *name;
	const char *argv[10];
	const char *env; /* NAME=VALUE */
	int want;
	const char *seen;
	const char *out; /* part of what is printed, stdout and stderr */
};

static const struct row rows[] = {
	{ "defaults", { "up" }, NULL, 0, DEFAULTS, NULL },
	{ "arguments", { "up", "a", "b" }, NULL, 0, DEFAULTS " [a] [b]", NULL },
	{ "flags between arguments",
	  { "up", "a", "--json", "b", "--plugin-dir=/x" },
	  NULL,
	  0,
	  "/x - json 60000 [a] [b]",
	  NULL },
	{ "rest after --",
	  { "up", "a", "--timeout", "2m", "--", "--gc-grace", "--json" },
	  NULL,
	  0,
	  "/run/docker/plugins - table 120000 [a] <--gc-grace> <--json>",
	  NULL },
	{ "two words",
	  { "net", "ls", "--format", "json" },
	  NULL,
	  0,
	  "/run/docker/plugins - json 60000",
	  NULL },
	{ "environment",
	  { "up" },
	  "BERTH_PLUGIN_DIR=/env",
	  0,
	  "/env - table 60000",
	  NULL },
	{ "flag before environment",
	  { "up", "--cgroup", "/a" },
	  "BERTH_CGROUP=/b",
	  0,
	  "/run/docker/plugins /a table 60000",
	  NULL },
	{ "empty environment is none",
	  { "up" },
	  "BERTH_PLUGIN_DIR=",
	  0,
	  DEFAULTS,
	  NULL },
	{ "status of the verb", { "doctor" }, NULL, 3, NULL, NULL },
	{ "failure is told, escaped",
	  { "broken" },
	  NULL,
	  1,
	  NULL,
	  "netctl: broken: no \\u001b[31mthing\n" },
	{ "nothing", { NULL }, NULL, 2, NULL, "usage: netctl VERB" },
	{ "help", { "help" }, NULL, 0, NULL, "net inspect" },
	{ "the table of arguments",
	  { "help", "--table" },
	  NULL,
	  0,
	  NULL,
	  "net inspect\tNET\n\t--format\t \ttable|json\n\t--json\t \t\n" },
	{ "help of a verb",
	  { "help", "net", "ls" },
	  NULL,
	  0,
	  NULL,
	  "usage: netctl net ls [FLAG...]" },
	{ "--help of a verb",
	  { "up", "--help" },
	  NULL,
	  0,
	  NULL,
	  "--plugin-dir DIR" },
	{ "unknown verb, a near one",
	  { "upp" },
	  NULL,
	  2,
	  NULL,
	  "did you mean \"up\"?" },
	{ "unknown verb, a near noun",
	  { "nett", "ls" },
	  NULL,
	  2,
	  NULL,
	  "did you mean \"net\"?" },
	{ "unknown verb, none near",
	  { "frobnicate" },
	  NULL,
	  2,
	  NULL,
	  "'netctl help' lists them" },
	{ "noun alone", { "net" }, NULL, 2, NULL, "netctl net inspect" },
	{ "noun with a wrong verb",
	  { "net", "rm" },
	  NULL,
	  2,
	  NULL,
	  "net has no verb \"rm\"" },
	{ "unknown flag, a near one",
	  { "up", "--formt=json" },
	  NULL,
	  2,
	  NULL,
	  "did you mean --format?" },
	{ "flag of another verb",
	  { "net", "ls", "--dry-run" },
	  NULL,
	  2,
	  NULL,
	  "net ls has no flag --dry-run" },
	{ "flag without its value",
	  { "up", "--timeout" },
	  NULL,
	  2,
	  NULL,
	  "--timeout needs a value" },
	{ "bad format",
	  { "up", "--format", "xml" },
	  NULL,
	  2,
	  NULL,
	  "table or json, not \"xml\"" },
	{ "bad duration",
	  { "up", "--timeout", "2 days" },
	  NULL,
	  2,
	  NULL,
	  "no duration" },
	{ "empty directory",
	  { "up", "--plugin-dir", "" },
	  NULL,
	  2,
	  NULL,
	  "--plugin-dir is empty" },
	{ "too few arguments",
	  { "net", "inspect" },
	  NULL,
	  2,
	  NULL,
	  "needs NET" },
	{ "too many arguments",
	  { "net", "inspect", "a", "b" },
	  NULL,
	  2,
	  NULL,
	  "\"b\" is one argument too many" },
	{ "its own flags, by letter and by name",
	  { "go", "-d", "-h", "/x", "--json", "a" },
	  NULL,
	  0,
	  "/run/docker/plugins /x json 60000 dry [a]",
	  NULL },
	{ "what follows the first operand is the operand's",
	  { "go", "a", "-d", "--json", "--", "--help" },
	  NULL,
	  0,
	  DEFAULTS " [a] [-d] [--json] [--] [--help]",
	  NULL },
	{ "operands after --",
	  { "go", "-d", "--", "-x" },
	  NULL,
	  0,
	  DEFAULTS " dry [-x]",
	  NULL },
	{ "its own flags in its help",
	  { "go", "--help" },
	  NULL,
	  0,
	  NULL,
	  "--where DIR          there" },
	{ "a near one of its own",
	  { "go", "--wehre=x", "a" },
	  NULL,
	  125,
	  NULL,
	  "did you mean --where?" },
	{ "own flag of another verb",
	  { "up", "--where", "x" },
	  NULL,
	  2,
	  NULL,
	  "up has no flag --where" },
	{ "its own status for wrong usage",
	  { "go" },
	  NULL,
	  125,
	  NULL,
	  "needs" },
	{ "rest where none is taken",
	  { "net", "ls", "--", "x" },
	  NULL,
	  2,
	  NULL,
	  "takes nothing after --" },
};

/* Both streams of what @argv prints, in one text. */
static char *capture(int argc, char **argv, int *ret)
{
	char path[] = "/tmp/test_cli.XXXXXX";
	_cleanup_close_ int fd = mkstemp(path), out = dup(STDOUT_FILENO),
			    errs = dup(STDERR_FILENO);
	char *text = calloc(1, 65536);

	unlink(path);
	fflush(NULL);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	*ret = cli_main(cmds, argc, argv);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(errs, STDERR_FILENO);
	if (text && pread(fd, text, 65535, 0) < 0)
		text[0] = '\0';
	return text;
}

static void run_row(void **state)
{
	const struct row *row = *state;
	_cleanup_free_ char *text = NULL, *env = NULL;
	char *argv[ARRAY_SIZE(row->argv) + 2] = { strdup("netctl") };
	int argc = 1, got;

	while (row->argv[argc - 1]) {
		argv[argc] = strdup(row->argv[argc - 1]);
		argc++;
	}
	if (row->env) {
		env = strdup(row->env);
		*strchr(env, '=') = '\0';
		setenv(env, strchr(row->env, '=') + 1, 1);
	}
	seen[0] = '\0';
	{
		/* cli_main() may cut argv at "--" */
		char *copy[ARRAY_SIZE(argv)];

		memcpy(copy, argv, sizeof(copy));
		text = capture(argc, copy, &got);
	}
	if (env)
		unsetenv(env);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	assert_int_equal(got, row->want);
	if (row->seen)
		assert_string_equal(seen, row->seen);
	if (row->out && !strstr(text, row->out))
		fail_msg("\"%s\" is not in: %s", row->out, text);
}

struct span {
	const char *name, *text;
	int want;
	unsigned int ms;
};

static const struct span spans[] = {
	{ "duration: plain seconds", "30", 0, 30000 },
	{ "duration: ms", "500ms", 0, 500 },
	{ "duration: s", "10s", 0, 10000 },
	{ "duration: m", "10m", 0, 600000 },
	{ "duration: h", "1h", 0, 3600000 },
	{ "duration: zero", "0", 0, 0 },
	{ "duration: empty", "", -EINVAL, 0 },
	{ "duration: negative", "-1s", -EINVAL, 0 },
	{ "duration: blank in front", " 1s", -EINVAL, 0 },
	{ "duration: unit alone", "s", -EINVAL, 0 },
	{ "duration: unknown unit", "1w", -EINVAL, 0 },
	{ "duration: too long", "1000h", -EINVAL, 0 },
	{ "duration: beyond 64 bits", "99999999999999999999", -EINVAL, 0 },
};

static void span_row(void **state)
{
	const struct span *row = *state;
	unsigned int ms = 0;

	assert_int_equal(cli_duration(row->text, &ms, NULL), row->want);
	assert_int_equal(ms, row->ms);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(spans)] = { 0 };
	size_t n = 0;

	unsetenv("DOCKER_HOST");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[n++] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = run_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++)
		tests[n++] = (struct CMUnitTest){
			.name = spans[i].name,
			.test_func = span_row,
			.initial_state = (void *)(uintptr_t)&spans[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
