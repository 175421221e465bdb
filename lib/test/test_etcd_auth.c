// SPDX-License-Identifier: GPL-2.0-or-later
/* Whom etcd's client talks to, and as whom: TLS, certificates, users. */
#include "lib/test/etcd_test.h"

#include <poll.h>
#include <string.h>

#include "lib/etcd.h"

static bool in_box; /* else a test of a real etcd is a SKIP */

#define BOX_OR_SKIP()           \
	do {                    \
		(void)state;    \
		if (!in_box) {  \
			skip(); \
			return; \
		}               \
	} while (0)

#define OPENSSL "openssl req -newkey rsa:2048 -nodes -days 2 2>/dev/null "

/* A certificate authority and a certificate for 127.0.0.1, and another CA. */
static void certs_make(const char *dir)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd),
		 "cd %s && " OPENSSL
		 "-x509 -keyout cak -out ca -subj /CN=ca && " OPENSSL
		 "-x509 -keyout otherk -out other -subj /CN=other && " OPENSSL
		 "-keyout key -out csr -subj /CN=127.0.0.1 && "
		 "printf 'subjectAltName=IP:127.0.0.1' >ext && "
		 "openssl x509 -req -in csr -CA ca -CAkey cak -CAcreateserial "
		 "-days 2 -extfile ext -out cert 2>/dev/null",
		 dir);
	assert_int_equal(system(cmd), 0);
}

/* F084: TLS is TLS, of whom was named, or nothing is asked. */
static void tls_is_checked(void **state)
{
	char dir[] = "/tmp/berth-tls-XXXXXX";
	char ca[64], other[64], cert[64], key[64];
	const char *extra[] = { "--cert-file",        cert,
				"--key-file",         key,
				"--trusted-ca-file",  ca,
				"--client-cert-auth", NULL };
	struct etcd_servers s;
	struct etcd_config cfg = { 0 }, plain = { 0 };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	struct err err = { 0 };
	struct etcd *e;

	BOX_OR_SKIP();
	assert_non_null(mkdtemp(dir));
	certs_make(dir);
	snprintf(ca, sizeof(ca), "%s/ca", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	snprintf(cert, sizeof(cert), "%s/cert", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	etcd_servers_start(&s, 1, "https", extra);
	etcd_servers_config(&s, &cfg);
	cfg.ca = ca;
	cfg.cert = cert;
	cfg.key = key;
	etcd_servers_ready(&cfg);

	cfg.ca = other; /* not by whom we trust */
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	assert_int_equal(etcd_range(e, &(struct etcd_range){ .key = "a" }, &kvs,
				    &head, &err),
			 -EPROTO);
	assert_non_null(strstr(err.msg, "TLS"));
	etcd_close(e);

	cfg.ca = ca;
	cfg.cert = cfg.key = NULL; /* we are nobody */
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	assert_true(etcd_range(e, &(struct etcd_range){ .key = "a" }, &kvs,
			       &head, &err) < 0);
	etcd_close(e);
	etcd_servers_stop(&s);

	/* A server that speaks plain HTTP is not spoken to. */
	etcd_servers_start(&s, 1, "http", NULL);
	etcd_servers_config(&s, &plain);
	etcd_servers_ready(&plain);
	etcd_servers_config(&s, &cfg);
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	assert_int_equal(etcd_range(e, &(struct etcd_range){ .key = "a" }, &kvs,
				    &head, &err),
			 -EPROTO);
	etcd_close(e);
	etcd_servers_stop(&s);
	test_rmdir(dir);
}

#define CURL                                    \
	"curl -sf -o /dev/null --cacert %s/ca " \
	"https://127.0.0.1:%u/v3/auth/%s "      \
	"-d '%s'"

static void auth_do(const char *dir, unsigned int port, const char *what,
		    const char *body)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), CURL, dir, port, what, body);
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

/* User n1 may do all below /berth/t/. */
static void auth_enable(const char *dir, unsigned int port)
{
	static const char *const steps[][2] = {
		{ "user/add", "{\"name\":\"root\",\"password\":\"r\"}" },
		{ "role/add", "{\"name\":\"root\"}" },
		{ "user/grant", "{\"user\":\"root\",\"role\":\"root\"}" },
		{ "user/add", "{\"name\":\"n1\",\"password\":\"pw:x\"}" },
		{ "role/add", "{\"name\":\"r1\"}" },
		{ "role/grant",
		  "{\"name\":\"r1\",\"perm\":{\"permType\":\"READWRITE\","
		  "\"key\":\"L2JlcnRoL3Qv\",\"range_end\":\"L2JlcnRoL3Qw\"}}" },
		{ "user/grant", "{\"user\":\"n1\",\"role\":\"r1\"}" },
		{ "enable", "{}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		auth_do(dir, port, steps[i][0], steps[i][1]);
}

/* As root, with auth enabled. */
static void tokens_end(const char *dir, unsigned int port)
{
	char cmd[512];

	snprintf(
		cmd, sizeof(cmd),
		"u=https://127.0.0.1:%u/v3/auth; c='curl -sf --cacert %s/ca'; "
		"t=$($c $u/authenticate -d '{\"name\":\"root\","
		"\"password\":\"r\"}' | sed 's/.*\"token\":\"//; s/\".*//') && "
		"$c -o /dev/null -H \"Authorization: $t\" $u/user/changepw "
		"-d '{\"name\":\"n1\",\"password\":\"pw:x\"}'",
		port, dir);
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

static void auth_file(const char *path, const char *line)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(line, f);
	fclose(f);
}

static int ask(struct etcd *e, const char *key, struct err *err)
{
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	int r = etcd_range(e, &(struct etcd_range){ .key = key }, &kvs, &head,
			   err);

	etcd_kvs_clear(&kvs);
	return r;
}

/* F088 */
static void a_user_is_kept_to_its_prefix(void **state)
{
	char dir[] = "/tmp/berth-auth-XXXXXX";
	char ca[64], cert[64], key[64], auth[64];
	const char *extra[] = { "--cert-file", cert, "--key-file", key, NULL };
	struct etcd_servers s;
	struct etcd_config cfg = { 0 };
	struct err err = { 0 };
	struct etcd *e;
	int r = -1;

	BOX_OR_SKIP();
	assert_non_null(mkdtemp(dir));
	certs_make(dir);
	snprintf(ca, sizeof(ca), "%s/ca", dir);
	snprintf(cert, sizeof(cert), "%s/cert", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(auth, sizeof(auth), "%s/auth", dir);
	etcd_servers_start(&s, 1, "https", extra);
	etcd_servers_config(&s, &cfg);
	cfg.ca = ca;
	etcd_servers_ready(&cfg);
	auth_enable(dir, s.port);

	assert_int_equal(etcd_open(&cfg, &e, &err), 0); /* as nobody */
	assert_int_equal(ask(e, "/berth/t/a", &err), -EACCES);
	etcd_close(e);

	auth_file(auth, "n1:wrong\n");
	cfg.auth = auth;
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	assert_int_equal(ask(e, "/berth/t/a", &err), -EACCES);
	assert_non_null(strstr(err.msg, "user n1"));
	assert_null(strstr(err.msg, "wrong"));
	etcd_close(e);

	auth_file(auth, "n1:pw:x\n");
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	etcd_test_put(e, "/berth/t/a", "x", 0);
	assert_int_equal(ask(e, "/berth/other/a", &err), -EACCES);
	/* With a new password, be it the same, older tokens are of no use. */
	assert_int_equal(ask(e, "/berth/t/a", &err), 0);
	tokens_end(dir, s.port);
	assert_int_equal(ask(e, "/berth/t/a", &err), 0);
	etcd_servers_kill(&s, 0);
	etcd_servers_again(&s, 0, "https", extra);
	for (unsigned int i = 0; r < 0 && i < 200; i++) {
		r = ask(e, "/berth/t/a", &err);
		poll(NULL, 0, 20);
	}
	assert_int_equal(r, 0);
	etcd_close(e);
	etcd_servers_stop(&s);
	test_rmdir(dir);
}

static void half_a_certificate_is_refused(void **state)
{
	struct etcd_config cfg = { .member_count = 1, .cert = "c" };
	struct err err = { 0 };
	struct etcd *e;

	(void)state;
	assert_int_equal(etcd_open(&cfg, &e, &err), -EINVAL);
	cfg.key = "k";
	assert_int_equal(etcd_open(&cfg, &e, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "--store-ca"));
	cfg = (struct etcd_config){ .member_count = 1, .auth = "f" };
	assert_int_equal(etcd_open(&cfg, &e, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "in the clear"));
}

static int group_up(void **state)
{
	(void)state;
	in_box = etcd_test_begin();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_is_checked),
		cmocka_unit_test(a_user_is_kept_to_its_prefix),
		cmocka_unit_test(half_a_certificate_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_up, NULL);
}
