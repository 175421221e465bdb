/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test.h - cmocka wants these before it, in this order; include only this. */
#ifndef LIB_TEST_TEST_H
#define LIB_TEST_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
