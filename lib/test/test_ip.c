/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, prefixes, MACs: one row, one claim. */
#include "lib/test/test.h"

#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"

enum what { ADDR, PREFIX, MAC };

struct row {
	const char *name;
	enum what what;
	const char *in;
	const char *out; /* NULL: refused */
};

static const struct row rows[] = {
	{ "v4", ADDR, "10.1.2.3", "10.1.2.3" },
	{ "v4 any", ADDR, "0.0.0.0", "0.0.0.0" },
	{ "v4 leading zero", ADDR, "010.1.2.3", NULL },
	{ "v4 zero zero", ADDR, "00.1.2.3", NULL },
	{ "v4 three parts", ADDR, "10.1.2", NULL },
	{ "v4 five parts", ADDR, "10.1.2.3.4", NULL },
	{ "v4 above 255", ADDR, "10.1.2.256", NULL },
	{ "v4 hex", ADDR, "0x7f.0.0.1", NULL },
	{ "v4 as a number", ADDR, "2130706433", NULL },
	{ "v4 trailing text", ADDR, "10.1.2.3 ", NULL },
	{ "v4 leading space", ADDR, " 10.1.2.3", NULL },
	{ "v4 with a length", ADDR, "10.1.2.3/8", NULL },
	{ "v4 sign", ADDR, "+10.1.2.3", NULL },
	{ "empty", ADDR, "", NULL },
	{ "v6", ADDR, "fd00:50::fe", "fd00:50::fe" },
	{ "v6 shortened on print", ADDR, "2001:DB8:0:0:0:0:0:1",
	  "2001:db8::1" },
	{ "v6 any", ADDR, "::", "::" },
	{ "v6 mapped", ADDR, "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
	{ "v6 mapped leading zero", ADDR, "::ffff:01.2.3.4", NULL },
	{ "v6 zone", ADDR, "fe80::1%eth0", NULL },
	{ "v6 brackets", ADDR, "[::1]", NULL },
	{ "v6 two gaps", ADDR, "1::2::3", NULL },
	{ "v6 nine groups", ADDR, "1:2:3:4:5:6:7:8:9", NULL },
	{ "v6 five digits", ADDR, "12345::", NULL },
	{ "name", ADDR, "localhost", NULL },

	{ "prefix v4", PREFIX, "10.0.0.9/8", "10.0.0.9/8" },
	{ "prefix v4 /0", PREFIX, "0.0.0.0/0", "0.0.0.0/0" },
	{ "prefix v4 /32", PREFIX, "10.0.0.9/32", "10.0.0.9/32" },
	{ "prefix v4 /33", PREFIX, "10.0.0.9/33", NULL },
	{ "prefix v6 /128", PREFIX, "fd00::1/128", "fd00::1/128" },
	{ "prefix v6 /129", PREFIX, "fd00::1/129", NULL },
	{ "prefix without length", PREFIX, "10.0.0.0", NULL },
	{ "prefix empty length", PREFIX, "10.0.0.0/", NULL },
	{ "prefix leading zero", PREFIX, "10.0.0.0/08", NULL },
	{ "prefix /00", PREFIX, "10.0.0.0/00", NULL },
	{ "prefix negative", PREFIX, "10.0.0.0/-1", NULL },
	{ "prefix plus", PREFIX, "10.0.0.0/+8", NULL },
	{ "prefix huge", PREFIX, "10.0.0.0/4294967304", NULL },
	{ "prefix trailing", PREFIX, "10.0.0.0/8x", NULL },
	{ "prefix two slashes", PREFIX, "10.0.0.0/8/8", NULL },
	{ "prefix netmask", PREFIX, "10.0.0.0/255.0.0.0", NULL },
	{ "prefix long address", PREFIX,
	  "1111111111111111111111111111111111111111111111111111111111/8",
	  NULL },
	{ "prefix empty", PREFIX, "", NULL },
	{ "prefix only slash", PREFIX, "/8", NULL },

	{ "mac", MAC, "02:42:0a:01:02:03", "02:42:0a:01:02:03" },
	{ "mac upper case", MAC, "02:42:0A:01:02:FF", "02:42:0a:01:02:ff" },
	{ "mac dashes", MAC, "02-42-0a-01-02-03", "02:42:0a:01:02:03" },
	{ "mac mixed", MAC, "02:42-0a:01-02:03", NULL },
	{ "mac short", MAC, "02:42:0a:01:02", NULL },
	{ "mac long", MAC, "02:42:0a:01:02:03:04", NULL },
	{ "mac single digits", MAC, "2:42:a:1:2:3", NULL },
	{ "mac no separators", MAC, "02420a010203", NULL },
	{ "mac not hex", MAC, "02:42:0g:01:02:03", NULL },
	{ "mac empty", MAC, "", NULL },
	{ "mac zero", MAC, "00:00:00:00:00:00", NULL },
};

static void parse_row(void **state)
{
	const struct row *row = *state;
	char buf[PREFIX_STR_MAX] = "untouched";
	struct ip_prefix p = { 0 };
	struct err err = { 0 };
	struct mac_addr m = { 0 };
	struct ip_addr a = { 0 };
	int r = -1;

	switch (row->what) {
	case ADDR:
		r = ip_parse(row->in, &a, &err);
		ip_str(&a, buf);
		break;
	case PREFIX:
		r = ip_prefix_parse(row->in, &p, &err);
		ip_prefix_str(&p, buf);
		break;
	case MAC:
		r = mac_parse(row->in, &m, &err);
		mac_str(&m, buf);
		break;
	}
	assert_int_equal(r, row->out ? 0 : -EINVAL);
	assert_string_equal(buf, row->out ? row->out : "");
	assert_true((err.msg[0] == '\0') == (r == 0));
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a = { 0 };

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p = { 0 };

	assert_int_equal(ip_prefix_parse(s, &p, NULL), 0);
	return p;
}

static void message_escapes_the_input(void **state)
{
	struct err err = { 0 };
	struct ip_addr a;

	(void)state;
	assert_int_equal(ip_parse("1\x1b[31m\n", &a, &err), -EINVAL);
	assert_string_equal(err.msg, "\"1\\x1b[31m\\n\" is not an IP address");
}

static void first_and_last_of_a_prefix(void **state)
{
	static const char *const cases[][3] = {
		{ "10.1.2.3/8", "10.0.0.0", "10.255.255.255" },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.3" },
		{ "10.1.2.3/0", "0.0.0.0", "255.255.255.255" },
		{ "10.1.2.3/30", "10.1.2.0", "10.1.2.3" },
		{ "10.1.255.3/17", "10.1.128.0", "10.1.255.255" },
		{ "fd00:50::fe/64",
		  "fd00:50::", "fd00:50::ffff:ffff:ffff:ffff" },
		{ "fd00:50::fe/121", "fd00:50::80", "fd00:50::ff" },
		{ "fd00::1/128", "fd00::1", "fd00::1" },
	};
	char buf[IP_STR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip_prefix p = prefix(cases[i][0]);
		struct ip_addr first = ip_prefix_first(&p);
		struct ip_addr last = ip_prefix_last(&p);

		assert_string_equal(ip_str(&first, buf), cases[i][1]);
		assert_string_equal(ip_str(&last, buf), cases[i][2]);
	}
}

static void contains_and_overlaps(void **state)
{
	struct ip_prefix ten = prefix("10.0.0.0/8"), some = { 0 };
	struct ip_prefix in = prefix("10.9.0.0/16"), v6 = prefix("::/0");
	struct ip_prefix beside = prefix("11.0.0.0/8");
	struct ip_addr a = addr("10.9.1.1"), b = addr("11.0.0.1"), none = { 0 };

	(void)state;
	assert_true(ip_prefix_contains(&ten, &a));
	assert_false(ip_prefix_contains(&ten, &b));
	assert_false(ip_prefix_contains(&v6, &a));
	assert_false(ip_prefix_contains(&some, &none));
	assert_true(ip_prefix_overlaps(&ten, &in));
	assert_true(ip_prefix_overlaps(&in, &ten));
	assert_false(ip_prefix_overlaps(&ten, &beside));
	assert_false(ip_prefix_overlaps(&ten, &v6));
	assert_false(ip_prefix_overlaps(&some, &some));
}

static void kinds_of_addresses(void **state)
{
	struct ip_addr none = { 0 }, v4 = addr("127.9.9.9"), v6 = addr("::1");
	struct ip_addr mapped = addr("::ffff:127.0.0.1"), two = addr("::2");
	struct ip_addr any4 = addr("0.0.0.0"), any6 = addr("::");

	(void)state;
	assert_true(ip_is_none(&none));
	assert_false(ip_is_none(&any4));
	assert_false(ip_is_any(&none));
	assert_true(ip_is_any(&any4));
	assert_true(ip_is_any(&any6));
	assert_true(ip_is_loopback(&v4));
	assert_true(ip_is_loopback(&v6));
	assert_true(ip_is_loopback(&mapped));
	assert_false(ip_is_loopback(&two));
	assert_false(ip_is_loopback(&none));
	assert_false(ip_equal(&any4, &any6));
	assert_true(ip_cmp(&any4, &any6) < 0);
	assert_true(ip_cmp(&two, &v6) > 0);
	assert_int_equal(ip_cmp(&two, &two), 0);
	assert_int_equal(ip_bytes(&none), 0);
	assert_int_equal(ip_bytes(&v4), 4);
	assert_int_equal(ip_bytes(&v6), 16);
}

static void macs_derived_and_checked(void **state)
{
	struct ip_addr v4 = addr("10.1.2.3"), v6 = addr("fd00::1"), ll;
	struct ip_addr other = addr("fd00::2");
	struct mac_addr m = mac_from_ip(&v4), multi = { { 1 } }, none = { 0 };
	struct mac_addr m6 = mac_from_ip(&v6), n6 = mac_from_ip(&other);
	char buf[MAC_STR_MAX], text[IP_STR_MAX];
	struct err err = { 0 };

	(void)state;
	assert_string_equal(mac_str(&m, buf), "02:42:0a:01:02:03");
	assert_string_equal(mac_str(&none, buf), "");
	assert_int_equal(mac_check(&m, &err), 0);
	assert_int_equal(mac_check(&multi, &err), -EINVAL);
	assert_int_equal(mac_check(&none, &err), -EINVAL);
	assert_int_equal(mac_check(&m6, NULL), 0);
	assert_int_equal(m6.bytes[0], 2);
	assert_int_not_equal(m6.bytes[1], 0x42);
	assert_false(mac_equal(&m6, &n6));
	ll = ip_from_mac(&m);
	assert_string_equal(ip_str(&ll, text), "fe80::42:aff:fe01:203");
}

#define TEST(fn)                               \
	(struct CMUnitTest)                    \
	{                                      \
		.name = #fn, .test_func = (fn) \
	}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 5];
	size_t n = TEST_ROWS(tests, rows, parse_row);

	tests[n++] = TEST(message_escapes_the_input);
	tests[n++] = TEST(first_and_last_of_a_prefix);
	tests[n++] = TEST(contains_and_overlaps);
	tests[n++] = TEST(kinds_of_addresses);
	tests[n++] = TEST(macs_derived_and_checked);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
