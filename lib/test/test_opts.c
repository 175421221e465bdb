/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver options: every type, its limits, and the text of each refusal. */
#include "lib/test/test.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "lib/opts.h"

struct out {
	char str[8];
	bool flag;
	uint32_t mtu, any;
	uint64_t size;
	uint32_t mode;
	struct ip_addr ip;
	int mode_name;
};

static const char *const names[] = { "nat", "routed", "isolated", NULL };

static const struct opt_field fields[] = {
	OPT_FIELD("berth.name", OPT_STR, struct out, str, "a name"),
	{ .key = "berth.allow",
	  .type = OPT_STR,
	  .offset = offsetof(struct out, str),
	  .size = sizeof(((struct out *)0)->str),
	  .min = 1 },
	OPT_FIELD("berth.firewall", OPT_BOOL, struct out, flag, "a switch"),
	{ .key = "com.docker.network.driver.mtu",
	  .type = OPT_U32,
	  .offset = offsetof(struct out, mtu),
	  .size = sizeof(uint32_t),
	  .min = 68,
	  .max = 65535 },
	OPT_FIELD("any", OPT_U32, struct out, any, ""),
	OPT_FIELD("size", OPT_SIZE, struct out, size, ""),
	OPT_FIELD("mode", OPT_MODE, struct out, mode, ""),
	OPT_FIELD("host_ip", OPT_IP, struct out, ip, ""),
	{ .key = "gateway_mode",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct out, mode_name),
	  .size = sizeof(int),
	  .names = names },
	{ .key = "device", .type = OPT_REFUSED, .why = "there is no device" },
	{ 0 },
};

struct row {
	const char *name, *json;
	struct out out;
	const char *msg; /* NULL: accepted */
};

#define V4(a, b, c, d)                                     \
	{                                                  \
		.family = AF_INET, .bytes = { a, b, c, d } \
	}

static const struct row rows[] = {
	{ .name = "nothing", .json = "{}" },
	{ .name = "an empty string", .json = "{\"berth.name\":\"\"}" },
	{ .name = "an empty string that must not be",
	  .json = "{\"berth.allow\":\"\"}",
	  .msg = "option berth.allow: empty: write a value, or leave it out" },
	{ .name = "string",
	  .json = "{\"berth.name\":\"seven77\"}",
	  .out = { .str = "seven77" } },
	{ .name = "string too long",
	  .json = "{\"berth.name\":\"eight888\"}",
	  .msg = "option berth.name: longer than 7 bytes" },
	{ .name = "bool by name alone",
	  .json = "{\"berth.firewall\":\"\"}",
	  .out = { .flag = true } },
	{ .name = "bool any case",
	  .json = "{\"berth.firewall\":\"TRUE\"}",
	  .out = { .flag = true } },
	{ .name = "bool yes",
	  .json = "{\"berth.firewall\":\"Yes\"}",
	  .out = { .flag = true } },
	{ .name = "bool JSON true",
	  .json = "{\"berth.firewall\":true}",
	  .out = { .flag = true } },
	{ .name = "bool JSON 1",
	  .json = "{\"berth.firewall\":1}",
	  .out = { .flag = true } },
	{ .name = "bool off", .json = "{\"berth.firewall\":\"off\"}" },
	{ .name = "bool wrong",
	  .json = "{\"berth.firewall\":\"maybe\"}",
	  .msg = "option berth.firewall=\"maybe\": not true or false" },
	{ .name = "number",
	  .json = "{\"com.docker.network.driver.mtu\":\"1400\"}",
	  .out = { .mtu = 1400 } },
	{ .name = "JSON number",
	  .json = "{\"com.docker.network.driver.mtu\":1400}",
	  .out = { .mtu = 1400 } },
	{ .name = "number below the range",
	  .json = "{\"com.docker.network.driver.mtu\":\"67\"}",
	  .msg = "option com.docker.network.driver.mtu=\"67\": not a whole "
		 "number in 68..65535" },
	{ .name = "number above the range",
	  .json = "{\"com.docker.network.driver.mtu\":\"65536\"}",
	  .msg = "option com.docker.network.driver.mtu=\"65536\": not a whole "
		 "number in 68..65535" },
	{ .name = "largest number",
	  .json = "{\"any\":\"4294967295\"}",
	  .out = { .any = UINT32_MAX } },
	{ .name = "number above 32 bits",
	  .json = "{\"any\":\"4294967296\"}",
	  .msg = "option any=\"4294967296\": not a whole number in "
		 "0..4294967295" },
	{ .name = "number above 64 bits",
	  .json = "{\"any\":\"18446744073709551617\"}",
	  .msg = "option any=\"18446744073709551617\": not a whole number in "
		 "0..4294967295" },
	{ .name = "number negative",
	  .json = "{\"any\":\"-1\"}",
	  .msg = "option any=\"-1\": not a whole number in 0..4294967295" },
	{ .name = "number with a fraction",
	  .json = "{\"any\":1.5}",
	  .msg = "option any=\"1.5\": not a whole number in 0..4294967295" },
	{ .name = "number empty",
	  .json = "{\"any\":\"\"}",
	  .msg = "option any=\"\": not a whole number in 0..4294967295" },
	{ .name = "number trailing",
	  .json = "{\"any\":\"5 \"}",
	  .msg = "option any=\"5 \": not a whole number in 0..4294967295" },
	{ .name = "size plain",
	  .json = "{\"size\":\"1000\"}",
	  .out = { .size = 1000 } },
	{ .name = "size m",
	  .json = "{\"size\":\"10m\"}",
	  .out = { .size = 10u << 20 } },
	{ .name = "size MiB",
	  .json = "{\"size\":\"10MiB\"}",
	  .out = { .size = 10u << 20 } },
	{ .name = "size GB",
	  .json = "{\"size\":\"3GB\"}",
	  .out = { .size = 3ull << 30 } },
	{ .name = "size t",
	  .json = "{\"size\":\"2t\"}",
	  .out = { .size = 2ull << 40 } },
	{ .name = "size b", .json = "{\"size\":\"7b\"}", .out = { .size = 7 } },
	{ .name = "size overflow",
	  .json = "{\"size\":\"16777216t\"}",
	  .msg = "option size=\"16777216t\": not a size like 512m or 10g" },
	{ .name = "size largest",
	  .json = "{\"size\":\"16777215t\"}",
	  .out = { .size = 16777215ull << 40 } },
	{ .name = "size unknown unit",
	  .json = "{\"size\":\"5x\"}",
	  .msg = "option size=\"5x\": not a size like 512m or 10g" },
	{ .name = "size two units",
	  .json = "{\"size\":\"5mm\"}",
	  .msg = "option size=\"5mm\": not a size like 512m or 10g" },
	{ .name = "size no number",
	  .json = "{\"size\":\"m\"}",
	  .msg = "option size=\"m\": not a size like 512m or 10g" },
	{ .name = "size fraction",
	  .json = "{\"size\":\"1.5g\"}",
	  .msg = "option size=\"1.5g\": not a size like 512m or 10g" },
	{ .name = "mode",
	  .json = "{\"mode\":\"0755\"}",
	  .out = { .mode = 0755 } },
	{ .name = "mode sticky",
	  .json = "{\"mode\":\"1777\"}",
	  .out = { .mode = 01777 } },
	{ .name = "mode too large",
	  .json = "{\"mode\":\"10000\"}",
	  .msg = "option mode=\"10000\": not an octal mode like 0755" },
	{ .name = "mode not octal",
	  .json = "{\"mode\":\"0798\"}",
	  .msg = "option mode=\"0798\": not an octal mode like 0755" },
	{ .name = "ip",
	  .json = "{\"host_ip\":\"192.0.2.1\"}",
	  .out = { .ip = V4(192, 0, 2, 1) } },
	{ .name = "ip wrong",
	  .json = "{\"host_ip\":\"192.0.2\"}",
	  .msg = "option host_ip=\"192.0.2\": not an IP address" },
	{ .name = "enum",
	  .json = "{\"gateway_mode\":\"isolated\"}",
	  .out = { .mode_name = 2 } },
	{ .name = "enum wrong",
	  .json = "{\"gateway_mode\":\"Nat\"}",
	  .msg = "option gateway_mode=\"Nat\": not one of nat, routed, "
		 "isolated" },
	{ .name = "refused with the reason",
	  .json = "{\"device\":\"/dev/sda\"}",
	  .msg = "option \"device\" is not supported for test volume: there "
		 "is no device" },
	{ .name = "near miss",
	  .json = "{\"berth.fierwall\":\"on\"}",
	  .msg = "unknown option \"berth.fierwall\" for test volume: did you "
		 "mean \"berth.firewall\"?" },
	{ .name = "case is a near miss",
	  .json = "{\"Size\":\"1m\"}",
	  .msg = "unknown option \"Size\" for test volume: did you mean "
		 "\"size\"?" },
	{ .name = "nothing near",
	  .json = "{\"qqqqqqqqqqqqqqqqqqqqqqqqqqq\":\"on\"}",
	  .msg = "unknown option \"qqqqqqqqqqqqqqqqqqqqqqqqqqq\" for test "
		 "volume: it knows berth.name, berth.allow, berth.firewall, "
		 "com.docker.network.driver.mtu, any, size, mode, host_ip, "
		 "gateway_mode" },
	{ .name = "control characters in a key are escaped",
	  .json = "{\"siz\\u001b\":\"on\"}",
	  .msg = "unknown option \"siz\\x1b\" for test volume: did you mean "
		 "\"size\"?" },
	{ .name = "empty key",
	  .json = "{\"\":\"on\"}",
	  .msg = "unknown option \"\" for test volume: it knows berth.name, "
		 "berth.allow, berth.firewall, com.docker.network.driver.mtu, "
		 "any, size, "
		 "mode, host_ip, gateway_mode" },
	{ .name = "null value",
	  .json = "{\"any\":null}",
	  .msg = "option \"any\": the value is not text" },
	{ .name = "object value",
	  .json = "{\"any\":{}}",
	  .msg = "option \"any\": the value is not text" },
	{ .name = "array value",
	  .json = "{\"any\":[1]}",
	  .msg = "option \"any\": the value is not text" },
};

static void decode_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(json_putp) json_object *map = NULL;
	struct err err = { 0 };
	struct out out = { 0 };
	int r;

	assert_int_equal(jdec_parse(row->json, strlen(row->json), &map, &err),
			 0);
	r = opts_decode(map, fields, &out, "test volume", &err);
	assert_string_equal(err.msg, row->msg ? row->msg : "");
	assert_int_equal(r, row->msg ? -EINVAL : 0);
	if (r < 0)
		return;
	assert_string_equal(out.str, row->out.str);
	assert_int_equal(out.flag, row->out.flag);
	assert_int_equal(out.mtu, row->out.mtu);
	assert_int_equal(out.any, row->out.any);
	assert_int_equal(out.size, row->out.size);
	assert_int_equal(out.mode, row->out.mode);
	assert_true(ip_equal(&out.ip, &row->out.ip));
	assert_int_equal(out.mode_name, row->out.mode_name);
}

static void no_map_keeps_the_defaults(void **state)
{
	struct out out = { .mtu = 1500 };

	(void)state;
	assert_int_equal(opts_decode(NULL, fields, &out, "x", NULL), 0);
	assert_int_equal(out.mtu, 1500);
}

static void overlong_key_gets_no_suggestion(void **state)
{
	char key[300];

	(void)state;
	memset(key, 's', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	assert_null(opts_nearest(key, fields));
	assert_string_equal(opts_nearest("sise", fields), "size");
	assert_null(opts_nearest("si", fields));
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint32_t s; /* 0: refused */
	} cases[] = {
		{ "10s", 10 },  { "10m", 600 },
		{ "2h", 7200 }, { "720h", 2592000 },
		{ "721h", 0 },  { "0s", 0 },
		{ "10", 0 },    { "s", 0 },
		{ "", 0 },      { "-1s", 0 },
		{ "1.5h", 0 },  { "10s ", 0 },
		{ "1d", 0 },    { "99999999999999999999s", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t got = 0;

		assert_int_equal(opts_duration(cases[i].text, &got, NULL),
				 cases[i].s ? 0 : -EINVAL);
		assert_int_equal(got, cases[i].s);
	}
}

#define TEST(fn)                               \
	(struct CMUnitTest)                    \
	{                                      \
		.name = #fn, .test_func = (fn) \
	}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 3];
	size_t n = TEST_ROWS(tests, rows, decode_row);

	tests[n++] = TEST(no_map_keeps_the_defaults);
	tests[n++] = TEST(durations);
	tests[n++] = TEST(overlong_key_gets_no_suggestion);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
