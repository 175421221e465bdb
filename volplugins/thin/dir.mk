ar-src += volplugins/thin/crypt.c
ar-src += volplugins/thin/keys.c
ar-src += volplugins/thin/layout.c
ar-src += volplugins/thin/lower.c
ar-src += volplugins/thin/pool.c
ar-src += volplugins/thin/pool_device.c
ar-src += volplugins/thin/pool_record.c
ar-src += volplugins/thin/pool_watch.c
ar-src += volplugins/thin/record.c
ar-src += volplugins/thin/thin.c
ar-src += volplugins/thin/thin_fs.c
ar-src += volplugins/thin/thin_host.c
ar-src += volplugins/thin/thin_make.c
ar-src += volplugins/thin/thin_snapshot.c
bins += berth-thin
berth-thin-main := volplugins/thin/main.c
tests += volplugins/thin/test_keys.c
tests += volplugins/thin/test_layout.c
tests += volplugins/thin/test_pool.c
tests += volplugins/thin/test_pool_made.c
test-src += volplugins/thin/fake_pool.c
thin-wraps := -Wl,--wrap=dmx_probe,--wrap=dmx_create,--wrap=dmx_remove,--wrap=dmx_remove_last,--wrap=dmx_reload,--wrap=dmx_resume,--wrap=dmx_find,--wrap=dmx_table,--wrap=dmx_each,--wrap=dmx_open,--wrap=dmx_status,--wrap=dmx_message,--wrap=dmx_events_open,--wrap=dmx_events_arm,--wrap=tool_run,--wrap=store_put,--wrap=store_was_restored,--wrap=fallocate
volplugins/thin/test_pool.c-ldflags := $(thin-wraps)
volplugins/thin/test_pool_made.c-ldflags := $(thin-wraps)
# test_keys makes no thread.  The pool's two have races with the fake's event descriptor
# that are still to be settled.
one-thread += $(patsubst %,volplugins/thin/test_%.c,keys pool pool_made)
