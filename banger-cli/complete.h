/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Shell completion. The shell's script asks `banger __complete WORD…`, or, where it shows what a
 * word is about, `banger __describe WORD…`. */
#include <stdbool.h>

#include "banger-cli/values.h"

/* The words after "banger" up to the one that is being typed, which is the last (and may be
 * empty). Prints one candidate a line; a line ":files" asks the shell for its own. What begins
 * otherwise than the word that is being typed is left out. A value of "--option=VALUE" is printed
 * alone, as bash parts words there. `described`: whole words, each followed by a tab and what it
 * is about, which may be nothing. Always 0. */
int complete(int n, char *const *words, bool described);

/* What `banger completion SHELL` prints. */
const char *complete_script(enum shell shell);
