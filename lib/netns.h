/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netns.h - network namespaces by file descriptor, and sysctls of this one. */
#ifndef LIB_NETNS_H
#define LIB_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * netns_open() - a descriptor of the namespace at @path (/proc/PID/ns/net,
 * a SandboxKey).  Return: fd, O_CLOEXEC; -ENOENT; -EINVAL when the file is no
 * network namespace.
 */
int netns_open(const char *path, struct err *err);
/*
 * netns_run() - run @fn in the namespace of descriptor @netns, in a thread of its
 * own that ends with it: this one stays where it is whatever happens.
 * Return: what @fn returned; -EPERM without CAP_SYS_ADMIN.
 */
int netns_run(int netns, int (*fn)(void *ctx, struct err *err), void *ctx,
	      struct err *err);
/* netns_cookie() - the id the kernel gives this thread's namespace for its
 * life (SO_NETNS_COOKIE, 5.14+). */
int netns_cookie(uint64_t *ret, struct err *err);
/* netns_boot_id() - /proc/sys/kernel/random/boot_id. @buf: 37 bytes. */
int netns_boot_id(char buf[static 37], struct err *err);

/*
 * sysctl_get(), sysctl_set() - one value below /proc/sys by its path,
 * "net/ipv4/conf/eth0.10/forwarding" (slashes: names have dots).  The value is
 * of the calling thread's namespace.  get: trailing newline removed.
 */
int sysctl_get(const char *path, char *buf, size_t size, struct err *err);
int sysctl_set(const char *path, const char *value, struct err *err);

/*
 * sysctl_has_ip6() - has @link IPv6 settings?  Not with IPv6 turned off in the
 * kernel, nor while its MTU is below 1280 (RFC 8200): it can have no IPv6 then.
 * When the MTU grows beyond, the kernel's defaults are there, not what was before.
 */
bool sysctl_has_ip6(const char *link);
/* One IPv6 setting of a link that turns off or restricts: one that has none has
 * nothing to restrict, 0. */
int sysctl_set_ip6(const char *link, const char *key, const char *value,
		   struct err *err);

#endif
