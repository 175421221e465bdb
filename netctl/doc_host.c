/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor: settings of the host below /proc/sys, and room on its disks. */
#include "netctl/doc.h"

#include <stdio.h>
#include <sys/statvfs.h>

#define WHY_FORWARD                                                            \
	"containers reach nothing outside their network, and published ports " \
	"do not answer"
#define SPACE_LEAST (16ull << 20) /* bytes; a record is some KiB */

static bool any_outward(const struct doc *d, bool v6)
{
	for (size_t i = 0; i < d->bridge_count; i++)
		if (!d->bridges[i].internal &&
		    (v6 ? d->bridges[i].v6 : d->bridges[i].v4))
			return true;
	return false;
}

static void forwarding_of(struct doc *d, const char *ifname)
{
	const char *path = doc_text(d, "net/ipv4/conf/%s/forwarding", ifname);

	if (doc_sysctl(path, 1) == 0)
		doc_find(d, DOC_BAD,
			 doc_text(d, "IPv4 forwarding is off for %s", ifname),
			 WHY_FORWARD, doc_text(d, "sysctl -w %s=1", path));
}

void doc_check_forwarding(struct doc *d)
{
	struct nlk_link up;

	if (any_outward(d, false)) {
		if (doc_sysctl("net/ipv4/ip_forward", 1) == 0)
			doc_find(d, DOC_BAD, "IPv4 forwarding is off",
				 WHY_FORWARD,
				 "sysctl -w net.ipv4.ip_forward=1 (to stay: a "
				 "file in /etc/sysctl.d)");
		else if (doc_uplink(d, AF_INET, &up) == 0)
			forwarding_of(d, up.name);
		for (size_t i = 0; i < d->bridge_count; i++)
			if (!d->bridges[i].internal && d->bridges[i].v4 &&
			    doc_sysctl("net/ipv4/ip_forward", 1) != 0)
				forwarding_of(d, d->bridges[i].name);
	}
	if (any_outward(d, true) &&
	    doc_sysctl("net/ipv6/conf/all/forwarding", 1) == 0)
		doc_find(d, DOC_BAD, "IPv6 forwarding is off", WHY_FORWARD,
			 "sysctl -w net.ipv6.conf.all.forwarding=1 (to stay: a "
			 "file in /etc/sysctl.d)");
	for (size_t i = 0; i < d->bridge_count; i++) {
		const char *name = d->bridges[i].name;
		const char *path =
			doc_text(d, "net/ipv6/conf/%s/disable_ipv6", name);

		if (d->bridges[i].v6 && doc_sysctl(path, 0) == 1)
			doc_find(d, DOC_BAD,
				 doc_text(d, "IPv6 is disabled on %s", name),
				 "the network was made with an IPv6 subnet",
				 doc_text(d, "sysctl -w %s=0", path));
	}
}

/* The kernel takes the greater of "all" and the interface's own. */
void doc_check_rp_filter(struct doc *d)
{
	long all = doc_sysctl("net/ipv4/conf/all/rp_filter", 0);

	for (size_t i = 0; i < d->bridge_count; i++) {
		const char *name = d->bridges[i].name;
		const char *path =
			doc_text(d, "net/ipv4/conf/%s/rp_filter", name);
		long own = doc_sysctl(path, 0);

		if (!d->bridges[i].v4 || (all > own ? all : own) != 1)
			continue;
		doc_find(d, DOC_WARN,
			 doc_text(d, "reverse path filter is strict on %s",
				  name),
			 "answers of a container with two networks, or on a "
			 "host with two uplinks, are dropped without a word "
			 "where they take another way back",
			 doc_text(d,
				  "sysctl -w %s=2 (loose; the greater of this "
				  "and conf/all counts)",
				  path));
	}
}

/* Berth needs it nowhere; it turns 127.0.0.1 into an address of the wire. */
void doc_check_route_localnet(struct doc *d)
{
	struct nlk_link up;
	const char *path = "net/ipv4/conf/all/route_localnet";

	if (doc_sysctl(path, 0) == 0) {
		if (doc_uplink(d, AF_INET, &up) < 0)
			return;
		path = doc_text(d, "net/ipv4/conf/%s/route_localnet", up.name);
	}
	if (doc_sysctl(path, 0) != 0)
		doc_find(d, DOC_WARN, doc_text(d, "%s is on", path),
			 "hosts on the wire can send to 127.0.0.1 of this "
			 "host: services bound there are open to them",
			 doc_text(d, "sysctl -w %s=0", path));
}

/* With forwarding on the kernel ignores router advertisements unless 2. */
void doc_check_accept_ra(struct doc *d)
{
	struct nlk_link up;
	const char *path;

	if (doc_sysctl("net/ipv6/conf/all/forwarding", 0) == 0 ||
	    doc_uplink(d, AF_INET6, &up) < 0)
		return;
	path = doc_text(d, "net/ipv6/conf/%s/accept_ra", up.name);
	if (doc_sysctl(path, 2) != 1)
		return;
	doc_find(d, DOC_WARN,
		 doc_text(d,
			  "%s ignores router advertisements: forwarding is on "
			  "and accept_ra is 1",
			  up.name),
		 "a default route that came from a router runs out after some "
		 "minutes, and the host loses IPv6",
		 doc_text(d, "sysctl -w %s=2", path));
}

void doc_check_conntrack(struct doc *d)
{
	long max = doc_sysctl("net/netfilter/nf_conntrack_max", 0);
	long count = doc_sysctl("net/netfilter/nf_conntrack_count", 0);

	if (max <= 0 || count < max / 4 * 3)
		return;
	doc_find(d, count >= max / 20 * 19 ? DOC_BAD : DOC_WARN,
		 doc_text(d, "%ld of %ld tracked connections are in use", count,
			  max),
		 "when the table is full, new connections of every container "
		 "and of the host are dropped",
		 doc_text(d, "sysctl -w net.netfilter.nf_conntrack_max=%ld",
			  max * 2));
}

static void space_of(struct doc *d, const char *dir)
{
	struct statvfs s;

	if (statvfs(dir, &s) < 0) /* not made yet */
		return;
	if ((uint64_t)s.f_bavail * s.f_frsize < SPACE_LEAST)
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s has %llu KiB left", dir,
				  (unsigned long long)s.f_bavail * s.f_frsize /
					  1024),
			 "no network, endpoint or volume can be created: what "
			 "can't be recorded isn't done",
			 "free space on that file system");
	else if (s.f_files && s.f_favail < 64)
		doc_find(d, DOC_BAD, doc_text(d, "%s has no inodes left", dir),
			 "no network, endpoint or volume can be created",
			 "remove files on that file system");
	if (s.f_flag & ST_RDONLY)
		doc_find(d, DOC_BAD, doc_text(d, "%s is read-only", dir),
			 "no network, endpoint or volume can be created",
			 "mount it for writing; see dmesg if the kernel made "
			 "it so");
}

void doc_check_space(struct doc *d)
{
	space_of(d, d->ctl->state_dir);
	space_of(d, d->ctl->run_dir);
}
