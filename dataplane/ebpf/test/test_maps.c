/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hash maps made equal to lists: what is added, changed, deleted, and when a map
 * is too small. */
#include "dataplane/ebpf/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/test/test.h"

#define ROOM 4096

static struct maps_list list_new(void)
{
	return (struct maps_list){ .key_size = 4, .value_size = 8 };
}

static void add(struct maps_list *l, uint32_t key, uint64_t value)
{
	assert_int_equal(maps_list_add(l, &key, &value, NULL), 0);
}

static uint64_t get(int fd, uint32_t key)
{
	uint64_t value = 0;

	return bpf_map_lookup_elem(fd, &key, &value) < 0 ? 0 : value;
}

static int map_new(uint32_t room)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "test", 4, 8, room, &opts);

	if (fd < 0)
		print_message("# SKIP: no BPF maps: %s\n", strerror(-fd));
	return fd;
}

static void adds_changes_and_deletes(void **state)
{
	_cleanup_(maps_list_fini) struct maps_list l = list_new();
	_cleanup_close_ int fd = map_new(ROOM);

	(void)state;
	if (fd < 0)
		return;
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 0);
	add(&l, 1, 10);
	add(&l, 2, 20);
	add(&l, 3, 30);
	assert_int_equal(maps_differ(fd, "test", &l, NULL), 3);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 3);
	assert_int_equal(maps_differ(fd, "test", &l, NULL), 0);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 0);
	maps_list_fini(&l);
	add(&l, 4, 40);
	add(&l, 1, 11);
	add(&l, 3, 30);
	assert_int_equal(maps_differ(fd, "test", &l, NULL), 3);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 3);
	assert_int_equal(get(fd, 1), 11);
	assert_int_equal(get(fd, 2), 0);
	assert_int_equal(get(fd, 3), 30);
	assert_int_equal(get(fd, 4), 40);
	maps_list_fini(&l);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 3);
	assert_int_equal(get(fd, 4), 0);
}

static void of_equal_keys_the_later_counts(void **state)
{
	_cleanup_(maps_list_fini) struct maps_list l = list_new();
	_cleanup_close_ int fd = map_new(ROOM);

	(void)state;
	if (fd < 0)
		return;
	for (uint64_t i = 1; i <= 300; i++) /* more than a list has at first */
		add(&l, (uint32_t)(i % 3), i);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 3);
	assert_int_equal(get(fd, 0), 300);
	assert_int_equal(get(fd, 1), 298);
	assert_int_equal(get(fd, 2), 299);
}

/* More entries than are read at once, and more than a list has room for. */
static void many(void **state)
{
	_cleanup_(maps_list_fini) struct maps_list l = list_new();
	_cleanup_close_ int fd = map_new(ROOM);

	(void)state;
	if (fd < 0)
		return;
	for (uint32_t i = 0; i < 4000; i++)
		add(&l, i * 7919, i + 1);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 4000);
	assert_int_equal(maps_differ(fd, "test", &l, NULL), 0);
	for (uint32_t i = 0; i < 4000; i++)
		assert_int_equal(get(fd, i * 7919), i + 1);
	maps_list_fini(&l);
	add(&l, 7919, 2);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 3999);
	assert_int_equal(get(fd, 7919), 2);
	assert_int_equal(get(fd, 2 * 7919), 0);
}

static void a_full_map_says_so(void **state)
{
	_cleanup_(maps_list_fini) struct maps_list l = list_new();
	_cleanup_close_ int fd = map_new(2);
	struct err err = { "" };

	(void)state;
	if (fd < 0)
		return;
	for (uint32_t i = 1; i <= 3; i++)
		add(&l, i, i);
	assert_int_equal(maps_sync(fd, "things", &l, &err), -E2BIG);
	assert_string_equal(err.msg, "BPF map of things: full");
}

/* A trie's keys: length, then bits.  Its cursor is a key. */
static void a_trie_too(void **state)
{
	struct prefix {
		uint32_t bits, at;
	};
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_(maps_list_fini) struct maps_list l = {
		.key_size = sizeof(struct prefix), .value_size = 4
	};
	_cleanup_close_ int fd =
		bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "test",
			       sizeof(struct prefix), 4, 3000, &opts);
	struct prefix k = { .bits = 32 };
	struct err err = { "" };
	uint32_t value = 0;

	(void)state;
	if (fd < 0)
		return;
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 0);
	for (uint32_t i = 1; i <= 3000; i++) { /* more than one batch */
		k.at = htobe32(i << 8);
		assert_int_equal(maps_list_add(&l, &k, &i, NULL), 0);
	}
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 3000);
	assert_int_equal(maps_differ(fd, "test", &l, NULL), 0);
	k.at = htobe32(7);
	assert_int_equal(maps_list_add(&l, &k, &value, NULL), 0);
	assert_int_equal(maps_sync(fd, "things", &l, &err), -E2BIG);
	assert_string_equal(err.msg, "BPF map of things: full");
	maps_list_fini(&l);
	k = (struct prefix){ .bits = 24, .at = htobe32(5 << 8) };
	value = 77;
	assert_int_equal(maps_list_add(&l, &k, &value, NULL), 0);
	k.bits = 32; /* as before */
	value = 5;
	assert_int_equal(maps_list_add(&l, &k, &value, NULL), 0);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), -E2BIG);
	k = (struct prefix){ .bits = 32, .at = htobe32(9 << 8) };
	assert_int_equal(bpf_map_delete_elem(fd, &k), 0);
	assert_int_equal(maps_sync(fd, "test", &l, NULL), 2999);
	k.at = htobe32((5 << 8) + 3);
	assert_int_equal(bpf_map_lookup_elem(fd, &k, &value), 0);
	assert_int_equal(value, 77);
	k.at = htobe32(5 << 8);
	assert_int_equal(bpf_map_lookup_elem(fd, &k, &value), 0);
	assert_int_equal(value, 5);
	k.at = htobe32(6 << 8);
	assert_int_equal(bpf_map_lookup_elem(fd, &k, &value), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_changes_and_deletes),
		cmocka_unit_test(of_equal_keys_the_later_counts),
		cmocka_unit_test(many),
		cmocka_unit_test(a_full_map_says_so),
		cmocka_unit_test(a_trie_too),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
