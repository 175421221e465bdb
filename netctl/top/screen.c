/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal: what is written to it to take it and give it back. */
#include "netctl/top/screen.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

bool screen_is(void)
{
	return isatty(STDOUT_FILENO);
}

void screen_enter(struct screen *s)
{
	if (s->entered)
		return;
	s->keys = tcgetattr(STDIN_FILENO, &s->was) == 0;
	s->raw = s->keys;
	if (s->raw) {
		struct termios raw = s->was;

		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs(ENTER, stdout);
	fflush(stdout);
	s->entered = true;
}

void screen_leave(struct screen *s)
{
	if (!s->entered)
		return;
	s->entered = false;
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->was);
	s->raw = false;
}

void screen_size(size_t *ret_width, size_t *ret_height)
{
	struct winsize w = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col == 0 ||
	    w.ws_row == 0)
		w = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	*ret_width = w.ws_col < 20 ? 20 : w.ws_col;
	*ret_height = w.ws_row < 4 ? 4 : w.ws_row;
}

void screen_show(const char *text)
{
	fputs("\033[H", stdout);
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n");

		fwrite(p, 1, len, stdout);
		fputs("\033[K", stdout);
		p += len;
		if (*p == '\n') {
			p++;
			if (*p)
				fputs("\r\n", stdout);
		}
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}
