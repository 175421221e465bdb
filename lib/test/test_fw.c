/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fw.c - batches: what they hold together, what they say when refused;
 * sets and their elements.
 */
#include <pthread.h>
#include <time.h>

#include "lib/test/test.h"

#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/test/fw_test.h"

#define MANY 60000

static struct fw *fw;
static char out[OUT_MAX];
static const struct fw_table t = { NFPROTO_INET, "t" };

struct key4 {
	uint8_t addr[4];
	uint8_t proto, pad[3];
	uint8_t port[2], pad2[2];
};
struct data4 {
	uint8_t addr[4], port[2], pad[2];
};
_Static_assert(sizeof(struct key4) == 12 && sizeof(struct data4) == 8,
	       "as in the kernel's registers");

static const struct fw_set pub4 = {
	.name = "pub4",
	.key_type = FW_TYPES3(FW_TYPE_IPV4, FW_TYPE_L4PROTO, FW_TYPE_PORT),
	.key_len = 12,
	.data_type = FW_TYPES2(FW_TYPE_IPV4, FW_TYPE_PORT),
	.data_len = 8,
	.concat = true,
};
static const struct fw_set ranges = {
	.name = "ranges",
	.key_type = FW_TYPES3(FW_TYPE_IPV4, FW_TYPE_L4PROTO, FW_TYPE_PORT),
	.key_len = 12,
	.data_type = FW_TYPE_IPV4,
	.data_len = 4,
	.interval = true,
	.concat = true,
	.field_len = { 4, 1, 2 },
	.field_count = 3,
};
static const struct fw_set modes = { .name = "modes",
				     .key_type = FW_TYPE_IFNAME,
				     .key_len = 16,
				     .verdict_map = true };
static const struct fw_set subnets = { .name = "subnets",
				       .key_type = FW_TYPE_IPV4,
				       .key_len = 4,
				       .interval = true };

static struct key4 key4(uint8_t last, uint8_t proto, uint16_t port)
{
	return (struct key4){ .addr = { 10, 0, 0, last },
			      .proto = proto,
			      .port = { (uint8_t)(port >> 8), (uint8_t)port } };
}

static struct data4 data4(uint8_t last, uint16_t port)
{
	return (struct data4){ .addr = { 172, 18, 0, last },
			       .port = { (uint8_t)(port >> 8),
					 (uint8_t)port } };
}

static void commit(struct fw_batch *b)
{
	struct err err = { 0 };

	if (fw_commit(b, &err) < 0)
		fail_msg("%s", err.msg);
}

static void commit_fails(struct fw_batch *b, int code, const char *text)
{
	struct err err = { 0 };

	assert_int_equal(fw_commit(b, &err), code);
	assert_string_equal(err.msg, text);
}

static size_t count(const struct fw_set *s)
{
	struct err err = { 0 };
	struct fw_digest d;

	if (fw_set_digest(fw, &t, s->name, &d, &err) < 0)
		fail_msg("%s", err.msg);
	return d.count;
}

static void nft(const char *cmd)
{
	if (sh(out, cmd) != 0)
		fail_msg("%s: %s", cmd, out);
}

/* Every test begins with empty sets and ends with a new batch. */
static int fresh(void **state)
{
	struct fw_batch *b = fw_batch_new(fw);
	struct fw_chain other = { .name = "other" };

	fw_table_add(b, &t);
	fw_table_del(b, &t);
	fw_table_add(b, &t);
	fw_set_add(b, &t, &pub4);
	fw_set_add(b, &t, &ranges);
	fw_set_add(b, &t, &modes);
	fw_set_add(b, &t, &subnets);
	fw_chain_add(b, &t, &other);
	*state = b;
	return fw_commit(b, NULL);
}

static int done(void **state)
{
	fw_batch_free(*state);
	return 0;
}

static void port_add(struct fw_batch *b, uint8_t last, uint16_t port, bool excl)
{
	struct key4 k = key4(last, IPPROTO_TCP, port);
	struct data4 d = data4(last, port);

	fw_elem_add(b, &t, &pub4, &(struct fw_elem){ .key = &k, .data = &d },
		    excl);
}

static void port_del(struct fw_batch *b, uint8_t last, uint16_t port,
		     bool if_there)
{
	struct key4 k = key4(last, IPPROTO_TCP, port);
	struct fw_elem e = { .key = &k };

	if (if_there)
		fw_elem_del_if_there(b, &t, &pub4, &e);
	else
		fw_elem_del(b, &t, &pub4, &e);
}

/* ---- sets and elements -------------------------------------------------- */

static void sets_listed_as_people_write_them(void **state)
{
	struct fw_batch *b = *state;
	struct key4 lo = key4(2, IPPROTO_UDP, 8000);
	struct key4 hi = key4(2, IPPROTO_UDP, 8999);
	uint8_t net[4] = { 10, 1, 0, 0 }, last[4] = { 10, 1, 255, 255 };
	struct data4 d = data4(7, 0);
	char lo0[16] = "br0", br1[16] = "br1", br2[16] = "br2";

	port_add(b, 2, 80, true);
	fw_elem_add(b, &t, &ranges,
		    &(struct fw_elem){ .key = &lo, .key_end = &hi, .data = &d },
		    true);
	fw_elem_add(b, &t, &modes,
		    &(struct fw_elem){ .key = lo0,
				       .verdict = (uint32_t)NFT_JUMP,
				       .chain = "other" },
		    true);
	fw_elem_add(b, &t, &modes,
		    &(struct fw_elem){ .key = br1, .verdict = NF_DROP }, true);
	fw_elem_add(b, &t, &modes,
		    &(struct fw_elem){ .key = br2,
				       .verdict = (uint32_t)NFT_GOTO,
				       .chain = "other" },
		    true);
	fw_elem_add(b, &t, &subnets,
		    &(struct fw_elem){ .key = net, .key_end = last }, true);
	commit(b);
	nft("nft list map inet t pub4");
	assert_non_null(strstr(out,
			       "type ipv4_addr . inet_proto . inet_service : "
			       "ipv4_addr . inet_service"));
	assert_non_null(strstr(out, "10.0.0.2 . tcp . 80 : 172.18.0.2 . 80"));
	nft("nft list map inet t ranges");
	assert_non_null(strstr(out, "flags interval"));
	assert_non_null(strstr(out, "10.0.0.2 . udp . 8000-8999 : 172.18.0.7"));
	nft("nft list map inet t modes");
	assert_non_null(strstr(out, "\"br0\" : jump other"));
	assert_non_null(strstr(out, "\"br1\" : drop"));
	assert_non_null(strstr(out, "\"br2\" : goto other"));
	nft("nft list set inet t subnets");
	assert_non_null(strstr(out, "elements = { 10.1.0.0/16 }"));
	nft("nft -j list map inet t pub4");
	assert_non_null(strstr(out,
			       "[{\"concat\": [\"10.0.0.2\", \"tcp\", 80]}, "
			       "{\"concat\": [\"172.18.0.2\", 80]}]"));
	nft("nft -j list map inet t ranges");
	assert_non_null(strstr(out, "{\"range\": [8000, 8999]}"));
	/* and nft can load again what it lists */
	nft("{ echo flush ruleset; nft list ruleset; } | nft -f - 2>&1");
	assert_int_equal(count(&pub4), 1);
	assert_int_equal(count(&ranges), 1);
	assert_int_equal(count(&modes), 3);
	assert_int_equal(count(&subnets), 1);
}

static void sets_of_other_types_listed(void **state)
{
	struct fw_batch *b = *state;
	static const struct fw_set marks = { .name = "marks",
					     .key_type = FW_TYPE_MARK,
					     .key_len = 4,
					     .data_type = FW_TYPE_IFINDEX,
					     .data_len = 4 };
	static const struct fw_set macs = {
		.name = "macs",
		.key_type = FW_TYPES2(FW_TYPE_IFNAME, FW_TYPE_ETHER),
		.key_len = 24,
		.concat = true
	};
	static const struct fw_set six = {
		.name = "six",
		.key_type = FW_TYPES2(FW_TYPE_ETHERTYPE, FW_TYPE_IPV6),
		.key_len = 20,
		.concat = true
	};
	uint32_t mark = 0x1234, dev = 1;
	uint8_t mac[24] = "veth1\0\0\0\0\0\0\0\0\0\0\0\2\x42\xac\x12\0\2";
	uint8_t ip6[20] = { 0x08, 0x00, 0, 0, 0xfd, [19] = 1 };

	fw_set_add(b, &t, &marks);
	fw_set_add(b, &t, &macs);
	fw_set_add(b, &t, &six);
	fw_elem_add(b, &t, &marks,
		    &(struct fw_elem){ .key = &mark, .data = &dev }, true);
	fw_elem_add(b, &t, &macs, &(struct fw_elem){ .key = mac }, true);
	fw_elem_add(b, &t, &six, &(struct fw_elem){ .key = ip6 }, true);
	commit(b);
	nft("nft list table inet t");
	assert_non_null(strstr(out, "0x00001234 : \"lo\""));
	assert_non_null(strstr(out, "\"veth1\" . 02:42:ac:12:00:02"));
	assert_non_null(strstr(out, "ip . fd00::1"));
}

static void element_added_twice_is_fine_unless_exclusive(void **state)
{
	struct fw_batch *b = *state;

	port_add(b, 2, 80, false);
	port_add(b, 2, 80, false);
	commit(b);
	port_add(b, 2, 80, false);
	commit(b);
	assert_int_equal(count(&pub4), 1);
	port_add(b, 2, 80, true);
	commit_fails(b, -EEXIST,
		     "element 10.0.0.2 . tcp . 80 of map pub4: File exists");
}

static void the_refused_one_of_many_is_named(void **state)
{
	struct fw_batch *b = *state;

	port_add(b, 9, 443, true);
	commit(b);
	for (uint8_t i = 1; i < 20; i++)
		port_add(b, i, 443, true);
	commit_fails(b, -EEXIST,
		     "element 10.0.0.9 . tcp . 443 of map pub4: File exists");
	assert_int_equal(count(&pub4), 1);
}

static void absent_element_cannot_be_deleted(void **state)
{
	struct fw_batch *b = *state;

	port_add(b, 1, 1, true);
	commit(b);
	port_del(b, 1, 1, false);
	port_del(b, 1, 2, false);
	commit_fails(b, -ENOENT,
		     "element 10.0.0.1 . tcp . 2 of map pub4: "
		     "No such file or directory");
	assert_int_equal(count(&pub4), 1);
}

static void element_deleted_if_there(void **state)
{
	struct fw_batch *b = *state;
	uint8_t net[4] = { 10, 1, 0, 0 }, last[4] = { 10, 1, 255, 255 };
	struct fw_elem e = { .key = net, .key_end = last };
	struct key4 lo = key4(2, IPPROTO_UDP, 8000);
	struct key4 hi = key4(2, IPPROTO_UDP, 8999);
	struct data4 d = data4(7, 0);
	struct fw_elem r = { .key = &lo, .key_end = &hi, .data = &d };

	port_add(b, 1, 1, true);
	fw_elem_add(b, &t, &subnets, &e, true);
	fw_elem_add(b, &t, &ranges, &r, true);
	commit(b);
	for (int i = 0; i < 2; i++) {
		port_del(b, 1, 1, true);
		port_del(b, 1, 2, true);
		fw_elem_del_if_there(b, &t, &subnets, &e);
		fw_elem_del_if_there(b, &t, &ranges, &r);
		commit(b);
		assert_int_equal(count(&pub4), 0);
		assert_int_equal(count(&subnets), 0);
		assert_int_equal(count(&ranges), 0);
	}
}

static void ranges_meet_without_gap(void **state)
{
	struct fw_batch *b = *state;
	uint8_t ends[3][2][4] = {
		{ { 0, 0, 0, 0 }, { 9, 255, 255, 255 } },
		{ { 10, 0, 0, 0 }, { 10, 255, 255, 255 } },
		{ { 11, 0, 0, 0 }, { 255, 255, 255, 255 } },
	};

	for (size_t i = 0; i < 3; i++)
		fw_elem_add(b, &t, &subnets,
			    &(struct fw_elem){ .key = ends[i][0],
					       .key_end = ends[i][1] },
			    true);
	commit(b);
	assert_int_equal(count(&subnets), 3);
	nft("nft list set inet t subnets");
	assert_non_null(strstr(out, "0.0.0.0-9.255.255.255"));
	assert_non_null(strstr(out, "10.0.0.0/8"));
	assert_non_null(strstr(out, "11.0.0.0-255.255.255.255"));
	for (size_t i = 0; i < 3; i++)
		fw_elem_del(b, &t, &subnets,
			    &(struct fw_elem){ .key = ends[i][0],
					       .key_end = ends[i][1] });
	commit(b);
	assert_int_equal(count(&subnets), 0);
}

static void set_flushed(void **state)
{
	struct fw_batch *b = *state;

	port_add(b, 1, 1, true);
	port_add(b, 1, 2, true);
	commit(b);
	fw_set_flush(b, &t, "pub4");
	port_add(b, 1, 2, true);
	commit(b);
	assert_int_equal(count(&pub4), 1);
}

static void sixty_thousand_in_one_transaction(void **state)
{
	struct fw_batch *b = *state;
	struct timespec from;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint32_t i = 0; i < MANY; i++)
		port_add(b, 3, (uint16_t)i, true);
	commit(b);
	print_message("# %d elements added in %.1f ms\n", MANY,
		      test_ms_since(&from));
	assert_int_equal(count(&pub4), MANY);
	/* one clash at the end takes all back, and thousands are answered */
	for (uint32_t i = 0; i < MANY; i++)
		port_add(b, 4, (uint16_t)i, true);
	port_add(b, 3, 4711, true);
	commit_fails(b, -EEXIST,
		     "element 10.0.0.3 . tcp . 4711 of map pub4: File exists");
	assert_int_equal(count(&pub4), MANY);
	for (uint32_t i = 0; i < MANY; i++)
		port_del(b, 3, (uint16_t)i, false);
	commit(b);
	assert_int_equal(count(&pub4), 0);
}

static void thousands_of_refusals_do_not_drown_the_first(void **state)
{
	struct fw_batch *b = *state;

	/* alternate sets: one message, one error each */
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 5000; i++) {
			struct key4 k = key4(1, IPPROTO_UDP, (uint16_t)i);
			struct data4 d = data4(1, 1);

			port_add(b, 5, (uint16_t)i, true);
			fw_elem_add(b, &t, &ranges,
				    &(struct fw_elem){ .key = &k, .data = &d },
				    true);
			if (i == 4999 && round == 0)
				commit(b);
		}
	commit_fails(b, -EEXIST,
		     "element 10.0.0.5 . tcp . 0 of map pub4: File exists");
	assert_int_equal(count(&pub4), 5000);
}

static void other_data_is_refused(void **state)
{
	struct fw_batch *b = *state;
	struct key4 k = key4(2, IPPROTO_TCP, 80);
	struct data4 d = data4(99, 99);

	port_add(b, 2, 80, false);
	commit(b);
	fw_elem_add(b, &t, &pub4, &(struct fw_elem){ .key = &k, .data = &d },
		    false);
	commit_fails(b, -EEXIST,
		     "element 10.0.0.2 . tcp . 80 of map pub4: File exists");
	/* replaced: deleted and added in one transaction */
	port_del(b, 2, 80, false);
	fw_elem_add(b, &t, &pub4, &(struct fw_elem){ .key = &k, .data = &d },
		    true);
	commit(b);
	nft("nft list map inet t pub4");
	assert_non_null(strstr(out, "10.0.0.2 . tcp . 80 : 172.18.0.99 . 99"));
}

/* ---- batches ------------------------------------------------------------ */

static void a_failing_batch_leaves_nothing(void **state)
{
	struct fw_batch *b = *state;
	struct fw_table n = { NFPROTO_IPV4, "new" };
	struct fw_chain c = { .name = "c" };
	struct fw_expr jump[] = { FW_JUMP("nowhere"), FW_END };
	struct err err = { 0 };

	fw_table_add(b, &n);
	fw_chain_add(b, &n, &c);
	port_add(b, 1, 1, true);
	fw_rule_add(b, &n,
		    &(struct fw_rule){ .chain = "c",
				       .exprs = jump,
				       .comment = "to nowhere" });
	commit_fails(b, -ENOENT,
		     "rule \"to nowhere\" in chain c of table new: "
		     "No such file or directory");
	assert_int_equal(fw_table_find(fw, &n, &err), -ENOENT);
	assert_string_equal(err.msg, "table ip new: No such file or directory");
	assert_int_equal(count(&pub4), 0);
	/* and is as good as new */
	port_add(b, 1, 1, true);
	commit(b);
	assert_int_equal(count(&pub4), 1);
}

static void refused_objects_are_named(void **state)
{
	struct fw_batch *b = *state;
	struct fw_table none = { NFPROTO_IPV6, "none" };
	struct fw_chain bad = { .name = "bad", .type = "nat", .hook = 99 };
	struct fw_chain c = { .name = "c" };
	struct fw_expr lookup[] = { FW_META(0, NFT_META_IIFNAME),
				    FW_LOOKUP(0, "gone"), FW_END };

	fw_table_del(b, &none);
	commit_fails(b, -ENOENT, "table ip6 none: No such file or directory");
	fw_chain_add(b, &none, &c);
	commit_fails(b, -ENOENT,
		     "chain c of table ip6 none: "
		     "No such file or directory");
	fw_chain_add(b, &t, &bad);
	commit_fails(b, -EOPNOTSUPP,
		     "chain bad of table inet t: Operation not supported");
	fw_set_add(b, &none, &pub4);
	commit_fails(b, -ENOENT, "map pub4: No such file or directory");
	fw_rule_add(b, &t,
		    &(struct fw_rule){ .chain = "other", .exprs = lookup });
	commit_fails(b, -ENOENT,
		     "rule in chain other of table t: "
		     "No such file or directory");
	fw_rule_del(b, &t, "other", 4711);
	commit_fails(b, -ENOENT,
		     "rule in chain other of table t: "
		     "No such file or directory");
}

static void a_bad_argument_is_remembered(void **state)
{
	struct fw_batch *b = *state;
	struct fw_expr bad_slot[] = { FW_META(16, NFT_META_IIF), FW_END };
	struct fw_expr long_name[] = { FW_META(0, NFT_META_IIFNAME),
				       FW_EQ_IFNAME(0, "sixteen-bytes-is"),
				       FW_END };
	char comment[200];

	fw_rule_add(b, &t,
		    &(struct fw_rule){ .chain = "other", .exprs = bad_slot });
	port_add(b, 1, 1, true);
	commit_fails(b, -EINVAL,
		     "rule in chain other: expression 0: "
		     "no such register slot");
	assert_int_equal(count(&pub4), 0);
	fw_rule_add(b, &t,
		    &(struct fw_rule){ .chain = "other", .exprs = long_name });
	commit_fails(b, -EINVAL, "rule in chain other: expression 1: bad name");
	memset(comment, 'x', sizeof(comment));
	comment[128] = '\0';
	fw_rule_add(b, &t,
		    &(struct fw_rule){ .chain = "other",
				       .exprs = bad_slot,
				       .comment = comment });
	commit_fails(b, -EINVAL,
		     "rule in chain other: comment longer than "
		     "127 bytes");
	fw_elem_add(b, &t, &pub4, &(struct fw_elem){ .key = comment }, true);
	commit_fails(b, -EINVAL, "set pub4: an element lacks key or data");
	fw_rule_del(b, &t, "other", 0);
	commit_fails(b, -EINVAL, "rule in chain other: no handle");
	fw_chain_flush(b, &t, "");
	commit_fails(b, -EINVAL, "chain: a name has 1 to 255 bytes, not 0");
	commit(b); /* empty */
}

static void tables_replaced_in_one_transaction(void **state)
{
	struct fw_batch *b = *state;

	port_add(b, 1, 1, true);
	commit(b);
	for (int i = 0; i < 2; i++) {
		fw_table_add(b, &t);
		fw_table_del(b, &t);
		fw_table_add(b, &t);
		fw_set_add(b, &t, &pub4);
		port_add(b, 1, 1, true);
		port_add(b, 1, 2, true);
		commit(b);
		assert_int_equal(count(&pub4), 2);
	}
}

static void *worker(void *arg)
{
	struct fw_batch *b = fw_batch_new(fw);
	uint8_t last = (uint8_t)(uintptr_t)arg;
	uintptr_t bad = b ? 0 : 1;

	for (uint16_t i = 0; b && i < 200; i++) {
		struct err err = { 0 };
		struct fw_digest d;

		port_add(b, last, i, true);
		if (fw_commit(b, &err) < 0)
			bad++;
		port_add(b, last, i, true);
		if (fw_commit(b, &err) != -EEXIST)
			bad++;
		if (i % 50 == 0 && fw_set_digest(fw, &t, "pub4", &d, &err) < 0)
			bad++;
		if (i % 2)
			port_del(b, last, i, true);
		if (fw_commit(b, &err) < 0)
			bad++;
	}
	fw_batch_free(b);
	return (void *)bad;
}

static void threads_share_a_handle(void **state)
{
	pthread_t th[4];

	(void)state;
	for (uintptr_t i = 0; i < ARRAY_SIZE(th); i++)
		assert_int_equal(
			pthread_create(&th[i], NULL, worker, (void *)i), 0);
	for (size_t i = 0; i < ARRAY_SIZE(th); i++) {
		void *bad = NULL;

		pthread_join(th[i], &bad);
		assert_null(bad);
	}
	assert_int_equal(count(&pub4), 4 * 100);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(sets_listed_as_people_write_them),
		T(sets_of_other_types_listed),
		T(other_data_is_refused),
		T(threads_share_a_handle),
		T(element_added_twice_is_fine_unless_exclusive),
		T(the_refused_one_of_many_is_named),
		T(absent_element_cannot_be_deleted),
		T(element_deleted_if_there),
		T(ranges_meet_without_gap),
		T(set_flushed),
		T(sixty_thousand_in_one_transaction),
		T(thousands_of_refusals_do_not_drown_the_first),
		T(a_failing_batch_leaves_nothing),
		T(refused_objects_are_named),
		T(a_bad_argument_is_remembered),
		T(tables_replaced_in_one_transaction),
	};

	return fw_test_run(&fw, tests, ARRAY_SIZE(tests));
}
