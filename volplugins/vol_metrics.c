/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a volume daemon tells Prometheus of its volumes. */
#include "volplugins/vol_api.h"

#define PER_VOLUME                                                        \
	.type = PROM_GAUGE, .method = "Berth.Volumes", .rows = "Volumes", \
	.labels = { { "Name", "volume" }, { NULL, NULL } }

const struct plugd_metric vol_metrics[] = {
	{ .name = "berth_volumes",
	  .help = "Volumes of this driver.",
	  .type = PROM_GAUGE,
	  .method = "Berth.Volumes",
	  .rows = "Volumes" },
	{ .name = "berth_volume_users",
	  .help = "Containers that have a volume mounted.",
	  .value = "Users",
	  PER_VOLUME },
	{ .name = "berth_volume_used_bytes",
	  .help = "What is in a volume, where it is known.",
	  .value = "UsedBytes",
	  .known = "UsageKnown",
	  PER_VOLUME },
	{ .name = "berth_volume_usage_age_seconds",
	  .help = "How old berth_volume_used_bytes is.",
	  .value = "UsageAgeS",
	  .known = "UsageKnown",
	  PER_VOLUME },
	{ .name = "berth_volume_limit_bytes",
	  .help = "How much fits in a volume; 0: no limit.",
	  .value = "LimitBytes",
	  PER_VOLUME },
	{ 0 },
};

/* Which requests are events. */
const struct plugd_event vol_events[] = {
	{ "VolumeDriver.Create", "volume", "create", "Name", NULL },
	{ "VolumeDriver.Remove", "volume", "remove", "Name", NULL },
	{ "VolumeDriver.Mount", "volume", "mount", "Name", "ID" },
	{ "VolumeDriver.Unmount", "volume", "unmount", "Name", "ID" },
	{ "Berth.VolumeResize", "volume", "resize", "Name", NULL },
	{ "Berth.VolumeSnapshot", "volume", "snapshot", "Name", "Snapshot" },
	{ "Berth.VolumeSnapshotRemove", "volume", "unsnapshot", "Name",
	  "Snapshot" },
	{ "Berth.VolumeRollback", "volume", "rollback", "Name", "Snapshot" },
	{ "Berth.VolumeRename", "volume", "rename", "Name", "To" },
	{ 0 },
};
