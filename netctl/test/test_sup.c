/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's parts that need no process: sockets, logs, binaries. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "lib/test/test.h"
#include "netctl/sup.h"
#include "netctl/sup_priv.h"

static char dir[] = "/tmp/test_sup.XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	test_rmdir(dir);
	return 0;
}

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void socket_is_ours_alone(void **state)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	(void)state;
	fd = sup_listen(in_dir("a.sock"), SOCK_STREAM, NULL);
	assert_true(fd >= 0);
	assert_int_equal(stat(in_dir("a.sock"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void served_socket_is_not_taken(void **state)
{
	_cleanup_close_ int fd = -EBADF, again = -EBADF;
	struct err err = { 0 };

	(void)state;
	fd = sup_listen(in_dir("b.sock"), SOCK_STREAM, NULL);
	assert_true(fd >= 0);
	again = sup_listen(in_dir("b.sock"), SOCK_STREAM, &err);
	assert_int_equal(again, -EADDRINUSE);
	assert_non_null(strstr(err.msg, "stop it first"));
	/* and it still serves */
	again = sup_connect(in_dir("b.sock"), SOCK_STREAM, NULL);
	assert_true(again >= 0);
}

static void stale_socket_is_replaced(void **state)
{
	_cleanup_close_ int fd = -EBADF;
	int dead = sup_listen(in_dir("c.sock"), SOCK_STREAM, NULL);

	(void)state;
	assert_true(dead >= 0);
	close(dead);
	assert_int_equal(sup_connect(in_dir("c.sock"), SOCK_STREAM, NULL),
			 -ECONNREFUSED);
	fd = sup_listen(in_dir("c.sock"), SOCK_STREAM, NULL);
	assert_true(fd >= 0);
}

static void file_in_the_way_is_left(void **state)
{
	int fd = open(in_dir("d.sock"), O_CREAT | O_RDWR, 0600);
	struct err err = { 0 };

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sup_listen(in_dir("d.sock"), SOCK_STREAM, &err),
			 -EEXIST);
	assert_int_equal(access(in_dir("d.sock"), F_OK), 0);
}

static void long_path_is_refused(void **state)
{
	char path[200];
	struct err err = { 0 };

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(sup_listen(path, SOCK_STREAM, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "shorter directory"));
}

static void dirs_are_made_to_the_last(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(sup_mkdirs(in_dir("x/y/z"), 0700, NULL), 0);
	assert_int_equal(sup_mkdirs(in_dir("x/y/z"), 0700, NULL), 0);
	assert_int_equal(stat(in_dir("x/y/z"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void tail_is_the_end(void **state)
{
	static struct sup_log log;
	char line[64];

	(void)state;
	sup_log_open(&log, dir, "tail");
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		sup_log_write(&log, line, strlen(line));
	}
	assert_int_equal(log.tail_len, SUP_TAIL_MAX - 1);
	assert_int_equal(strlen(log.tail), log.tail_len);
	assert_string_equal(log.tail + log.tail_len - 9, "line 499\n");
	sup_log_close(&log);
}

static void log_is_bounded(void **state)
{
	static char block[64 * 1024];
	static struct sup_log log;
	struct stat st;

	(void)state;
	memset(block, 'x', sizeof(block));
	sup_log_open(&log, dir, "big");
	for (int i = 0; i < 50; i++)
		sup_log_write(&log, block, sizeof(block));
	sup_log_close(&log);
	assert_int_equal(stat(in_dir("big.log"), &st), 0);
	assert_true(st.st_size <= SUP_LOG_BYTES + (off_t)sizeof(block));
	assert_int_equal(stat(in_dir("big.log.1"), &st), 0);
	assert_true(st.st_size <= SUP_LOG_BYTES + (off_t)sizeof(block));
	/* what was there is added to */
	sup_log_open(&log, dir, "big");
	assert_true(log.size > 0);
	sup_log_close(&log);
}

static void log_is_no_link(void **state)
{
	static struct sup_log log;

	(void)state;
	assert_int_equal(symlink("/etc/passwd", in_dir("link.log")), 0);
	sup_log_open(&log, dir, "link");
	assert_true(log.fd < 0);
	sup_log_write(&log, "x\n", 2); /* only in the tail */
	assert_string_equal(log.tail, "x\n");
	sup_log_close(&log);
}

static void binary_beside_comes_first(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct err err = { 0 };
	int fd = open(in_dir("true"), O_CREAT | O_WRONLY, 0700);

	(void)state;
	close(fd);
	assert_int_equal(sup_find_binary(dir, "true", &path, NULL), 0);
	assert_string_equal(path, in_dir("true"));
	free(take_ptr(path));
	assert_int_equal(sup_find_binary("/nowhere", "true", &path, NULL), 0);
	assert_string_equal(path, "/usr/bin/true");
	free(take_ptr(path));
	assert_int_equal(sup_find_binary(dir, "berth-none", &path, &err),
			 -ENOENT);
	assert_non_null(strstr(err.msg, "build or install it"));
}

/* One that has its directories under @name, and no loop. */
static void make_sup(struct sup *s, const char *name)
{
	*s = (struct sup){ .lock_fd = -EBADF,
			   .epoll_fd = -EBADF,
			   .signal_fd = -EBADF,
			   .ctl_fd = -EBADF,
			   .notify_fd = -EBADF };
	for (size_t i = 0; i < SUP_CLIENTS; i++)
		s->clients[i].fd = -EBADF;
	assert_true(asprintf(&s->dir, "%s/%s", dir, name) > 0);
	s->plugin_dir = strdup(s->dir);
	s->state_dir = strdup(s->dir);
	s->run_dir = strdup(s->dir);
	s->bpf_dir = strdup(s->dir);
	assert_int_equal(sup_mkdirs(s->dir, 0700, NULL), 0);
}

/* @drivers: a JSON array.  No binary of them is anywhere. */
static void ask_up(struct sup *s, const char *drivers)
{
	_cleanup_(json_putp) json_object *req = NULL;
	_cleanup_free_ char *text = NULL;

	assert_true(asprintf(&text,
			     "{\"Op\":\"up\",\"Drivers\":%s,\"BinDir\":"
			     "\"/nowhere\",\"PluginDir\":\"%s\",\"StateDir\":"
			     "\"%s\",\"BpfDir\":\"%s\"}",
			     drivers, s->dir, s->dir, s->dir) > 0);
	assert_int_equal(jdec_parse(text, strlen(text), &req, NULL), 0);
	sup_ctl_first(s, req);
}

static void ending_one_starts_nothing(void **state)
{
	static struct sup s;

	(void)state;
	make_sup(&s, "ending");
	s.clients[0] = (struct sup_client){
		.fd = -EBADF, .used = true, .op = SUP_OP_DOWN, .all = true
	};
	ask_up(&s, "[\"berth-none\"]");
	assert_int_equal(s.first_failed, -EIO);
	assert_null(sup_child_find(&s, "berth-none"));
	s.clients[0] = (struct sup_client){ .fd = -EBADF };
	s.first_failed = 0;
	s.quit = true;
	ask_up(&s, "[\"berth-none\"]");
	assert_int_equal(s.first_failed, -EIO);
	assert_null(sup_child_find(&s, "berth-none"));
	/* down of some: the others may come */
	s.quit = false;
	s.first_failed = 0;
	s.clients[0] = (struct sup_client){ .fd = -EBADF,
					    .used = true,
					    .op = SUP_OP_DOWN };
	ask_up(&s, "[\"berth-none\"]");
	assert_int_equal(s.first_failed, 0);
	assert_non_null(sup_child_find(&s, "berth-none"));
	sup_child_leave(sup_child_find(&s, "berth-none"));
	json_object_put(s.clients[1].answer);
	sup_fini(&s);
}

static void failed_up_takes_all_back(void **state)
{
	static struct sup s;
	int fd;

	(void)state;
	make_sup(&s, "failed");
	fd = open(in_dir("failed/berth-file.sock"), O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
	ask_up(&s, "[\"berth-none\",\"berth-file\"]");
	assert_int_equal(s.first_failed, -EIO);
	assert_null(sup_child_find(&s, "berth-none"));
	assert_int_equal(access(in_dir("failed/berth-none.sock"), F_OK), -1);
	sup_fini(&s);
}

static void socket_of_another_is_left(void **state)
{
	_cleanup_close_ int other = -EBADF;
	static struct sup s;

	(void)state;
	make_sup(&s, "other");
	ask_up(&s, "[\"berth-none\"]");
	assert_int_equal(s.first_failed, 0);
	assert_int_equal(unlink(in_dir("other/berth-none.sock")), 0);
	other = sup_listen(in_dir("other/berth-none.sock"), SOCK_STREAM, NULL);
	assert_true(other >= 0);
	sup_child_leave(sup_child_find(&s, "berth-none"));
	assert_int_equal(access(in_dir("other/berth-none.sock"), F_OK), 0);
	json_object_put(s.clients[0].answer);
	sup_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socket_is_ours_alone),
		cmocka_unit_test(served_socket_is_not_taken),
		cmocka_unit_test(stale_socket_is_replaced),
		cmocka_unit_test(file_in_the_way_is_left),
		cmocka_unit_test(long_path_is_refused),
		cmocka_unit_test(dirs_are_made_to_the_last),
		cmocka_unit_test(tail_is_the_end),
		cmocka_unit_test(log_is_bounded),
		cmocka_unit_test(log_is_no_link),
		cmocka_unit_test(binary_beside_comes_first),
		cmocka_unit_test(ending_one_starts_nothing),
		cmocka_unit_test(failed_up_takes_all_back),
		cmocka_unit_test(socket_of_another_is_left),

	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
