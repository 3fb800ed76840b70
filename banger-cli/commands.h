/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* commands.tbl.h as C: each command's arguments as a struct, and the table to walk over. */
#include <stdbool.h>
#include <stddef.h>

#include "banger-cli/values.h"

#define AP_one(type)	  AT_##type
#define AP_optional(type) AT_##type
#define AP_many(type)	  struct words
#define AP_any(type)	  struct words
#define AP_rest(type)	  struct words
#define AP_command(type)  struct words

/* struct args_SHARED first, for the commands that use them. __extension__: some are empty. */
#define SHARED(ident)				__extension__ struct args_##ident {
#define COMMAND(ident, group, verb, al, doc)	__extension__ struct args_##ident {
#define USE(shared, field)			struct args_##shared field;
#define OPT(type, field, letter, name, mv, doc) AT_##type field;
#define POS(type, field, arity, metavar, doc)	AP_##arity(type) field;
#define END(ident) \
	}          \
	;
#include "banger-cli/commands.tbl.h"

enum command_id {
#define COMMAND(ident, group, verb, al, doc) COMMAND_##ident,
#include "banger-cli/commands.tbl.h"
	COMMAND__count
};

enum group_id {
#define GROUP(ident, doc) GROUP_##ident,
#include "banger-cli/commands.tbl.h"
	GROUP__count
};

enum arity { ARITY_one, ARITY_optional, ARITY_many, ARITY_any, ARITY_rest, ARITY_command };
enum def_kind { DEF_end, DEF_use, DEF_option, DEF_operand, DEF_note, DEF_example };

/* One line of the table below a COMMAND or SHARED. */
struct def {
	enum def_kind kind;
	enum arg_type type;
	enum arity arity; /* operands */
	char letter;	  /* options; 0: none */
	const char *name; /* an option's, without dashes */
	const char *metavar;
	const char *doc;		   /* the text of notes and examples */
	size_t offset;			   /* in the struct of arguments */
	const struct def *(*shared)(void); /* DEF_use */
};

struct command {
	enum command_id id;
	enum group_id group;
	const char *verb;
	const char *aliases; /* other names, by blanks */
	const char *doc;
	size_t args_size;
	const struct def *(*defs)(void);
};

struct group {
	const char *name; /* "" for `top` */
	const char *doc;
};

/* The longest list of lines of a command; commands_test proves it. */
#define DEFS_MAX 40

extern const struct command commands[COMMAND__count];
extern const struct group groups[GROUP__count];

/* All lines of a command, those it shares put in their place; how many there are. */
size_t command_defs(const struct command *c, struct def ret[DEFS_MAX]);

/* The global options, for struct args_global. */
size_t global_defs(struct def ret[DEFS_MAX]);

/* By name ("vm"); false when there is none. `top` has no name. */
bool group_find(const char *name, enum group_id *ret);

/* By verb or other name within a group; NULL when there is none. */
const struct command *command_find(enum group_id group, const char *verb);
