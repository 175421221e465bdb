/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doctor: does this kernel have what networks need?
 *
 * Asked by trying, in a process and a network namespace of their own that end
 * with the question: nothing on the host changes (a module may be loaded, as
 * the first network would).
 */
#include "netctl/doc.h"

#include <linux/bpf.h>
#include <linux/magic.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

struct answer {
	int r;
	struct err err;
};

static int try_chain(const struct fw_table *t, const struct fw_chain *c,
		     struct err *err)
{
	_cleanup_(fw_closep) struct fw *fw = NULL;
	_cleanup_(fw_batch_freep) struct fw_batch *b = NULL;
	int r = fw_open(&fw, err);

	if (r < 0)
		return r;
	b = fw_batch_new(fw);
	if (!b)
		return -ENOMEM;
	fw_table_add(b, t);
	fw_chain_add(b, t, c);
	return fw_commit(b, err);
}

static int try_inet(struct err *err)
{
	static const struct fw_table t = { NFPROTO_INET, "doctor" };
	static const struct fw_chain c = { .name = "c",
					   .type = "nat",
					   .hook = NF_INET_PRE_ROUTING,
					   .priority = -100 };

	return try_chain(&t, &c, err);
}

static int try_bridge_family(struct err *err)
{
	static const struct fw_table t = { NFPROTO_BRIDGE, "doctor" };
	static const struct fw_chain c = { .name = "c",
					   .type = "filter",
					   .hook = NF_BR_FORWARD };

	return try_chain(&t, &c, err);
}

static int try_bridge(struct err *err)
{
	static const struct nlk_bridge_conf conf = { .name = "doctor0",
						     .alias = "berth:doctor" };
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	int r = nlk_open(&nlk, err);

	return r < 0 ? r : nlk_bridge_add(nlk, &conf, err);
}

static int try_veth(struct err *err)
{
	static const struct nlk_veth_conf conf = { .name = "doctor1",
						   .peer = "doctor2",
						   .alias = "berth:doctor" };
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	int r = nlk_open(&nlk, err);

	return r < 0 ? r : nlk_veth_add(nlk, &conf, err);
}

static int try_bpf(struct err *err)
{
	union bpf_attr attr = { 0 };
	int fd, r;

	attr.map_type = BPF_MAP_TYPE_HASH;
	attr.key_size = attr.value_size = 4;
	attr.max_entries = 1;
	fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	r = fd < 0 ? -errno : 0;
	closep(&fd);
	return r < 0 ? err_set(err, r, "bpf(): %s", strerror(-r)) : 0;
}

static const struct {
	const char *name;
	int (*fn)(struct err *err);
	const char *why, *fix;
} tries[] = {
	{ "bridge links", try_bridge, "berth-bridge can make no network",
	  "modprobe bridge, or a kernel with CONFIG_BRIDGE" },
	{ "veth links", try_veth, "no container can be connected",
	  "modprobe veth, or a kernel with CONFIG_VETH" },
	{ "nf_tables with NAT (inet)", try_inet,
	  "no masquerade, no published ports: no network is made without its "
	  "firewall",
	  "modprobe nf_tables nft_chain_nat, or a kernel with "
	  "CONFIG_NF_TABLES_INET and CONFIG_NFT_NAT" },
	{ "nf_tables for bridges", try_bridge_family,
	  "the guard against forged addresses can't be set: no network is made "
	  "without it",
	  "modprobe nf_tables_bridge, or a kernel with "
	  "CONFIG_NF_TABLES_BRIDGE" },
	{ "bpf", try_bpf,
	  "this host's 127.0.0.1 and ::1 do not reach published ports",
	  "a kernel with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF" },
};

static void answer_all(int out)
{
	struct answer a = { 0 };

	if (unshare(CLONE_NEWNET) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		a = (struct answer){ 0 };
		a.r = tries[i].fn(&a.err);
		if (write(out, &a, sizeof(a)) != sizeof(a))
			return;
	}
}

void doc_check_kernel(struct doc *d)
{
	_cleanup_close_ int in = -EBADF, out = -EBADF;
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0)
		return;
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid == 0) {
		answer_all(out);
		_exit(0);
	}
	closep(&out);
	out = -EBADF;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct answer a;

		if (pid < 0 || read(in, &a, sizeof(a)) != sizeof(a)) {
			doc_find(d, DOC_WARN,
				 "cannot make a network namespace to look at "
				 "this kernel",
				 "containers can't be made here either", NULL);
			break;
		}
		if (a.r < 0)
			doc_find(d, DOC_BAD,
				 doc_text(d, "no %s: %s", tries[i].name,
					  a.err.msg[0] ? a.err.msg
						       : strerror(-a.r)),
				 tries[i].why, tries[i].fix);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

/* ---- mounts -------------------------------------------------------------- */

static bool is_mounted(const char *type)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	while (f && !found && getline(&line, &size, f) > 0) {
		char *s = strstr(line, " - ");

		found = s && strncmp(s + 3, type, strlen(type)) == 0 &&
			s[3 + strlen(type)] == ' ';
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_fs(const char *path, long magic)
{
	struct statfs s;

	return statfs(path, &s) == 0 && (long)s.f_type == magic;
}

void doc_check_mounts(struct doc *d)
{
	const char *cgroup = d->ctl->cgroup, *bpf = d->ctl->bpf_dir;
	const char *why =
		"this host's 127.0.0.1 and ::1 do not reach published ports";

	if (cgroup ? !is_fs(cgroup, CGROUP2_SUPER_MAGIC)
		   : !is_mounted("cgroup2"))
		doc_find(d, DOC_BAD,
			 cgroup ? doc_text(d, "%s is no cgroup v2 directory",
					   cgroup)
				: "cgroup v2 is not mounted",
			 why,
			 "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified");
	if (!is_fs(bpf, BPF_FS_MAGIC))
		doc_find(d, DOC_BAD,
			 doc_text(d, "%s is no bpf file system", bpf), why,
			 doc_text(d, "mount -t bpf bpf %s", bpf));
}
