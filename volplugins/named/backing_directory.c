/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A named volume as a plain directory: no limit, nothing to mount. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

static int directory_make(struct named_volume *v, int dir, struct err *err)
{
	return named_data_make(v, dir, err);
}

static int directory_unmake(struct named_volume *v, int dir, struct err *err)
{
	(void)v;
	/* rmdir is the proof that there is no data */
	if (unlinkat(dir, NAMED_DATA, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(err, errno == EEXIST ? -ENOTEMPTY : -errno,
			       "delete " NAMED_DATA ": %s", strerror(errno));
	return 0;
}

static int directory_verify(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int data = tree_open(dir, NAMED_DATA, err);

	(void)v;
	return data < 0 ? data : 0;
}

static int directory_usage(struct named_volume *v, int dir,
			   struct vol_usage *ret, struct err *err)
{
	(void)dir;
	return named_walker_ask(&named_host_of(v)->walker, v->base.name, ret,
				err);
}

const struct named_backing named_directory = {
	.name = "directory",
	.make = directory_make,
	.unmake = directory_unmake,
	.verify = directory_verify,
	.usage = directory_usage,
};
