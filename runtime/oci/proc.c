/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From our child to the container's process. */
#include "runtime/oci/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/inroot.h"
#include "runtime/oci/caps.h"
#include "runtime/oci/sync.h"
#include "runtime/oci/tty.h"

#define KEYCTL_JOIN_SESSION_KEYRING 1

#define PASSWD_MAX                  (1u << 20) /* bytes looked at for a home directory */
#define PATH_DEFAULT \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct {
	const char *name;
	int resource;
} limits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static int set_limit(pid_t pid, const struct spec_rlimit *l, struct err *err)
{
	const struct rlimit64 to = { .rlim_cur = l->soft, .rlim_max = l->hard };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (strcmp(l->type, limits[i].name) != 0)
			continue;
		if (syscall(SYS_prlimit64, pid, limits[i].resource, &to, NULL) <
		    0)
			return err_set(err, -errno, "%s: %s", l->type,
				       strerror(errno));
		return 0;
	}
	return err_set(err, -EINVAL, "type \"%.32s\" is not one of RLIMIT_*",
		       l->type);
}

static int set_oom(pid_t pid, int adj, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char path[64];

	if (adj == INT32_MIN)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "%d", adj) < 0)
		return err_set(err, -errno, "process.oomScoreAdj: %s",
			       strerror(errno));
	return 0;
}

static int check_limits(const struct spec_process *p, struct err *err)
{
	for (size_t i = 0; i < p->rlimits.count; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(SPEC_ELEM(struct spec_rlimit, p->rlimits, i)
					   ->type,
				   SPEC_ELEM(struct spec_rlimit, p->rlimits, k)
					   ->type) == 0)
				return err_set(
					err, -EINVAL,
					"process.rlimits: \"%.32s\" is there "
					"twice",
					SPEC_ELEM(struct spec_rlimit,
						  p->rlimits, i)
						->type);
	return 0;
}

int proc_limits(pid_t pid, const struct spec_process *p, struct err *err)
{
	int r = check_limits(p, err);

	for (size_t i = 0; r == 0 && i < p->rlimits.count; i++) {
		r = set_limit(pid, SPEC_ELEM(struct spec_rlimit, p->rlimits, i),
			      err);
		if (r < 0)
			return err_wrap(err, r, "process.rlimits");
	}
	return r == 0 ? set_oom(pid, p->oom_score_adj, err) : r;
}

void proc_guard(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* nobody in the container may look into us by /proc or ptrace */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void proc_reset(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL); /* KILL and STOP can't, and needn't */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	proc_guard();
}

/* The home of @uid by /etc/passwd; what can't be read has none. */
static void find_home(int root, uint32_t uid, char *ret, size_t size)
{
	_cleanup_close_ int fd =
		inroot_open(root, "/etc/passwd", O_RDONLY | O_NONBLOCK);
	_cleanup_free_ char *text = malloc(PASSWD_MAX + 1);
	char want[16], *line, *next, *f[7];
	size_t len = 0;
	ssize_t n = 1;
	struct stat st;

	snprintf(ret, size, "/");
	snprintf(want, sizeof(want), "%u", uid);
	if (fd < 0 || !text || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	while (n > 0 && len < PASSWD_MAX) {
		n = read(fd, text + len, PASSWD_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	for (next = text; (line = strsep(&next, "\n"));) {
		int i = 0;

		while (i < 7 && (f[i] = strsep(&line, ":")))
			i++;
		if (i >= 6 && strcmp(f[2], want) == 0 && f[5][0] == '/') {
			snprintf(ret, size, "%s", f[5]);
			return;
		}
	}
}

static const char *env_of(const struct spec_process *p, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (size_t i = 0; i < p->env.count; i++)
		if (strncmp(SPEC_TEXT(p->env, i), name, len) == 0 &&
		    SPEC_TEXT(p->env, i)[len] == '=')
			found = SPEC_TEXT(p->env, i) + len + 1;
	return found;
}

/* The last one of a name counts, and is the only one: getenv(3) takes the first. */
static bool is_said_later(const struct spec_process *p, size_t i)
{
	const char *one = SPEC_TEXT(p->env, i);
	size_t len = strcspn(one, "=") + 1;

	for (size_t k = i + 1; one[len - 1] && k < p->env.count; k++)
		if (strncmp(SPEC_TEXT(p->env, k), one, len) == 0)
			return true;
	return false;
}

static int make_texts(struct proc *proc, int root, struct err *err)
{
	const struct spec_process *p = proc->p;
	size_t n;
	char home[PATH_MAX];

	proc->argv = calloc(p->args.count + 1, sizeof(char *));
	proc->env = calloc(p->env.count + 4, sizeof(char *));
	if (!proc->argv || !proc->env)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(proc->argv, p->args.items, p->args.count * sizeof(char *));
	n = 0;
	for (size_t i = 0; i < p->env.count; i++)
		if (!is_said_later(p, i))
			proc->env[n++] = ((char *const *)p->env.items)[i];
	/* what is added goes with the process */
	if (proc->listen &&
	    (asprintf(&proc->env[n++], "LISTEN_FDS=%u", proc->listen) < 0 ||
	     asprintf(&proc->env[n++], "LISTEN_PID=%d", (int)getpid()) < 0))
		return err_set(err, -ENOMEM, "out of memory");
	if (env_of(p, "HOME"))
		return 0;
	find_home(root, p->user.uid, home, sizeof(home));
	if (asprintf(&proc->env[n], "HOME=%s", home) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* As runc says it: dockerd makes 126 and 127 of these words. */
static int cannot_run(const char *name, int code, struct err *err)
{
	if (code == -ENOENT && !strchr(name, '/'))
		return err_set(err, code,
			       "exec: \"%s\": executable file not found in "
			       "$PATH",
			       name);
	if (code == -ENOENT)
		return err_set(err, code,
			       "exec: \"%s\": stat %s: no such file or "
			       "directory",
			       name, name);
	if (code == -EACCES)
		return err_set(err, code, "exec: \"%s\": permission denied",
			       name);
	return err_set(err, code, "exec: \"%s\": %s", name, strerror(-code));
}

static int can_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int find_program(struct proc *proc, struct err *err)
{
	const char *name = SPEC_TEXT(proc->p->args, 0);
	const char *list = env_of(proc->p, "PATH");
	int found = -ENOENT, r;

	if (strlen(name) >= sizeof(proc->path))
		return cannot_run(name, -ENAMETOOLONG, err);
	if (strchr(name, '/')) {
		snprintf(proc->path, sizeof(proc->path), "%s", name);
		r = can_run(name);
		return r < 0 ? cannot_run(name, r, err) : 0;
	}
	for (const char *p = list ? list : PATH_DEFAULT; *p;) {
		size_t len = strcspn(p, ":");

		snprintf(proc->path, sizeof(proc->path), "%.*s/%s",
			 len ? (int)len : 1, len ? p : ".", name);
		r = can_run(proc->path);
		if (r == 0)
			return 0;
		if (r == -EACCES)
			found = r;
		p += len + (p[len] == ':');
	}
	return cannot_run(name, found, err);
}

/* No magic link of /proc leads there, and a directory outside the root is one
 * that getcwd(2) can't name.  @make: where there is none. */
static int go_to(int root, const char *cwd, bool make, struct err *err)
{
	_cleanup_close_ int fd = inroot_open(root, cwd, O_PATH | O_DIRECTORY);
	char buf[PATH_MAX];

	if (fd == -ENOENT && make)
		fd = inroot_dir(root, cwd, err);
	if (fd < 0)
		return err_set(err, fd, "process.cwd: %.200s: %s", cwd,
			       strerror(-fd));
	if (fchdir(fd) < 0)
		return err_set(err, -errno, "process.cwd: %.200s: %s", cwd,
			       strerror(errno));
	if (syscall(SYS_getcwd, buf, sizeof(buf)) < 0 || buf[0] != '/')
		return err_set(err, -EINVAL,
			       "process.cwd: %.200s is not in the container",
			       cwd);
	return 0;
}

static int set_user(const struct spec_user *u, struct err *err)
{
	const uint32_t *groups = u->groups.items;

	if (setgroups(u->groups.count, groups) < 0 &&
	    !(errno == EPERM && u->groups.count == 0))
		return err_set(err, -errno, "process.user.additionalGids: %s",
			       strerror(errno));
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return err_set(err, -errno, "process.user.gid: %u: %s", u->gid,
			       strerror(errno));
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return err_set(err, -errno, "process.user.uid: %u: %s", u->uid,
			       strerror(errno));
	umask(u->umask == SPEC_UNSET ? 022 : (mode_t)u->umask & 0777);
	return 0;
}

/* From here on its end is its own; a runtime that ends earlier than it should is
 * seen by the socket. */
static void outlive_runtime(void)
{
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
}

static int load_filter(struct proc *proc, struct err *err)
{
	int fd = -EBADF, r;

	if (!proc->filter)
		return 0;
	outlive_runtime(); /* later it may be forbidden */
	r = sec_load(proc->filter, &fd);
	if (r < 0)
		return err_set(err, r, "linux.seccomp: %s", strerror(-r));
	if (fd < 0)
		return 0;
	r = sync_tell(proc->sync, SYNC_NOTIFY, fd, NULL);
	if (r == 0)
		r = sync_expect(proc->sync, SYNC_GO, err);
	return r < 0 ? err_wrap(err, r, "linux.seccomp: notify") : 0;
}

static void warn_left_out(const struct oci *oci, const char *set, uint64_t gone,
			  const char *why)
{
	char text[1024];

	if (!gone)
		return;
	caps_text(gone, text, sizeof(text));
	oci_log(oci, "warning", "process.capabilities%s: %s: %s: left out", set,
		text, why);
}

void proc_warn(const struct oci *oci, const struct spec_process *p, bool userns)
{
	const char *unknown;
	uint64_t own = 0;
	struct caps caps;

	caps_decode(&p->caps, &caps, &unknown);
	if (unknown)
		oci_log(oci, "warning",
			"process.capabilities: %.64s is not known here: left "
			"out",
			unknown);
	if (!userns && caps_own(&own) == 0)
		warn_left_out(oci, "", caps_fit(&caps, own),
			      "berth-oci does not hold it itself");
	warn_left_out(oci, ".ambient", caps_fit_ambient(&caps),
		      "not permitted and inheritable as well");
}

static int set_privileges(struct proc *proc, struct err *err)
{
	const struct spec_process *p = proc->p;
	const char *unknown;
	struct caps caps;
	uint64_t own;
	int r = caps_own(&own);

	if (r < 0)
		return err_set(err, r, "capabilities: %s", strerror(-r));
	caps_decode(&p->caps, &caps, &unknown);
	(void)caps_fit(&caps, own); /* the runtime has warned */
	(void)caps_fit_ambient(&caps);
	/* without no_new_privs only the privileged may load a filter */
	r = p->no_new_privs ? 0 : load_filter(proc, err);
	if (r == 0)
		r = caps_drop_bounding(&caps, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set(err, -errno, "keepcaps: %s", strerror(errno));
	r = set_user(&p->user, err);
	if (r == 0)
		r = caps_apply(&caps, err);
	if (r == 0 && p->no_new_privs &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_set(err, -errno, "noNewPrivileges: %s",
			    strerror(errno));
	return r;
}

int proc_keyring(struct err *err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
	    errno != ENOSYS)
		return err_set(err, -errno, "session keyring: %s",
			       strerror(errno));
	return 0;
}

/*
 * Who opens /dev/stdout or /dev/stderr opens the inode anew, and of a pipe that is
 * whoever's made it.  What has a name on the host (a file, a terminal, a disk) is left
 * to its owner; where it can't be had (a user namespace without it) the descriptor still
 * works.
 */
static void own_stdio(uint32_t uid)
{
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) == 0 &&
		    (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) &&
		    st.st_uid != uid && fchown(fd, uid, (gid_t)-1) < 0)
			continue;
}

int proc_enter(struct proc *proc, struct err *err)
{
	const struct spec_process *p = proc->p;
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? err_set(err, -errno, "/: %s", strerror(errno)) : 0;

	if (r == 0)
		r = make_texts(proc, root, err);
	if (r == 0 && p->terminal)
		r = tty_setup(root, proc->console, p->rows, p->cols,
			      p->user.uid, proc->init, err);
	if (r == 0 && !p->terminal)
		own_stdio(p->user.uid);
	return r == 0 ? go_to(root, p->cwd, proc->init, err) : r;
}

/*
 * Closed, not marked: execve opens the program first, and by a directory of the
 * host that is still open then it may be the host's.  The socket and the FIFO
 * stay: no path leads on from them.
 */
static int close_rest(const struct proc *proc, struct err *err)
{
	bool first = proc->sync < proc->fifo;
	const int keep[] = { first ? proc->sync : proc->fifo,
			     first ? proc->fifo : proc->sync, INT_MAX };
	int from = 3 + (int)proc->preserve, r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keep); i++) {
		if (keep[i] < from)
			continue;
		if (keep[i] > from)
			r = close_range((unsigned int)from,
					(unsigned int)keep[i] - 1, 0);
		from = keep[i] < INT_MAX ? keep[i] + 1 : from;
	}
	return r < 0 ? err_set(err, -errno, "close_range: %s", strerror(errno))
		     : 0;
}

int proc_become(struct proc *proc, struct err *err)
{
	int r = close_rest(proc, err);

	if (r == 0)
		r = set_privileges(proc, err);
	if (r == 0)
		r = find_program(proc, err);
	if (r == 0 && proc->p->no_new_privs)
		r = load_filter(proc, err);
	if (r == 0 && !proc->filter)
		outlive_runtime();
	return r;
}

int proc_exec(struct proc *proc, struct err *err)
{
	execve(proc->path, proc->argv, proc->env);
	return cannot_run(proc->path, -errno, err);
}

void proc_fini(struct proc *proc)
{
	free(proc->argv);
	free(proc->env);
}
