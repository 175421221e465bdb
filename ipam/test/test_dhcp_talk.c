/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A question to the servers of a LAN, on a clock and with servers of the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "ipam/dhcp_sock.h"
#include "ipam/dhcp_talk.h"
#include "lib/base.h"
#include "lib/clock.h"

#define START 1000000 /* milliseconds */
#define MAIL  64

static const struct mac_addr mac = { { 2, 0x42, 1, 2, 3, 4 } };
static const struct mac_addr from = { { 2, 9, 9, 9, 9, 9 } };
static uint64_t now;

/* ---- servers -------------------------------------------------------------------- */

/* One that answers DISCOVERs .delay ms later, and REQUESTs at once, from that one on. */
struct server {
	const char *addr, *offers;
	uint64_t delay;
	unsigned int confirms; /* 1: the first; 0: none */
	unsigned int requests; /* that it got */
};

static struct server servers[2];
static struct {
	uint64_t at;
	struct dhcp_msg m;
} mail[MAIL];
static unsigned int mails;

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static void answer(const struct server *s, const struct dhcp_msg *q,
		   enum dhcp_type type, uint64_t at)
{
	assert_true(mails < MAIL);
	mail[mails].at = at;
	mail[mails++].m = (struct dhcp_msg){ .type = type,
					     .reply = true,
					     .xid = q->xid,
					     .chaddr = q->chaddr,
					     .yiaddr = ip(s->offers),
					     .server = ip(s->addr),
					     .mask = 24,
					     .lease_s = 60 };
}

static void serve(struct server *s, const struct dhcp_msg *q)
{
	struct ip_addr a = ip(s->addr);

	if (q->type == DHCP_DISCOVER) {
		answer(s, q, DHCP_OFFER, now + s->delay);
	} else if (ip_equal(&q->server, &a)) {
		s->requests++;
		if (s->confirms && s->requests >= s->confirms)
			answer(s, q, DHCP_ACK, now);
	}
}

/* The first that has come by @until; MAIL: none. */
static unsigned int first(uint64_t until)
{
	unsigned int ret = MAIL;

	for (unsigned int i = 0; i < mails; i++)
		if (mail[i].at <= until &&
		    (ret == MAIL || mail[i].at < mail[ret].at))
			ret = i;
	return ret;
}

/* ---- in place of the kernel's ------------------------------------------------------ */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_dhcp_sock_open(const char *ifname, struct err *err);
int __wrap_dhcp_sock_send(int fd, const char *ifname,
			  const struct dhcp_way *way, const struct dhcp_msg *m,
			  struct err *err);
int __wrap_dhcp_sock_recv(int fd, struct mac_addr *ret_from,
			  struct dhcp_msg *ret);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = (time_t)(now / 1000);
	ts->tv_nsec = (long)(now % 1000) * 1000000;
	return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	unsigned int i = first(now + (uint64_t)ms);

	(void)fds;
	(void)n;
	if (i == MAIL)
		now += (uint64_t)ms;
	else if (mail[i].at > now)
		now = mail[i].at;
	return i == MAIL ? 0 : 1;
}

int __wrap_dhcp_sock_open(const char *ifname, struct err *err)
{
	(void)ifname;
	(void)err;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_dhcp_sock_send(int fd, const char *ifname,
			  const struct dhcp_way *way, const struct dhcp_msg *m,
			  struct err *err)
{
	(void)fd;
	(void)ifname;
	(void)way;
	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(servers) && servers[i].addr; i++)
		serve(&servers[i], m);
	return 0;
}

int __wrap_dhcp_sock_recv(int fd, struct mac_addr *ret_from,
			  struct dhcp_msg *ret)
{
	unsigned int i = first(now);

	(void)fd;
	if (i == MAIL)
		return -EAGAIN;
	*ret_from = from;
	*ret = mail[i].m;
	mail[i] = mail[--mails];
	return 0;
}

/* ---- questions -------------------------------------------------------------------- */

static int no_99(void *ctx, const struct dhcp_lease *offer, struct err *err)
{
	(void)ctx;
	return offer->addr.bytes[3] == 99 ? err_set(err, -EINVAL, "not 99") : 0;
}

static int take(struct dhcp_lease *ret, struct err *err)
{
	struct dhcp_question q = { .ifname = "eth9",
				   .mac = mac,
				   .judge = no_99 };

	now = START;
	mails = 0;
	/* by the clock that dhcp_take() reads, which is not now itself */
	q.until = clock_boot_ms() + DHCP_WAIT_MS;
	return dhcp_take(&q, ret, err);
}

static const struct row {
	const char *name;
	struct server servers[2];
	int want;
	const char *got;       /* the address, or part of the error */
	uint64_t least, most;  /* milliseconds it takes */
	unsigned int requests; /* to the first server */
} rows[] = {
	{ "one",
	  { { "10.9.0.1", "10.9.0.5", 0, 1, 0 } },
	  0,
	  "10.9.0.5",
	  0,
	  0,
	  1 },
	{ "none",
	  { { 0 } },
	  -ETIMEDOUT,
	  "no DHCP server answers on eth9",
	  DHCP_WAIT_MS,
	  DHCP_WAIT_MS,
	  0 },
	{ "a refused one, and one that pings for 3 s",
	  { { "10.9.0.1", "10.9.0.99", 0, 1, 0 },
	    { "10.9.0.2", "10.9.0.5", 3100, 1, 0 } },
	  0,
	  "10.9.0.5",
	  3100,
	  3100,
	  0 },
	{ "a refused one alone",
	  { { "10.9.0.1", "10.9.0.99", 0, 1, 0 } },
	  -EINVAL,
	  "not 99",
	  4000,
	  4000,
	  0 },
	{ "a silent one alone",
	  { { "10.9.0.1", "10.9.0.5", 0, 0, 0 } },
	  -ETIMEDOUT,
	  "10.9.0.1 on eth9 offers 10.9.0.5, but does not confirm it",
	  DHCP_WAIT_MS,
	  DHCP_WAIT_MS,
	  4 },
	{ "a silent one, and one that is slower",
	  { { "10.9.0.1", "10.9.0.5", 0, 0, 0 },
	    { "10.9.0.2", "10.9.0.6", 10, 1, 0 } },
	  0,
	  "10.9.0.6",
	  3000,
	  3010,
	  2 },
	{ "a silent one, and one that pings for 3 s",
	  { { "10.9.0.1", "10.9.0.5", 0, 0, 0 },
	    { "10.9.0.2", "10.9.0.6", 3100, 1, 0 } },
	  0,
	  "10.9.0.6",
	  3100,
	  6100,
	  2 },
	{ "one, and two REQUESTs are lost, beside a refused one",
	  { { "10.9.0.1", "10.9.0.5", 0, 3, 0 },
	    { "10.9.0.2", "10.9.0.99", 3050, 1, 0 } },
	  0,
	  "10.9.0.5",
	  7000,
	  7000,
	  3 },
	{ "one, and two REQUESTs are lost",
	  { { "10.9.0.1", "10.9.0.5", 0, 3, 0 } },
	  0,
	  "10.9.0.5",
	  7000,
	  7000,
	  3 },
};

static void row(void **state)
{
	const struct row *r = *state;
	struct dhcp_lease l = { 0 };
	struct err err = { 0 };
	char addr[IP_STR_MAX];

	memcpy(servers, r->servers, sizeof(servers));
	assert_int_equal(take(&l, &err), r->want);
	if (r->want < 0)
		assert_non_null(strstr(err.msg, r->got));
	else
		assert_string_equal(ip_str(&l.addr, addr), r->got);
	assert_in_range(now - START, r->least, r->most);
	assert_int_equal(servers[0].requests, r->requests);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	(void)TEST_ROWS(tests, rows, row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
