// SPDX-License-Identifier: GPL-2.0-or-later
/* passwd and group of another root, read line by line. */
#include "netctl/box/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/inroot.h"

#define FIELDS    7
#define LINE_SIZE 16384

/* NULL: there is no such file. */
static FILE *open_in(const char *root, const char *path)
{
	_cleanup_close_ int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* to open a FIFO holds us up, and what a device does then is the host's */
	_cleanup_close_ int at = dir < 0 ? -1 : inroot_open(dir, path, O_PATH);
	char again[32];
	struct stat st;

	if (at < 0 || fstat(at, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
	return fopen(again, "re");
}

/* -EINVAL: no number. */
static int number(const char *text, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n >= UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

/* Cuts @line at its colons; fields that are not there are "". */
static void split(char *line, char *fields[static FIELDS])
{
	static char none[1];

	line[strcspn(line, "\r\n")] = '\0';
	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = line ? line : none;
		line = line ? strchr(line, ':') : NULL;
		if (line)
			*line++ = '\0';
	}
}

static bool lists(char *members, const char *name)
{
	char *save = NULL;

	for (char *w = strtok_r(members, ",", &save); w;
	     w = strtok_r(NULL, ",", &save))
		if (strcmp(w, name) == 0)
			return true;
	return false;
}

/* The container may have written what it likes: a line that is longer, as a hole is, ends
 * the file. */
static bool next_line(FILE *f, char line[static LINE_SIZE])
{
	return fgets(line, LINE_SIZE, f) && (strchr(line, '\n') || feof(f));
}

/* The entry of @who (a name, or a number) in passwd.  -ENOENT. */
static int find_user(const char *root, const char *who, struct box_user *ret,
		     char name[static 256])
{
	FILE *f = open_in(root, "etc/passwd");
	char line[LINE_SIZE], *v[FIELDS];
	uint32_t uid, gid, wanted;
	bool by_number = number(who, &wanted) == 0;
	int r = -ENOENT;

	while (f && r < 0 && next_line(f, line)) {
		split(line, v);
		if (number(v[2], &uid) < 0 || number(v[3], &gid) < 0 ||
		    (by_number ? uid != wanted : strcmp(v[0], who) != 0))
			continue;
		ret->uid = uid;
		ret->gid = gid;
		snprintf(name, 256, "%s", v[0]);
		r = 0;
	}
	if (f)
		fclose(f);
	return r;
}

static int find_group(const char *root, const char *who, uint32_t *ret)
{
	FILE *f = open_in(root, "etc/group");
	char line[LINE_SIZE], *v[FIELDS];
	int r = -ENOENT;

	while (f && r < 0 && next_line(f, line)) {
		split(line, v);
		if (strcmp(v[0], who) == 0 && number(v[2], ret) == 0)
			r = 0;
	}
	if (f)
		fclose(f);
	return r;
}

static void add_groups(const char *root, const char *name, struct box_user *u)
{
	FILE *f = open_in(root, "etc/group");
	char line[LINE_SIZE], *v[FIELDS];
	uint32_t gid;

	while (f && u->group_count < BOX_GROUPS_MAX && next_line(f, line)) {
		split(line, v);
		if (number(v[2], &gid) == 0 && gid != u->gid &&
		    lists(v[3], name))
			u->groups[u->group_count++] = gid;
	}
	if (f)
		fclose(f);
}

/* In which the own group is, too: a file that denies it something is not to be had by a
 * setgid program that has left it. */
static void put_own_first(struct box_user *u)
{
	size_t keep = u->group_count < BOX_GROUPS_MAX ? u->group_count
						      : BOX_GROUPS_MAX - 1;

	memmove(u->groups + 1, u->groups, keep * sizeof(*u->groups));
	u->groups[0] = u->gid;
	u->group_count = keep + 1;
}

static int find_ids(const char *root, const char *text, struct box_user *ret,
		    struct err *err)
{
	size_t len = strcspn(text, ":");
	const char *group = text[len] ? text + len + 1 : NULL;
	_cleanup_free_ char *user = strndup(len ? text : "0", len ? len : 1);
	char name[256] = "";

	*ret = (struct box_user){ 0 };
	if (!user)
		return err_set(err, -ENOMEM, "out of memory");
	if (find_user(root, user, ret, name) < 0 && number(user, &ret->uid) < 0)
		return err_set(err, -ENOENT,
			       "--user %s: there is no user \"%s\" in "
			       "%s/etc/passwd",
			       text, user, root);
	if (!group) {
		if (*name)
			add_groups(root, name, ret);
		return 0;
	}
	if (number(group, &ret->gid) < 0 &&
	    find_group(root, group, &ret->gid) < 0)
		return err_set(err, -ENOENT,
			       "--user %s: there is no group \"%s\" in "
			       "%s/etc/group",
			       text, group, root);
	return 0;
}

int box_user(const char *root, const char *text, struct box_user *ret,
	     struct err *err)
{
	int r = find_ids(root, text, ret, err);

	if (r == 0)
		put_own_first(ret);
	return r;
}
