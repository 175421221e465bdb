tools += hammer
hammer-main := integration/tools/hammer.c
