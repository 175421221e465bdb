/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl: runs Berth's daemons and shows what they hold. */
#include "netctl/cmds.h"

static const struct cmd *const cmds[] = {
	&cmd_up,
	&cmd_down,
	&cmd_restart,
	&cmd_ports,
	&cmd_port_add,
	&cmd_port_rm,
	&cmd_port_ls,
	&cmd_port_backend_add,
	&cmd_port_backend_rm,
	&cmd_name_ls,
	&cmd_name_add,
	&cmd_name_rm,
	&cmd_network_ls,
	&cmd_network_inspect,
	&cmd_network_create,
	&cmd_network_rm,
	&cmd_network_prune,
	&cmd_attach,
	&cmd_detach,
	&cmd_volume_ls,
	&cmd_volume_inspect,
	&cmd_volume_create,
	&cmd_volume_rm,
	&cmd_volume_resize,
	&cmd_volume_rename,
	&cmd_volume_snapshot_ls, /* before the shorter name */
	&cmd_volume_snapshot_rm,
	&cmd_volume_snapshot,
	&cmd_volume_clone,
	&cmd_volume_rollback,
	&cmd_volume_backup,
	&cmd_volume_restore,
	&cmd_volume_df,
	&cmd_volume_prune,
	&cmd_ipam_pools,
	&cmd_ipam_leases,
	&cmd_ipam_check,
	&cmd_ipam_gc,
	&cmd_overlay_adopt,
	&cmd_overlay_gc,
	&cmd_doctor,
	&cmd_gc,
	&cmd_trace,
	&cmd_metrics,
	&cmd_version,
	NULL,
};

int main(int argc, char **argv)
{
	return cli_main(cmds, argc, argv);
}
