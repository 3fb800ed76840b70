/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The command line, parsed by the table of commands. */
#include <stdbool.h>

#include "banger-cli/commands.h"
#include "common/err.h"

struct parsed {
	bool in_group;		       /* a group was named (or is implied by the command) */
	enum group_id group;	       /* then */
	const struct command *command; /* NULL: none was named */
	struct args_global global;
	void *args; /* the command's struct args_…, all zero before the parse; owned */
};

/*
 * Parse argv[1…]. Where help or the version is asked for, operands may be missing. Fails with
 * bad_request and a message for the user; *ret is then filled as far as the parse went, so that
 * the caller can say where help is. In both cases the caller calls parsed_finish().
 */
int args_parse(int argc, char *const *argv, struct parsed *ret, struct err *err);
void parsed_finish(struct parsed *p);

/* Append to a list; false when memory is out. */
bool words_add(struct words *w, const char *word);
