/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * selfexe.h - the program runs from a copy that nobody can write to.
 *
 * A process of a container can reach the file of the runtime that joins it
 * (/proc/PID/exe) and write to it once the runtime is gone (CVE-2019-5736).
 */
#ifndef RUNTIME_OCI_SELFEXE_H
#define RUNTIME_OCI_SELFEXE_H

#include "lib/err.h"

/*
 * selfexe_seal() - go on as a sealed copy in memory; returns in the copy.
 *
 * @argv: of main(); executed again with it, so call it first.
 * Return: 0 in the copy; -errno.
 */
int selfexe_seal(char **argv, struct err *err);

#endif
