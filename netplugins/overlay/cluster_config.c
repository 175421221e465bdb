// SPDX-License-Identifier: GPL-2.0-or-later
/* What a cluster is told when it begins. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netplugins/overlay/cluster_priv.h"

#define LEASE_S  30
#define RELIST_S 45
#define GRACE_S  60

static int word(const char *flag, const char *value, struct err *err)
{
	if (cl_word_valid(value) && strlen(value) < OV_NODE_MAX)
		return 0;
	return err_set(err, -EINVAL,
		       "--%s \"%s\": letters, digits, '_', '.' and '-', at "
		       "most %d",
		       flag, value, OV_NODE_MAX - 1);
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

int cluster_flag(struct cluster_config *cfg, const char *name,
		 const char *value, struct err *err)
{
	int r;

	if (!strcmp(name, "store"))
		return etcd_config_members(&cfg->etcd, value, err);
	if (!strcmp(name, "store-ca"))
		return path(name, value, &cfg->etcd.ca, err);
	if (!strcmp(name, "store-cert"))
		return path(name, value, &cfg->etcd.cert, err);
	if (!strcmp(name, "store-key"))
		return path(name, value, &cfg->etcd.key, err);
	if (!strcmp(name, "store-auth"))
		return path(name, value, &cfg->etcd.auth, err);
	if (strcmp(name, "cluster") != 0 && strcmp(name, "node") != 0)
		return err_set(err, -ENOENT, "--%s", name);
	r = word(name, value, err);
	if (r == 0)
		*(*name == 'n' ? &cfg->node : &cfg->name) = value;
	return r;
}

static void machine_read(char *buf, size_t size)
{
	_cleanup_close_ int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	buf[strspn(buf, "0123456789abcdef")] = '\0';
}

int cl_config_take(struct cluster *c, const struct cluster_config *cfg,
		   struct err *err)
{
	char host[256] = "";
	const char *name = cfg->name ? cfg->name : "berth";
	const char *node = cfg->node ? cfg->node : host;
	int r = word("cluster", name, err);

	if (!cfg->node && gethostname(host, sizeof(host) - 1) < 0)
		return err_set(err, -errno, "this host's name");
	if (r == 0)
		r = word("node", node, err);
	if (r < 0)
		return r;
	snprintf(c->prefix, sizeof(c->prefix), "/berth/%.*s/", OV_NODE_MAX - 1,
		 name);
	snprintf(c->node, sizeof(c->node), "%.*s", OV_NODE_MAX - 1, node);
	snprintf(c->key, sizeof(c->key), "%s", cfg->key ? cfg->key : "");
	if (cfg->machine)
		snprintf(c->machine, sizeof(c->machine), "%s", cfg->machine);
	else
		machine_read(c->machine, sizeof(c->machine));
	c->vtep = cfg->vtep;
	c->lease_s = cfg->lease_s ? cfg->lease_s : LEASE_S;
	c->relist_s = cfg->relist_s ? cfg->relist_s : RELIST_S;
	c->grace_s = cfg->grace_s ? cfg->grace_s : GRACE_S;
	c->begin_ms = cl_now_ms();
	c->host_due = true;
	return 0;
}
