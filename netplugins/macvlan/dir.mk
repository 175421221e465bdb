bins += berth-macvlan
berth-macvlan-main := netplugins/macvlan/main.c
ar-src += netplugins/macvlan/macvlan.c
tests += netplugins/macvlan/test_macvlan.c
