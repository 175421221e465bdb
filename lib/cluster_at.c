// SPDX-License-Identifier: GPL-2.0-or-later
/* Which cluster a daemon is of, and who it is there. */
#include "lib/cluster_at.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cluster_word_valid(const char *s)
{
	if (!*s || *s == '.' || *s == '-')
		return false;
	for (; *s; s++)
		if (!(*s >= '0' && *s <= '9') &&
		    !((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z') && *s != '_' &&
		    *s != '.' && *s != '-')
			return false;
	return true;
}

static int word(const char *flag, const char *value, struct err *err)
{
	if (cluster_word_valid(value) && strlen(value) < CLUSTER_NODE_MAX)
		return 0;
	return err_set(err, -EINVAL,
		       "--%s \"%s\": letters, digits, '_', '.' and '-', at "
		       "most %d",
		       flag, value, CLUSTER_NODE_MAX - 1);
}

static int path(const char *flag, const char *value, const char **ret,
		struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--%s: a file's path is missing",
			       flag);
	*ret = value;
	return 0;
}

int cluster_at_flag(struct cluster_at *at, const char *name, const char *value,
		    struct err *err)
{
	int r;

	if (!strcmp(name, "store"))
		return etcd_config_members(&at->etcd, value, err);
	if (!strcmp(name, "store-ca"))
		return path(name, value, &at->etcd.ca, err);
	if (!strcmp(name, "store-cert"))
		return path(name, value, &at->etcd.cert, err);
	if (!strcmp(name, "store-key"))
		return path(name, value, &at->etcd.key, err);
	if (!strcmp(name, "store-auth"))
		return path(name, value, &at->etcd.auth, err);
	if (strcmp(name, "cluster") != 0 && strcmp(name, "node") != 0)
		return err_set(err, -ENOENT, "--%s", name);
	r = word(name, value, err);
	if (r == 0)
		*(*name == 'n' ? &at->node : &at->name) = value;
	return r;
}

static void machine_read(char buf[static 65])
{
	_cleanup_close_ int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, 64);

	buf[n > 0 ? n : 0] = '\0';
	buf[strspn(buf, "0123456789abcdef")] = '\0';
}

int cluster_at_names(const struct cluster_at *at,
		     char prefix[static CLUSTER_PREFIX_MAX],
		     char node[static CLUSTER_NODE_MAX],
		     char machine[static 65], struct err *err)
{
	char host[256] = "";
	const char *name = at->name ? at->name : "berth";
	const char *me = at->node ? at->node : host;
	int r = word("cluster", name, err);

	if (!at->node && gethostname(host, sizeof(host) - 1) < 0)
		return err_set(err, -errno, "this host's name");
	if (r == 0)
		r = word("node", me, err);
	if (r < 0)
		return r;
	snprintf(prefix, CLUSTER_PREFIX_MAX, "/berth/%.*s/",
		 CLUSTER_NODE_MAX - 1, name);
	snprintf(node, CLUSTER_NODE_MAX, "%.*s", CLUSTER_NODE_MAX - 1, me);
	if (at->machine)
		snprintf(machine, 65, "%s", at->machine);
	else
		machine_read(machine);
	return 0;
}
