ar-src += netplugins/overlay/directory.c
