ar-src += netplugins/lan/lan_attach.c
ar-src += netplugins/lan/lan_ep.c
ar-src += netplugins/lan/lan_host.c
ar-src += netplugins/lan/lan_net.c
ar-src += netplugins/lan/lan_parent.c
ar-src += netplugins/lan/lan_seat.c
ar-src += netplugins/lan/lan_shim.c
test-src += netplugins/lan/lan_rows.c
