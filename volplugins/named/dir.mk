ar-src += volplugins/named/named.c
ar-src += volplugins/named/named_trash.c
bins += berth-named
berth-named-main := volplugins/named/main.c
tests += volplugins/named/test_named.c
