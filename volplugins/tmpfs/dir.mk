ar-src += volplugins/tmpfs/tmpfs.c
ar-src += volplugins/tmpfs/tmpfs_host.c
ar-src += volplugins/tmpfs/tmpfs_mount.c
ar-src += volplugins/tmpfs/tmpfs_options.c
bins += berth-tmpfs
berth-tmpfs-main := volplugins/tmpfs/main.c
tests += volplugins/tmpfs/test_tmpfs.c
tests += volplugins/tmpfs/test_tmpfs_options.c
