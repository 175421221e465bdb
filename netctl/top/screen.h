/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screen.h - the terminal of "top": the alternate screen without cursor and echo, and
 * as it was again afterwards.  Escape sequences of ECMA-48 and xterm, which every
 * terminal of today has; none is written to what is no terminal.
 */
#ifndef NETCTL_TOP_SCREEN_H
#define NETCTL_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct screen {
	struct termios was;
	bool entered, raw; /* raw: @was is to be restored */
	bool keys;         /* stdin is a terminal, and still there */
};

/* Are both of what we print to and its size there? */
bool screen_is(void);
/* Nothing where it was entered. */
void screen_enter(struct screen *s);
/* Nothing where it was not entered. */
void screen_leave(struct screen *s);
/* At least 20 columns and 4 lines. */
void screen_size(size_t *ret_width, size_t *ret_height);
/* screen_show() - @text, lines that fit, in place of what is shown. */
void screen_show(const char *text);

#endif
