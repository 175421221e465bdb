/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frozen file system is thawed, whoever dies. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/test/loopfs.h"
#include "volplugins/named/freeze.h"

static int open_root(void)
{
	int fd = open(loopfs_ext4.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Would a writer wait?  Asked by freezing it once more. */
static bool is_frozen(int root)
{
	if (ioctl(root, FIFREEZE, 0) < 0)
		return errno == EBUSY;
	assert_int_equal(ioctl(root, FITHAW, 0), 0);
	return false;
}

static void held_still_in_between(void **state)
{
	_cleanup_close_ int root = -EBADF;
	struct freeze f, other;
	struct err err = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	root = open_root();
	assert_int_equal(freeze_begin(root, &f, NULL), 0);
	assert_true(is_frozen(root));
	assert_int_equal(freeze_begin(root, &other, &err), -EBUSY);
	assert_string_equal(err.msg, "hold the file system still: somebody "
				     "else has (fsfreeze)");
	assert_true(is_frozen(root));
	assert_int_equal(freeze_end(&f, NULL), 0);
	assert_int_equal(freeze_end(&f, NULL), 0);
	assert_false(is_frozen(root));
	/* no child is left */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void thawed_by_another(void **state)
{
	_cleanup_close_ int root = -EBADF;
	struct freeze f;

	(void)state;
	loopfs_need(&loopfs_ext4);
	root = open_root();
	assert_int_equal(freeze_begin(root, &f, NULL), 0);
	assert_int_equal(ioctl(root, FITHAW, 0), 0);
	assert_int_equal(freeze_end(&f, NULL), -ETIMEDOUT);
}

static void thawed_when_we_die(void **state)
{
	_cleanup_close_ int root = -EBADF;
	const struct timespec step = { .tv_nsec = 10000000 };
	int status, n = 0;
	pid_t pid;

	(void)state;
	loopfs_need(&loopfs_ext4);
	root = open_root();
	pid = fork();
	if (pid == 0) {
		struct freeze f;

		if (freeze_begin(root, &f, NULL) < 0 || !is_frozen(root))
			_exit(1);
		kill(f.guard, SIGTERM); /* a stop's, for all of a service */
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	while (is_frozen(root) && n++ < 500)
		nanosleep(&step, NULL);
	assert_true(n < 500);
	assert_int_equal(loopfs_run(&loopfs_ext4, "echo x >file"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_still_in_between),
		cmocka_unit_test(thawed_by_another),
		cmocka_unit_test(thawed_when_we_die),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, loopfs_ext4_setup,
				      loopfs_ext4_teardown);
}
