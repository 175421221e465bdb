// SPDX-License-Identifier: GPL-2.0-or-later
/* Three small files of a container. */
#include "netctl/box/etc.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/ip.h"
#include "netctl/jget.h"

#define RESOLV "/etc/resolv.conf"
/* systemd-resolved's own list, where the usual file names its stub alone */
#define RESOLVED "/run/systemd/resolve/resolv.conf"
#define FILE_MAX 65536

static bool is_loopback(const char *server)
{
	_cleanup_free_ char *addr = strndup(server, strcspn(server, "%# \t\r"));
	struct ip_addr a;
	struct ip_prefix four, six;

	if (!addr || ip_parse(addr, &a, NULL) < 0 ||
	    ip_prefix_parse("127.0.0.0/8", &four, NULL) < 0 ||
	    ip_prefix_parse("::1/128", &six, NULL) < 0)
		return false;
	return ip_prefix_contains(&four, &a) || ip_prefix_contains(&six, &a);
}

char *box_etc_resolv(const char *text, size_t *ret_servers)
{
	_cleanup_free_ char *copy = strdup(text);
	char *out = malloc(strlen(text) + 2), *save = NULL;

	*ret_servers = 0;
	if (!copy || !out) {
		free(out);
		return NULL;
	}
	*out = '\0';
	for (char *line = strtok_r(copy, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		size_t word = strcspn(line, " \t");
		bool server =
			word == 10 && strncmp(line, "nameserver", word) == 0;

		if (server &&
		    is_loopback(line + word + strspn(line + word, " \t")))
			continue;
		*ret_servers += server;
		strcat(strcat(out, line), "\n");
	}
	return out;
}

/* Owned; NULL: it can't be read. */
static char *read_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(FILE_MAX);
	ssize_t n = text ? read(fd, text, FILE_MAX - 1) : -1;

	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

static int write_resolv(struct box *b, bool host, struct err *err)
{
	_cleanup_free_ char *text = read_file(RESOLV), *out = NULL;
	size_t servers = 0;

	if (!text || host)
		return box_write(b, "resolv.conf", text ? text : "", err);
	out = box_etc_resolv(text, &servers);
	if (out && servers == 0) {
		_cleanup_free_ char *more = read_file(RESOLVED);

		if (more) {
			free(out);
			out = box_etc_resolv(more, &servers);
		}
	}
	if (!out)
		return err_set(err, -ENOMEM, "out of memory");
	return box_write(b, "resolv.conf", out, err);
}

int box_etc_servers(struct box *b, json_object *servers, struct err *err)
{
	_cleanup_free_ char *text = read_file(RESOLV), *out = NULL;
	char *save = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < jget_len(servers); i++)
		fprintf(f, "nameserver %s\n",
			json_object_get_string(
				json_object_array_get_idx(servers, i)));
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "nameserver", 10) != 0)
			fprintf(f, "%s\n", line);
	if (fclose(f) != 0 || !out)
		return err_set(err, -ENOMEM, "out of memory");
	return box_write(b, "resolv.conf", out, err);
}

int box_etc_hosts(struct box *b, const char *hostname, json_object *addrs,
		  struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	fputs("127.0.0.1\tlocalhost\n"
	      "::1\tlocalhost ip6-localhost ip6-loopback\n"
	      "fe00::0\tip6-localnet\n"
	      "ff00::0\tip6-mcastprefix\n"
	      "ff02::1\tip6-allnodes\n"
	      "ff02::2\tip6-allrouters\n",
	      f);
	for (size_t i = 0; i < jget_len(addrs); i++) {
		const char *a = json_object_get_string(
			json_object_array_get_idx(addrs, i));

		fprintf(f, "%.*s\t%s\n", (int)strcspn(a, "/"), a, hostname);
	}
	if (fclose(f) != 0 || !text)
		return err_set(err, -ENOMEM, "out of memory");
	return box_write(b, "hosts", text, err);
}

int box_etc(struct box *b, const char *hostname, bool host, struct err *err)
{
	_cleanup_free_ char *line = NULL;
	int r;

	if (asprintf(&line, "%s\n", hostname) < 0) {
		line = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = box_write(b, "hostname", line, err);
	if (r == 0)
		r = box_etc_hosts(b, hostname, NULL, err);
	return r == 0 ? write_resolv(b, host, err) : r;
}
