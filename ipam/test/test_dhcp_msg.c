/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DHCP messages: what is built parses again, and what a hostile LAN may send is
 * no message. */
#include "lib/test/test.h"

#include <errno.h>
#include <string.h>

#include "ipam/dhcp_msg.h"
#include "lib/base.h"

#define HEAD  (14 + 20 + 8)
#define OPTS  (HEAD + 240)
#define XID   0x12345678
#define BYTES 1514

static struct ip_addr ip(const char *text)
{
	struct ip_addr a = { 0 };

	if (*text)
		assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static const struct mac_addr mac = { { 2, 0x42, 1, 2, 3, 4 } };
static const struct mac_addr server_mac = { { 2, 9, 9, 9, 9, 9 } };

static struct dhcp_msg ack(void)
{
	return (struct dhcp_msg){
		.type = DHCP_ACK,
		.xid = XID,
		.reply = true,
		.broadcast = true,
		.chaddr = mac,
		.yiaddr = ip("10.9.0.5"),
		.server = ip("10.9.0.1"),
		.router = ip("10.9.0.254"),
		.mask = 24,
		.lease_s = 3600,
		.t1_s = 1800,
		.t2_s = 3150,
	};
}

static int frame_of(const struct dhcp_msg *m, uint8_t *buf)
{
	struct dhcp_way way = { .from = server_mac, .ip_from = ip("10.9.0.1") };

	return dhcp_frame_build(&way, m, buf, BYTES);
}

static void same_msg(const struct dhcp_msg *a, const struct dhcp_msg *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->xid, b->xid);
	assert_int_equal(a->secs, b->secs);
	assert_int_equal(a->reply, b->reply);
	assert_int_equal(a->broadcast, b->broadcast);
	assert_true(mac_equal(&a->chaddr, &b->chaddr));
	assert_true(ip_equal(&a->ciaddr, &b->ciaddr));
	assert_true(ip_equal(&a->yiaddr, &b->yiaddr));
	assert_true(ip_equal(&a->requested, &b->requested));
	assert_true(ip_equal(&a->server, &b->server));
	assert_true(ip_equal(&a->router, &b->router));
	assert_int_equal(a->mask, b->mask);
	assert_int_equal(a->lease_s, b->lease_s);
	assert_int_equal(a->t1_s, b->t1_s);
	assert_int_equal(a->t2_s, b->t2_s);
}

static void what_is_built_parses(void **state)
{
	struct dhcp_msg m = ack(), got;
	struct mac_addr from;
	uint8_t buf[BYTES];
	int len = frame_of(&m, buf);

	(void)state;
	assert_int_equal(len, HEAD + 300);
	assert_int_equal(dhcp_frame_parse(buf, (size_t)len, true, &from, &got),
			 0);
	same_msg(&m, &got);
	assert_true(mac_equal(&from, &server_mac));
	/* a client's is for servers alone */
	m = (struct dhcp_msg){ .type = DHCP_REQUEST,
			       .xid = XID,
			       .secs = 7,
			       .broadcast = true,
			       .chaddr = mac,
			       .ciaddr = ip("10.9.0.5"),
			       .requested = ip("10.9.0.5"),
			       .server = ip("10.9.0.1") };
	len = frame_of(&m, buf);
	assert_true(len > 0);
	assert_int_equal(dhcp_frame_parse(buf, (size_t)len, true, &from, &got),
			 -EBADMSG);
	assert_int_equal(dhcp_msg_parse(buf + HEAD, (size_t)len - HEAD, &got),
			 0);
	same_msg(&m, &got);
	assert_memory_equal(buf, "\377\377\377\377\377\377", 6);
	assert_memory_equal(buf + 14 + 16, "\377\377\377\377", 4);
	assert_int_equal(
		dhcp_frame_build(&(struct dhcp_way){ 0 }, &m, buf, HEAD + 300),
		-ENOBUFS);
}

/* A parser that reads beyond the end finds a red zone there, under ASan. */
static int parse_exactly(const uint8_t *buf, size_t len, bool summed,
			 struct dhcp_msg *ret)
{
	_cleanup_free_ uint8_t *copy = malloc(len ? len : 1);
	struct mac_addr from;

	assert_non_null(copy);
	memcpy(copy, buf, len);
	return dhcp_frame_parse(copy, len, summed, &from, ret);
}

static void cut_anywhere(void **state)
{
	struct dhcp_msg m = ack(), got;
	uint8_t buf[BYTES];
	int len = frame_of(&m, buf);

	(void)state;
	for (int n = 0; n < len; n++)
		assert_int_equal(parse_exactly(buf, (size_t)n, true, &got),
				 -EBADMSG);
	/* what Ethernet pads with is not looked at */
	assert_int_equal(parse_exactly(buf, (size_t)len + 60, true, &got), 0);
}

/* Any one bit: the sums see it, or it is in the Ethernet header. */
static void a_flipped_bit(void **state)
{
	struct dhcp_msg m = ack(), got;
	uint8_t buf[BYTES];
	int len = frame_of(&m, buf);

	(void)state;
	for (int i = 14; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			buf[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(
				parse_exactly(buf, (size_t)len, true, &got),
				-EBADMSG);
			(void)parse_exactly(buf, (size_t)len, false, &got);
			buf[i] ^= (uint8_t)(1 << bit);
		}
}

/* ---- bytes in the message, its sums not looked at --------------------------------- */

static const struct row {
	const char *name;
	int at; /* negative: from the options on */
	uint8_t bytes[32];
	int len;
	int want;
} rows[] = {
	{ "no cookie", HEAD + 236, { 0 }, 4, -EBADMSG },
	{ "not Ethernet", HEAD + 1, { 6 }, 1, -EBADMSG },
	{ "a hardware address of 16 bytes", HEAD + 2, { 16 }, 1, -EBADMSG },
	{ "neither request nor reply", HEAD, { 3 }, 1, -EBADMSG },
	{ "from another port", 14 + 20, { 0, 53 }, 2, -EBADMSG },
	{ "to another port", 14 + 22, { 0, 69 }, 2, -EBADMSG },
	{ "UDP longer than IP", 14 + 24, { 5, 0 }, 2, -EBADMSG },
	{ "UDP shorter than its header", 14 + 24, { 0, 7 }, 2, -EBADMSG },
	{ "UDP of a header alone", 14 + 24, { 0, 8 }, 2, -EBADMSG },
	{ "IPv6", 12, { 0x86, 0xdd }, 2, -EBADMSG },
	{ "only padding", -1, { 0 }, 32, -EBADMSG },
	{ "no type", -1, { 51, 4, 0, 0, 1, 0, 255 }, 7, -EBADMSG },
	{ "type 0", -1, { 53, 1, 0, 255 }, 4, -EBADMSG },
	{ "type 9", -1, { 53, 1, 9, 255 }, 4, -EBADMSG },
	{ "a type of two bytes", -1, { 53, 2, 5, 5, 255 }, 5, -EBADMSG },
	{ "a type of no bytes", -1, { 53, 0, 255 }, 3, -EBADMSG },
	{ "a type alone", -1, { 53, 1, 5, 255 }, 4, 0 },
	{ "a length beyond the end", -1, { 53, 1, 5, 99, 250 }, 5, -EBADMSG },
	{ "unknown options", -1, { 99, 2, 1, 2, 53, 1, 5, 255 }, 8, 0 },
	{ "server of three bytes",
	  -1,
	  { 53, 1, 5, 54, 3, 1, 2, 3, 255 },
	  9,
	  -EBADMSG },
	{ "server in two pieces",
	  -1,
	  { 53, 1, 5, 54, 1, 10, 54, 3, 9, 0, 1, 255 },
	  12,
	  0 },
	{ "server twice",
	  -1,
	  { 53, 1, 5, 54, 4, 1, 2, 3, 4, 54, 4, 1, 2, 3, 4, 255 },
	  16,
	  -EBADMSG },
	{ "lease of two bytes",
	  -1,
	  { 53, 1, 5, 51, 2, 1, 1, 255 },
	  8,
	  -EBADMSG },
	{ "a mask with a hole",
	  -1,
	  { 53, 1, 5, 1, 4, 255, 0, 255, 0, 255 },
	  10,
	  -EBADMSG },
	{ "a mask of nothing", -1, { 53, 1, 5, 1, 4, 0, 0, 0, 0, 255 }, 10, 0 },
	{ "routers of six bytes",
	  -1,
	  { 53, 1, 5, 3, 6, 1, 2, 3, 4, 5, 6, 255 },
	  12,
	  -EBADMSG },
	{ "another's client id",
	  -1,
	  { 53, 1, 5, 61, 7, 1, 2, 0x42, 1, 2, 3, 5, 255 },
	  13,
	  -EBADMSG },
	{ "a client id of another kind",
	  -1,
	  { 53, 1, 5, 61, 5, 255, 1, 2, 3, 4, 255 },
	  11,
	  -EBADMSG },
	{ "our client id",
	  -1,
	  { 53, 1, 5, 61, 7, 1, 2, 0x42, 1, 2, 3, 4, 255 },
	  13,
	  0 },
	{ "overload of empty fields", -1, { 53, 1, 5, 52, 1, 3, 255 }, 7, 0 },
	{ "nothing behind the end",
	  -1,
	  { 53, 1, 5, 255, 54, 3, 1, 1, 1 },
	  9,
	  0 },
};

static void bytes_row(void **state)
{
	const struct row *row = *state;
	struct dhcp_msg m = ack(), got;
	uint8_t buf[BYTES] = { 0 };
	int len = frame_of(&m, buf);

	if (row->at < 0)
		memset(buf + OPTS, 0, (size_t)(len - OPTS));
	memcpy(buf + (row->at < 0 ? OPTS : row->at), row->bytes,
	       (size_t)row->len);
	assert_int_equal(parse_exactly(buf, (size_t)len, false, &got),
			 row->want);
}

static void options_in_other_fields(void **state)
{
	static const uint8_t opts[] = { 52, 1, 3, 255 };
	static const uint8_t file[] = { 53, 1, 5, 51, 2, 0, 0, 255 };
	static const uint8_t sname[] = { 51, 2, 14, 16, 3, 4, 1, 2, 3, 4 };
	struct dhcp_msg m = ack(), got;
	uint8_t buf[BYTES];
	int len = frame_of(&m, buf);

	(void)state;
	memset(buf + OPTS, 0, (size_t)(len - OPTS));
	memcpy(buf + OPTS, opts, sizeof(opts));
	memcpy(buf + HEAD + 108, file, sizeof(file));
	memcpy(buf + HEAD + 44, sname, sizeof(sname));
	assert_int_equal(parse_exactly(buf, (size_t)len, false, &got), 0);
	assert_int_equal(got.lease_s, 3600);
	assert_int_equal(got.router.bytes[3], 4);
	/* an option that leaves its field */
	buf[HEAD + 108 + 8 - 1] = 43;
	buf[HEAD + 108 + 8] = 120;
	assert_int_equal(parse_exactly(buf, (size_t)len, false, &got),
			 -EBADMSG);
}

static void text_cannot_reach_a_terminal(void **state)
{
	static const uint8_t opts[] = { 53,  1,  6, 56,  6,   'n',
					'o', 27, 0, '"', '!', 255 };
	struct dhcp_msg m = ack(), got;
	uint8_t buf[BYTES];
	int len = frame_of(&m, buf);

	(void)state;
	memset(buf + OPTS, 0, (size_t)(len - OPTS));
	memcpy(buf + OPTS, opts, sizeof(opts));
	assert_int_equal(parse_exactly(buf, (size_t)len, false, &got), 0);
	assert_string_equal(got.text, "no\?\?\?!");
	/* as long as it gets */
	buf[OPTS + 3] = 56;
	buf[OPTS + 4] = 50;
	memset(buf + OPTS + 5, 'x', 50);
	buf[OPTS + 55] = 255;
	assert_int_equal(parse_exactly(buf, (size_t)len, false, &got), 0);
	assert_int_equal(strlen(got.text), 50);
}

static void a_fragment_is_none(void **state)
{
	struct dhcp_msg m = ack(), got;
	uint8_t buf[BYTES];
	int len = frame_of(&m, buf);

	(void)state;
	/* more fragments: the header's sum made right for it */
	buf[14 + 6] = 0x20;
	buf[14 + 10] = (uint8_t)(buf[14 + 10] - 0x20);
	assert_int_equal(parse_exactly(buf, (size_t)len, false, &got),
			 -EBADMSG);
	buf[14 + 6] = 0x40; /* "do not" is fine */
	buf[14 + 10] = (uint8_t)(buf[14 + 10] - 0x20);
	assert_int_equal(parse_exactly(buf, (size_t)len, true, &got), 0);
}

int main(void)
{
	static const struct CMUnitTest fixed[] = {
		cmocka_unit_test(what_is_built_parses),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(a_flipped_bit),
		cmocka_unit_test(options_in_other_fields),
		cmocka_unit_test(text_cannot_reach_a_terminal),
		cmocka_unit_test(a_fragment_is_none),
	};
	struct CMUnitTest tests[ARRAY_SIZE(fixed) + ARRAY_SIZE(rows)];

	memcpy(tests, fixed, sizeof(fixed));
	(void)TEST_ROWS(tests + ARRAY_SIZE(fixed), rows, bytes_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
