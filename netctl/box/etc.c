// SPDX-License-Identifier: GPL-2.0-or-later
/* Three small files of a container. */
#include "netctl/box/etc.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/ip.h"
#include "netctl/box/resolver.h"
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

/* The host's, with what is of use in the container.  Owned; NULL: out of memory. */
static char *host_resolv(bool host)
{
	_cleanup_free_ char *text = read_file(RESOLV), *more = NULL;
	size_t servers = 0;
	char *out;

	if (host || !text)
		return text ? take_ptr(text) : strdup("");
	out = box_etc_resolv(text, &servers);
	if (!out || servers)
		return out;
	more = read_file(RESOLVED);
	if (!more)
		return out;
	free(out);
	return box_etc_resolv(more, &servers);
}

static void print_all(FILE *f, const char *before, json_object *list)
{
	for (size_t i = 0; i < jget_len(list); i++)
		fprintf(f, "%s%s", before,
			json_object_get_string(
				json_object_array_get_idx(list, i)));
}

/* "search ." says: none. */
static bool is_none(json_object *search)
{
	return jget_len(search) == 1 &&
	       strcmp(json_object_get_string(
			      json_object_array_get_idx(search, 0)),
		      ".") == 0;
}

static bool is_word(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0 &&
	       strchr(" \t", line[strlen(word)]);
}

/* What is said in place of the host's lines. */
struct resolv {
	bool inside;
	json_object *servers, *search, *options;
};

static bool is_replaced(const struct resolv *r, const char *line)
{
	if (is_word(line, "nameserver"))
		return r->inside || jget_len(r->servers);
	if (is_word(line, "search") || is_word(line, "domain"))
		return jget_len(r->search);
	return is_word(line, "options") && jget_len(r->options);
}

static bool says_ndots(json_object *options)
{
	for (size_t i = 0; i < jget_len(options); i++)
		if (strncmp(json_object_get_string(
				    json_object_array_get_idx(options, i)),
			    "ndots:", 6) == 0)
			return true;
	return false;
}

static void print_resolv(FILE *f, const struct resolv *r, char *text)
{
	bool ndots = says_ndots(r->options);
	char *save = NULL;

	if (r->inside)
		fputs("nameserver " RESOLVER_ADDRESS "\n", f);
	else
		for (size_t i = 0; i < jget_len(r->servers); i++)
			fprintf(f, "nameserver %s\n",
				json_object_get_string(
					json_object_array_get_idx(r->servers,
								  i)));
	if (jget_len(r->search) && !is_none(r->search)) {
		fputs("search", f);
		print_all(f, " ", r->search);
		fputc('\n', f);
	}
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (is_replaced(r, line))
			continue;
		ndots = ndots ||
			(is_word(line, "options") && strstr(line, "ndots:"));
		fprintf(f, "%s\n", line);
	}
	/* as Docker: "web" is asked for before "web.example.org" */
	ndots = ndots || !r->inside;
	if (jget_len(r->options) || !ndots) {
		fputs("options", f);
		print_all(f, " ", r->options);
		fputs(ndots ? "\n" : " ndots:0\n", f);
	}
}

static int write_resolv(struct box *b, bool host, bool inside, struct err *err)
{
	const struct resolv r = {
		.inside = inside,
		.servers = jget_array(b->rec, "Dns"),
		.search = jget_array(b->rec, "DnsSearch"),
		.options = jget_array(b->rec, "DnsOptions"),
	};
	_cleanup_free_ char *text = host_resolv(host), *out = NULL;
	size_t size = 0;
	FILE *f = text ? open_memstream(&out, &size) : NULL;

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	print_resolv(f, &r, text);
	if (fclose(f) != 0 || !out)
		return err_set(err, -ENOMEM, "out of memory");
	return box_write(b, "resolv.conf", out, err);
}

int box_etc_inside(struct box *b, struct err *err)
{
	return write_resolv(b, false, true, err);
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
	return r == 0 ? write_resolv(b, host, false, err) : r;
}
