/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all directories share. */
#include "netplugins/overlay/directory.h"

#include <stdlib.h>

void ov_view_free(struct ov_view *v)
{
	free(v->hosts);
	free(v->endpoints);
	free(v->fenced);
	*v = (struct ov_view){ 0 };
}
