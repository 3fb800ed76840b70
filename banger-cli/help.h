/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What --help prints, from the table of commands. */
#include <stdio.h>

#include "banger-cli/commands.h"

void help_all(FILE *out);
void help_group(FILE *out, enum group_id group);
void help_command(FILE *out, const struct command *c);

/* "vm run", "version". */
void help_command_name(FILE *out, const struct command *c);

/* The operands as a synopsis shows them: "VM [--] COMMAND...". */
void help_operands(FILE *out, const struct command *c);
