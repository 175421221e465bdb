/* SPDX-License-Identifier: GPL-2.0-or-later */
/* console.h - the terminal that the runtime makes for a container, taken over by a socket in
 * the container's directory. */
#ifndef NETCTL_BOX_CONSOLE_H
#define NETCTL_BOX_CONSOLE_H

#include "netctl/box/box.h"

#define CONSOLE_NAME "console"

/* console_listen() - @ret: owned.  One that was left there goes. */
int console_listen(struct box *b, int *ret, struct err *err);
/* console_accept() - after "create" has ended well.  @ret_master: owned.
 * Return: 0; -EPROTO: none was sent. */
int console_accept(int listener, int *ret_master, struct err *err);
void console_drop(const struct box *b);

#endif
