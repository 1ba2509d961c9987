/* The name under which ps and top show this process.
 *
 * Only for executables of ours: the title is written over the memory of argv,
 * which an embedding host never gives away. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_TITLE_H
#define AIMP_OS_TITLE_H

/* Call first in main, and use the returned copy of argv from then on: the strings
 * of the original turn into the title. The copy lives for ever; when there is no
 * memory for it argv itself is returned and titles reach the thread's name only. */
char **aimp__title_init(int argc, char **argv);

/* Sets the title as ps shows it, cut to the room that argv had, and the name as top
 * shows it: at most 15 characters, so a longer title goes without its spaces. */
void aimp__title_set(const char *title);

#endif
