/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What writing and reading an archive have in common. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/arc_priv.h"

static const char head[] = "berth-backup 1 sha256 ";
static const uint8_t magic[4] = { 0x5b, 0x2a, 0x4d, 0x18 };

/* "berth-backup 1 sha256 HEX", filled up with spaces to a newline. */
void arc_end_make(uint8_t end[static ARC_END_SIZE], const char *sha256)
{
	char text[ARC_TEXT_SIZE + 1];

	snprintf(text, sizeof(text), "%s%-*s", head,
		 (int)(ARC_TEXT_SIZE - strlen(head)), sha256);
	text[ARC_TEXT_SIZE - 1] = '\n';
	memcpy(end, magic, sizeof(magic));
	memcpy(end + 4, (const uint8_t[]){ ARC_TEXT_SIZE, 0, 0, 0 }, 4);
	memcpy(end + 8, text, ARC_TEXT_SIZE);
}

int arc_end_parse(const uint8_t end[static ARC_END_SIZE],
		  char sha256[static DIGEST_HEX_MAX])
{
	const char *text = (const char *)end + 8;
	uint8_t want[ARC_END_SIZE];

	snprintf(sha256, DIGEST_HEX_MAX, "%.64s", text + strlen(head));
	arc_end_make(want, sha256);
	return memcmp(want, end, sizeof(want)) == 0 &&
			       strspn(sha256, "0123456789abcdef") == 64
		       ? 0
		       : -EBADMSG;
}

void arc_since_make(char text[static ARC_SINCE_SIZE + 1], const char *sha256)
{
	snprintf(text, ARC_SINCE_SIZE + 1, "%s%.64s\n", ARC_SINCE_HEAD, sha256);
}

int arc_locale_enter(struct arc_locale *l, struct err *err)
{
	l->own = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!l->own)
		return err_set(err, -errno, "no locale C.UTF-8 here: %s",
			       strerror(errno));
	l->before = uselocale(l->own);
	return 0;
}

void arc_locale_leave(struct arc_locale *l)
{
	if (!l->own)
		return;
	uselocale(l->before);
	freelocale(l->own);
}

int arc_fail(struct archive *a, int code, const char *what, struct err *err)
{
	const char *text = archive_error_string(a);
	int number = archive_errno(a);

	if (!code) /* libarchive has errnos of its own, too */
		code = number > 0 && number < 200 ? -number : -EBADMSG;
	return err_set(err, code, "%.200s: %s", what, text ? text : "failed");
}
