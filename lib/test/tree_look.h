/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tree_look.h - all that a tree of files is, as text, to compare trees that should be
 * the same. */
#ifndef LIB_TEST_TREE_LOOK_H
#define LIB_TEST_TREE_LOOK_H

/*
 * tree_look() - a line for each fact, in the order of the names: kind, mode, owner,
 * links, size (but of directories), time of change, device, where a link leads, each
 * attribute (ACLs are some), a digest of the content, and the first name of the same
 * file.  What can't be read fails the test.
 * Return: owned.
 */
char *tree_look(const char *dir);

/* trees_alike() - else the first line that differs is told, with @after, and the test
 * fails. */
void trees_alike(const char *a, const char *b, const char *after);

#endif
