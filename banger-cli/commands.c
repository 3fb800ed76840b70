/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/commands.h"

#include <string.h>

#include "common/str.h"

/* Lines of the table do not know whose they are: a function's scope gives them their struct under
 * one name. SHARED ones come first in the table, so that USE finds their functions. */
#define DEFS_OPEN(ident)                                                    \
	static const struct def *defs_of_##ident(void)                      \
	{                                                                   \
		typedef struct args_##ident args_t __attribute__((unused)); \
		static const struct def defs[] = {
#define SHARED(ident)			     DEFS_OPEN(ident)
#define COMMAND(ident, group, verb, al, doc) DEFS_OPEN(ident)
#define USE(shared_, field) \
	{ .kind = DEF_use, .offset = offsetof(args_t, field), .shared = defs_of_##shared_ },
#define OPT(type_, field, letter_, name_, metavar_, doc_) \
	{ .kind = DEF_option,                             \
		.type = ARG_##type_,                      \
		.letter = letter_,                        \
		.name = name_,                            \
		.metavar = metavar_,                      \
		.doc = doc_,                              \
		.offset = offsetof(args_t, field) },
#define POS(type_, field, arity_, metavar_, doc_) \
	{ .kind = DEF_operand,                    \
		.type = ARG_##type_,              \
		.arity = ARITY_##arity_,          \
		.metavar = metavar_,              \
		.doc = doc_,                      \
		.offset = offsetof(args_t, field) },
#define NOTE(text)    { .kind = DEF_note, .doc = text },
#define EXAMPLE(line) { .kind = DEF_example, .doc = line },
#define END(ident)              \
	{                       \
		.kind = DEF_end \
	}                       \
	}                       \
	;                       \
	return defs;            \
	}
#include "banger-cli/commands.tbl.h"

const struct command commands[COMMAND__count] = {
#define COMMAND(ident, group, verb, al, doc)                                          \
	{ COMMAND_##ident, GROUP_##group, verb, al, doc, sizeof(struct args_##ident), \
		defs_of_##ident },
#include "banger-cli/commands.tbl.h"
};

const struct group groups[GROUP__count] = {
#define GROUP(ident, doc) { GROUP_##ident == GROUP_top ? "" : #ident, doc },
#include "banger-cli/commands.tbl.h"
};

static size_t flatten(const struct def *defs, struct def ret[DEFS_MAX])
{
	size_t n = 0;

	for (; defs->kind != DEF_end; defs++) {
		const struct def *shared = defs->kind == DEF_use ? defs->shared() : NULL;

		for (; shared && shared->kind != DEF_end && n < DEFS_MAX; shared++) {
			ret[n] = *shared;
			ret[n++].offset += defs->offset;
		}
		if (defs->kind != DEF_use && n < DEFS_MAX)
			ret[n++] = *defs;
	}
	return n;
}

size_t command_defs(const struct command *c, struct def ret[DEFS_MAX])
{
	return flatten(c->defs(), ret);
}

size_t global_defs(struct def ret[DEFS_MAX])
{
	return flatten(defs_of_global(), ret);
}

bool group_find(const char *name, enum group_id *ret)
{
	for (unsigned i = 0; i < GROUP__count; i++) {
		if (*groups[i].name == '\0' || strcmp(groups[i].name, name) != 0)
			continue;
		*ret = (enum group_id)i;
		return true;
	}
	return false;
}

/* Whether `word` is one of the blank-separated `list`. */
static bool in_list(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; n > 0 && *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == n && strncmp(p, word, n) == 0)
			return true;
	return false;
}

const struct command *command_find(enum group_id group, const char *verb)
{
	for (size_t i = 0; i < COMMAND__count; i++)
		if (commands[i].group == group &&
			(strcmp(commands[i].verb, verb) == 0 || in_list(commands[i].aliases, verb)))
			return &commands[i];
	return NULL;
}
