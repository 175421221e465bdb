// SPDX-License-Identifier: GPL-2.0-or-later
/* Where berth-dns has names from, put together. */
#include "runtime/names/sources.h"

#include "runtime/names/follow.h"
#include "runtime/names/share.h"

struct sources {
	struct share *share;   /* owned; NULL: no cluster */
	struct follow *follow; /* owned */
};

static struct cluster_at *at_of(void *config)
{
	struct sources_config *cfg = config;

	return &cfg->at;
}

CLUSTER_AT_SETTERS(at_of)

static int set_docker(struct plugd *d, void *config, const char *value,
		      struct err *err)
{
	struct sources_config *cfg = config;

	(void)d;
	if (value[0] != '/')
		return err_set(err, -EINVAL,
			       "\"%s\" is no path of a socket: it begins "
			       "with '/'",
			       value);
	cfg->docker = value;
	return 0;
}

const struct plugd_flag sources_flags[] = {
	{ "docker", "SOCKET", "dockerd's API (/run/docker.sock)", set_docker },
	CLUSTER_AT_FLAGS("the cluster's etcd: names of the other hosts (none: "
			 "this host's alone)"),
	{ 0 },
};

static int serve(void *arg, const struct serve_net *nets, size_t count,
		 struct err *err)
{
	return serve_nets_set(arg, nets, count, err);
}

int sources_open(struct names *names, struct serve *server,
		 const struct sources_config *cfg, const char *plugin_dir,
		 struct sources **ret, struct err *err)
{
	_cleanup_(sources_closep) struct sources *s = calloc(1, sizeof(*s));
	const struct share_config share = { .at = cfg->at };
	const struct follow_config follow = {
		.docker = cfg->docker,
		.plugin_dir = plugin_dir,
		.serve = serve,
		.serve_arg = server,
	};
	int r = 0;

	if (!s)
		return err_set(err, -ENOMEM, "names");
	if (cfg->at.etcd.member_count)
		r = share_new(names, &share, &s->share, err);
	if (r == 0)
		r = follow_new(names, s->share, &follow, &s->follow, err);
	if (r == 0)
		*ret = take_ptr(s);
	return r;
}

void sources_close(struct sources *s)
{
	if (!s)
		return;
	follow_free(s->follow);
	share_free(s->share);
	free(s);
}

void sources_kick(struct sources *s)
{
	if (s->share)
		share_changed(s->share);
}

int sources_net(struct sources *s, const char *word,
		char ret[static NAMES_NET_MAX], struct err *err)
{
	return follow_net(s->follow, word, ret, err);
}

void sources_net_name(struct sources *s, const char *key,
		      char ret[static NAMES_NAME_MAX])
{
	follow_net_name(s->follow, key, ret);
}

void sources_problems(struct sources *s,
		      void (*line)(void *arg, const char *text), void *arg)
{
	follow_problems(s->follow, line, arg);
	if (s->share)
		share_problems(s->share, line, arg);
}
