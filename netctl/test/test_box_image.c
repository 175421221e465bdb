// SPDX-License-Identifier: GPL-2.0-or-later
/* test_box_image.c - what an image says of its process, and what "run" was told, as a
 * container's record: docker run's rules, row by row. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/ask.h"
#include "netctl/jget.h"

#define ALL                                                           \
	"{\"Entrypoint\":[\"e\",\"1\"],\"Cmd\":[\"c\",\"2\"],"        \
	"\"Env\":[\"A=1\",\"B=2\",\"none\",\"=x\"],\"User\":\"web\"," \
	"\"WorkingDir\":\"/app\",\"StopSignal\":\"SIGUSR1\","         \
	"\"Labels\":{\"x\":\"1\",\"y\":\"2\"}}"

struct row {
	const char *name, *config;
	const char *words[4]; /* behind the image */
	struct ctl_box box;
	struct cli_list ports;
	const char *key,
		*want; /* member of the record as JSON; NULL: refused */
};

static const struct row rows[] = {
	{ .name = "entrypoint and command",
	  .config = ALL,
	  .key = "Args",
	  .want = "[\"e\",\"1\",\"c\",\"2\"]" },
	{ .name = "words in place of the command",
	  .config = ALL,
	  .words = { "w", "3" },
	  .key = "Args",
	  .want = "[\"e\",\"1\",\"w\",\"3\"]" },
	{ .name = "an entrypoint takes the command along",
	  .config = ALL,
	  .box = { .entrypoint = "x" },
	  .key = "Args",
	  .want = "[\"x\"]" },
	{ .name = "an entrypoint and words",
	  .config = ALL,
	  .words = { "w" },
	  .box = { .entrypoint = "x" },
	  .key = "Args",
	  .want = "[\"x\",\"w\"]" },
	{ .name = "no entrypoint",
	  .config = ALL,
	  .words = { "w" },
	  .box = { .entrypoint = "" },
	  .key = "Args",
	  .want = "[\"w\"]" },
	{ .name = "no entrypoint and nothing else",
	  .config = ALL,
	  .box = { .entrypoint = "" },
	  .key = "which command" },
	{ .name = "a command alone",
	  .config = "{\"Cmd\":[\"c\"]}",
	  .key = "Args",
	  .want = "[\"c\"]" },
	{ .name = "nulls",
	  .config = "{\"Cmd\":null,\"Entrypoint\":[\"e\"],"
		    "\"Env\":null,\"Volumes\":null}",
	  .key = "Args",
	  .want = "[\"e\"]" },
	{ .name = "nothing", .config = "{}", .key = "which command" },
	{ .name = "variables",
	  .config = ALL,
	  .key = "Env",
	  .want = "[\"A=1\",\"B=2\"]" },
	{ .name = "variables told anew",
	  .config = ALL,
	  .box = { .env = { .v = { "A=9", "C=", "A=8" }, .n = 3 } },
	  .key = "Env",
	  .want = "[\"B=2\",\"C=\",\"A=8\"]" },
	{ .name = "a variable that the caller has not",
	  .config = ALL,
	  .box = { .env = { .v = { "A", "AB=1", "BERTH_NONE" }, .n = 3 } },
	  .key = "Env",
	  .want = "[\"B=2\",\"AB=1\"]" },
	{ .name = "working directory",
	  .config = ALL,
	  .key = "Cwd",
	  .want = "\"/app\"" },
	{ .name = "another",
	  .config = ALL,
	  .box = { .workdir = "/w" },
	  .key = "Cwd",
	  .want = "\"/w\"" },
	{ .name = "one from nowhere",
	  .config = "{\"Cmd\":[\"c\"],\"WorkingDir\":\"app\"}",
	  .key = "Cwd",
	  .want = "\"/app\"" },
	{ .name = "none",
	  .config = "{\"Cmd\":[\"c\"]}",
	  .key = "Cwd",
	  .want = "\"/\"" },
	{ .name = "user", .config = ALL, .key = "User", .want = "\"web\"" },
	{ .name = "another user",
	  .config = ALL,
	  .box = { .user = "0" },
	  .key = "User",
	  .want = "\"0\"" },
	{ .name = "stop signal",
	  .config = ALL,
	  .key = "StopSignal",
	  .want = "\"SIGUSR1\"" },
	{ .name = "another signal",
	  .config = ALL,
	  .box = { .stop_signal = "9" },
	  .key = "StopSignal",
	  .want = "\"9\"" },
	{ .name = "the usual signal",
	  .config = "{\"Cmd\":[\"c\"]}",
	  .key = "StopSignal",
	  .want = "\"TERM\"" },
	{ .name = "no signal",
	  .config = "{\"Cmd\":[\"c\"],\"StopSignal\":\"--all\\n\"}",
	  .key = "is no signal" },
	{ .name = "a flag for a signal",
	  .config = ALL,
	  .box = { .stop_signal = "--all" },
	  .key = "is no signal" },
	{ .name = "labels",
	  .config = ALL,
	  .box = { .labels = { .v = { "y=9", "z" }, .n = 2 } },
	  .key = "Labels",
	  .want = "{\"x\":\"1\",\"y\":\"9\",\"z\":\"\"}" },
	{ .name = "its ports, not asked for",
	  .config = "{\"Cmd\":[\"c\"],\"ExposedPorts\":{\"80/tcp\":{}}}",
	  .key = "Ports",
	  .want = "[]" },
	{ .name = "its ports",
	  .config = "{\"Cmd\":[\"c\"],\"ExposedPorts\":{\"80/tcp\":{},"
		    "\"53/udp\":{},\"9\":{}}}",
	  .box = { .publish_all = true, .networks = { .v = { "n" }, .n = 1 } },
	  .key = "Ports",
	  .want = "[\"80/tcp\",\"53/udp\",\"9\"]" },
	{ .name = "a range of ports, some of them told",
	  .config = "{\"Cmd\":[\"c\"],\"ExposedPorts\":{\"80-83/udp\":{}}}",
	  .box = { .publish_all = true, .networks = { .v = { "n" }, .n = 1 } },
	  .ports = { .v = { "8080:80/udp", "82/udp", "81" }, .n = 3 },
	  .key = "Ports",
	  .want = "[\"8080:80/udp\",\"82/udp\",\"81\",\"81/udp\",\"83/udp\"]" },
	{ .name = "all ports there are",
	  .config = "{\"Cmd\":[\"c\"],\"ExposedPorts\":{\"1-65535\":{}}}",
	  .box = { .publish_all = true, .networks = { .v = { "n" }, .n = 1 } },
	  .key = "more than 1024 ports" },
	{ .name = "its ports without a network",
	  .config = "{\"Cmd\":[\"c\"],\"ExposedPorts\":{\"80/tcp\":{}}}",
	  .box = { .publish_all = true },
	  .key = "needs a --network" },
	{ .name = "a port of the host's",
	  .config = "{\"Cmd\":[\"c\"],\"ExposedPorts\":{\"22:80\":{}}}",
	  .box = { .publish_all = true, .networks = { .v = { "n" }, .n = 1 } },
	  .key = "exposes \"22:80\"" },
	{ .name = "no port",
	  .config = "{\"Cmd\":[\"c\"],\"ExposedPorts\":{\"x\":{}}}",
	  .box = { .publish_all = true, .networks = { .v = { "n" }, .n = 1 } },
	  .key = "exposes \"x\"" },
	{ .name = "volumes",
	  .config = "{\"Cmd\":[\"c\"],\"Volumes\":{\"/a\":{},\"/b/\":{},"
		    "\"/c\":{},\"/b\":{}}}",
	  .box = { .tmpfs = { .v = { "/a//" }, .n = 1 },
		   .volumes = { .v = { "/h:/c" }, .n = 1 },
		   .volume_driver = "d" },
	  .key = "Mounts",
	  .want = "bind:/c tmpfs:/a volume:/b:d:anonymous" },
	{ .name = "a volume at the root",
	  .config = "{\"Cmd\":[\"c\"],\"Volumes\":{\"/\":{}}}",
	  .key = "is no path" },
	{ .name = "a volume nowhere",
	  .config = "{\"Cmd\":[\"c\"],\"Volumes\":{\"a\":{}}}",
	  .key = "is no path" },
	{ .name = "its layers",
	  .config = ALL,
	  .key = "Layers",
	  .want = "[\"l1\",\"l2\"]" },
	{ .name = "its name",
	  .config = ALL,
	  .key = "ImageName",
	  .want = "\"image.tar\"" },
};

/* "TYPE:TARGET[:DRIVER][:anonymous] ..." */
static void mounts_row(json_object *list, const char *want)
{
	char got[256] = "";

	for (size_t i = 0, n = 0; i < jget_len(list); i++) {
		json_object *m = json_object_array_get_idx(list, i);

		n += (size_t)snprintf(
			got + n, sizeof(got) - n, "%s%s:%s%s%s%s", i ? " " : "",
			jget_str(m, "Type"), jget_str(m, "Target"),
			*jget_str(m, "Driver") ? ":" : "",
			jget_str(m, "Driver"),
			jget_bool(m, "Anonymous") ? ":anonymous" : "");
	}
	assert_string_equal(got, want);
}

static void row(void **state)
{
	const struct row *w = *state;
	char *args[6] = { (char *)(uintptr_t) "image.tar" };
	struct ctl ctl = {
		.box = w->box, .ports = w->ports, .args = args, .arg_count = 1
	};
	struct image image = { .id = "i",
			       .name = strdup(""),
			       .layer_count = 2 };
	json_object *rec = NULL;
	struct err err = { 0 };
	int r;

	for (; ctl.arg_count <= 4 && w->words[ctl.arg_count - 1];
	     ctl.arg_count++)
		args[ctl.arg_count] =
			(char *)(uintptr_t)w->words[ctl.arg_count - 1];
	assert_int_equal(
		jdec_parse(w->config, strlen(w->config), &image.config, &err),
		0);
	strcpy(image.layers[0].diff_id, "l1");
	strcpy(image.layers[1].diff_id, "l2");
	r = box_ask(&ctl, &image, &rec, &err);
	if (w->want && strcmp(w->key, "Mounts") == 0) {
		assert_int_equal(r, 0);
		mounts_row(jget(rec, w->key), w->want);
	} else if (w->want) {
		assert_int_equal(r, 0);
		assert_string_equal(
			json_object_to_json_string_ext(
				jget(rec, w->key),
				JSON_C_TO_STRING_PLAIN |
					JSON_C_TO_STRING_NOSLASHESCAPE),
			w->want);
	} else {
		assert_int_equal(r, -EINVAL);
		if (!strstr(err.msg, w->key))
			print_message("%s\n", err.msg);
		assert_non_null(strstr(err.msg, w->key));
	}
	json_object_put(rec);
	image_fini(&image);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	size_t n = TEST_ROWS(tests, rows, row);

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("box_image", tests, n, NULL, NULL);
}
