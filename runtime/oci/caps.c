/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capability names, and the sets of the calling thread. */
#include "runtime/oci/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

static bool kernel_has(unsigned int cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

int caps_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (int)i;
	return -ENOENT;
}

const char *caps_name(unsigned int number)
{
	return number < ARRAY_SIZE(names) ? names[number] : NULL;
}

static uint64_t set_of(const struct jdec_array *arr, const char **ret_unknown)
{
	uint64_t set = 0;

	for (size_t i = 0; i < arr->count; i++) {
		int n = caps_number(SPEC_TEXT(*arr, i));

		if (n >= 0 && kernel_has((unsigned int)n))
			set |= 1ull << n;
		else if (!*ret_unknown)
			*ret_unknown = SPEC_TEXT(*arr, i);
	}
	return set;
}

void caps_decode(const struct spec_caps *in, struct caps *ret,
		 const char **ret_unknown)
{
	*ret_unknown = NULL;
	ret->bounding = set_of(&in->bounding, ret_unknown);
	ret->effective = set_of(&in->effective, ret_unknown);
	ret->inheritable = set_of(&in->inheritable, ret_unknown);
	ret->permitted = set_of(&in->permitted, ret_unknown);
	ret->ambient = set_of(&in->ambient, ret_unknown);
}

int caps_own(uint64_t *ret)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	*ret = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

static uint64_t keep(uint64_t *set, uint64_t allowed)
{
	uint64_t gone = *set & ~allowed;

	*set &= allowed;
	return gone;
}

uint64_t caps_fit(struct caps *c, uint64_t own)
{
	return keep(&c->effective, own) | keep(&c->permitted, own) |
	       keep(&c->inheritable, own) | keep(&c->ambient, own);
}

uint64_t caps_fit_ambient(struct caps *c)
{
	return keep(&c->ambient, c->permitted & c->inheritable);
}

void caps_text(uint64_t set, char *buf, size_t size)
{
	size_t n = 0;

	*buf = '\0';
	for (unsigned int i = 0; i < ARRAY_SIZE(names) && n < size; i++)
		if (set & (1ull << i))
			n += (size_t)snprintf(buf + n, size - n, "%s%s",
					      n ? " " : "", names[i]);
}

int caps_drop_bounding(const struct caps *c, struct err *err)
{
	/* those that came after this program, too */
	for (unsigned int i = 0; i < 64 && kernel_has(i); i++)
		if (!(c->bounding & (1ull << i)) &&
		    prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return err_set(err, -errno,
				       "capabilities.bounding: drop %u: %s", i,
				       strerror(errno));
	return 0;
}

int caps_apply(const struct caps *c, struct err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(c->effective >> (32 * i));
		data[i].permitted = (uint32_t)(c->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(c->inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return err_set(err, -errno, "capabilities: %s",
			       strerror(errno));
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set(err, -errno, "capabilities.ambient: %s",
			       strerror(errno));
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if ((c->ambient & (1ull << i)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return err_set(err, -errno,
				       "capabilities.ambient: %s: %s", names[i],
				       strerror(errno));
	return 0;
}
