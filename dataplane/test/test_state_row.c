/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is published, packed and unpacked, is the same; and small. */
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/state.h"
#include "lib/base.h"
#include "lib/test/test.h"

enum claimed {
	NOT,
	PLAIN,  /* all that is published, as it stands there */
	WHOLE,  /* likewise */
	CHOSEN, /* in another order, and not joined */
	LESS,
	SOCKET,
};

struct row {
	const char *name, *ip4, *ip6, *host;
	bool judged, holds, choose;
	enum claimed claim;
	uint16_t first, port;
	uint32_t count, stat;
	bool kept; /* the claim had to be */
};

static const struct row rows[] = {
	{ .name = "a port",
	  .ip4 = "10.0.0.2",
	  .first = 8080,
	  .port = 80,
	  .count = 1,
	  .holds = true,
	  .claim = PLAIN },
	{ .name = "the last counter",
	  .ip4 = "10.0.0.2",
	  .first = 65535,
	  .port = 65535,
	  .count = 1,
	  .stat = 8191 },
	{ .name = "all ports",
	  .ip4 = "10.0.0.2",
	  .ip6 = "fd00::2",
	  .first = 1,
	  .port = 1,
	  .count = 65535,
	  .holds = true,
	  .claim = WHOLE },
	{ .name = "for some",
	  .ip6 = "fd00::2",
	  .first = 8080,
	  .port = 80,
	  .count = 3,
	  .judged = true },
	{ .name = "on an address",
	  .ip4 = "10.0.0.2",
	  .host = "192.0.2.1",
	  .first = 8080,
	  .port = 80,
	  .count = 1,
	  .holds = true,
	  .claim = SOCKET,
	  .kept = true },
	{ .name = "on one of IPv6",
	  .ip6 = "fd00::2",
	  .host = "2001:db8::1",
	  .first = 8080,
	  .port = 80,
	  .count = 2,
	  .holds = true,
	  .claim = PLAIN },
	{ .name = "on one of IPv6, one by one",
	  .ip6 = "fd00::2",
	  .host = "2001:db8::1",
	  .first = 8080,
	  .port = 80,
	  .count = 2,
	  .holds = true,
	  .claim = CHOSEN,
	  .kept = true },
	{ .name = "chosen",
	  .ip4 = "10.0.0.2",
	  .first = 32768,
	  .port = 80,
	  .count = 2,
	  .choose = true,
	  .holds = true,
	  .claim = CHOSEN },
	{ .name = "held in part",
	  .ip4 = "10.0.0.2",
	  .first = 8080,
	  .port = 80,
	  .count = 2,
	  .holds = true,
	  .claim = LESS,
	  .kept = true },
	{ .name = "on any IPv4",
	  .ip4 = "10.0.0.2",
	  .host = "0.0.0.0",
	  .first = 8080,
	  .port = 80,
	  .count = 1,
	  .holds = true },
};

static void append(struct portmap *m, struct port_range r)
{
	struct portmap one = { .ranges = &r, .count = 1 };

	if (!m->count) {
		assert_int_equal(portmap_copy(&one, m, NULL), 0);
		return;
	}
	m->ranges = realloc(m->ranges, (m->count + 1) * sizeof(r));
	assert_non_null(m->ranges);
	m->ranges[m->count++] = r;
}

/* The range itself, or port by port from the last on. */
static struct claim *claim_of(const struct row *row, struct claim_host *host,
			      struct port_range r)
{
	struct claim *c = calloc(1, sizeof(*c));
	uint32_t n = row->claim == LESS ? 1 : row->count;

	if (row->claim == NOT) {
		free(c);
		return NULL;
	}
	assert_non_null(c);
	c->host = host;
	c->whole = row->claim == WHOLE;
	if (row->claim == PLAIN || row->claim == WHOLE)
		append(&c->held, r);
	r.count = 1;
	while (n-- > 0 && (row->claim == CHOSEN || row->claim == LESS)) {
		r.host_first = (uint16_t)(row->first + n);
		r.port_first = (uint16_t)(row->port + n);
		append(&c->held, r);
	}
	c->counted = c->held.count;
	if (row->claim != SOCKET)
		return c;
	c->fds = calloc(1, sizeof(*c->fds));
	assert_non_null(c->fds);
	c->fds[c->fd_count++] = dup(0);
	return c;
}

static struct ip_addr address(const char *text)
{
	struct ip_addr a = { 0 };

	if (text)
		assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static struct state_pub pub_of(const struct row *row, struct claim_host *host)
{
	struct state_pub p = { .holds = row->holds,
			       .pub = { .judged = row->judged,
					.network = "n1",
					.ip4 = address(row->ip4),
					.ip6 = address(row->ip6) } };
	struct port_range r = { .host_ip = address(row->host),
				.proto = IPPROTO_TCP,
				.host_first = row->first,
				.port_first = row->port,
				.count = row->count,
				.stat = row->stat,
				.live = row->judged,
				.choose_first = row->choose ? 32768 : 0,
				.choose_last = row->choose ? 40000 : 0 };

	snprintf(p.id, sizeof(p.id), "%064x", 7);
	memcpy(p.pub.endpoint, p.id, sizeof(p.id));
	append(&p.pub.ports, r);
	p.claim = claim_of(row, host, r);
	r.proto = IPPROTO_SCTP;
	if (row->claim == NOT)
		append(&p.pub.ports, r);
	return p;
}

static void assert_same(const struct state_pub *a, const struct state_pub *b)
{
	assert_true(publish_equal(&a->pub, &b->pub));
	assert_string_equal(a->id, b->id);
	assert_int_equal(a->holds, b->holds);
	for (size_t i = 0; i < a->pub.ports.count; i++)
		assert_int_equal(a->pub.ports.ranges[i].stat,
				 b->pub.ports.ranges[i].stat);
}

static void comes_back_as_it_was(void **state)
{
	const struct row *row = *state;
	static struct claim_host host = { .leaving = true };
	struct state_pub p = pub_of(row, &host), *q = NULL, view;
	struct state st = { .stop4 = false };
	struct state_row *packed = state_row_new(&st, &p);
	bool whole = p.claim && p.claim->whole;
	size_t size;

	assert_non_null(packed);
	assert_int_equal(st.names.count, 1);
	assert_string_equal(state_row_network(packed), "n1");
	assert_int_equal(state_row_is_claimed(packed), row->claim != NOT);
	assert_ptr_equal(state_row_claim(packed), row->kept ? p.claim : NULL);
	state_row_keep(packed, &p);
	assert_null(p.claim);
	assert_int_equal(state_row_view(packed, &view, NULL), 0);
	assert_same(&p, &view);
	assert_null(view.claim);
	assert_int_equal(state_row_open(packed, &host, &q, NULL), 0);
	assert_same(&p, q);
	assert_int_equal(q->claim != NULL, row->claim != NOT);
	if (q->claim)
		assert_int_equal(q->claim->whole, whole);
	if (q->claim && !row->kept)
		assert_true(claim_is_plain(q->claim, &q->pub.ports));
	size = malloc_usable_size(packed);
	if (row == rows && size > 104)
		fail_msg("a port alone takes %zu bytes", size);
	state_row_free(&st, packed);
	assert_int_equal(st.names.count, 0);
	state_pub_free(q);
	portmap_free(&p.pub.ports);
	portmap_free(&view.pub.ports);
	state_fini(&st);
}

static struct state_row *put_new(struct state *st, unsigned int id,
				 const char *host, unsigned int first)
{
	struct row r = { .ip4 = "10.0.0.2",
			 .host = host,
			 .first = (uint16_t)first,
			 .port = 80,
			 .count = 2,
			 .holds = true };
	struct state_pub p = pub_of(&r, NULL);
	struct state_row *row;

	snprintf(p.id, sizeof(p.id), "e%u", id);
	row = state_row_new(st, &p);
	assert_non_null(row);
	assert_int_equal(tab_put(&st->pubs, row), 0);
	state_mark(st, &p.pub.ports);
	portmap_free(&p.pub.ports);
	return row;
}

static void a_clash_is_found(void **state)
{
	struct state st = { .stop4 = false };
	struct port_range r = { .proto = IPPROTO_TCP,
				.host_first = 8079,
				.port_first = 80,
				.count = 4 };
	struct state_row *row;
	uint16_t port = 0;

	(void)state;
	(void)put_new(&st, 1, "192.0.2.1", 8080);
	row = put_new(&st, 2, NULL, 8082);
	assert_int_equal(st.names.count, 1);
	assert_string_equal(state_clash(&st, &r, NULL, &port)->id, "e1");
	assert_int_equal(port, 8080);
	assert_ptr_equal(state_clash(&st, &r, "e1", &port), row);
	assert_int_equal(port, 8082);
	r.host_ip = address("192.0.2.9");
	assert_ptr_equal(state_clash(&st, &r, NULL, &port), row);
	state_row_free(&st, tab_take(&st.pubs, "e2"));
	assert_null(state_clash(&st, &r, NULL, &port));
	state_remark(&st);
	assert_null(state_clash(&st, &r, NULL, &port));
	r.host_ip = (struct ip_addr){ 0 };
	assert_non_null(state_clash(&st, &r, NULL, &port));
	state_row_free(&st, tab_take(&st.pubs, "e1"));
	assert_int_equal(st.names.count, 0);
	state_fini(&st);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1];
	size_t n = TEST_ROWS(tests, rows, comes_back_as_it_was);

	tests[n] = (struct CMUnitTest)cmocka_unit_test(a_clash_is_found);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
