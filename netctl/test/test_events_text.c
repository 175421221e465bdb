/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: filters, and the line that is read. */
#include "lib/test/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/events.h"
#include "netctl/jget.h"

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *name, *pairs[4];
	int want;
	const char *msg;
} parses[] = {
	{ "none", { NULL }, 0, "" },
	{ "all three",
	  { "driver=berth-bridge", "type=endpoint", "network=shop" },
	  0,
	  "" },
	{ "no such key", { "drive=berth-bridge" }, -EINVAL, "network=, not" },
	{ "a longer key", { "types=port" }, -EINVAL, "network=, not" },
	{ "no such driver",
	  { "driver=berth-brige" },
	  -EINVAL,
	  "did you mean \"berth-bridge\"" },
	{ "no such type", { "type=Port" }, -EINVAL, "docs/events.md" },
	{ "no value", { "network=" }, -EINVAL, "nothing after" },
};

static int parse(const char *const *pairs, struct events_filter *f,
		 struct err *err)
{
	struct cli_list list = { .n = 0 };

	while (list.n < 4 && pairs[list.n]) {
		list.v[list.n] = pairs[list.n];
		list.n++;
	}
	return events_filter_parse(&list, f, err);
}

static void filters_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parses); i++) {
		struct events_filter f;
		struct err err = { 0 };

		assert_int_equal(parse(parses[i].pairs, &f, &err),
				 parses[i].want);
		if (!strstr(err.msg, parses[i].msg))
			fail_msg("%s: %s", parses[i].name, err.msg);
	}
}

static const struct {
	const char *pairs[4], *type, *id, *of, *name;
	bool want;
} matches[] = {
	{ { NULL }, "volume", "a", "", "", true },
	{ { "type=volume" }, "volume", "a", "", "", true },
	{ { "type=volume", "type=port" }, "port", "a", "", "", true },
	{ { "type=volume" }, "port", "a", "", "", false },
	{ { "network=abc" }, "network", "abcdef", "", "", true },
	{ { "network=abc" }, "network", "ab", "", "", false },
	{ { "network=abc" }, "endpoint", "abc", "def", "", false },
	{ { "network=shop" }, "endpoint", "e", "def", "shop", true },
	{ { "network=sho" }, "endpoint", "e", "def", "shop", false },
	{ { "network=x", "network=de" }, "port", "e", "def", "", true },
	{ { "network=a" }, "volume", "a", "a", "", false },
	{ { "network=de", "type=endpoint" }, "port", "e", "def", "", false },
};

static json_object *event(const char *type, const char *id, const char *of)
{
	json_object *o = json_object_new_object();

	jset_str(o, "Type", type);
	jset_str(o, "Action", "create");
	jset_str(o, "ID", id);
	jset_str(o, "Of", of);
	jset_str(o, "Driver", "berth-bridge");
	jset(o, "TimeNs", json_object_new_int64(86400000000000 + 7000000));
	return o;
}

static void filters_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
		_cleanup_(json_putp) json_object *o =
			event(matches[i].type, matches[i].id, matches[i].of);
		struct events_filter f;

		assert_int_equal(parse(matches[i].pairs, &f, NULL), 0);
		if (events_filter_match(&f, o, matches[i].name) !=
		    matches[i].want)
			fail_msg("row %zu", i);
	}
}

static const struct {
	const char *type, *id, *of, *name, *want;
} lines[] = {
	{ "volume", "da\033ta", "", "", "volume   create    da\\u001bta" },
	{ "volume", "data", ID64, "", "create    data of 0123456789ab" },
	{ "network", ID64, "", "", "network  create    0123456789ab" },
	{ "network", ID64, "", "shop", "0123456789ab (shop)" },
	{ "endpoint", ID64, ID64, "shop", "create    0123456789ab of shop" },
	{ "endpoint", "e", "n", "", "create    e of n" },
};

static void text(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(json_putp) json_object *o =
			event(lines[i].type, lines[i].id, lines[i].of);
		_cleanup_free_ char *got = events_text(o, lines[i].name);
		size_t at = strlen(got) - strlen(lines[i].want);

		assert_string_equal(got + at, lines[i].want);
		assert_int_equal(
			strncmp(got, "00:00:00.007 berth-bridge  ", 27), 0);
	}
}

static void a_wait_ends_before_the_timeout(void **state)
{
	(void)state;
	assert_int_equal(events_wait_ms(0), 2000);
	assert_int_equal(events_wait_ms(60000), 2000);
	assert_int_equal(events_wait_ms(1000), 500);
	assert_int_equal(events_wait_ms(1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_parse),
		cmocka_unit_test(filters_match),
		cmocka_unit_test(text),
		cmocka_unit_test(a_wait_ends_before_the_timeout),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
