/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Credentials files: read, and forgotten again. */
#include "volplugins/named/named_secret.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "volplugins/mntopt.h"

void named_secret_free(struct named_secret *s)
{
	if (!s)
		return;
	explicit_bzero(s, sizeof(*s));
	(void)munlock(s, sizeof(*s));
	free(s);
}

static int secret_open(const char *path, struct err *err)
{
	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "credentials file %s: %s", path,
			       strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > NAMED_SECRET_MAX)
		return err_set(err, -EINVAL,
			       "credentials file %s: not a file of at most %d "
			       "bytes",
			       path, NAMED_SECRET_MAX);
	if (st.st_uid != geteuid() || st.st_mode & 077)
		return err_set(err, -EACCES,
			       "credentials file %s: others may read it: chown "
			       "root and chmod 600 it",
			       path);
	return take_fd(fd);
}

/* Where the value of @key goes; NULL: not known. */
static char **place(struct named_secret *s, const char *key)
{
	const struct {
		const char *key;
		char **to;
	} keys[] = {
		{ "username", &s->user },     { "user", &s->user },
		{ "password", &s->password }, { "pass", &s->password },
		{ "domain", &s->domain },     { "dom", &s->domain },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].to;
	return NULL;
}

/* A password may hold anything but the end of its line. */
static bool parse_line(struct named_secret *s, char *line)
{
	char *val, **to;

	line += strspn(line, " \t");
	line[strcspn(line, "\r")] = '\0';
	if (!*line || *line == '#')
		return true;
	val = strchr(line, '=');
	if (!val)
		return false;
	*val++ = '\0';
	to = place(s, line);
	if (!to || strlen(val) > MNTOPT_VALUE_MAX)
		return false;
	*to = val;
	return true;
}

static int parse(struct named_secret *s, const char *path, struct err *err)
{
	char *rest = s->text, *line;

	for (unsigned int n = 1; (line = strsep(&rest, "\n")); n++)
		if (!parse_line(s, line))
			return err_set(err, -EINVAL,
				       "credentials file %s, line %u: not "
				       "username=, password= or domain= with "
				       "at most %d bytes",
				       path, n, MNTOPT_VALUE_MAX);
	if (!s->user)
		return err_set(err, -EINVAL,
			       "credentials file %s: no line username=", path);
	return 0;
}

int named_secret_read(const char *path, struct named_secret **ret,
		      struct err *err)
{
	_cleanup_(named_secret_freep) struct named_secret *s =
		calloc(1, sizeof(*s));
	_cleanup_close_ int fd = secret_open(path, err);
	size_t len = 0;
	ssize_t n;
	int r;

	if (fd < 0)
		return fd;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	(void)mlock(s, sizeof(*s)); /* not allowed to everyone */
	while ((n = read(fd, s->text + len, NAMED_SECRET_MAX - len)) > 0)
		len += (size_t)n;
	if (n < 0 || memchr(s->text, '\0', len))
		return err_set(err, n < 0 ? -errno : -EINVAL,
			       "credentials file %s: %s", path,
			       n < 0 ? strerror(errno) : "not text");
	r = parse(s, path, err);
	if (r == 0)
		*ret = take_ptr(s);
	return r;
}
