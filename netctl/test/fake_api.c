/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fake_api.h. */
#include "netctl/test/fake_api.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/test/test.h"

static const char *answer_of(const struct fake_api *f, const char *request)
{
	for (const struct fake_answer *a = f->answers; a->request; a++)
		if (strcmp(a->request, request) == 0)
			return a->body;
	return NULL;
}

/* Up to the empty line: no request of a test has a long body. */
static void read_head(int fd, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	while (len < size - 1 && !strstr(buf, "\r\n\r\n")) {
		ssize_t n = recv(fd, buf + len, size - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		buf[len] = '\0';
	}
}

static void serve(struct fake_api *f, int fd)
{
	char head[4096], text[8192], request[300], rest;
	size_t used = strlen(f->asked);
	const char *body;

	read_head(fd, head, sizeof(head));
	/* "GET /networks HTTP/1.1": two words of it */
	snprintf(request, sizeof(request), "%.*s",
		 (int)(strcspn(head, " ") + 1 +
		       strcspn(head + strcspn(head, " ") + 1, " \r\n")),
		 head);
	snprintf(f->asked + used, sizeof(f->asked) - used, "%s\n", request);
	body = answer_of(f, request);
	snprintf(text, sizeof(text),
		 "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: "
		 "%zu\r\n\r\n%s",
		 body ? "200 OK" : "404 Not Found",
		 strlen(body ? body : "{\"message\":\"none\"}"),
		 body ? body : "{\"message\":\"none\"}");
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (recv(fd, &rest, 1, 0) > 0)
		;
}

static void *serve_all(void *arg)
{
	struct fake_api *f = arg;

	for (;;) {
		_cleanup_close_ int fd = accept(f->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		serve(f, fd);
	}
}

void fake_api_start(struct fake_api *f, const char *path,
		    const struct fake_answer *answers)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*f = (struct fake_api){ .answers = answers };
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	assert_int_equal(listen(f->fd, 8), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, serve_all, f), 0);
}

void fake_api_end(struct fake_api *f)
{
	shutdown(f->fd, SHUT_RDWR); /* ends accept() */
	pthread_join(f->thread, NULL);
	close(f->fd);
}
