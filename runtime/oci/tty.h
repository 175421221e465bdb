/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tty.h - a container's terminal, and who holds its other end. */
#ifndef RUNTIME_OCI_TTY_H
#define RUNTIME_OCI_TTY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

/* tty_connect() - to the socket of --console-socket.  Return: fd; -errno. */
int tty_connect(const char *path, struct err *err);

/*
 * tty_setup() - in the container: a new terminal of its /dev/pts becomes stdin,
 * stdout, stderr and the controlling terminal; its master goes to @sock.
 *
 * @root:       the container's root.
 * @rows, @cols: 0: as it comes.
 * @console:    show it at /dev/console as well.
 */
int tty_setup(int root, int sock, uint16_t rows, uint16_t cols, uid_t uid,
	      bool console, struct err *err);
/* tty_receive() - the master that tty_setup() sent.  Return: fd; -errno. */
int tty_receive(int sock, struct err *err);

/*
 * tty_wait() - be the foreground of a container: wait for child @pid, hand it
 * the signals we get, and with @master copy between it and our own terminal.
 *
 * The signals must have been blocked by tty_block() before @pid was made.
 *
 * @master: -EBADF: none.
 * Return: the exit status, 128 + signal where one ended it; -errno.
 */
int tty_wait(pid_t pid, int master, struct err *err);
void tty_block(void);

#endif
