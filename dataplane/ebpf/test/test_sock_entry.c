/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges as keys and prefixes: exactly their ports, no other. */
#include "dataplane/ebpf/sock_entry.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/base.h"
#include "lib/test/test.h"

struct row {
	const char *name, *host;
	uint16_t first;
	uint32_t count;
	size_t max_prefixes; /* of one address */
};

static const struct row rows[] = {
	{ "one port", NULL, 8080, 1, 1 },
	{ "two ports, aligned", NULL, 8080, 2, 1 },
	{ "two ports, not aligned", NULL, 8081, 2, 2 },
	{ "a thousand", NULL, 20000, 1000, 20 },
	{ "sixty thousand", NULL, 1024, 60000, 30 },
	{ "all but port 0", NULL, 1, 65535, 16 },
	{ "up to the last port", NULL, 65000, 536, 30 },
	{ "the last port", NULL, 65535, 1, 1 },
	{ "all, worst case", NULL, 1, 65534, 30 },
	{ "on 127.0.0.1", "127.0.0.1", 8080, 100, 10 },
	{ "on ::1", "::1", 8080, 100, 10 },
	{ "on 192.0.2.1", "192.0.2.1", 8080, 100, 10 },
	{ "on any IPv4", "0.0.0.0", 8080, 100, 10 },
	{ "on any IPv6", "::", 8080, 100, 10 },
};

static struct port_range range_of(const struct row *row)
{
	struct port_range r = { .proto = IPPROTO_TCP,
				.host_first = row->first,
				.port_first = 80,
				.count = row->count };

	if (row->host)
		assert_int_equal(ip_parse(row->host, &r.host_ip, NULL), 0);
	return r;
}

/* Does some prefix of @l for @addr cover @port? */
static const struct sock_entry *cover(const struct sock_entries *l,
				      const __u32 addr[4], uint16_t port)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct sock_entry *e = &l->e[i];
		unsigned int free_bits = SOCK_KEY_BITS + 16 - e->key.bits;

		if (memcmp(e->key.key.addr, addr, 16) == 0 &&
		    ntohs(e->key.key.port) >> free_bits == port >> free_bits)
			return e;
	}
	return NULL;
}

static void publish_covers_exactly(void **state)
{
	const struct row *row = *state;
	struct port_range r = range_of(row);
	struct portmap m = { .ranges = &r, .count = 1 };
	struct ip_addr ip4 = { .family = AF_INET, .bytes = { 10, 0, 0, 2 } };
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	__u32 addr[4];

	assert_int_equal(sock_entries_publish(&l, &m, &ip4, NULL, 0, NULL), 0);
	assert_in_range(l.count, 1, row->max_prefixes * (row->host ? 1 : 2));
	memcpy(addr, l.e[0].key.key.addr, sizeof(addr));
	for (uint32_t port = 1; port < 65536; port++) {
		const struct sock_entry *e = cover(&l, addr, (uint16_t)port);
		bool in = port >= row->first && port < row->first + row->count;

		if (in != (e != NULL))
			fail_msg("port %u", port);
		if (e)
			assert_int_equal((uint16_t)(port + e->dst.delta),
					 (uint16_t)(port - row->first + 80));
	}
}

static void singles_are_one_key_a_port(void **state)
{
	struct port_range r =
		range_of(&(struct row){ .first = 8080, .count = 64 });
	struct portmap m = { .ranges = &r, .count = 1 };
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };

	(void)state;
	assert_int_equal(sock_entries_publish(&l, &m, NULL, NULL, 64, NULL), 0);
	assert_int_equal(l.count, 128);
	for (size_t i = 0; i < l.count; i++)
		assert_int_equal(l.e[i].table, SOCK_ANY);
}

struct where {
	const char *name, *host;
	uint8_t proto;
	enum sock_table table[2]; /* of each entry */
	uint32_t index[2];        /* of SOCK_ANY */
	size_t count;
};

static const struct where places[] = {
	{ "tcp on any",
	  NULL,
	  IPPROTO_TCP,
	  { SOCK_ANY, SOCK_ANY },
	  { 8080, SOCK_ANY_V6 + 8080 },
	  2 },
	{ "udp on any",
	  NULL,
	  IPPROTO_UDP,
	  { SOCK_ANY, SOCK_ANY },
	  { SOCK_ANY_UDP + 8080, SOCK_ANY_V6 + SOCK_ANY_UDP + 8080 },
	  2 },
	{ "sctp on any",
	  NULL,
	  IPPROTO_SCTP,
	  { SOCK_PUB, SOCK_PUB },
	  { 0, 0 },
	  2 },
	{ "tcp on any IPv4",
	  "0.0.0.0",
	  IPPROTO_TCP,
	  { SOCK_ANY },
	  { 8080 },
	  1 },
	{ "udp on any IPv6",
	  "::",
	  IPPROTO_UDP,
	  { SOCK_ANY },
	  { SOCK_ANY_V6 + SOCK_ANY_UDP + 8080 },
	  1 },
	{ "tcp on an address",
	  "192.0.2.1",
	  IPPROTO_TCP,
	  { SOCK_PUB },
	  { 0 },
	  1 },
	{ "tcp on one of IPv6", "::1", IPPROTO_TCP, { SOCK_PUB }, { 0 }, 1 },
	{ "tcp on 2001:db8::",
	  "2001:db8::",
	  IPPROTO_TCP,
	  { SOCK_PUB },
	  { 0 },
	  1 },
};

static void single_is_in_its_table(void **state)
{
	const struct where *w = *state;
	struct port_range r = range_of(
		&(struct row){ .host = w->host, .first = 8080, .count = 1 });
	struct portmap m = { .ranges = &r, .count = 1 };
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };

	r.proto = w->proto;
	assert_int_equal(sock_entries_publish(&l, &m, NULL, NULL, 64, NULL), 0);
	assert_int_equal(l.count, w->count);
	for (size_t i = 0; i < l.count; i++) {
		const struct sock_entry *e = &l.e[i];
		struct sock_prefix key = sock_entry_key(w->index[i]);

		assert_int_equal(e->table, w->table[i]);
		if (e->table != SOCK_ANY)
			continue;
		assert_int_equal(sock_entry_index(e), w->index[i]);
		assert_memory_equal(&key, &e->key, sizeof(key));
	}
}

struct family {
	const char *name, *ip4, *ip6;
	enum sock_kind kind[2]; /* for clients of IPv4, of IPv6 */
};

static const struct family families[] = {
	{ "to both", "10.0.0.2", "fd00::2", { SOCK_TO_IP4, SOCK_TO_IP6 } },
	{ "to IPv4 alone", "10.0.0.2", NULL, { SOCK_TO_IP4, SOCK_TO_IP4 } },
	{ "to IPv6 alone", NULL, "fd00::2", { SOCK_TO_IP4, SOCK_TO_IP6 } },
};

static void clients_are_led_by_family(void **state)
{
	const struct family *f = *state;
	struct port_range r =
		range_of(&(struct row){ .first = 8080, .count = 1 });
	struct portmap m = { .ranges = &r, .count = 1 };
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	struct ip_addr ip4 = { 0 }, ip6 = { 0 };

	r.stat = 8191;
	if (f->ip4)
		assert_int_equal(ip_parse(f->ip4, &ip4, NULL), 0);
	if (f->ip6)
		assert_int_equal(ip_parse(f->ip6, &ip6, NULL), 0);
	assert_int_equal(sock_entries_publish(&l, &m, &ip4, &ip6, 64, NULL), 0);
	assert_int_equal(l.count, 2);
	for (size_t i = 0; i < l.count; i++) {
		const struct sock_entry *e = &l.e[i];

		assert_int_equal(sock_dst_kind(&e->dst), f->kind[i]);
		assert_int_equal(sock_dst_stat(&e->dst), 8191);
		if (f->kind[i] == SOCK_TO_IP6)
			assert_memory_equal(&e->ip6, ip6.bytes, 16);
		else
			assert_memory_equal(&e->dst.at, ip4.bytes, 4);
	}
}

static void one_address_and_sctp_are_one_key(void **state)
{
	struct port_range r[2] = { range_of(
		&(struct row){ .first = 80, .count = 1 }) };
	struct portmap m = { .ranges = r, .count = 2 };
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	const __u32 want[4] = { 0, 0, htonl(0xffff), htonl(0xc0000201) };

	(void)state;
	r[1] = r[0];
	r[0].proto = IPPROTO_SCTP;
	assert_int_equal(ip_parse("192.0.2.1", &r[0].host_ip, NULL), 0);
	assert_int_equal(ip_parse("2001:db8::1", &r[1].host_ip, NULL), 0);
	assert_int_equal(sock_entries_publish(&l, &m, NULL, NULL, 64, NULL), 0);
	assert_int_equal(l.count, 2);
	assert_int_equal(l.e[0].key.key.proto, IPPROTO_SCTP);
	assert_memory_equal(l.e[0].key.key.addr, want, 16);
	assert_memory_equal(l.e[1].key.key.addr, r[1].host_ip.bytes, 16);
}

static void sort_counts_and_remove_takes_away(void **state)
{
	struct port_range r =
		range_of(&(struct row){ .first = 8080, .count = 1 });
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	_cleanup_(sock_entries_fini) struct sock_entries gone = { 0 };

	(void)state;
	assert_int_equal(ip_parse("::1", &r.host_ip, NULL), 0);
	assert_int_equal(sock_entries_hold(&l, &r, NULL), 0);
	assert_int_equal(sock_entries_hold(&l, &r, NULL), 0);
	assert_int_equal(sock_entries_hold(&gone, &r, NULL), 0);
	sock_entries_sort(&l);
	assert_int_equal(l.count, 2); /* that address, some address */
	assert_int_equal(l.e[0].hold.refs, 2);
	assert_non_null(sock_entries_find(&l, SOCK_HELD, &gone.e[0].key));
	assert_null(sock_entries_find(&l, SOCK_PUB, &gone.e[0].key));
	sock_entries_remove(&l, &gone);
	assert_int_equal(l.count, 2);
	sock_entries_remove(&l, &gone);
	assert_int_equal(l.count, 0);
	sock_entries_remove(&l, &gone);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(singles_are_one_key_a_port),
		cmocka_unit_test(one_address_and_sctp_are_one_key),
		cmocka_unit_test(sort_counts_and_remove_takes_away),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(places) +
				ARRAY_SIZE(families) + ARRAY_SIZE(plain)];
	size_t n = TEST_ROWS(tests, rows, publish_covers_exactly);

	n += TEST_ROWS(tests + n, places, single_is_in_its_table);
	n += TEST_ROWS(tests + n, families, clients_are_led_by_family);
	memcpy(tests + n, plain, sizeof(plain));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
