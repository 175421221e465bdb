/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of a volume in memory: what each spelling comes to, and what not. */
#include "lib/test/test.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/jdec.h"
#include "volplugins/tmpfs/tmpfs_priv.h"

struct row {
	const char *name, *opts;
	const char *want; /* as dump() writes it; NULL: refused */
	const char *msg;
};

static const struct row rows[] = {
	{ .name = "nothing", .opts = "{}", .want = "1777 0:0" },
	{ .name = "all of ours",
	  .opts = "{'size':'64m','inodes':'100k','mode':'0750','uid':'33',"
		  "'gid':'34','noexec':'','huge':'advise','berth.keep':'on'}",
	  .want = "67108864 inodes=102400 0750 33:34 noexec huge=advise keep" },
	{ .name = "all of Docker's",
	  .opts = "{'type':'tmpfs','device':'tmpfs','o':'size=64m,"
		  "nr_inodes=102400,mode=0750,uid=33,gid=34,noexec,"
		  "huge=advise','keep':'on'}",
	  .want = "67108864 inodes=102400 0750 33:34 noexec huge=advise keep "
		  "source=tmpfs" },
	{ .name = "o alone",
	  .opts = "{'o':'size=4k'}",
	  .want = "4096 1777 0:0" },
	{ .name = "one byte is a page",
	  .opts = "{'size':'1'}",
	  .want = "4096 1777 0:0" },
	{ .name = "one byte in o",
	  .opts = "{'o':'size=1'}",
	  .want = "4096 1777 0:0" },
	{ .name = "1 PiB",
	  .opts = "{'size':'1p'}",
	  .want = "1125899906842624 1777 0:0" },
	{ .name = "with the unit spelled out",
	  .opts = "{'size':'2MiB'}",
	  .want = "2097152 1777 0:0" },
	{ .name = "percent", .opts = "{'size':'50%'}", .want = "50% 1777 0:0" },
	{ .name = "percent in o",
	  .opts = "{'o':'size=100%'}",
	  .want = "100% 1777 0:0" },
	{ .name = "blocks",
	  .opts = "{'o':'nr_blocks=2'}",
	  .want = "8192 1777 0:0" },
	{ .name = "the last size counts, as for mount(8)",
	  .opts = "{'o':'size=50%,nr_blocks=2,size=1m'}",
	  .want = "1048576 1777 0:0" },
	{ .name = "words",
	  .opts = "{'o':'sync,dirsync,lazytime,inode64,noswap,ro,suid,dev'}",
	  .want = "1777 0:0 words=77 ro suid dev" },
	{ .name = "the last of two words counts",
	  .opts = "{'o':'sync,async,inode64,inode32,rw,ro,rw,dev,nodev'}",
	  .want = "1777 0:0 words=8" },
	{ .name = "a memory policy",
	  .opts = "{'o':'mpol=bind:0-1,mpol=local'}",
	  .want = "1777 0:0 mpol=local" },
	{ .name = "a device of one's own",
	  .opts = "{'device':'cache'}",
	  .want = "1777 0:0 source=cache" },
	{ .name = "noexec off",
	  .opts = "{'noexec':'off','berth.keep':'no'}",
	  .want = "1777 0:0" },

	{ .name = "size 0",
	  .opts = "{'size':'0'}",
	  .msg = "option size: 0 would be no limit" },
	{ .name = "size 0 in o",
	  .opts = "{'o':'size=0'}",
	  .msg = "mount option size=\"0\": not a size like 64m, 1g or 50%, and "
		 "not 0, which would be no limit" },
	{ .name = "no blocks",
	  .opts = "{'o':'nr_blocks=0'}",
	  .msg = "option size: 0 would be no limit" },
	{ .name = "negative", .opts = "{'size':'-1'}", .msg = "option size: " },
	{ .name = "a word", .opts = "{'size':'all'}", .msg = "option size: " },
	{ .name = "no text", .opts = "{'size':''}", .msg = "size" },
	{ .name = "two exbibytes",
	  .opts = "{'size':'2e'}",
	  .msg = "option size: more than 1 EiB" },
	{ .name = "0 %",
	  .opts = "{'size':'0%'}",
	  .msg = "option size: not a percentage in 1%..100%" },
	{ .name = "101 %",
	  .opts = "{'size':'101%'}",
	  .msg = "option size: not a percentage in 1%..100%" },
	{ .name = "no inodes",
	  .opts = "{'inodes':'0'}",
	  .msg = "option inodes: not in 2..1099511627776" },
	{ .name = "no inodes in o",
	  .opts = "{'o':'nr_inodes=0'}",
	  .msg = "option inodes: not in 2..1099511627776" },
	{ .name = "inodes without end",
	  .opts = "{'inodes':'2t'}",
	  .msg = "option inodes: not in 2..1099511627776" },
	{ .name = "the owner nobody can be",
	  .opts = "{'o':'uid=4294967295'}",
	  .msg = "mount option uid=4294967295: not in 0..4294967294" },
	{ .name = "mode with a type",
	  .opts = "{'o':'mode=10777'}",
	  .msg = "mount option mode=10777: not in 0..7777" },
	{ .name = "huge of no kind",
	  .opts = "{'huge':'force'}",
	  .msg = "huge" },
	{ .name = "huge of no kind in o",
	  .opts = "{'o':'huge=deny'}",
	  .msg = "mount option huge=\"deny\": not one of never, always, "
		 "within_size, advise" },
	{ .name = "another file system",
	  .opts = "{'type':'ext4','device':'/dev/sda1'}",
	  .msg = "option type=\"ext4\": a volume of berth-tmpfs is in memory "
		 "(type=tmpfs); berth-named mounts others" },
	{ .name = "a bind",
	  .opts = "{'o':'bind','device':'/etc'}",
	  .msg = "mount option bind goes with type=none" },
	{ .name = "size twice",
	  .opts = "{'size':'1m','o':'size=1m'}",
	  .msg = "option size: given twice, here and in o=" },
	{ .name = "blocks and size",
	  .opts = "{'size':'1m','o':'nr_blocks=5'}",
	  .msg = "option size: given twice, here and in o=" },
	{ .name = "inodes twice",
	  .opts = "{'inodes':'5','o':'nr_inodes=5'}",
	  .msg = "option inodes: given twice, here and in o=" },
	{ .name = "uid twice",
	  .opts = "{'uid':'0','o':'uid=0'}",
	  .msg = "option uid: given twice, here and in o=" },
	{ .name = "gid twice",
	  .opts = "{'gid':'0','o':'gid=0'}",
	  .msg = "option gid: given twice, here and in o=" },
	{ .name = "mode twice",
	  .opts = "{'mode':'0','o':'mode=0'}",
	  .msg = "option mode: given twice, here and in o=" },
	{ .name = "huge twice",
	  .opts = "{'huge':'never','o':'huge=never'}",
	  .msg = "option huge: given twice, here and in o=" },
	{ .name = "keep twice",
	  .opts = "{'keep':'on','berth.keep':'off'}",
	  .msg = "options keep and berth.keep are the same: give one" },
	{ .name = "unknown",
	  .opts = "{'inode':'5'}",
	  .msg = "did you mean \"inodes\"?" },

	/* hostile */
	{ .name = "another option in a value",
	  .opts = "{'device':'x,size=1t'}",
	  .want = "1777 0:0 source=x,size=1t" },
	{ .name = "an option in a policy",
	  .opts = "{'o':'mpol=local,suid'}",
	  .want = "1777 0:0 suid mpol=local" },
	{ .name = "an option after a size",
	  .opts = "{'size':'1m,suid'}",
	  .msg = "option size: " },
	{ .name = "remount",
	  .opts = "{'o':'remount,size=1m'}",
	  .msg = "mount option \"remount\" is refused" },
	{ .name = "context",
	  .opts = "{'o':'context=a:b:c'}",
	  .msg = "mount option \"context\" is refused" },
	{ .name = "what tmpfs has not",
	  .opts = "{'o':'user_xattr'}",
	  .msg = "mount option \"user_xattr\" is not for type=tmpfs" },
	{ .name = "a line feed",
	  .opts = "{'o':'size=1m\\nsuid'}",
	  .msg = "option o: a control character" },
	{ .name = "a source",
	  .opts = "{'o':'source=/dev/sda'}",
	  .msg = "unknown mount option \"source\"" },
};

/* A volume as the core makes one; NULL: refused. */
static struct tmpfs_volume *volume(const char *opts, struct err *err)
{
	struct tmpfs_volume *v = calloc(1, sizeof(*v));
	_cleanup_(json_putp) json_object *map = NULL;
	_cleanup_free_ char *text = strdup(opts);
	int r;

	assert_non_null(v);
	assert_non_null(text);
	for (char *p = text; (p = strchr(p, '\'')); p++)
		*p = '"';
	assert_int_equal(jdec_parse(text, strlen(text), &map, NULL), 0);
	v->base.driver = &tmpfs_driver;
	tmpfs_driver.defaults(&v->base);
	r = opts_decode(map, tmpfs_driver.options, &v->opts, "x", err);
	if (r == 0)
		r = tmpfs_driver.init(&v->base, err);
	if (r == 0)
		return v;
	assert_int_equal(r, -EINVAL);
	free(v);
	return NULL;
}

static void dump(const struct tmpfs_options *o, char *buf, size_t size)
{
	const uint64_t usual = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	FILE *f = fmemopen(buf, size, "w");

	assert_non_null(f);
	if (o->bytes)
		fprintf(f, "%llu ", (unsigned long long)o->bytes);
	if (o->percent)
		fprintf(f, "%u%% ", o->percent);
	if (o->inodes)
		fprintf(f, "inodes=%llu ", (unsigned long long)o->inodes);
	fprintf(f, "%04o %u:%u", o->mode, o->uid, o->gid);
	if (o->words)
		fprintf(f, " words=%x", o->words);
	if (o->attr & MOUNT_ATTR_RDONLY)
		fprintf(f, " ro");
	if (~o->attr & usual & MOUNT_ATTR_NOSUID)
		fprintf(f, " suid");
	if (~o->attr & usual & MOUNT_ATTR_NODEV)
		fprintf(f, " dev");
	if (o->attr & MOUNT_ATTR_NOEXEC)
		fprintf(f, " noexec");
	if (o->huge)
		fprintf(f, " huge=%s", tmpfs_huge[o->huge - 1]);
	if (o->keep)
		fprintf(f, " keep");
	if (o->mpol[0])
		fprintf(f, " mpol=%s", o->mpol);
	if (o->source[0])
		fprintf(f, " source=%s", o->source);
	fclose(f);
}

static void options_row(void **state)
{
	const struct row *row = *state;
	struct err err = { 0 };
	_cleanup_free_ struct tmpfs_volume *v = volume(row->opts, &err);
	char got[1024] = "";

	if (!row->want) {
		assert_null(v);
		if (!strstr(err.msg, row->msg))
			fail_msg("\"%s\", not \"%s\"", err.msg, row->msg);
		return;
	}
	if (!v)
		fail_msg("%s", err.msg);
	dump(&v->opts, got, sizeof(got));
	assert_string_equal(got, row->want);
}

/* So the core knows that a Create is for the same volume. */
static void spellings_are_equal(void **state)
{
	static const char *const same[][2] = {
		{ "{'size':'64m','uid':'5','noexec':'on'}",
		  "{'type':'tmpfs','o':'noexec,uid=5,size=67108864'}" },
		{ "{'size':'64m'}", "{'size':'65536k'}" },
		{ "{'o':'mpol=interleave:0-1,mpol=local'}",
		  "{'o':'mpol=local'}" },
		{ "{'berth.keep':'on'}", "{'keep':'true'}" },
		{ "{'mode':'1777','gid':'0'}", "{}" },
	};
	static const char *const other[][2] = {
		{ "{'size':'64m'}", "{'size':'65m'}" },
		{ "{'size':'50%'}", "{}" },
		{ "{'huge':'never'}", "{}" },
		{ "{'keep':'on'}", "{}" },
		{ "{'o':'suid'}", "{}" },
		{ "{'o':'shared'}", "{}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		_cleanup_free_ struct tmpfs_volume *a = volume(same[i][0],
							       NULL),
						   *b = volume(same[i][1],
							       NULL);

		assert_memory_equal(&a->opts, &b->opts, sizeof(a->opts));
	}
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		_cleanup_free_ struct tmpfs_volume *a = volume(other[i][0],
							       NULL),
						   *b = volume(other[i][1],
							       NULL);

		assert_memory_not_equal(&a->opts, &b->opts, sizeof(a->opts));
	}
}

/* After a resize the record has one size, and can be read. */
static void another_size_is_the_only_one(void **state)
{
	static const struct {
		const char *opts, *left;
	} cases[] = {
		{ "{ \"o\": \"size=1m\" }", "{ }" },
		{ "{ \"o\": \"uid=5,size=1m,,ro,nr_blocks=7\", \"a\": \"b\" }",
		  "{ \"o\": \"uid=5,ro\", \"a\": \"b\" }" },
		{ "{ \"size\": \"1m\" }", "{ \"size\": \"1m\" }" },
		{ "{ \"o\": \"resize=1,nr_inodes=4\" }",
		  "{ \"o\": \"resize=1,nr_inodes=4\" }" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_putp) json_object *map = NULL;

		assert_int_equal(jdec_parse(cases[i].opts,
					    strlen(cases[i].opts), &map, NULL),
				 0);
		assert_int_equal(tmpfs_driver.unsize(map), 0);
		assert_string_equal(json_object_to_json_string(map),
				    cases[i].left);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = options_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	tests[ARRAY_SIZE(rows)] =
		(struct CMUnitTest)cmocka_unit_test(spellings_are_equal);
	tests[ARRAY_SIZE(rows) + 1] = (struct CMUnitTest)cmocka_unit_test(
		another_size_is_the_only_one);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
