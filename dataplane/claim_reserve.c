// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ports that the kernel's ephemeral allocator must not take by itself: connect(),
 * sendto() and bind() to port 0 pass no hook that could say so.
 *
 * The list, net.ipv4.ip_local_reserved_ports, is the administrator's too: what
 * was on it stays, and only what we added is taken off again.  It costs as much
 * as there is on it to read it and to write it anew, so one port is not worth
 * that: a write at another offset than 0 adds to what is there, what others
 * have is read once a second at most, and what is claimed no more is taken off
 * when it is half of ours, or at the next tick.
 *
 * Single ports that are not ephemeral are not on it.  Where the administrator
 * changes that, the next tick sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/claim.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/netns.h"

#define RESERVED    "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define WORDS       CLAIM_PORT_WORDS
#define OTHERS_MS   1000 /* how old host->others may be */
#define FEW         64   /* ports of ours: the list is written at once */
#define ENTRY_CHARS 12   /* "65535-65535," */

static bool bit(const uint64_t *map, uint32_t port)
{
	return map[port / 64] >> port % 64 & 1;
}

static void set_bit(uint64_t *map, uint32_t port)
{
	map[port / 64] |= 1ull << port % 64;
}

/* ---- the list ----------------------------------------------------------- */

/* Half of it is an error: what is written back later would lose the rest. */
static int read_list(char **ret)
{
	_cleanup_close_ int fd = open(RESERVED, O_RDONLY | O_CLOEXEC);
	size_t cap = 512 * 1024, len = 0; /* "65535," for each of them fits */
	_cleanup_free_ char *buf = NULL;
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	buf = malloc(cap);
	if (!buf)
		return -ENOMEM;
	do {
		r = FAILPOINT("claim.reserved.read");
		n = r < 0 ? -1 : read(fd, buf + len, cap - 1 - len);
		if (n < 0)
			return r < 0 ? r : -errno;
		len += (size_t)n;
	} while (n > 0 && len < cap - 1);
	buf[len] = '\0';
	*ret = take_ptr(buf);
	return 0;
}

static int read_reserved(uint64_t *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = read_list(&text);
	char *p = text;

	if (!text)
		return err_set(err, r, "%s: %s", RESERVED, strerror(-r));
	memset(ret, 0, WORDS * sizeof(*ret));
	while (*(p += strcspn(p, "0123456789"))) {
		unsigned long from = strtoul(p, &p, 10), to = from;

		if (*p == '-')
			to = strtoul(p + 1, &p, 10);
		for (; from <= to && from < 65536; from++)
			set_bit(ret, (uint32_t)from);
	}
	return 0;
}

static char *list_text(const uint64_t *map, size_t *ret_len)
{
	size_t cap = 512 * 1024, len = 0;
	_cleanup_free_ char *buf = malloc(cap);
	uint32_t p = 0;

	if (!buf)
		return NULL;
	while (p < 65536) {
		uint32_t from = p;

		if (!bit(map, p)) {
			p += map[p / 64] == 0 ? 64 - p % 64 : 1;
			continue;
		}
		while (p < 65536 && bit(map, p))
			p++;
		len += (size_t)snprintf(buf + len, cap - len,
					from == p - 1 ? "%s%u" : "%s%u-%u",
					len ? "," : "", from, p - 1);
	}
	len += (size_t)snprintf(buf + len, cap - len, "\n");
	*ret_len = len;
	return take_ptr(buf);
}

static int write_list(const uint64_t *map, struct err *err)
{
	_cleanup_close_ int fd = open(RESERVED, O_WRONLY | O_CLOEXEC);
	size_t len = 0, done = 0;
	_cleanup_free_ char *text = list_text(map, &len);

	if (fd < 0)
		return err_set(err, -errno, "%s", RESERVED);
	if (!text)
		return err_set(err, -ENOMEM, "%s", RESERVED);
	/* a page at a time; the kernel adds up what one descriptor writes */
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0)
			return err_set(err, n < 0 ? -errno : -EIO, "%s",
				       RESERVED);
		done += (size_t)n;
	}
	return 0;
}

/* Add @text, a list that ends in a newline. */
static int append_list(const char *text, size_t len, struct err *err)
{
	_cleanup_close_ int fd = open(RESERVED, O_WRONLY | O_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return err_set(err, -errno, "%s", RESERVED);
	while (done < len) {
		/* at offset 0 it would take the place of what is there */
		ssize_t n =
			pwrite(fd, text + done, len - done, (off_t)(done + 1));

		if (n <= 0)
			return err_set(err, n < 0 ? -errno : -EIO, "%s",
				       RESERVED);
		done += (size_t)n;
	}
	return 0;
}

/* ---- what is the host's ------------------------------------------------- */

static int read_others(struct claim_host *host, struct err *err)
{
	uint64_t now = clock_mono_ms(), list[WORDS];
	int r;

	if (host->others_ms && now - host->others_ms < OTHERS_MS)
		return 0;
	r = read_reserved(list, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < WORDS; i++)
		host->others[i] = list[i] & ~host->ours[i];
	host->others_ms = now;
	return 0;
}

bool claim_is_others(struct claim_host *host, uint32_t port)
{
	return read_others(host, NULL) == 0 && bit(host->others, port);
}

static void read_ephemeral(struct claim_host *host)
{
	unsigned int first, last;
	char buf[64];

	if (!host->eph_last) {
		host->eph_first = 32768;
		host->eph_last = 60999;
	}
	if (sysctl_get("net/ipv4/ip_local_port_range", buf, sizeof(buf),
		       NULL) == 0 &&
	    sscanf(buf, "%u %u", &first, &last) == 2 && first <= last &&
	    last < 65536) {
		host->eph_first = first;
		host->eph_last = last;
	}
}

void claim_ephemeral(struct claim_host *host, uint32_t *first, uint32_t *last)
{
	read_ephemeral(host);
	*first = host->eph_first;
	*last = host->eph_last;
}

/* ---- claims ------------------------------------------------------------- */

/* The part of @r that @c has on the list. */
static bool reserved_part(const struct claim *c, const struct port_range *r,
			  uint32_t *first, uint32_t *last)
{
	*first = r->host_first;
	*last = *first + r->count - 1;
	if (!c->whole && *first < c->host->eph_first)
		*first = c->host->eph_first;
	if (!c->whole && *last > c->host->eph_last)
		*last = c->host->eph_last;
	return *first <= *last;
}

static void count_port(struct claim_host *host, uint32_t port)
{
	if (host->refs[port]++ == 0 && bit(host->ours, port)) {
		host->stale--;
		host->live++;
	}
}

/* @port, which is counted, is on the list for us, unless somebody else has it
 * there. */
static void own_port(struct claim_host *host, uint32_t port)
{
	if (bit(host->ours, port) ||
	    (!host->adopting && bit(host->others, port)))
		return;
	set_bit(host->ours, port);
	host->live++;
}

static int reserve_range(struct claim *c, const struct port_range *r,
			 char *text, size_t *len, struct err *err)
{
	uint32_t first, last;
	int n;

	for (uint32_t k = 0; k < r->count; k++)
		count_port(c->host, r->host_first + k);
	c->counted++;
	if (!reserved_part(c, r, &first, &last))
		return 0;
	n = read_others(c->host, err);
	if (n < 0)
		return n;
	for (uint32_t p = first; p <= last; p++)
		own_port(c->host, p);
	*len += (size_t)sprintf(text + *len, "%u-%u,", first, last);
	return 0;
}

int claim_reserve(struct claim *c, struct err *err)
{
	size_t count = c->held.count - c->counted, len = 0;
	_cleanup_free_ char *text = NULL;
	int r = 0;

	if (count == 0)
		return 0;
	if (!c->host->eph_last)
		read_ephemeral(c->host);
	text = malloc(count * ENTRY_CHARS + 2);
	if (!text)
		return err_set(err, -ENOMEM, "host ports");
	while (r == 0 && c->counted < c->held.count)
		r = reserve_range(c, &c->held.ranges[c->counted], text, &len,
				  err);
	if (r < 0 || len == 0)
		return r;
	text[len - 1] = '\n'; /* for the last comma */
	return append_list(text, len, err);
}

/* Take what is claimed no more off the list. */
static void tidy(struct claim_host *host)
{
	uint64_t now[WORDS];
	bool change = false;

	if (!host->stale || read_reserved(now, NULL) < 0)
		return; /* a reserved port too many, until the next tick */
	for (uint32_t p = 0; p < 65536; p++) {
		if (!host->ours[p / 64]) {
			p |= 63;
			continue;
		}
		if (!bit(host->ours, p) || host->refs[p])
			continue;
		change = change || bit(now, p);
		now[p / 64] &= ~(1ull << p % 64);
		host->ours[p / 64] &= ~(1ull << p % 64);
	}
	host->stale = 0;
	if (change)
		(void)write_list(now, NULL);
}

void claim_unreserve(struct claim *c, size_t keep)
{
	struct claim_host *host = c->host;

	while (c->counted > keep) {
		const struct port_range *r = &c->held.ranges[--c->counted];

		for (uint32_t k = 0; k < r->count; k++) {
			uint32_t p = r->host_first + k;

			if (--host->refs[p] == 0 && bit(host->ours, p)) {
				host->live--;
				host->stale++;
			}
		}
	}
	if (host->stale >= host->live || host->live + host->stale <= FEW)
		tidy(host);
}

int claim_keep(struct claim_host *host, uint16_t first, uint16_t last,
	       struct claim **ret, struct err *err)
{
	_cleanup_(claim_freep) struct claim *c = calloc(1, sizeof(*c));
	const struct port_range range = { .proto = IPPROTO_TCP,
					  .host_first = first,
					  .port_first = first,
					  .count =
						  (uint32_t)last - first + 1u };
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "host ports");
	c->host = host;
	c->whole = c->keeps = true;
	c->held.ranges = calloc(1, sizeof(range));
	if (!c->held.ranges)
		return err_set(err, -ENOMEM, "host ports");
	c->held.ranges[0] = range;
	c->held.count = 1;
	r = claim_reserve(c, err);
	if (r == 0)
		*ret = take_ptr(c);
	return r;
}

/* One past the last of the ports from @first on that are all on @map. */
static uint32_t run_end(const uint64_t *map, uint32_t first)
{
	while (first < 65536 && bit(map, first))
		first++;
	return first;
}

static bool is_ephemeral(const struct claim_host *host, uint32_t port)
{
	return port >= host->eph_first && port <= host->eph_last;
}

/* Who put it on the list nobody knows any more, but single ports that are not
 * ephemeral we do not. */
void claim_forget(struct claim_host *host, const uint64_t *ports)
{
	uint64_t now[WORDS];
	bool change = false;

	host->others_ms = 0; /* what was read may be ours by now */
	if (read_reserved(now, NULL) < 0)
		return;
	read_ephemeral(host);
	for (uint32_t p = 0; p < 65536; p++) {
		uint32_t end = run_end(ports, p);
		bool whole = end - p > CLAIM_TRY_MAX;

		for (; p < end; p++) {
			if (!bit(now, p) || host->refs[p] ||
			    !(whole || is_ephemeral(host, p)))
				continue;
			now[p / 64] &= ~(1ull << p % 64);
			change = true;
		}
	}
	if (change)
		(void)write_list(now, NULL); /* a reserved port too many */
}

/* ---- tick --------------------------------------------------------------- */

/* Ports that are claimed, ephemeral and on nobody's list. */
static void reserve_missing(struct claim_host *host)
{
	uint64_t more[WORDS] = { 0 };
	_cleanup_free_ char *text = NULL;
	bool any = false;
	size_t len = 0;

	host->others_ms = 0;
	if (read_others(host, NULL) < 0)
		return;
	for (uint32_t p = host->eph_first; p <= host->eph_last; p++) {
		if (!host->refs[p] || bit(host->ours, p) ||
		    bit(host->others, p))
			continue;
		set_bit(more, p);
		own_port(host, p);
		any = true;
	}
	text = any ? list_text(more, &len) : NULL;
	if (text)
		(void)append_list(text, len, NULL);
}

void claim_tick(struct claim_host *host)
{
	uint32_t first = host->eph_first, last = host->eph_last;

	tidy(host);
	if (!last)
		return; /* nothing was ever claimed */
	read_ephemeral(host);
	if (host->eph_first != first || host->eph_last != last)
		reserve_missing(host);
}
