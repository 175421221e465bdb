// SPDX-License-Identifier: GPL-2.0-or-later
/* test_image.c - images in a directory: which is meant, what it is made of, and what is
 * none; words that name one. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/image/image.h"
#include "netctl/jget.h"

#define BLOBS 6

static char dir[] = "/tmp/berth-image-XXXXXX";

static void write_file(const char *name, const char *text, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

/* @text with "#N" as the digest of blob N.  Owned. */
static char *fill(const char *text, char digests[BLOBS][DIGEST_HEX_MAX])
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	for (; *text; text++)
		if (text[0] == '#' && text[1] >= '0' && text[1] < '0' + BLOBS)
			fprintf(f, "sha256:%s", digests[*++text - '0']);
		else
			fputc(*text, f);
	fclose(f);
	return out;
}

static void add_blob(const char *text, char digest[DIGEST_HEX_MAX])
{
	struct digest *d = digest_new();
	char name[128];

	digest_add(d, text, strlen(text));
	digest_end(d, digest);
	digest_free(d);
	snprintf(name, sizeof(name), "blobs/sha256/%.64s", digest);
	write_file(name, text, strlen(text));
}

#define L1     "1111111111111111111111111111111111111111111111111111111111111111"
#define L2     "2222222222222222222222222222222222222222222222222222222222222222"
#define CONFIG "\"application/vnd.oci.image.config.v1+json\""
#define ROOTFS \
	"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" L2 "\"]}"
#define ARCH(a) "\"os\":\"linux\",\"architecture\":\"" a "\""
#define CONF(a) "{" ARCH(a) ",\"config\":{\"Cmd\":[\"" a "\"]}," ROOTFS "}"
#define LAYERS                                                                \
	"\"layers\":[{\"mediaType\":\"x\",\"size\":7,\"digest\":\"sha256:" L1 \
	"\"}]"
#define MANIFEST(n)                                                            \
	"{\"config\":{\"mediaType\":" CONFIG ",\"digest\":\"#" n "\"}," LAYERS \
	"}"
#define NAMED(n, name)                             \
	"{\"digest\":\"#" n "\",\"annotations\":{" \
	"\"org.opencontainers.image.ref.name\":\"" name "\"}}"
#define FOR(n, a)   "{\"digest\":\"#" n "\",\"platform\":{" ARCH(a) "}}"
#define INDEX(list) "{\"schemaVersion\":2,\"manifests\":[" list "]}"

struct row {
	const char *name;
	const char *blobs[BLOBS];  /* each may tell of those before it */
	const char *index, *saved; /* NULL: not there */
	const char *tag;
	int want;
	const char *then; /* its command, or a part of the message */
};

static const struct row rows[] = {
	{ "one",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  0,
	  "amd64" },
	{ "by its tag",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", "docker.io/library/a:b")),
	  NULL,
	  "b",
	  0,
	  "amd64" },
	{ "by its name",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", "docker.io/library/a:b")),
	  NULL,
	  "docker.io/library/a:b",
	  0,
	  "amd64" },
	{ "by a part of its name",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", "docker.io/library/a:b")),
	  NULL,
	  "a:b",
	  0,
	  "amd64" },
	{ "no part of its name",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", "docker.io/library/a:b")),
	  NULL,
	  "rary/a:b",
	  -ENOENT,
	  "but docker.io/library/a:b" },
	{ "its whole name, which is a part of another",
	  { "{\"config\":{}," ARCH("amd64") "," ROOTFS "}", MANIFEST("0"),
	    CONF("amd64"), MANIFEST("2") },
	  INDEX(NAMED("1", "x/a:b") "," NAMED("3", "a:b")),
	  NULL,
	  "a:b",
	  0,
	  "amd64" },
	{ "another tag",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "b",
	  -ENOENT,
	  "but a" },
	{ "of another machine",
	  { CONF("arm64"), MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -ENOENT,
	  "linux/arm64" },
	{ "of several machines",
	  { CONF("arm64"), MANIFEST("0"), CONF("amd64"), MANIFEST("2"),
	    INDEX(FOR("1", "arm64") "," FOR("3", "amd64")) },
	  INDEX(NAMED("4", "a")),
	  NULL,
	  "",
	  0,
	  "amd64" },
	{ "of several machines, at the top",
	  { CONF("arm64"), MANIFEST("0"), CONF("amd64"), MANIFEST("2") },
	  INDEX(FOR("1", "arm64") "," FOR("3", "amd64")),
	  NULL,
	  "",
	  0,
	  "amd64" },
	{ "one that is not there, of another machine",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX("{\"digest\":\"sha256:" L1
		"\",\"platform\":{" ARCH("arm64") "}}," FOR("1", "amd64")),
	  NULL,
	  "",
	  0,
	  "amd64" },
	{ "of none of ours",
	  { CONF("arm64"), MANIFEST("0"), CONF("s390x"), MANIFEST("2"),
	    INDEX(FOR("1", "arm64") "," FOR("3", "s390x")) },
	  INDEX(NAMED("4", "a")),
	  NULL,
	  "",
	  -ENOENT,
	  "linux/arm64, linux/s390x" },
	{ "an index that says it is of ours, and is not",
	  { CONF("arm64"), MANIFEST("0") },
	  INDEX(FOR("1", "amd64")),
	  NULL,
	  "",
	  -ENOENT,
	  "linux/arm64" },
	{ "with an attestation",
	  { CONF("amd64"), MANIFEST("0"), "{}",
	    INDEX(FOR("1", "amd64") ",{\"digest\":\"#2\",\"annotations\":{"
				    "\"vnd.docker.reference.type\":"
				    "\"attestation-manifest\"}}") },
	  INDEX(NAMED("3", "a")),
	  NULL,
	  "",
	  0,
	  "amd64" },
	{ "with another artifact",
	  { CONF("amd64"), MANIFEST("0"),
	    "{\"config\":{\"mediaType\":\"x\",\"digest\":\"#0\"},\"layers\":[]"
	    "}" },
	  INDEX("{\"digest\":\"#2\"}," NAMED("1", "a")),
	  NULL,
	  "",
	  0,
	  "amd64" },
	{ "several",
	  { CONF("amd64"), MANIFEST("0"),
	    "{\"config\":{}," ARCH("amd64") "," ROOTFS "}", MANIFEST("2") },
	  INDEX(NAMED("1", "a") "," NAMED("3", "b")),
	  NULL,
	  "",
	  -ENOTUNIQ,
	  "a, b" },
	{ "the second of several",
	  { "{\"config\":{}," ARCH("amd64") "," ROOTFS "}", MANIFEST("0"),
	    CONF("amd64"), MANIFEST("2") },
	  INDEX(NAMED("1", "a") "," NAMED("3", "b")),
	  NULL,
	  "b",
	  0,
	  "amd64" },
	{ "one with two names",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", "a") "," NAMED("1", "b")),
	  NULL,
	  "",
	  0,
	  "amd64" },
	{ "a name that is none",
	  { CONF("amd64"), MANIFEST("0") },
	  INDEX(NAMED("1", L1 L1 L1 L1 L1 L1 L1 L1)),
	  NULL,
	  "",
	  -EBADMSG,
	  "has 512 bytes" },
	{ "an index in itself is deep",
	  { INDEX(""), INDEX(NAMED("0", "a")), INDEX(NAMED("1", "a")),
	    INDEX(NAMED("2", "a")), INDEX(NAMED("3", "a")),
	    INDEX(NAMED("4", "a")) },
	  INDEX(NAMED("5", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "too deep" },
	{ "no such blob",
	  { NULL },
	  INDEX("{\"digest\":\"sha256:" L1 "\"}"),
	  NULL,
	  "",
	  -ENOENT,
	  "blobs/sha256/11" },
	{ "a digest that leads out",
	  { NULL },
	  INDEX("{\"digest\":\"sha256:../../../../../../etc/passwd\"}"),
	  NULL,
	  "",
	  -EBADMSG,
	  "only sha256" },
	{ "a digest in capitals",
	  { NULL },
	  INDEX("{\"digest\":\"sha256:"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AA\"}"),
	  NULL,
	  "",
	  -EBADMSG,
	  "only sha256" },
	{ "no digest",
	  { NULL },
	  INDEX("{}"),
	  NULL,
	  "",
	  -EBADMSG,
	  "only sha256" },
	{ "sha512",
	  { NULL },
	  INDEX("{\"digest\":\"sha512:" L1 L1 "\"}"),
	  NULL,
	  "",
	  -EBADMSG,
	  "only sha256" },
	{ "fewer layers than said",
	  { "{" ARCH("amd64") ",\"rootfs\":{\"diff_ids\":[]}}", MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "1 layers, and 0" },
	{ "no layers at all",
	  { "{" ARCH("amd64") "}",
	    "{\"config\":{\"mediaType\":" CONFIG ",\"digest\":\"#0\"}}" },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "0 layers" },
	{ "a diff_id that is none",
	  { "{" ARCH("amd64") ",\"rootfs\":{\"diff_ids\":[{}]}}",
	    MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "only sha256" },
	{ "an Entrypoint that is a text",
	  { "{" ARCH("amd64") ",\"config\":{\"Entrypoint\":\"sh\"}," ROOTFS "}",
	    MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "\"Entrypoint\"" },
	{ "an Env of numbers",
	  { "{" ARCH("amd64") ",\"config\":{\"Env\":[1]}," ROOTFS "}",
	    MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "\"Env\"" },
	{ "Volumes in a row",
	  { "{" ARCH("amd64") ",\"config\":{\"Volumes\":[]}," ROOTFS "}",
	    MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "\"Volumes\"" },
	{ "a configuration that is no object",
	  { "{" ARCH("amd64") ",\"config\":[]," ROOTFS "}", MANIFEST("0") },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "no object" },
	{ "encrypted layers",
	  { CONF("amd64"),
	    "{\"config\":{\"mediaType\":" CONFIG ",\"digest\":\"#0\"},"
	    "\"layers\":[{\"mediaType\":\"application/"
	    "vnd.oci.image.layer.v1.tar"
	    "+gzip+encrypted\",\"digest\":\"sha256:" L1 "\"}]}" },
	  INDEX(NAMED("1", "a")),
	  NULL,
	  "",
	  -EBADMSG,
	  "encrypted" },
	{ "text that is no JSON",
	  { NULL },
	  "manifests",
	  NULL,
	  "",
	  -EBADMSG,
	  "index.json" },
	{ "JSON behind JSON",
	  { NULL },
	  "{}}, {",
	  NULL,
	  "",
	  -EBADMSG,
	  "index.json" },
	{ "JSON and another member",
	  { NULL },
	  "[],\"x\":[]",
	  NULL,
	  "",
	  -EBADMSG,
	  "text after" },
	{ "JSON and the same member",
	  { NULL },
	  "{},\"is\":{}",
	  NULL,
	  "",
	  -EBADMSG,
	  "text after" },
	{ "null", { NULL }, "null", NULL, "", -ENOENT, "none at all" },
	{ "an index that is an array",
	  { NULL },
	  "[]",
	  NULL,
	  "",
	  -ENOENT,
	  "none at all" },
	{ "nothing", { NULL }, NULL, NULL, "", -EBADMSG, "neither" },
	{ "saved",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"config.json\",\"RepoTags\":[\"a:1\"],"
	  "\"Layers\":[\"x/layer.tar\"]}]",
	  "",
	  0,
	  "amd64" },
	{ "saved, by its tag",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"none\",\"RepoTags\":[\"a:2\"]},"
	  "{\"Config\":\"config.json\",\"RepoTags\":[\"x\", \"a:1\"],"
	  "\"Layers\":[\"x/layer.tar\"]}]",
	  "1",
	  0,
	  "amd64" },
	{ "saved, its whole name, which is a part of another",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"none\",\"RepoTags\":[\"x/a:2\"]},"
	  "{\"Config\":\"config.json\",\"RepoTags\":[\"x\", \"a:2\"],"
	  "\"Layers\":[\"x/layer.tar\"]}]",
	  "a:2",
	  0,
	  "amd64" },
	{ "saved, by a part of its name",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"none\",\"RepoTags\":[\"localhost/b:1\"]},"
	  "{\"Config\":\"config.json\",\"RepoTags\":[\"localhost/a:1\"],"
	  "\"Layers\":[\"x/layer.tar\"]}]",
	  "a:1",
	  0,
	  "amd64" },
	{ "saved, several",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"none\",\"RepoTags\":[\"a:2\"]},"
	  "{\"Config\":\"config.json\",\"RepoTags\":[\"a:1\"],"
	  "\"Layers\":[\"x/layer.tar\"]}]",
	  "",
	  -ENOTUNIQ,
	  "a:2, a:1" },
	{ "saved, with a name that is none",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"config.json\",\"RepoTags\":[\"" L1 L1 L1 L1 L1 L1 L1
		  L1 ":1\"],\"Layers\":[\"x/layer.tar\"]}]",
	  "",
	  -EBADMSG,
	  "has 514 bytes" },
	{ "saved, another",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"config.json\",\"RepoTags\":null,"
	  "\"Layers\":[\"x/layer.tar\"]}]",
	  "2",
	  -ENOENT,
	  "<none>" },
	{ "saved, its configuration outside",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"../../../../etc/hostname\",\"Layers\":[\"x\"]}]",
	  "",
	  -ENOENT,
	  "etc/hostname" },
	{ "saved, its configuration through a link",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"link\",\"Layers\":[\"x\"]}]",
	  "",
	  -ELOOP,
	  "link" },
	{ "saved, its configuration another",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"" L1 ".json\",\"Layers\":[\"x\"]}]",
	  "",
	  -EBADMSG,
	  "was changed" },
	{ "saved, a layer that is no name",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"config.json\",\"Layers\":[{}]}]",
	  "",
	  -EBADMSG,
	  "no file" },
	{ "saved, fewer layers",
	  { NULL },
	  NULL,
	  "[{\"Config\":\"config.json\",\"Layers\":[\"a\",\"b\"]}]",
	  "",
	  -EBADMSG,
	  "2 layers, and 1" },
	{ "saved, an object",
	  { NULL },
	  NULL,
	  "{}",
	  "",
	  -ENOENT,
	  "none at all" },
};

static void make(const struct row *w)
{
	char digests[BLOBS][DIGEST_HEX_MAX] = { "" }, command[128];

	snprintf(command, sizeof(command),
		 "rm -rf %s/* && mkdir -p %s/blobs/sha256", dir, dir);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < BLOBS && w->blobs[i]; i++) {
		_cleanup_free_ char *text = fill(w->blobs[i], digests);

		add_blob(text, digests[i]);
	}
	if (w->index) {
		_cleanup_free_ char *text = fill(w->index, digests);

		write_file("index.json", text, strlen(text));
	}
	if (!w->saved)
		return;
	write_file("manifest.json", w->saved, strlen(w->saved));
	write_file("config.json", CONF("amd64"), strlen(CONF("amd64")));
	write_file(L1 ".json", CONF("amd64"), strlen(CONF("amd64")));
	snprintf(command, sizeof(command), "ln -s config.json %s/link", dir);
	assert_int_equal(system(command), 0);
}

static void row(void **state)
{
	const struct row *w = *state;
	struct image_source *s = NULL;
	struct image image = { 0 };
	struct err err = { 0 };
	json_object *cmd;
	int r;

	make(w);
	assert_int_equal(image_source_open(dir, &s, &err), 0);
	r = image_read(s, w->tag, "amd64", &image, &err);
	if (r != w->want)
		print_message("%s\n", err.msg);
	assert_int_equal(r, w->want);
	if (r < 0) {
		if (!strstr(err.msg, w->then))
			print_message("%s\n", err.msg);
		assert_non_null(strstr(err.msg, w->then));
	} else {
		cmd = jget_array(image.config, "Cmd");
		assert_string_equal(json_object_get_string(
					    json_object_array_get_idx(cmd, 0)),
				    w->then);
		assert_int_equal(strlen(image.id), 64);
		assert_int_equal(image.layer_count, 1);
		assert_string_equal(image.layers[0].diff_id, L2);
		assert_string_equal(image.layers[0].digest, w->saved ? "" : L1);
		assert_string_equal(image.layers[0].name,
				    w->saved ? "x/layer.tar"
					     : "blobs/sha256/" L1);
	}
	image_fini(&image);
	image_source_free(s);
}

/* What is at a digest's name must have it. */
static void changed(void **state)
{
	static const struct row one = { "",
					{ CONF("amd64"), MANIFEST("0") },
					INDEX(NAMED("1", "a")),
					NULL,
					"",
					0,
					"" };
	struct image_source *s = NULL;
	struct image image = { 0 };
	struct err err = { 0 };
	char command[160];

	(void)state;
	make(&one);
	snprintf(command, sizeof(command),
		 "for f in %s/blobs/sha256/*; do echo >>$f; done", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(image_source_open(dir, &s, &err), 0);
	assert_int_equal(image_read(s, "", "amd64", &image, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "was changed"));
	image_fini(&image);
	image_source_free(s);
}

static void too_large(void **state)
{
	struct image_source *s = NULL;
	struct image image = { 0 };
	struct err err = { 0 };
	char command[160];

	(void)state;
	snprintf(command, sizeof(command),
		 "rm -rf %s/*; truncate -s 5M %s/index.json", dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(image_source_open(dir, &s, &err), 0);
	assert_int_equal(image_read(s, "", "amd64", &image, &err), -EFBIG);
	image_source_free(s);
}

/* A tar that is cut while it is open: what there was of the file is not it. */
static void cut(void **state)
{
	struct image_source *s = NULL;
	char digest[DIGEST_HEX_MAX], command[256], path[64];
	_cleanup_free_ char *text = NULL;
	struct err err = { 0 };
	size_t len = 1u << 30;

	(void)state;
	snprintf(path, sizeof(path), "%s/cut.tar", dir);
	snprintf(command, sizeof(command),
		 "cd %s && rm -rf * && truncate -s 600000 index.json && "
		 "tar -cf cut.tar index.json",
		 dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(image_source_open(path, &s, &err), 0);
	assert_int_equal(truncate(path, 2048), 0);
	assert_int_equal(
		image_source_text(s, "index.json", &text, &len, digest, &err),
		-EBADMSG);
	assert_null(text);
	image_source_free(s);
}

static void many_layers(void **state)
{
	static const struct row none = { "", { NULL }, NULL, NULL, "", 0, "" };
	struct image_source *s = NULL;
	struct image image = { 0 };
	struct err err = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	make(&none);
	fprintf(f, "[{\"Config\":\"config.json\",\"Layers\":[\"a\"");
	for (int i = 0; i < IMAGE_LAYERS_MAX; i++)
		fprintf(f, ",\"a\"");
	fprintf(f, "]}]");
	fclose(f);
	write_file("manifest.json", text, size);
	write_file("config.json", CONF("amd64"), strlen(CONF("amd64")));
	assert_int_equal(image_source_open(dir, &s, &err), 0);
	assert_int_equal(image_read(s, "", "amd64", &image, &err), -EFBIG);
	image_fini(&image);
	image_source_free(s);
}

/* ---- words -------------------------------------------------------------------------- */

struct word {
	const char *name; /* below the directory */
	int want;
	const char *path, *tag;
};

static const struct word words[] = {
	{ "root", 0, NULL, NULL },
	{ "written", 0, NULL, NULL },
	{ "layout", 1, "layout", "" },
	{ "layout:a", 1, "layout", "a" },
	{ "saved", 1, "saved", "" },
	{ "x.tar", 1, "x.tar", "" },
	{ "x.tar:a:1", 1, "x.tar", "a:1" },
	{ "x:y.tar", 1, "x:y.tar", "" },
	{ "x:y.tar:z", 1, "x:y.tar", "z" },
	{ "none", -ENOENT, NULL, NULL },
	{ "none:a", -ENOENT, NULL, NULL },
	{ "none/layout:a", -ENOENT, NULL, NULL },
};

static void word(void **state)
{
	const struct word *w = *state;
	char given[128], want[128], command[256];
	_cleanup_free_ char *path = NULL;
	const char *tag = NULL;
	struct err err = { 0 };
	int r;

	snprintf(command, sizeof(command),
		 "cd %s && mkdir -p root layout saved written/proc && touch "
		 "layout/oci-layout written/oci-layout written/manifest.json "
		 "saved/manifest.json x.tar x:y.tar",
		 dir);
	assert_int_equal(system(command), 0);
	snprintf(given, sizeof(given), "%s/%s", dir, w->name);
	r = image_word(given, &path, &tag, &err);
	assert_int_equal(r, w->want);
	if (r <= 0)
		return;
	snprintf(want, sizeof(want), "%s/%s", dir, w->path);
	assert_string_equal(path, want);
	assert_string_equal(tag, w->tag);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	test_rmdir(dir);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(words) + 4];
	size_t n = TEST_ROWS(tests, rows, row);

	n += TEST_ROWS(tests + n, words, word);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(changed);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(too_large);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(cut);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(many_layers);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("image", tests, n, setup, teardown);
}
