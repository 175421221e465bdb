/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lives of an IPAM daemon; see lives.h. */
#include "ipam/test/lives.h"

#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/jdec.h"
#include "lib/journal.h"
#include "lib/test/skew.h"
#include "lib/tree.h"

static char dir[64];
char last_error[ERR_MSG_MAX];

static void open_or_die(int r, const struct err *err)
{
	if (r < 0)
		fprintf(stderr, "# %s\n", err->msg);
	CHECK(r == 0);
}

static void life_open(struct ipam_life *l)
{
	static const struct plugd_program prog = { .name = "berth-ipam" };
	struct err err = { 0 };
	char sub[96];

	l->d.prog = &prog;
	snprintf(sub, sizeof(sub), "%s/state", dir);
	open_or_die(store_open(sub, STORE_STATE, &l->d.state, &err), &err);
	snprintf(sub, sizeof(sub), "%s/run", dir);
	open_or_die(store_open(sub, STORE_RUN, &l->d.run, &err), &err);
	open_or_die(ipam_core_open(&l->d, &l->config, &l->core, &err), &err);
}

static void life_close(struct ipam_life *l)
{
	ipam_core_close(l->core);
	store_close(l->d.run);
	store_close(l->d.state);
}

int lives_run(void (*fn)(struct ipam_life *l, void *arg), void *arg,
	      const char *fp)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct ipam_life l = { 0 };

		setenv("BERTH_FP", fp ? fp : "", 1);
		life_open(&l);
		fn(&l, arg);
		life_close(&l);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

bool lives_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int empty_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : tree_empty(fd, NULL, NULL, NULL);

	if (fd >= 0)
		close(fd);
	return r;
}

int lives_setup(void **state)
{
	(void)state;
	/* thousands of lives: not on a disk, if it can be helped */
	snprintf(dir, sizeof(dir), "%s/berth-test-ipam-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	*clock_skew_s = 0;
	return mkdtemp(dir) ? 0 : -1;
}

int lives_teardown(void **state)
{
	(void)state;
	return empty_dir(dir) | rmdir(dir);
}

void lives_reboot(void)
{
	char sub[96];

	snprintf(sub, sizeof(sub), "%s/run", dir);
	assert_int_equal(empty_dir(sub), 0);
}

void lives_expire(struct ipam_life *l)
{
	*clock_skew_s += JOURNAL_KEEP_MS / 1000 + 1;
	for (int i = 0; i < 10; i++)
		ipam_core_tick(l->core);
}

void *lives_shared(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void lives_init(void)
{
	clock_skew_s = lives_shared(sizeof(*clock_skew_s));
}

/* ---- requests ---------------------------------------------------------------- */

/* The answer reached the peer. */
static int delivered(struct ipam_life *l, uint64_t seq, int r,
		     const struct err *err)
{
	if (r == 0 && seq)
		ipam_core_delivered(l->core, seq);
	snprintf(last_error, sizeof(last_error), "%s", err->msg);
	CHECK(r < 0 ? err->msg[0] : !err->msg[0]);
	return r;
}

int pool_get(struct ipam_life *l, const char *pool, const char *sub,
	     char ret[TEXT_MAX])
{
	struct ipam_pool_req q = { .space = IPAM_SPACE_LOCAL };
	char id[IPAM_ID_MAX] = "";
	struct ip_addr gateway;
	struct ip_prefix p;
	struct err err = { 0 };
	uint64_t seq = 0;
	int r;

	if (pool && strcmp(pool, "v6") != 0)
		CHECK(ip_prefix_parse(pool, &q.pool, NULL) == 0);
	if (sub)
		CHECK(ip_prefix_parse(sub, &q.sub, NULL) == 0);
	q.v6 = pool && strchr(pool, ':');
	q.v6 |= pool && strcmp(pool, "v6") == 0;
	r = ipam_pool_request(l->core, &q, id, &p, &gateway, &seq, &err);
	if (ret)
		snprintf(ret, TEXT_MAX, "%s", id);
	return delivered(l, seq, r, &err);
}

int pool_get_dhcp(struct ipam_life *l, const char *pool, const char *ifname,
		  struct ip_addr *ret_gateway)
{
	struct ipam_pool_req q = { .space = IPAM_SPACE_LOCAL, .dhcp = ifname };
	char id[IPAM_ID_MAX] = "";
	struct ip_addr gateway;
	struct ip_prefix p;
	struct err err = { 0 };
	uint64_t seq = 0;
	int r;

	if (pool)
		CHECK(ip_prefix_parse(pool, &q.pool, NULL) == 0);
	r = ipam_pool_request(l->core, &q, id, &p, &gateway, &seq, &err);
	if (r == 0 && ret_gateway)
		*ret_gateway = gateway;
	return delivered(l, seq, r, &err);
}

int pool_put(struct ipam_life *l, const char *id)
{
	struct err err = { 0 };
	uint64_t seq = 0;
	int r = ipam_pool_release(l->core, id, &seq, &err);

	return delivered(l, seq, r, &err);
}

int addr_get(struct ipam_life *l, const char *id, const char *addr,
	     enum ipam_use use, unsigned int mac, char ret[TEXT_MAX])
{
	struct ipam_addr_req q = { .pool_id = id, .use = use };
	struct ip_prefix got = { 0 };
	char text[PREFIX_STR_MAX];
	struct err err = { 0 };
	uint64_t seq = 0;
	int r;

	if (addr)
		CHECK(ip_parse(addr, &q.addr, NULL) == 0);
	if (mac) {
		q.mac.bytes[0] = 2;
		for (int i = 5; i > 1; i--, mac >>= 8)
			q.mac.bytes[i] = (uint8_t)mac;
	}
	r = ipam_addr_request(l->core, &q, &got, &seq, &err);
	if (ret)
		snprintf(ret, TEXT_MAX, "%s", ip_prefix_str(&got, text));
	return delivered(l, seq, r, &err);
}

int addr_put(struct ipam_life *l, const char *id, const char *addr)
{
	struct ip_addr a;
	struct err err = { 0 };
	uint64_t seq = 0;
	int r;

	CHECK(ip_parse(addr, &a, NULL) == 0);
	r = ipam_addr_release(l->core, id, &a, &seq, &err);
	return delivered(l, seq, r, &err);
}

/* ---- telling ----------------------------------------------------------------- */

static int tell_pool(void *ctx, const struct ipam_pool_info *p)
{
	fprintf(ctx, "%s networks=%u leases=%u reserved=%u resting=%u%s\n",
		p->id, p->refs, p->leases, p->reserved,
		(unsigned int)p->resting, p->automatic ? " automatic" : "");
	return 0;
}

static int tell_lease(void *ctx, const struct ipam_lease_info *l)
{
	char addr[PREFIX_STR_MAX], mac[MAC_STR_MAX];

	fprintf(ctx, "%s %s %s %s networks=%u%s\n",
		ip_prefix_str(&l->addr, addr), ipam_use_to_string(l->use),
		mac_str(&l->mac, mac), l->pool_id, l->refs,
		l->fixed ? " fixed" : "");
	return 0;
}

char *all_of(struct ipam_life *l)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CHECK(f);
	CHECK(ipam_pools_each(l->core, tell_pool, f, NULL) == 0);
	CHECK(ipam_leases_each(l->core, NULL, tell_lease, f, NULL) == 0);
	fclose(f);
	return text;
}

static void complain(void *ctx, const char *line)
{
	fprintf(stderr, "# %s\n", line);
	++*(int *)ctx;
}

int lives_problems(struct ipam_life *l)
{
	int n = 0;

	CHECK(ipam_check(l->core, complain, &n, NULL) == 0);
	CHECK(ipam_gc(l->core, true, complain, &n, NULL) == n);
	return n;
}

static void count_damaged(void *ctx, const char *line)
{
	if (strstr(line, "can't be used"))
		++*(int *)ctx;
}

int lives_damaged(struct ipam_life *l)
{
	int n = 0;

	CHECK(ipam_check(l->core, count_damaged, &n, NULL) == 0);
	return n;
}

/* ---- what is wanted ---------------------------------------------------------- */

void text_is(const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fprintf(stderr, "# is \"%s\", want \"%s\"\n", got, want);
	CHECK(strcmp(got, want) == 0);
}

void refused(int r, int want, const char *part)
{
	if (r != want || !strstr(last_error, part))
		fprintf(stderr, "# is %d \"%s\", want %d \"%s\"\n", r,
			last_error, want, part);
	CHECK(r == want && strstr(last_error, part));
}
