bins += berth-ipvlan
berth-ipvlan-main := netplugins/ipvlan/main.c
ar-src += netplugins/ipvlan/ipvlan.c
tests += netplugins/ipvlan/test_ipvlan.c
