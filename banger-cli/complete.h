/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Shell completion. The shell's script (complete_bash_script) asks `banger __complete WORD…`. */

/* The words after "banger" up to the one that is being typed, which is the last (and may be
 * empty). Prints one candidate a line; a line ":files" or ":directories" asks the shell for its
 * own. What begins otherwise than the word that is being typed is left out. Always 0. */
int complete(int n, char *const *words);

extern const char complete_bash_script[];
