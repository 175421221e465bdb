/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WireGuard links against the kernel; wg(8) judges.  A kernel without it must say so:
 * there the rest is a SKIP, and the guest has it. */
#include "lib/test/nlk_test.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/nlk_wg.h"

/* RFC 7748, 6.1: Alice's, and what follows from it */
#define PRIVATE "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
/* the same number as the kernel writes it */
#define CLAMPED "cAdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LGo="
#define PUBLIC  "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
#define BOB     "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
#define PORT    51821

/* ---- keys --------------------------------------------------------------------- */

static const struct key_row {
	const char *name, *text;
	int want;
} key_rows[] = {
	{ "key: one", PUBLIC, 0 },
	{ "key: none", "", -EINVAL },
	{ "key: short",
	  "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTm==", -EINVAL },
	{ "key: a byte too few",
	  "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTg==", -EINVAL },
	{ "key: no padding", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo",
	  -EINVAL },
	{ "key: and more", PUBLIC "A", -EINVAL },
	{ "key: white space",
	  "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066Spjqqb mo=", -EINVAL },
	{ "key: another alphabet",
	  "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=", -EINVAL },
};

static void key_is_read(void **state)
{
	const struct key_row *row = *state;
	struct nlk_wg_key key;
	struct err err = { 0 };
	char text[NLK_WG_TEXT_MAX];

	assert_int_equal(nlk_wg_key_parse(row->text, &key, &err), row->want);
	if (row->want < 0) {
		assert_non_null(strstr(err.msg, "not a WireGuard key"));
		/* it may have been a secret */
		assert_true(!row->text[0] || !strstr(err.msg, row->text));
		return;
	}
	assert_int_equal(nlk_wg_key_str(&key, text), 0);
	assert_string_equal(text, row->text);
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* ---- links -------------------------------------------------------------------- */

static struct nlk_wg_key key_of(const char *text)
{
	struct nlk_wg_key key;

	assert_int_equal(nlk_wg_key_parse(text, &key, NULL), 0);
	return key;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr ip;

	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static void has_line(const char *cmd, const char *line)
{
	char all[256];

	snprintf(all, sizeof(all), "%s | grep -qxF '%s'", cmd, line);
	if (system(all) != 0)
		fail_msg("%s does not say %s", cmd, line);
}

/* w0, without a key.  Ends the test where the kernel has no WireGuard. */
#define OPEN(e, wg)                                              \
	do {                                                     \
		int r_ = nlk_wg_open(&(wg), &(e)->err);          \
		if (r_ == -EOPNOTSUPP) {                         \
			print_message("SKIP: %s\n", e->err.msg); \
			skip();                                  \
		}                                                \
		assert_int_equal(r_, 0);                         \
		make(e);                                         \
	} while (0)

static void make(struct nlk_env *e)
{
	assert_int_equal(nlk_wg_add(e->nlk, "w0", ALIAS, 1400, &e->err), 0);
}

/* What the user is told where there is none. */
static void missing_is_told(void **state)
{
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	struct nlk_env *e = *state;
	int r;

	NEED_NETNS();
	r = nlk_wg_open(&wg, &e->err);
	if (r == 0)
		return;
	assert_int_equal(r, -EOPNOTSUPP);
	assert_null(wg);
	assert_non_null(strstr(e->err.msg, "modprobe wireguard"));
	e->err.msg[0] = '\0';
	assert_int_equal(nlk_wg_add(e->nlk, "w0", ALIAS, 0, &e->err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(e->err.msg, "modprobe wireguard"));
}

static void device(void **state)
{
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	const struct nlk_wg_key secret = key_of(PRIVATE),
				public = key_of(PUBLIC);
	struct nlk_env *e = *state;
	struct nlk_wg_device d;
	struct nlk_link l;

	NEED_NETNS();
	OPEN(e, wg);
	l = env_link(e, "w0");
	assert_string_equal(l.kind, "wireguard");
	assert_string_equal(l.alias, ALIAS);
	assert_int_equal(l.mtu, 1400);
	assert_int_equal(nlk_wg_add(e->nlk, "w0", ALIAS, 0, &e->err), -EEXIST);
	assert_int_equal(nlk_wg_get(wg, "w0", &d, &e->err), 0);
	assert_false(d.keyed);
	nlk_wg_device_fini(&d);

	assert_int_equal(nlk_wg_set(wg, "w0", &secret, PORT, &e->err), 0);
	assert_int_equal(nlk_wg_set(wg, "w0", &secret, PORT, &e->err), 0);
	assert_int_equal(nlk_wg_up(e->nlk, l.index, PORT, &e->err), 0);
	has_line("wg show w0 private-key", CLAMPED);
	has_line("wg show w0 public-key", PUBLIC);
	has_line("wg show w0 listen-port", "51821");
	assert_int_equal(nlk_wg_get(wg, "w0", &d, &e->err), 0);
	assert_true(d.keyed);
	assert_true(nlk_wg_key_equal(&d.key, &public));
	assert_int_equal(d.port, PORT);
	assert_int_equal(d.peer_count, 0);
	nlk_wg_device_fini(&d);
	assert_int_equal(nlk_link_del(e->nlk, "w0", ALIAS, &e->err), 0);
}

/* CLAMPED, so written that it is not found here. */
static const uint8_t masked[] = { 0x25, 0x52, 0x38, 0x5f, 0x26, 0x4d, 0xf0,
				  0x28, 0x69, 0x43, 0x94, 0x27, 0x04, 0xe7,
				  0x33, 0x10, 0x8a, 0x19, 0x7a, 0xd2, 0xbe,
				  0x95, 0xcc, 0x7f, 0xe4, 0x22, 0xae, 0xf0,
				  0x48, 0xec, 0x79, 0x3f };

/* Is it in this process's heap? */
static bool is_in_heap(void)
{
	_cleanup_(fclosep) FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from = 0, to = 0;
	char line[256];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[heap]"))
			assert_int_equal(sscanf(line, "%lx-%lx", &from, &to),
					 2);
	assert_true(to > from);
	for (const uint8_t *p = (const void *)from;
	     p + sizeof(masked) <= (const uint8_t *)to; p++) {
		size_t i = 0;

		while (i < sizeof(masked) && (p[i] ^ 0x55) == masked[i])
			i++;
		if (i == sizeof(masked))
			return true;
	}
	return false;
}

/* The kernel tells the private key with the rest; nothing of it stays. */
static void secret_is_wiped(void **state)
{
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	struct nlk_env *e = *state;
	struct nlk_wg_device d;

	NEED_NETNS();
	OPEN(e, wg);
	assert_int_equal(
		system("echo " PRIVATE " | wg set w0 private-key /dev/stdin"),
		0);
	assert_int_equal(nlk_wg_get(wg, "w0", &d, &e->err), 0);
	assert_true(d.keyed);
	nlk_wg_device_fini(&d);
	assert_false(is_in_heap());
}

static void not_there(void **state)
{
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	const struct nlk_wg_key secret = key_of(PRIVATE);
	struct nlk_env *e = *state;
	struct nlk_wg_device d;

	NEED_NETNS();
	OPEN(e, wg);
	assert_int_equal(nlk_wg_get(wg, "w1", &d, &e->err), -ENODEV);
	assert_non_null(strstr(e->err.msg, "w1"));
	assert_int_equal(nlk_wg_set(wg, "w1", &secret, 1, &e->err), -ENODEV);
	assert_int_equal(nlk_wg_get(wg, "lo", &d, &e->err), -EOPNOTSUPP);
}

static void port_in_use(void **state)
{
	const struct sockaddr_in here = { .sin_family = AF_INET,
					  .sin_port = htons(PORT) };
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	const struct nlk_wg_key secret = key_of(PRIVATE);
	struct nlk_env *e = *state;
	int fd;

	NEED_NETNS();
	OPEN(e, wg);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (const void *)&here, sizeof(here)), 0);
	assert_int_equal(nlk_wg_set(wg, "w0", &secret, PORT, &e->err), 0);
	assert_int_equal(
		nlk_wg_up(e->nlk, env_link(e, "w0").index, PORT, &e->err),
		-EADDRINUSE);
	assert_non_null(strstr(e->err.msg, "51821"));
	close(fd);
}

/* ---- peers -------------------------------------------------------------------- */

static struct nlk_wg_peer peer(const char *key, const char *endpoint,
			       const char *inner)
{
	return (struct nlk_wg_peer){ .key = key_of(key),
				     .endpoint = addr(endpoint),
				     .port = PORT,
				     .inner = addr(inner) };
}

static void one_peer(void **state)
{
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	struct nlk_wg_peer p = peer(BOB, "192.0.2.2", "fd62::2");
	struct nlk_env *e = *state;
	struct nlk_wg_device d;

	NEED_NETNS();
	OPEN(e, wg);
	assert_int_equal(nlk_wg_peers_set(wg, "w0", &p, 1, &e->err), 0);
	has_line("wg show w0 endpoints", BOB "\t192.0.2.2:51821");
	has_line("wg show w0 allowed-ips", BOB "\tfd62::2/128");
	assert_int_equal(nlk_wg_get(wg, "w0", &d, &e->err), 0);
	assert_int_equal(d.peer_count, 1);
	assert_true(nlk_wg_key_equal(&d.peers[0].key, &p.key));
	assert_true(ip_equal(&d.peers[0].endpoint, &p.endpoint));
	assert_true(ip_equal(&d.peers[0].inner, &p.inner));
	assert_int_equal(d.peers[0].port, PORT);
	assert_int_equal(d.peers[0].handshake, 0);
	nlk_wg_device_fini(&d);
	/* elsewhere, by the other family, and with another address: one, not two */
	p = peer(BOB, "2001:db8::2", "fd62::3");
	assert_int_equal(nlk_wg_peers_set(wg, "w0", &p, 1, &e->err), 0);
	has_line("wg show w0 endpoints", BOB "\t[2001:db8::2]:51821");
	has_line("wg show w0 allowed-ips", BOB "\tfd62::3/128");
	assert_int_equal(nlk_wg_peers_del(wg, "w0", &p, 1, &e->err), 0);
	has_line("wg show w0 peers | wc -l", "0");
	assert_int_equal(nlk_wg_peers_del(wg, "w0", &p, 1, &e->err), 0);
}

/* What another gave a peer does not pass for the one address. */
static void wide_peers(void **state)
{
	static const char *const ips[] = { "fd62::2/128,fd62::3/128",
					   "fd62::/64", "0.0.0.0/0", "" };
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	struct nlk_env *e = *state;

	NEED_NETNS();
	OPEN(e, wg);
	for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
		struct nlk_wg_device d;
		char cmd[160];

		snprintf(cmd, sizeof(cmd),
			 "wg set w0 peer " BOB " allowed-ips '%s'", ips[i]);
		assert_int_equal(system(cmd), 0);
		assert_int_equal(nlk_wg_get(wg, "w0", &d, &e->err), 0);
		assert_int_equal(d.peer_count, 1);
		assert_true(ip_is_none(&d.peers[0].inner));
		assert_true(ip_is_none(&d.peers[0].endpoint));
		nlk_wg_device_fini(&d);
	}
}

/* More than one message holds, there and back. */
static void many_peers(void **state)
{
	enum { MANY = 500 };
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	_cleanup_free_ struct nlk_wg_peer *peers = NULL;
	struct nlk_env *e = *state;
	struct nlk_wg_device d;

	NEED_NETNS();
	OPEN(e, wg);
	peers = calloc(MANY, sizeof(*peers)); /* a skip cleans nothing up */
	assert_non_null(peers);
	for (unsigned int i = 0; i < MANY; i++) {
		peers[i] = peer(BOB, "192.0.2.2", "fd62::");
		peers[i].key.bytes[0] = (uint8_t)i;
		peers[i].key.bytes[1] = (uint8_t)(i >> 8);
		peers[i].inner.bytes[15] = (uint8_t)i;
		peers[i].inner.bytes[14] = (uint8_t)(i >> 8);
	}
	assert_int_equal(nlk_wg_peers_set(wg, "w0", peers, MANY, &e->err), 0);
	has_line("wg show w0 peers | wc -l", "500");
	assert_int_equal(nlk_wg_get(wg, "w0", &d, &e->err), 0);
	assert_int_equal(d.peer_count, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_false(ip_is_none(&d.peers[i].inner));
	nlk_wg_device_fini(&d);
	assert_int_equal(
		nlk_wg_peers_del(wg, "w0", peers + 1, MANY - 1, &e->err), 0);
	has_line("wg show w0 peers | wc -l", "1");
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(key_rows) + 8];
	size_t n = TEST_ROWS(tests, key_rows, key_is_read);
	const struct CMUnitTest links[] = {
		NLK_TEST(missing_is_told), NLK_TEST(device),
		NLK_TEST(secret_is_wiped), NLK_TEST(not_there),
		NLK_TEST(port_in_use),     NLK_TEST(one_peer),
		NLK_TEST(wide_peers),      NLK_TEST(many_peers),
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		tests[n++] = links[i];
	return nlk_test_run(tests, n);
}
