ar-src += volplugins/fs/grow.c
ar-src += volplugins/fs/mkfs.c
ar-src += volplugins/fs/tool.c
tests += volplugins/fs/test_mkfs.c
