// SPDX-License-Identifier: GPL-2.0-or-later
/* Sockets in a container's namespace, and the connection that gives them to berth-dns. */
#include "netctl/box/resolver.h"

#include <arpa/inet.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/backoff.h"
#include "lib/fail.h"
#include "lib/fdpass.h"
#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/jdec.h"
#include "lib/netns.h"
#include "netctl/jget.h"

#define DOOR         "berth-dns.guests"
#define TABLE        "berth_dns"
#define CHAIN        "out"
#define DNS_PORT     53
#define BACKLOG      128
#define ANSWER_MS    2000 /* the container's start waits for it at most so long */
#define AGAIN_MIN_MS 50
#define AGAIN_MAX_MS 1000
#define ANSWER_MAX   512
#define REFUSED_MS \
	60000 /* where it refused: until an administrator did something */

enum { UDP, TCP, SOCKS };

struct resolver {
	struct sockaddr_un door;
	json_object *says;
	int socks[SOCKS]; /* owned */
	int conn;         /* owned; -1: berth-dns is away */
	struct backoff again;
	char said[ERR_MSG_MAX]; /* what it refused with, told once */
};

/* ---- in the namespace ---------------------------------------------------------- */

static int set_on(int fd, int level, int option)
{
	const int one = 1;

	return setsockopt(fd, level, option, &one, sizeof(one));
}

static int make_socket(int type, int *ret, in_port_t *ret_port, struct err *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	_cleanup_close_ int fd =
		socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)inet_pton(AF_INET, RESOLVER_ADDRESS, &at.sin_addr);
	/* bound to lo, so that no neighbour gets there however the container routes */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0 ||
	    set_on(fd, IPPROTO_IP, IP_PKTINFO) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) < 0) ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		return err_set(err, -errno,
			       "a socket at " RESOLVER_ADDRESS ": %s",
			       strerror(errno));
	*ret_port = ntohs(at.sin_port);
	*ret = take_fd(fd);
	return 0;
}

static void add_rule(struct fw_batch *b, const struct fw_table *t,
		     uint8_t protocol, in_port_t port)
{
	static const uint8_t address[4] = { 127, 0, 0, 11 };
	const struct fw_expr exprs[] = {
		FW_IP4_DADDR(0),
		FW_EQ(0, address, sizeof(address)),
		FW_L4PROTO(protocol),
		FW_TH_DPORT(0),
		FW_EQ16(0, DNS_PORT),
		FW_IMM(0, address, sizeof(address)),
		FW_IMM16(1, port),
		FW_DNAT(NFPROTO_IPV4, 0, 1),
		FW_END,
	};

	fw_rule_add(b, t, &(struct fw_rule){ .chain = CHAIN, .exprs = exprs });
}

/* Answers are led back by the kernel, which tracks the connections. */
static int lead_there(const in_port_t ports[static SOCKS], struct err *err)
{
	static const struct fw_table table = { .family = NFPROTO_IPV4,
					       .name = TABLE };
	static const struct fw_chain chain = { .name = CHAIN,
					       .type = "nat",
					       .hook = NF_INET_LOCAL_OUT,
					       .priority = NF_IP_PRI_NAT_DST };
	_cleanup_(fw_closep) struct fw *fw = NULL;
	_cleanup_(fw_batch_freep) struct fw_batch *b = NULL;
	int r = fw_open(&fw, err);

	if (r < 0)
		return r;
	b = fw_batch_new(fw);
	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	/* another's network, that of a container which was one before us */
	fw_table_add(b, &table);
	fw_table_del(b, &table);
	fw_table_add(b, &table);
	fw_chain_add(b, &table, &chain);
	add_rule(b, &table, IPPROTO_UDP, ports[UDP]);
	add_rule(b, &table, IPPROTO_TCP, ports[TCP]);
	r = fw_commit(b, err);
	return r < 0 ? r : FAILPOINT("boxname.led");
}

static int in_there(void *ctx, struct err *err)
{
	struct resolver *r = ctx;
	in_port_t ports[SOCKS];
	int ret = make_socket(SOCK_DGRAM, &r->socks[UDP], &ports[UDP], err);

	if (ret == 0)
		ret = make_socket(SOCK_STREAM, &r->socks[TCP], &ports[TCP],
				  err);
	return ret == 0 ? lead_there(ports, err) : ret;
}

/* ---- to berth-dns ------------------------------------------------------------- */

static void hang_up(struct resolver *r)
{
	closep(&r->conn);
	r->conn = -1;
}

static int tell(struct resolver *r, struct err *err)
{
	const char *says =
		json_object_to_json_string_ext(r->says, JSON_C_TO_STRING_PLAIN);
	int ret;

	/* not to wait where its queue is full: it is tried again */
	r->conn = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			 0);
	if (r->conn < 0 ||
	    connect(r->conn, (struct sockaddr *)&r->door, sizeof(r->door)) < 0)
		ret = -errno;
	else
		ret = FAILPOINT("boxname.handed");
	if (ret == 0)
		ret = fdpass_send(r->conn, says, strlen(says), r->socks, SOCKS);
	if (ret == 0)
		return 0;
	hang_up(r);
	return err_set(err, ret, "%s: %s", r->door.sun_path, strerror(-ret));
}

/* Return: 0; -EAGAIN: nothing yet; -errno: the connection is of no use. */
static int hear(struct resolver *r, struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	char text[ANSWER_MAX];
	ssize_t n =
		fdpass_recv(r->conn, text, sizeof(text), MSG_DONTWAIT, NULL, 0);
	int ret;

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return err_set(err, -EPIPE, "berth-dns has gone");
	ret = jdec_parse(text, (size_t)n, &o, err);
	if (ret < 0)
		return ret;
	return *jget_str(o, "Err") ? err_set(err, -EREMOTEIO, "berth-dns: %s",
					     jget_str(o, "Err"))
				   : 0;
}

static int wait_for_answer(struct resolver *r, struct err *err)
{
	struct pollfd p = { .fd = r->conn, .events = POLLIN };
	int ret = -EAGAIN;

	if (poll(&p, 1, ANSWER_MS) == 1)
		ret = hear(r, err);
	return ret == -EAGAIN ? 0 : ret; /* it will: resolver_step() looks */
}

/* Only a refusal is final: who restarts just now, or is busy, is told again. */
static int begin(struct resolver *r, struct err *err)
{
	struct err why = { 0 };
	int ret = tell(r, &why);

	if (ret == 0)
		ret = wait_for_answer(r, &why);
	if (ret == -EREMOTEIO)
		return err_set(err, ret, "%s", why.msg);
	if (ret < 0) {
		hang_up(r);
		backoff_failed(&r->again, AGAIN_MIN_MS, AGAIN_MAX_MS);
	}
	return 0;
}

/* ---- what others call ------------------------------------------------------- */

static int find_door(const struct ctl *ctl, struct sockaddr_un *ret,
		     struct err *err)
{
	int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/" DOOR,
			 ctl->run_dir);

	ret->sun_family = AF_UNIX;
	if (n < 0 || (size_t)n >= sizeof(ret->sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "--run-dir %s is too long for a socket in it",
			       ctl->run_dir);
	return 0;
}

int resolver_new(const struct ctl *ctl, pid_t pid, json_object *says,
		 struct resolver **ret, struct err *err)
{
	_cleanup_(resolver_freep) struct resolver *r = calloc(1, sizeof(*r));
	_cleanup_close_ int netns = -1;
	char path[48];
	int rc;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->conn = r->socks[UDP] = r->socks[TCP] = -1;
	r->says = json_object_get(says);
	rc = find_door(ctl, &r->door, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = netns_open(path, err);
	if (netns < 0)
		return netns;
	rc = netns_run(netns, in_there, r, err);
	if (rc == 0)
		rc = begin(r, err);
	if (rc == 0)
		*ret = take_ptr(r);
	return rc;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	/* before berth-dns hears of it, so that it closes the last of them */
	closep(&r->socks[UDP]);
	closep(&r->socks[TCP]);
	closep(&r->conn);
	json_object_put(r->says);
	free(r);
}

int resolver_poll(const struct resolver *r, struct pollfd *p)
{
	*p = (struct pollfd){ .fd = r ? r->conn : -1, .events = POLLIN };
	return r && r->conn < 0 ? (int)backoff_left_ms(&r->again) : -1;
}

void resolver_step(struct resolver *r, const struct pollfd *p)
{
	struct err err = { 0 };
	int ret = 0;

	if (!r)
		return;
	if (r->conn >= 0) {
		if (!p->revents)
			return;
		ret = hear(r, &err);
		if (ret == 0) {
			(void)backoff_well(&r->again);
			r->said[0] = '\0';
		}
		if (ret < 0 && ret != -EAGAIN)
			hang_up(r);
	} else if (backoff_left_ms(&r->again) == 0) {
		ret = tell(r, &err);
	}
	if (r->conn < 0)
		backoff_failed(&r->again,
			       ret == -EREMOTEIO ? REFUSED_MS : AGAIN_MIN_MS,
			       ret == -EREMOTEIO ? REFUSED_MS : AGAIN_MAX_MS);
	if (ret == -EREMOTEIO && strcmp(r->said, err.msg) != 0) {
		cli_warn("names in the container: %s", err.msg);
		snprintf(r->said, sizeof(r->said), "%s", err.msg);
	}
}
