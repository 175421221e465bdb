/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of published ports and endpoints: given out, found again, read. */
#include "dataplane/ebpf/nat_stat.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bpf/sock_map.h"
#include "dataplane/ebpf/maps.h"
#include "dataplane/ebpf/nat_priv.h"
#include "dataplane/ebpf/sock.h"
#include "dataplane/ebpf/sock_entry.h"
#include "dataplane/ebpf/stat_index.h"
#include "lib/fail.h"
#include "lib/netns.h"

#define CHUNK 64u /* counters set to 0 by one call */

struct nat_stats {
	struct pin_dir *pins; /* borrowed */
	struct stat_index index;
	int cpus;
	struct nat_stat *each;        /* owned; one value a possible CPU */
	int any, pub, range, ip6, ep; /* owned: an earlier daemon's maps, while
				       * they are looked up; or -EBADF */
};

uint32_t nat_stats_size(int cpus)
{
	uint32_t n = NAT_STAT_BYTES / (uint32_t)sizeof(struct nat_stat) /
		     (uint32_t)(cpus > 0 ? cpus : 1);

	if (n < NAT_STAT_LEAST)
		return NAT_STAT_LEAST;
	return n < NAT_STAT_MAX ? n : NAT_STAT_MAX;
}

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

static int open_pin(const struct nat_stats *s, const char *name)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(s->pins, name, path));

	return fd < 0 ? -errno : fd;
}

int nat_stats_open(struct pin_dir *pins, struct nat_stats **ret,
		   struct err *err)
{
	_cleanup_(nat_stats_closep) struct nat_stats *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "counters: out of memory");
	s->pins = pins;
	s->any = s->pub = s->range = s->ip6 = s->ep = -EBADF;
	s->cpus = libbpf_num_possible_cpus();
	if (s->cpus < 0)
		return err_set(err, s->cpus, "number of CPUs: %s",
			       strerror(-s->cpus));
	s->each = calloc((size_t)s->cpus, sizeof(*s->each));
	if (!s->each)
		return err_set(err, -ENOMEM, "counters: out of memory");
	r = stat_index_init(&s->index, nat_stats_size(s->cpus), err);
	if (r < 0)
		return r;
	*ret = take_ptr(s);
	return 0;
}

static void close_old(struct nat_stats *s)
{
	closep(&s->any);
	closep(&s->pub);
	closep(&s->range);
	closep(&s->ip6);
	closep(&s->ep);
	s->any = s->pub = s->range = s->ip6 = s->ep = -EBADF;
}

void nat_stats_close(struct nat_stats *s)
{
	if (!s)
		return;
	close_old(s);
	stat_index_fini(&s->index);
	free(s->each);
	free(s);
}

/* ---- given out ----------------------------------------------------------- */

/* A map that is not there yet will be made with zeros. */
static int clear(struct nat_stats *s, const uint32_t *index, size_t n)
{
	_cleanup_close_ int fd = open_pin(s, "nat_stat");
	_cleanup_free_ struct nat_stat *none =
		calloc((size_t)s->cpus * CHUNK, sizeof(*none));
	int r = FAILPOINT("nat.stat.clear");

	if (r < 0 || fd == -ENOENT)
		return r;
	if (fd < 0 || !none)
		return fd < 0 ? fd : -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i += CHUNK) {
		__u32 count = n - i < CHUNK ? (__u32)(n - i) : CHUNK;

		r = bpf_map_update_batch(fd, &index[i], none, &count, NULL);
	}
	return r;
}

void nat_stats_take(struct nat_stats *s, uint32_t *ret, size_t n)
{
	uint64_t now = now_s();
	size_t got = 0;

	memset(ret, 0, n * sizeof(*ret));
	while (got < n && (ret[got] = stat_index_take(&s->index, now)))
		got++;
	if (!got || clear(s, ret, got) == 0)
		return;
	for (size_t i = 0; i < got; i++) {
		stat_index_put(&s->index, ret[i], now);
		ret[i] = 0;
	}
}

uint32_t nat_stats_keep(struct nat_stats *s, uint32_t index)
{
	return stat_index_claim(&s->index, index) ? index : 0;
}

void nat_stats_put(struct nat_stats *s, uint32_t index)
{
	stat_index_put(&s->index, index, now_s());
}

/* ---- found again --------------------------------------------------------- */

/* Is the set of maps that has @meta ours, and of this layout? */
static int is_ours(const struct nat_stats *s, const char *meta, uint32_t layout,
		   struct err *err)
{
	struct maps_meta ours = { .layout = layout };
	int r = netns_cookie(&ours.netns_cookie, err);

	if (r == 0)
		r = maps_owner(s->pins, meta, &ours, err);
	return r < 0 ? r : r == MAPS_OURS;
}

static void note_ports(struct nat_stats *s, int fd)
{
	struct sock_prefix key = { 0 }; /* or a sock_key, which is shorter */
	struct sock_span span;          /* likewise a sock_dst */
	void *from = NULL;

	for (; bpf_map_get_next_key(fd, from, &key) == 0; from = &key)
		if (bpf_map_lookup_elem(fd, &key, &span) == 0)
			stat_index_note(&s->index, sock_dst_stat(&span.dst));
}

static int note_any(struct nat_stats *s, struct err *err)
{
	const size_t size = SOCK_ANY_MAX * sizeof(struct sock_dst);
	struct sock_dst *all;

	if (s->any < 0)
		return 0;
	all = mmap(NULL, size, PROT_READ, MAP_SHARED, s->any, 0);
	if (all == MAP_FAILED)
		return err_set(err, -errno, "counters: map sock_any: %s",
			       strerror(errno));
	for (size_t i = 0; i < SOCK_ANY_MAX; i++)
		stat_index_note(&s->index, sock_dst_stat(&all[i]));
	(void)munmap(all, size);
	return 0;
}

static void note_endpoints(struct nat_stats *s, int fd)
{
	struct nat_ep ep;
	void *from = NULL;
	__u32 key[4];

	for (; bpf_map_get_next_key(fd, from, key) == 0; from = key)
		if (bpf_map_lookup_elem(fd, key, &ep) == 0)
			stat_index_note(&s->index, ep.stat);
}

int nat_stats_recall(struct nat_stats *s, struct err *err)
{
	_cleanup_close_ int map = open_pin(s, "nat_stat");
	int ports, endpoints, r;

	close_old(s);
	if (map < 0)
		return 0; /* then nobody has one */
	ports = is_ours(s, "sock_meta", MAPS_SOCK_LAYOUT, err);
	endpoints = ports < 0 ? ports : is_ours(s, "nat_meta", NAT_LAYOUT, err);
	if (endpoints < 0)
		return endpoints;
	if (ports) {
		s->any = open_pin(s, "sock_any");
		s->ip6 = open_pin(s, "sock_ip6");
		s->pub = open_pin(s, "sock_pub");
		s->range = open_pin(s, "sock_range");
		note_ports(s, s->pub);
		note_ports(s, s->range);
		r = note_any(s, err);
		if (r < 0)
			return r;
	}
	if (endpoints) {
		s->ep = open_pin(s, "nat_ep");
		note_endpoints(s, s->ep);
	}
	return 0;
}

/* Does @e lead where it led?  *@ret: as it did. */
static bool led_there(const struct nat_stats *s, const struct sock_entry *e,
		      struct sock_dst *ret)
{
	struct sock_span span = { .bits = e->key.bits };
	struct sock_ip6 ip6 = { 0 };
	__u32 at = sock_entry_index(e);
	int r;

	if (e->table == SOCK_RANGE)
		r = bpf_map_lookup_elem(s->range, &e->key, &span);
	else if (e->table == SOCK_PUB)
		r = bpf_map_lookup_elem(s->pub, &e->key.key, &span);
	else
		r = bpf_map_lookup_elem(s->any, &at, &span);
	*ret = span.dst;
	if (r < 0 || span.bits != e->key.bits || ret->delta != e->dst.delta ||
	    sock_dst_kind(ret) != sock_dst_kind(&e->dst))
		return false;
	if (sock_dst_kind(ret) != SOCK_TO_IP6)
		return ret->at == e->dst.at;
	return bpf_map_lookup_elem(s->ip6, &ret->at, &ip6) == 0 &&
	       memcmp(&ip6, &e->ip6, sizeof(ip6)) == 0;
}

/* All keys of one port or range have one counter, and there are those of one
 * family before those of the other: the first and the last will do. */
uint32_t nat_stats_of_port(struct nat_stats *s, const struct port_range *r,
			   const struct ip_addr *ip4, const struct ip_addr *ip6)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	struct port_range one = *r;
	const struct portmap m = { .ranges = &one, .count = 1 };
	struct sock_dst dst, last;

	if (s->any < 0 && s->pub < 0 && s->range < 0)
		return 0;
	if (sock_entries_publish(&l, &m, ip4, ip6, SOCK_SINGLES_MAX, NULL) <
		    0 ||
	    l.count == 0)
		return 0;
	if (!led_there(s, &l.e[l.count - 1], &last) ||
	    !led_there(s, &l.e[0], &dst))
		return 0;
	return nat_stats_keep(s, sock_dst_stat(&dst));
}

uint32_t nat_stats_of_endpoint(struct nat_stats *s, const struct ip_addr *ip4,
			       const struct ip_addr *ip6, int ifindex)
{
	struct nat_ep ep;
	__u32 key[4];

	nat_addr(key, ip_is_none(ip4) ? ip6 : ip4);
	if (s->ep < 0 || bpf_map_lookup_elem(s->ep, key, &ep) < 0 ||
	    ep.ifindex != (__u32)ifindex)
		return 0;
	return nat_stats_keep(s, ep.stat);
}

void nat_stats_recalled(struct nat_stats *s)
{
	close_old(s);
	stat_index_sweep(&s->index, now_s());
}

/* ---- read ---------------------------------------------------------------- */

int nat_stats_read(struct nat_stats *s, uint32_t index, struct nat_stat *ret,
		   struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!index)
		return -ENOENT;
	fd = open_pin(s, "nat_stat");
	r = fd < 0 ? fd : bpf_map_lookup_elem(fd, &index, s->each);
	if (r < 0)
		return err_set(err, r, "counters: %s", strerror(-r));
	for (int i = 0; i < s->cpus; i++) {
		ret->packets_in += s->each[i].packets_in;
		ret->bytes_in += s->each[i].bytes_in;
		ret->packets_out += s->each[i].packets_out;
		ret->bytes_out += s->each[i].bytes_out;
		ret->flows += s->each[i].flows;
		ret->refused += s->each[i].refused;
	}
	return 0;
}
