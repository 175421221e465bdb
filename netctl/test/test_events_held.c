/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of several daemons: in which order, how long they are held, and for which name. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "netctl/events_held.h"
#include "netctl/jget.h"

#define NAME_MS 2000

static void came(struct events_held *h, uint64_t now_ms, int64_t time_ns,
		 int64_t seq, const char *network)
{
	json_object *o = json_object_new_object();

	jset(o, "Seq", json_object_new_int64(seq));
	jset(o, "TimeNs", json_object_new_int64(time_ns));
	jset_str(o, "Type", *network ? "endpoint" : "volume");
	jset_str(o, "Of", network);
	events_held_add(h, "berth-bridge", o, now_ms);
}

/* "10.1 20.3", times and numbers of those that are due. */
static const char *due(struct events_held *h, uint64_t now_ms, bool all)
{
	_cleanup_(json_putp) json_object *list = NULL;
	static char text[128];
	size_t n = 0;

	assert_int_equal(events_held_due(h, now_ms, all, &list), 0);
	text[0] = '\0';
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);

		assert_string_equal(jget_str(o, "Driver"), "berth-bridge");
		assert_null(jget(o, "Arrived"));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d.%d",
				      i ? " " : "", (int)jget_int(o, "TimeNs"),
				      (int)jget_int(o, "Seq"));
	}
	return text;
}

static void name(struct events_held *h, const char *id, const char *name)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();

	jset_str(o, id, name);
	events_held_name(h, o);
}

static void order_of_time(void **state)
{
	_cleanup_(events_held_fini) struct events_held h;

	(void)state;
	assert_int_equal(events_held_init(&h, NAME_MS), 0);
	assert_string_equal(due(&h, 1000, false), "");
	came(&h, 1000, 20, 1, "");
	came(&h, 1000, 30, 2, "");
	came(&h, 1050, 25, 7, "");
	came(&h, 1050, 40, 8, "");
	assert_string_equal(due(&h, 1099, false), "");
	came(&h, 1099, 10, 3, ""); /* late, but not too late */
	assert_string_equal(due(&h, 1100, false), "10.3 20.1 25.7 30.2");
	assert_string_equal(due(&h, 1149, false), "");
	came(&h, 1149, 41, 2, "");
	came(&h, 1149, 41, 1, ""); /* the same moment: by number */
	assert_string_equal(due(&h, 1149, true), "40.8 41.1 41.2");
	assert_false(h.wanted);
}

static void names_are_waited_for(void **state)
{
	_cleanup_(events_held_fini) struct events_held h;

	(void)state;
	assert_int_equal(events_held_init(&h, NAME_MS), 0);
	came(&h, 1000, 10, 1, "");
	came(&h, 1000, 20, 2, "shopid");
	came(&h, 1000, 30, 3, "");
	assert_string_equal(due(&h, 1100, false), "10.1");
	assert_true(h.wanted);
	name(&h, "other", "x");
	assert_string_equal(due(&h, 2999, false), "");
	name(&h, "shopid", "shop");
	assert_string_equal(due(&h, 2999, false), "20.2 30.3");
	assert_false(h.wanted);

	/* One that is gone stays known. */
	name(&h, "other", "x");
	came(&h, 3000, 40, 4, "shopid");
	assert_string_equal(due(&h, 3100, false), "40.4");

	/* In vain, once. */
	came(&h, 4000, 50, 5, "none");
	assert_string_equal(due(&h, 5999, false), "");
	assert_true(h.wanted);
	assert_string_equal(due(&h, 6000, false), "50.5");
	came(&h, 7000, 60, 6, "none");
	assert_string_equal(due(&h, 7100, false), "60.6");
	assert_false(h.wanted);

	/* Nobody waits at the end. */
	came(&h, 8000, 70, 7, "another");
	assert_string_equal(due(&h, 8000, true), "70.7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_of_time),
		cmocka_unit_test(names_are_waited_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
