/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stranger's image says: its index, manifest and configuration, and the tar that
 * they are in.
 *
 * An input that begins with '{' or '[' is three texts, parted by a line "--": the
 * configuration, the manifest (in which "@C" is the configuration's digest), and
 * index.json ("@M" the manifest's), as they lie in a directory; what begins with '[' is
 * manifest.json of docker save in the index's place.  Else it is a tar.  A digest cannot
 * be guessed, so without the signs nothing behind the index would be met.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/digest.h"
#include "netctl/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/fuzz-image-XXXXXX";
static int at = -EBADF; /* it */

static void clean(void)
{
	static const char *const left[] = { "tar", "index.json",
					    "manifest.json", "c.json" };

	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		(void)unlinkat(at, left[i], 0);
	(void)unlinkat(at, "blobs/sha256", AT_REMOVEDIR);
	(void)unlinkat(at, "blobs", AT_REMOVEDIR);
	(void)rmdir(dir);
}

/* Not by the working directory: the corpus is read by it. */
static void begin(void)
{
	if (at >= 0)
		return;
	if (mkdtemp(dir))
		at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || mkdirat(at, "blobs", 0700) < 0 ||
	    mkdirat(at, "blobs/sha256", 0700) < 0)
		abort();
	atexit(clean);
}

static void put(const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = openat(
		at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
}

/* @text with @with for each @sign, of two letters.  Owned. */
static char *put_in(const char *text, const char *sign, const char *with)
{
	char *ret = malloc(strlen(text) * (strlen(with) + 1) + 1), *p = ret;

	if (!ret)
		abort();
	while (*text)
		if (strncmp(text, sign, 2) == 0) {
			p = stpcpy(p, with);
			text += 2;
		} else {
			*p++ = *text++;
		}
	*p = '\0';
	return ret;
}

/* A blob; @ret gets "sha256:..." of it. */
static void put_blob(const char *text, char ret[static DIGEST_HEX_MAX + 7])
{
	_cleanup_(digest_freep) struct digest *d = digest_new();
	char name[DIGEST_HEX_MAX + 16];

	if (!d)
		abort();
	digest_add(d, text, strlen(text));
	memcpy(ret, "sha256:", 7);
	digest_end(d, ret + 7);
	snprintf(name, sizeof(name), "blobs/sha256/%s", ret + 7);
	put(name, text, strlen(text));
}

static void drop_blob(const char *digest)
{
	char name[DIGEST_HEX_MAX + 16];

	snprintf(name, sizeof(name), "blobs/sha256/%s", digest + 7);
	(void)unlinkat(at, name, 0);
}

static void read_all_of(const char *name)
{
	char path[sizeof(dir) + 8];
	_cleanup_(image_source_freep) struct image_source *s = NULL;
	struct image i = { .name = NULL };

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (image_source_open(path, &s, NULL) < 0)
		return;
	if (image_read(s, "", "amd64", &i, NULL) == 0 &&
	    (!i.config || i.layer_count > IMAGE_LAYERS_MAX ||
	     strlen(i.id) != DIGEST_HEX_MAX - 1))
		abort();
	image_fini(&i);
}

static char *next_text(char **rest)
{
	char *text = *rest, *end = strstr(text, "\n--\n");

	*rest = end ? end + 4 : text + strlen(text);
	if (end)
		*end = '\0';
	return text;
}

static void read_texts(char *all)
{
	char config[DIGEST_HEX_MAX + 7], manifest[DIGEST_HEX_MAX + 7];
	const char *top = *all == '[' ? "manifest.json" : "index.json";
	const char *first, *second;
	_cleanup_free_ char *made = NULL, *index = NULL;

	all += *all == '[';
	first = next_text(&all);
	second = next_text(&all);
	put_blob(first, config);
	made = put_in(second, "@C", config);
	put_blob(made, manifest);
	index = put_in(all, "@M", manifest);
	put(top, index, strlen(index));
	put("c.json", first, strlen(first));
	read_all_of("");
	(void)unlinkat(at, top, 0);
	drop_blob(config);
	drop_blob(manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);

	if (!text)
		return 0;
	begin();
	memcpy(text, data, size);
	text[size] = '\0';
	if (size && (*text == '{' || *text == '[')) {
		read_texts(text);
		return 0;
	}
	put("tar", data, size);
	read_all_of("tar");
	return 0;
}
