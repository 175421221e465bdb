ar-src += runtime/names/names.c
ar-src += runtime/names/names_part.c
ar-src += runtime/names/names_valid.c
tests += runtime/names/test/test_names.c
