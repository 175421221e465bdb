// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of capabilities, by the bits of linux/capability.h. */
#include "netctl/box/caps.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "netctl/jget.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static const char *const names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};
_Static_assert(ARRAY_SIZE(names) == CAP_CHECKPOINT_RESTORE + 1,
	       "a name is missing");

/* moby's oci/caps/defaults.go */
static const uint64_t defaults =
	BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) |
	BIT(CAP_FOWNER) | BIT(CAP_MKNOD) | BIT(CAP_NET_RAW) | BIT(CAP_SETGID) |
	BIT(CAP_SETUID) | BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) |
	BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL) |
	BIT(CAP_AUDIT_WRITE);

static int read_list(const char *flag, json_object *list, uint64_t *ret,
		     bool *ret_all, struct err *err)
{
	*ret = 0;
	*ret_all = false;
	for (size_t i = 0; i < jget_len(list); i++) {
		const char *text = json_object_get_string(
			json_object_array_get_idx(list, i));
		const char *name =
			strncasecmp(text, "CAP_", 4) == 0 ? text + 4 : text;
		size_t n = 0;

		if (strcasecmp(text, "ALL") == 0) {
			*ret_all = true;
			continue;
		}
		while (n < ARRAY_SIZE(names) && strcasecmp(name, names[n]) != 0)
			n++;
		if (n == ARRAY_SIZE(names))
			return err_set(err, -EINVAL,
				       "--%s %s: there is no such capability",
				       flag, text);
		*ret |= BIT(n);
	}
	return 0;
}

int box_caps(json_object *add, json_object *drop, json_object **ret,
	     struct err *err)
{
	uint64_t plus = 0, minus = 0, set = defaults;
	bool all = false, none = false;
	int r = read_list("cap-add", add, &plus, &all, err);

	if (r == 0)
		r = read_list("cap-drop", drop, &minus, &none, err);
	if (r < 0)
		return r;
	if (all)
		set = BIT(ARRAY_SIZE(names)) - 1;
	else if (none)
		set = 0;
	set = (set | plus) & ~minus;
	*ret = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char text[32];

		if (!(set & BIT(i)))
			continue;
		snprintf(text, sizeof(text), "CAP_%s", names[i]);
		json_object_array_add(*ret, json_object_new_string(text));
	}
	return 0;
}
