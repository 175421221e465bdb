/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps that outlive the daemon. */
#include "dataplane/ebpf/pin_map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "lib/base.h"

/* Let @map be the one pinned under its name, if there is one. */
static int reuse_map(const struct pin_dir *d, struct bpf_map *map,
		     const char *prefix, struct err *err)
{
	char path[PIN_PATH_MAX];
	_cleanup_close_ int fd =
		bpf_obj_get(pin_path(d, bpf_map__name(map), path));
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (info.type != bpf_map__type(map) ||
	    info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map))
		return err_set(err, -EPROTO,
			       "%s: another layout than this program's; remove "
			       "%s/%s*",
			       path, d->path, prefix);
	r = bpf_map__reuse_fd(map, fd);
	return r < 0 ? err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

static bool is_ours(const struct bpf_map *map, const char *prefix)
{
	return strncmp(bpf_map__name(map), prefix, strlen(prefix)) == 0 &&
	       !bpf_map__is_internal(map);
}

int pin_reuse_maps(const struct pin_dir *d, struct bpf_object *obj,
		   const char *prefix, struct err *err)
{
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, obj)
	{
		if (r == 0 && is_ours(map, prefix))
			r = reuse_map(d, map, prefix, err);
	}
	return r;
}

int pin_maps(const struct pin_dir *d, struct bpf_object *obj,
	     const char *prefix, struct err *err)
{
	struct bpf_map *map;
	char path[PIN_PATH_MAX];
	int r = 0;

	bpf_object__for_each_map(map, obj)
	{
		if (r < 0 || !is_ours(map, prefix) ||
		    pin_exists(d, bpf_map__name(map)))
			continue;
		r = bpf_obj_pin(bpf_map__fd(map),
				pin_path(d, bpf_map__name(map), path));
		if (r < 0)
			r = err_set(err, r, "%s: %s", path, strerror(-r));
	}
	return r;
}
