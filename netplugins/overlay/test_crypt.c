/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What encrypted networks rest on and needs no WireGuard: peers with keys, the address
 * of a key, the file of one, what is left of an MTU. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netplugins/overlay/overlay.h"

#define KEY "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
#define BOB "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="

/* ---- berth.peers ---------------------------------------------------------------- */

static const struct peers_row {
	const char *name, *peers;
	bool clear;
	size_t count;
	const char *key0, *msg; /* msg: part of the error; NULL: accepted */
} peers_rows[] = {
	{ "peers: with keys", "192.0.2.1=" KEY ",192.0.2.2=" BOB, false, 2, KEY,
	  NULL },
	{ "peers: by IPv6", "2001:db8::1=" KEY, false, 1, KEY, NULL },
	/* perhaps this host's own: seen when its address is known */
	{ "peers: one without", "192.0.2.1,192.0.2.2=" BOB, false, 2, "",
	  NULL },
	{ "peers: in clear", "192.0.2.1,192.0.2.2", true, 2, "", NULL },
	{ "peers: a key in clear", "192.0.2.1=" KEY, true, 0, NULL,
	  "berth.encrypt=on" },
	{ "peers: one key twice", "192.0.2.1=" KEY ",192.0.2.2=" KEY, false, 0,
	  NULL, "two hosts with key " KEY },
	{ "peers: one address twice", "192.0.2.1=" KEY ",192.0.2.1=" BOB, false,
	  0, NULL, "there twice" },
	{ "peers: an empty key", "192.0.2.1=", false, 0, NULL,
	  "not a WireGuard key" },
	{ "peers: half a key", "192.0.2.1=hSDwCYkwp1R0", false, 0, NULL,
	  "not a WireGuard key" },
	{ "peers: more than a key", "192.0.2.1=" KEY "=", false, 0, NULL,
	  "not a WireGuard key" },
	{ "peers: no address", "=" KEY, false, 0, NULL,
	  "not the address of a host" },
};

static void peers_are_read(void **state)
{
	const struct peers_row *row = *state;
	struct overlay_network *n = calloc(1, sizeof(*n));
	struct err err = { 0 };
	int r;

	assert_non_null(n);
	n->opt.encrypt = !row->clear;
	snprintf(n->opt.peers, sizeof(n->opt.peers), "%s", row->peers);
	r = ov_network_parse(n, &err);
	if (row->msg) {
		assert_int_equal(r, -EINVAL);
		if (!strstr(err.msg, row->msg))
			fail_msg("\"%s\" is not in \"%s\"", row->msg, err.msg);
	} else {
		assert_int_equal(r, 0);
		assert_int_equal(n->net.peer_count, row->count);
		assert_string_equal(n->net.peer_keys[0], row->key0);
		assert_int_equal(n->net.encrypt, !row->clear);
	}
	free(n);
}

/* 64 hosts by IPv6, the longest that is asked for, fit the option. */
static void all_peers_fit(void **state)
{
	struct overlay_options opt;
	size_t one = strlen("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff=" KEY ",");

	(void)state;
	assert_true(OV_PEERS_MAX * one < sizeof(opt.peers));
}

/* ---- addresses, MTU --------------------------------------------------------------- */

/* The first 12 bytes of the key's SHA-256, as hashlib has it. */
static void address_follows_from_key(void **state)
{
	struct nlk_wg_key key;
	struct ip_addr ip;
	char text[IP_STR_MAX];

	(void)state;
	assert_int_equal(nlk_wg_key_parse(KEY, &key, NULL), 0);
	assert_int_equal(ov_crypt_address(&key, &ip, NULL), 0);
	assert_string_equal(ip_str(&ip, text),
			    "fd62:7274:300c:9c96:3b9:2a4b:39ed:3958");
	key.bytes[31] ^= 1;
	assert_int_equal(ov_crypt_address(&key, &ip, NULL), 0);
	assert_string_not_equal(ip_str(&ip, text),
				"fd62:7274:300c:9c96:3b9:2a4b:39ed:3958");
}

static const struct room_row {
	const char *name;
	uint8_t family;
	uint32_t mtu, tunnel, want;
} room_rows[] = {
	{ "room: IPv4", AF_INET, 1500, 1440, 1370 },
	{ "room: IPv6", AF_INET6, 1500, 1420, 1350 },
	{ "room: jumbo", AF_INET, 9000, 8940, 8870 },
	{ "room: the least", AF_INET, 1340, 1280, 1210 },
	/* IPv6 inside needs 1280 */
	{ "room: too little", AF_INET, 1339, 1279, 0 },
	{ "room: nothing", AF_INET6, 60, 0, 0 },
};

static void room_is_left(void **state)
{
	const struct room_row *row = *state;
	const struct ov_underlay u = { .local = { .family = row->family },
				       .mtu = row->mtu };

	assert_int_equal(ov_crypt_room(&u), row->tunnel);
	assert_int_equal(ov_underlay_room(&u, true), row->want);
}

/* ---- the file ----------------------------------------------------------------------- */

static char dir[] = "/tmp/berth-test-XXXXXX";

static int dir_new(void **state)
{
	(void)state;
	memcpy(strrchr(dir, '-') + 1, "XXXXXX", 6);
	return mkdtemp(dir) ? 0 : -1;
}

static int dir_free(void **state)
{
	(void)state;
	test_rmdir(dir);
	return 0;
}

static const char *file(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/wg.key", dir);
	return path;
}

static void put(const char *text, mode_t mode)
{
	int fd = open(file(), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void key_is_made_once(void **state)
{
	struct nlk_wg_key one, two;
	struct stat st;

	(void)state;
	assert_int_equal(ov_key_load(dir, &one, NULL), 0);
	assert_int_equal(stat(file(), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, NLK_WG_TEXT_MAX);
	assert_int_equal(one.bytes[0] & 7, 0);
	assert_int_equal(one.bytes[31] & 0xc0, 0x40);
	assert_int_equal(ov_key_load(dir, &two, NULL), 0);
	assert_true(nlk_wg_key_equal(&one, &two));
	assert_int_equal(unlink(file()), 0);
	assert_int_equal(ov_key_load(dir, &two, NULL), 0);
	assert_false(nlk_wg_key_equal(&one, &two));
}

/* What wg genkey wrote is taken, with or without its newline. */
static void key_is_taken(void **state)
{
	struct nlk_wg_key want, got;

	(void)state;
	assert_int_equal(nlk_wg_key_parse(KEY, &want, NULL), 0);
	put(KEY "\n", 0600);
	assert_int_equal(ov_key_load(dir, &got, NULL), 0);
	assert_true(nlk_wg_key_equal(&want, &got));
	put(KEY, 0400);
	assert_int_equal(ov_key_load(dir, &got, NULL), 0);
	assert_true(nlk_wg_key_equal(&want, &got));
}

static const struct bad_row {
	const char *name, *text;
	mode_t mode;
	int want;
	const char *msg;
} bad_rows[] = {
	{ "file: a group reads it", KEY "\n", 0640, -EPERM, "nobody else" },
	{ "file: all read it", KEY "\n", 0604, -EPERM, "nobody else" },
	{ "file: empty", "", 0600, -EINVAL, "remove it" },
	{ "file: cut short", "hSDwCYkwp1R0i33ct", 0600, -EINVAL, "remove it" },
	{ "file: more", KEY "A\n", 0600, -EINVAL, "remove it" },
};

/* Never another one in its place without somebody's will: hosts know this one. */
static void bad_file_is_told(void **state)
{
	const struct bad_row *row = *state;
	struct nlk_wg_key key;
	struct err err = { 0 };
	struct stat before, after;

	(void)dir_new(NULL);
	put(row->text, row->mode);
	assert_int_equal(stat(file(), &before), 0);
	assert_int_equal(ov_key_load(dir, &key, &err), row->want);
	assert_non_null(strstr(err.msg, row->msg));
	assert_non_null(strstr(err.msg, dir));
	assert_null(strstr(err.msg, "hSDw"));
	assert_int_equal(stat(file(), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_size, after.st_size);
	(void)dir_free(NULL);
}

/* ---- hosts that say one key -------------------------------------------------------- */

static void of_one_key_the_first_has_it(void **state)
{
	struct ov_host hosts[] = {
		{ .node = "copy", .key = KEY, .since = 9 },
		{ .node = "first", .key = KEY, .since = 7 },
		{ .node = "other", .key = BOB, .since = 2 },
		{ .node = "none", .since = 1 },
		{ .node = "none too", .since = 3 },
	};
	const struct ov_view v = { .hosts = hosts,
				   .host_count = ARRAY_SIZE(hosts) };

	(void)state;
	assert_ptr_equal(ov_crypt_first(&v, 0), &hosts[1]);
	for (size_t i = 1; i < ARRAY_SIZE(hosts); i++)
		assert_null(ov_crypt_first(&v, i));
}

/* Who says early what key it will have has it before one that says so later, whatever
 * that one says of it; and one that is another's already it can't say. */
static void of_a_key_to_come_the_first_has_it(void **state)
{
	struct ov_host hosts[] = {
		{ .node = "turns",
		  .key = BOB,
		  .since = 2,
		  .next = KEY,
		  .next_since = 7 },
		{ .node = "thief", .key = KEY, .since = 9 },
		{ .node = "too",
		  .key = "z",
		  .since = 1,
		  .next = BOB,
		  .next_since = 8 },
	};
	struct ov_view v = { .hosts = hosts, .host_count = ARRAY_SIZE(hosts) };
	struct overlay_network *n = calloc(1, sizeof(*n));
	struct overlay_host *host = calloc(1, sizeof(*host));
	struct err err = { 0 };

	(void)state;
	assert_non_null(n);
	assert_non_null(host);
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		hosts[i].vtep =
			(struct ip_addr){ .family = AF_INET,
					  .bytes = { 192, 0, 2,
						     (uint8_t)(9 + i) } };
	assert_ptr_equal(ov_crypt_first(&v, 1), &hosts[0]);
	assert_null(ov_crypt_first(&v, 0));
	/* peers: its key, the one to come; not the thief's, nor what "too" says */
	assert_int_equal(ov_crypt_take_hosts(host, n, &v, &err), 0);
	assert_int_equal(n->peer_count, 2);
	assert_true(ip_equal(&n->peers[0].endpoint, &hosts[0].vtep));
	assert_true(ip_equal(&n->peers[1].endpoint, &hosts[0].vtep));
	assert_false(nlk_wg_key_equal(&n->peers[0].key, &n->peers[1].key));
	assert_int_equal(n->refused, 2); /* the thief; a key that is none */
	ov_crypt_turn_inside(n, &v);
	assert_true(ip_equal(&hosts[0].vtep, &n->peers[0].inner));
	assert_true(ip_equal(&hosts[0].also, &n->peers[1].inner));
	free(n->peers);
	free(n);
	free(host);
}

static struct ov_host host_at(uint8_t last, const char *key, const char *next)
{
	struct ov_host h = { .since = 1,
			     .next_since = 1,
			     .vtep = { .family = AF_INET,
				       .bytes = { 192, 0, 2, last } } };

	snprintf(h.key, sizeof(h.key), "%s", key);
	snprintf(h.next, sizeof(h.next), "%s", next);
	return h;
}

/* The networks of a host know nothing of each other's: a key in use in one is not where
 * somebody in another one says that it will be. */
static void of_two_networks_who_has_the_key_has_it(void **state)
{
	struct ov_host in_one[] = { host_at(9, BOB, KEY) };
	struct ov_host in_two[] = { host_at(1, KEY, "") };
	const struct ov_view one = { .hosts = in_one, .host_count = 1 };
	const struct ov_view two = { .hosts = in_two, .host_count = 1 };
	struct overlay_network *n = calloc(2, sizeof(*n));
	struct overlay_host *host = calloc(1, sizeof(*host));
	struct ov_peers peers;

	(void)state;
	assert_non_null(n);
	assert_non_null(host);
	host->networks = &n[0];
	n[0].next = &n[1];
	assert_int_equal(ov_crypt_take_hosts(host, &n[0], &one, NULL), 0);
	assert_int_equal(n[0].peer_count, 2);
	assert_int_equal(ov_crypt_take_hosts(host, &n[1], &two, NULL), 0);
	assert_int_equal(ov_crypt_gather(host, &peers, NULL), 0);
	assert_int_equal(peers.count, 2);
	for (size_t i = 0; i < peers.count; i++)
		if (nlk_wg_key_equal(&peers.items[i].key, &n[1].peers[0].key))
			assert_true(ip_equal(&peers.items[i].endpoint,
					     &in_two[0].vtep));
	free(peers.items);
	free(n[0].peers);
	free(n[1].peers);
	free(n);
	free(host);
}

static void link_is_not_followed(void **state)
{
	struct nlk_wg_key key;
	struct err err;

	(void)state;
	assert_int_equal(symlink("/etc/hostname", file()), 0);
	assert_int_equal(ov_key_load(dir, &key, &err), -ELOOP);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, dir_new, dir_free)

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(peers_rows) + ARRAY_SIZE(room_rows) +
				ARRAY_SIZE(bad_rows) + 8];
	const struct CMUnitTest others[] = {
		cmocka_unit_test(all_peers_fit),
		cmocka_unit_test(address_follows_from_key),
		cmocka_unit_test(of_one_key_the_first_has_it),
		cmocka_unit_test(of_a_key_to_come_the_first_has_it),
		cmocka_unit_test(of_two_networks_who_has_the_key_has_it),
		FILE_TEST(key_is_made_once),
		FILE_TEST(key_is_taken),
		FILE_TEST(link_is_not_followed),
	};
	size_t n = TEST_ROWS(tests, peers_rows, peers_are_read);

	n += TEST_ROWS(tests + n, room_rows, room_is_left);
	n += TEST_ROWS(tests + n, bad_rows, bad_file_is_told);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		tests[n++] = others[i];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("crypt", tests, NULL, NULL);
}
