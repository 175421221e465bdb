/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers and lists of what is wrong. */
#include "lib/test/test.h"

#include <errno.h>
#include <string.h>

#include "lib/answer.h"
#include "lib/jdec.h"
#include "lib/problems.h"

static void pieces(void **state)
{
	_cleanup_(json_putp) json_object *o = NULL;
	json_object *list;

	(void)state;
	assert_int_equal(answer_list(&o, "L", &list, NULL), 0);
	answer_line(list, "a");
	answer_line(list, "b");
	assert_int_equal(answer_text(o, "T", "x"), 0);
	assert_int_equal(answer_uint(o, "U", UINT64_MAX), 0);
	assert_int_equal(answer_bool(o, "B", true), 0);
	assert_int_equal(answer_put(o, "P", json_object_new_array()), 0);
	assert_string_equal(
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
		"{\"L\":[\"a\",\"b\"],\"T\":\"x\",\"U\":18446744073709551615,"
		"\"B\":true,\"P\":[]}");
}

static void out_of_memory_is_passed_on(void **state)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(answer_put(o, "P", NULL), -ENOMEM);
	assert_int_equal(answer_text(NULL, "T", "x"), -ENOMEM); /* freed */
	assert_int_equal(answer_no_memory(&err), -ENOMEM);
	assert_string_equal(err.msg, "out of memory");
	assert_int_equal(json_object_object_length(o), 0);
}

static void info_of_a_daemon(void **state)
{
	_cleanup_(json_putp) json_object *o = NULL;
	struct timespec start;
	json_object *list, *up;

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &start);
	start.tv_sec -= 3;
	assert_int_equal(
		answer_info(&o, "berth-x", "volume", &start, &list, NULL), 0);
	answer_line(list, "ill");
	assert_true(json_object_object_get_ex(o, "UptimeMs", &up));
	assert_in_range(json_object_get_int64(up), 3000, 60000);
	json_object_object_del(o, "UptimeMs");
	json_object_object_del(o, "Pid");
	json_object_object_del(o, "Version");
	assert_string_equal(
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
		"{\"Problems\":[\"ill\"],\"Name\":\"berth-x\","
		"\"Kind\":\"volume\"}");
}

static void in_the_order_they_came(void **state)
{
	json_object *list = json_object_new_array();
	struct problems p;

	(void)state;
	problems_init(&p);
	problems_each(&p, answer_line, list);
	for (int i = 0; i < 3; i++)
		problems_add(&p, "no %d", i);
	problems_each(&p, answer_line, list);
	assert_string_equal(
		json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN),
		"[\"no 0\",\"no 1\",\"no 2\"]");
	problems_fini(&p);
	json_object_put(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces),
		cmocka_unit_test(out_of_memory_is_passed_on),
		cmocka_unit_test(info_of_a_daemon),
		cmocka_unit_test(in_the_order_they_came),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
