/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS messages: what is refused before anything else sees it, and what is answered. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "runtime/names/wire.h"

/* id 0x1234, RD, one question */
#define HEAD               "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define HEAD_MORE          "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
#define HEAD_TWO           "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x02"
#define WEB                "\x03WeB\x04shop\x00"
#define A_IN               "\x00\x01\x00\x01"
#define OPT(size, version) "\x00\x00\x29" size "\x00" version "\x00\x00\x00\x00"
#define L63    \
	"\x3f" \
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

#define MSG(text) .msg = (text), .len = sizeof(text) - 1

static const struct parse_row {
	const char *name, *msg;
	size_t len;
	int want;
	const char *text; /* of the name */
	uint16_t udp_size;
} parse_rows[] = {
	{ "a question", MSG(HEAD WEB A_IN), 0, "web.shop", 512 },
	{ "the root", MSG(HEAD "\x00" A_IN), 0, "", 512 },
	{ "bytes that no name of ours has", MSG(HEAD "\x03w.b\x00" A_IN), 0, "",
	  512 },
	{ "253 characters",
	  MSG(HEAD L63 L63 L63 "\x3d"
			       "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst"
			       "uvwxyzabcdefghi\x00" A_IN),
	  0, NULL, 512 },
	{ "EDNS", MSG(HEAD_MORE WEB A_IN OPT("\x04\x00", "\x00")), 0,
	  "web.shop", 1024 },
	{ "EDNS of size 0", MSG(HEAD_MORE WEB A_IN OPT("\x00\x00", "\x00")), 0,
	  "web.shop", 512 },
	{ "EDNS of size 65535", MSG(HEAD_MORE WEB A_IN OPT("\xff\xff", "\x00")),
	  0, "web.shop", 1232 },
	{ "EDNS version 1", MSG(HEAD_MORE WEB A_IN OPT("\x04\x00", "\x01")),
	  WIRE_BADVERS, "web.shop", 1024 },
	{ "OPT twice",
	  MSG(HEAD_TWO WEB A_IN OPT("\x04\x00", "\x00")
		      OPT("\x04\x00", "\x00")),
	  WIRE_FORMERR, NULL, 0 },
	{ "OPT with a name",
	  MSG(HEAD_MORE WEB A_IN "\x01x\x00\x00\x29\x04\x00\x00\x00\x00\x00\x00"
				 "\x00"),
	  WIRE_FORMERR, NULL, 0 },
	{ "OPT whose owner points back to the question's end",
	  MSG(HEAD_MORE WEB A_IN
	      "\xc0\x15\x00\x29\x04\x00\x00\x00\x00\x00\x00\x00"),
	  WIRE_FORMERR, NULL, 0 },
	{ "OPT longer than the message",
	  MSG(HEAD_MORE WEB A_IN
	      "\x00\x00\x29\x04\x00\x00\x00\x00\x00\x00\x01"),
	  WIRE_FORMERR, NULL, 0 },
	{ "a record that is not there", MSG(HEAD_MORE WEB A_IN), WIRE_FORMERR,
	  NULL, 0 },
	{ "bytes behind the end", MSG(HEAD WEB A_IN "\x00"), WIRE_FORMERR, NULL,
	  0 },
	{ "an empty label in the middle",
	  MSG(HEAD "\x03web\x00\x04shop\x00" A_IN), WIRE_FORMERR, NULL, 0 },
	{ "a name without end", MSG(HEAD "\x03web"), WIRE_FORMERR, NULL, 0 },
	{ "no type", MSG(HEAD "\x03web\x00\x00\x01"), WIRE_FORMERR, NULL, 0 },
	{ "a label of 64", MSG(HEAD "\x40" A_IN A_IN), WIRE_FORMERR, NULL, 0 },
	{ "a label of 128", MSG(HEAD "\x80" A_IN A_IN), WIRE_FORMERR, NULL, 0 },
	{ "256 octets",
	  MSG(HEAD L63 L63 L63
	      "\x3e"
	      "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxy"
	      "zabcdefghij\x00" A_IN),
	  WIRE_FORMERR, NULL, 0 },
	{ "a pointer to itself", MSG(HEAD "\xc0\x0c" A_IN), WIRE_FORMERR, NULL,
	  0 },
	{ "a pointer forward", MSG(HEAD "\xc0\x10" A_IN "\x00"), WIRE_FORMERR,
	  NULL, 0 },
	{ "a pointer into the header", MSG(HEAD "\xc0\x04" A_IN), WIRE_FORMERR,
	  NULL, 0 },
	{ "a pointer after a label, to it", MSG(HEAD "\x01w\xc0\x0c" A_IN),
	  WIRE_FORMERR, NULL, 0 },
	{ "no question",
	  MSG("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), WIRE_FORMERR,
	  NULL, 0 },
	{ "two questions",
	  MSG("\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00" WEB A_IN WEB
		      A_IN),
	  WIRE_FORMERR, NULL, 0 },
	{ "65535 questions",
	  MSG("\x12\x34\x01\x00\xff\xff\x00\x00\x00\x00\x00\x00" WEB A_IN),
	  WIRE_FORMERR, NULL, 0 },
	{ "an answer in the question",
	  MSG("\x12\x34\x01\x00\x00\x01\x00\x01\x00\x00\x00\x00" WEB A_IN),
	  WIRE_FORMERR, NULL, 0 },
	{ "opcode 2",
	  MSG("\x12\x34\x11\x00\x00\x01\x00\x00\x00\x00\x00\x00" WEB A_IN),
	  WIRE_NOTIMP, NULL, 0 },
	{ "an answer",
	  MSG("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00" WEB A_IN),
	  -EBADMSG, NULL, 0 },
	{ "11 bytes", MSG("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00"),
	  -EBADMSG, NULL, 0 },
	{ "ANY", MSG(HEAD WEB "\x00\xff\x00\x01"), WIRE_REFUSED, "web.shop",
	  512 },
	{ "AXFR", MSG(HEAD WEB "\x00\xfc\x00\x01"), WIRE_REFUSED, "web.shop",
	  512 },
	{ "IXFR", MSG(HEAD WEB "\x00\xfb\x00\x01"), WIRE_REFUSED, "web.shop",
	  512 },
	{ "class CH", MSG(HEAD WEB "\x00\x10\x00\x03"), WIRE_REFUSED,
	  "web.shop", 512 },
	{ "class ANY", MSG(HEAD WEB "\x00\x01\x00\xff"), WIRE_REFUSED,
	  "web.shop", 512 },
};

static void parse_row(void **state)
{
	const struct parse_row *row = *state;
	struct wire_query q = { 0 };
	_cleanup_free_ uint8_t *exact =
		malloc(row->len); /* for the sanitizer */

	assert_non_null(exact);
	memcpy(exact, row->msg, row->len);
	assert_int_equal(wire_query_parse(exact, row->len, &q), row->want);
	if (row->text)
		assert_string_equal(q.name, row->text);
	if (row->udp_size)
		assert_int_equal(q.udp_size, row->udp_size);
}

/* F090: a chain of pointers, each to the one before. */
static void jumps(unsigned int count, int want)
{
	uint8_t msg[1024] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 2 };
	struct wire_query q;
	size_t n = 12, chain;

	memcpy(msg + n, "\x01w\x00" A_IN, 7);
	n += 7;
	/* a TXT-like record whose data is the chain */
	memcpy(msg + n, "\x00\x00\x10\x00\x01\x00\x00\x00\x00", 9);
	n += 9;
	msg[n++] = (uint8_t)(2 * count >> 8);
	msg[n++] = (uint8_t)(2 * count);
	chain = n;
	for (unsigned int i = 0; i < count; i++) {
		size_t to = i ? chain + 2 * (i - 1) : 12;

		msg[n++] = (uint8_t)(0xc0 | to >> 8);
		msg[n++] = (uint8_t)to;
	}
	/* and one owned by the last pointer of it */
	msg[n++] = (uint8_t)(0xc0 | (chain + 2 * (count - 1)) >> 8);
	msg[n++] = (uint8_t)(chain + 2 * (count - 1));
	memcpy(msg + n, "\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00", 10);
	n += 10;
	assert_int_equal(wire_query_parse(msg, n, &q), want);
}

static void sixteen_jumps(void **state)
{
	(void)state;
	jumps(15, WIRE_NOERROR);
	jumps(16, WIRE_FORMERR);
	jumps(128, WIRE_FORMERR);
}

/* ---- reverse names ------------------------------------------------------ */

static const struct ptr_row {
	const char *name, *text, *addr; /* NULL: none */
} ptr_rows[] = {
	{ "an IPv4 address", "2.0.9.10.in-addr.arpa", "10.9.0.2" },
	{ "three numbers", "0.9.10.in-addr.arpa", NULL },
	{ "five numbers", "1.2.0.9.10.in-addr.arpa", NULL },
	{ "a number too large", "256.0.9.10.in-addr.arpa", NULL },
	{ "a leading zero", "02.0.9.10.in-addr.arpa", NULL },
	{ "letters", "x.0.9.10.in-addr.arpa", NULL },
	{ "the zone", "in-addr.arpa", NULL },
	{ "another zone", "2.0.9.10.in-addr.arpa.example", NULL },
	{ "an IPv6 address",
	  "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f."
	  "ip6.arpa",
	  "fd00:1::2" },
	{ "31 digits",
	  "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f."
	  "ip6.arpa",
	  NULL },
	{ "no hex digit",
	  "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f."
	  "ip6.arpa",
	  NULL },
};

static void ptr_row(void **state)
{
	const struct ptr_row *row = *state;
	struct ip_addr a = { 0 };
	char text[IP_STR_MAX];
	int r = wire_ptr_addr(row->text, &a);

	assert_int_equal(r, row->addr ? 0 : -ENOENT);
	if (row->addr)
		assert_string_equal(ip_str(&a, text), row->addr);
}

/* ---- answers ------------------------------------------------------------ */

static const uint8_t question[] = HEAD WEB A_IN;
#define QUESTION (sizeof(question) - 1)

static void answer_is_this(void **state)
{
	static const uint8_t want[] =
		"\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00" WEB A_IN
		"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x09\x00"
		"\x02";
	struct ip_addr addr = { AF_INET, { 10, 9, 0, 2 } };
	struct wire_answer a = {
		.ours = true, .forwards = true, .addrs = &addr, .count = 1
	};
	struct wire_query q;
	uint8_t buf[WIRE_UDP_MAX];

	(void)state;
	assert_int_equal(wire_query_parse(question, QUESTION, &q), 0);
	assert_int_equal(wire_answer_build(question, &q, &a, buf, q.udp_size),
			 sizeof(want) - 1);
	assert_memory_equal(buf, want, sizeof(want) - 1);
}

static void what_does_not_fit_is_left_out(void **state)
{
	struct wire_answer a = { .count = 200 };
	struct ip_addr addrs[200];
	static uint8_t buf[WIRE_MSG_MAX];
	struct wire_query q;
	int n;

	(void)state;
	for (int i = 0; i < 200; i++)
		addrs[i] =
			(struct ip_addr){ AF_INET, { 10, 9, 0, (uint8_t)i } };
	a.addrs = addrs;
	assert_int_equal(wire_query_parse(question, QUESTION, &q), 0);
	n = wire_answer_build(question, &q, &a, buf, q.udp_size);
	assert_int_equal(n, QUESTION);
	assert_true(wire_truncated(buf));
	assert_int_equal(buf[6] << 8 | buf[7], 0);
	n = wire_answer_build(question, &q, &a, buf, WIRE_MSG_MAX);
	assert_int_equal(n, QUESTION + 200 * 16);
	assert_false(wire_truncated(buf));
}

static void badvers_is_in_two_places(void **state)
{
	static const uint8_t msg[] = HEAD_MORE WEB A_IN OPT("\x04\x00", "\x01");
	struct wire_answer a = { .rcode = WIRE_BADVERS };
	uint8_t buf[WIRE_UDP_MIN];
	struct wire_query q;
	int n;

	(void)state;
	assert_int_equal(wire_query_parse(msg, sizeof(msg) - 1, &q),
			 WIRE_BADVERS);
	n = wire_answer_build(msg, &q, &a, buf, sizeof(buf));
	assert_int_equal(n, QUESTION + 11);
	assert_int_equal(buf[3] & 15, 0);
	assert_int_equal(buf[11], 1);
	assert_memory_equal(buf + QUESTION, "\x00\x00\x29\x04\xd0\x01\x00", 7);
}

/* FORMERR where not even the question could be read. */
static void an_answer_without_question(void **state)
{
	static const uint8_t msg[] = HEAD "\xc0\x0c" A_IN;
	struct wire_answer a = { .rcode = WIRE_FORMERR };
	uint8_t buf[WIRE_UDP_MIN];
	struct wire_query q;

	(void)state;
	assert_int_equal(wire_query_parse(msg, sizeof(msg) - 1, &q),
			 WIRE_FORMERR);
	assert_int_equal(wire_answer_build(msg, &q, &a, buf, sizeof(buf)), 12);
	assert_memory_equal(
		buf, "\x12\x34\x81\x01\x00\x00\x00\x00\x00\x00\x00\x00", 12);
}

/* ---- others' answers: F092 ---------------------------------------------- */

#define YES "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"

static const struct reply_row {
	const char *name, *msg;
	size_t len;
	bool fits;
} reply_rows[] = {
	{ "its answer", MSG(YES WEB A_IN "rest"), true },
	{ "another id",
	  MSG("\x12\x35\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" WEB A_IN),
	  false },
	{ "another name", MSG(YES "\x03WeC\x04shop\x00" A_IN), false },
	{ "another case", MSG(YES "\x03web\x04shop\x00" A_IN), false },
	{ "another type", MSG(YES WEB "\x00\x1c\x00\x01"), false },
	{ "a question", MSG(HEAD WEB A_IN), false },
	{ "cut within the question", MSG(YES "\x03WeB"), false },
	{ "two questions",
	  MSG("\x12\x34\x81\x80\x00\x02\x00\x01\x00\x00\x00\x00" WEB A_IN),
	  false },
	{ "a bare SERVFAIL",
	  MSG("\x12\x34\x81\x82\x00\x00\x00\x00\x00\x00\x00\x00"), true },
	{ "a bare yes", MSG("\x12\x34\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00"),
	  false },
	{ "8 bytes", MSG("\x12\x34\x81\x80\x00\x00\x00\x00"), false },
};

static void reply_row(void **state)
{
	const struct reply_row *row = *state;
	_cleanup_free_ uint8_t *exact = malloc(row->len);
	struct wire_query q;

	assert_non_null(exact);
	memcpy(exact, row->msg, row->len);
	assert_int_equal(wire_query_parse(question, QUESTION, &q), 0);
	assert_int_equal(wire_reply_fits(exact, row->len, question, &q),
			 row->fits);
}

/* How long an answer takes: a figure for the log, and no disaster. */
static void answers_are_fast(void **state)
{
	struct ip_addr addr = { AF_INET, { 10, 9, 0, 2 } };
	struct wire_answer a = { .addrs = &addr, .count = 1 };
	uint8_t buf[WIRE_UDP_MAX];
	struct wire_query q;
	double ms = test_cpu_ms();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(wire_query_parse(question, QUESTION, &q), 0);
		assert_true(wire_answer_build(question, &q, &a, buf, 512) > 0);
	}
	ms = test_cpu_ms() - ms;
	print_message("# parsed and answered in %.2f us\n", ms / 100);
	assert_true(ms < 100 * 100);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(sixteen_jumps),
		cmocka_unit_test(answer_is_this),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(badvers_is_in_two_places),
		cmocka_unit_test(an_answer_without_question),
		cmocka_unit_test(answers_are_fast),
	};
	struct CMUnitTest tests[ARRAY_SIZE(parse_rows) + ARRAY_SIZE(ptr_rows) +
				ARRAY_SIZE(reply_rows) + ARRAY_SIZE(others)];
	size_t n = TEST_ROWS(tests, parse_rows, parse_row);

	n += TEST_ROWS(tests + n, ptr_rows, ptr_row);
	n += TEST_ROWS(tests + n, reply_rows, reply_row);
	memcpy(tests + n, others, sizeof(others));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
