/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmds.h - every verb; each is defined in a cmd_<noun>.c. */
#ifndef NETCTL_CMDS_H
#define NETCTL_CMDS_H

#include "netctl/cli.h"

extern const struct cmd cmd_up, cmd_down, cmd_restart;
extern const struct cmd cmd_ports;
extern const struct cmd cmd_port_add, cmd_port_rm, cmd_port_ls,
	cmd_port_backend_add, cmd_port_backend_rm;
extern const struct cmd cmd_name_ls, cmd_name_add, cmd_name_rm;
extern const struct cmd cmd_network_ls, cmd_network_inspect, cmd_network_create,
	cmd_network_rm, cmd_network_prune;
extern const struct cmd cmd_attach, cmd_detach;
extern const struct cmd cmd_run, cmd_ps, cmd_logs, cmd_exec, cmd_stop,
	cmd_start, cmd_kill, cmd_wait, cmd_rm, cmd_inspect, cmd_image_ls,
	cmd_image_rm, cmd_image_prune;
extern const struct cmd cmd_volume_ls, cmd_volume_inspect, cmd_volume_resize,
	cmd_volume_df, cmd_volume_prune, cmd_volume_create, cmd_volume_rm,
	cmd_volume_rename;
extern const struct cmd cmd_volume_snapshot, cmd_volume_snapshot_ls,
	cmd_volume_snapshot_rm, cmd_volume_clone, cmd_volume_rollback,
	cmd_volume_backup, cmd_volume_restore;
extern const struct cmd cmd_ipam_pools, cmd_ipam_leases, cmd_ipam_check,
	cmd_ipam_gc;
extern const struct cmd cmd_overlay_adopt;
extern const struct cmd cmd_overlay_gc;
extern const struct cmd cmd_doctor, cmd_gc, cmd_top, cmd_events, cmd_trace,
	cmd_metrics, cmd_version;

#endif
