/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fdpass.h - a message and descriptors over a unix socket. */
#ifndef LIB_FDPASS_H
#define LIB_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 4

/* fdpass_send() - @fds: @n of them (<= FDPASS_MAX), which stay the caller's.
 * @size: at least 1.  Return: 0; -errno. */
int fdpass_send(int sock, const void *data, size_t size, const int *fds,
		size_t n);

/*
 * fdpass_recv() - one message; what does not fit is lost, of a packet as of descriptors.
 *
 * @flags: as recvmsg()'s.
 * @fds: room for @max; owned by the caller, O_CLOEXEC, -1 where none came.
 * Return: its length; 0: the other end was closed; -errno.
 */
ssize_t fdpass_recv(int sock, void *data, size_t size, int flags, int *fds,
		    size_t max);

#endif
