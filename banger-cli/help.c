/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/help.h"

#include <string.h>

#include "common/str.h"

#define WIDTH 80

/* Words of `text` from column `at`, broken before WIDTH, further lines from column `indent`. */
static void wrap(FILE *out, const char *text, size_t at, size_t indent)
{
	size_t column = at;

	for (bool first = true; *text; first = false) {
		size_t n = strcspn(text, " ");

		if (!first && column + 1 + n >= WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)n, text);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* "  left      text…" */
static void row(FILE *out, const char *left, size_t column, const char *text)
{
	size_t n = strlen(left);

	fprintf(out, "  %s", left);
	if (n + 4 > column)
		fprintf(out, "\n%*s", (int)column, "");
	else
		fprintf(out, "%*s", (int)(column - n - 2), "");
	wrap(out, text, column, column);
}

static void option_label(const struct def *d, char *buf, size_t cap)
{
	char letter[] = { '-', d->letter, ',', ' ', '\0' };

	str_format(buf, cap, "%s--%s%s%s", d->letter ? letter : "    ", d->name,
		*d->metavar ? " " : "", d->metavar);
}

static void options(FILE *out, const char *title, const struct def *defs, size_t n)
{
	char label[64];
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (defs[i].kind != DEF_option)
			continue;
		if (!any)
			fprintf(out, "\n%s:\n", title);
		any = true;
		option_label(&defs[i], label, sizeof(label));
		row(out, label, 32, defs[i].doc);
	}
}

void help_command_name(FILE *out, const struct command *c)
{
	const char *group = groups[c->group].name;

	fprintf(out, "%s%s%s", group, *group ? " " : "", c->verb);
}

void help_operands(FILE *out, const struct command *c)
{
	struct def defs[DEFS_MAX];
	size_t n = command_defs(c, defs);
	bool first = true;

	for (size_t i = 0; i < n; i++) {
		const char *name = defs[i].metavar;

		if (defs[i].kind != DEF_operand)
			continue;
		if (defs[i].arity == ARITY_one)
			fprintf(out, " %s", name);
		else if (defs[i].arity == ARITY_optional)
			fprintf(out, " [%s]", name);
		else if (defs[i].arity == ARITY_many)
			fprintf(out, " %s...", name);
		else if (defs[i].arity == ARITY_any)
			fprintf(out, " [%s...]", name);
		else if (defs[i].arity == ARITY_rest)
			fprintf(out, " [-- %s...]", name);
		else
			fprintf(out, first ? " -- %s..." : " [--] %s...", name);
		first = false;
	}
}

static void operands(FILE *out, const struct def *defs, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (defs[i].kind != DEF_operand)
			continue;
		if (!any)
			fputs("\nOperands:\n", out);
		any = true;
		row(out, defs[i].metavar, 32, defs[i].doc);
	}
}

static void texts(FILE *out, const struct def *defs, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		if (defs[i].kind == DEF_note) {
			fputc('\n', out);
			wrap(out, defs[i].doc, 0, 0);
		}
	for (size_t i = 0; i < n; i++) {
		if (defs[i].kind != DEF_example)
			continue;
		if (!any)
			fputs("\nExamples:\n", out);
		any = true;
		fprintf(out, "  %s\n", defs[i].doc);
	}
}

void help_command(FILE *out, const struct command *c)
{
	struct def defs[DEFS_MAX], globals[DEFS_MAX];
	size_t n = command_defs(c, defs), n_globals = global_defs(globals);

	fputs("Usage: banger ", out);
	help_command_name(out, c);
	fputs(" [OPTION...]", out);
	help_operands(out, c);
	fprintf(out, "\n\n%s.\n", c->doc);
	if (*c->aliases)
		fprintf(out, "Other names: %s\n", c->aliases);
	operands(out, defs, n);
	options(out, "Options", defs, n);
	options(out, "Options of every command", globals, n_globals);
	texts(out, defs, n);
}

static void command_rows(FILE *out, enum group_id group)
{
	char label[64];

	for (size_t i = 0; i < COMMAND__count; i++) {
		const char *name = groups[group].name;

		if (commands[i].group != group)
			continue;
		str_format(
			label, sizeof(label), "%s%s%s", name, *name ? " " : "", commands[i].verb);
		row(out, label, 20, commands[i].doc);
	}
}

void help_group(FILE *out, enum group_id group)
{
	fprintf(out, "Usage: banger %s COMMAND [OPTION...]\n\n", groups[group].name);
	fprintf(out, "Commands:\n");
	command_rows(out, group);
	fprintf(out, "\n'banger %s COMMAND --help' says more.\n", groups[group].name);
}

void help_all(FILE *out)
{
	struct def globals[DEFS_MAX];
	size_t n = global_defs(globals);

	fputs("Usage: banger [OPTION...] GROUP COMMAND [OPTION...]\n\n", out);
	fputs("One-command microVM sandboxes.\n", out);
	for (unsigned i = 0; i < GROUP__count; i++) {
		fputc('\n', out);
		wrap(out, groups[i].doc, 0, 0);
		command_rows(out, (enum group_id)i);
	}
	options(out, "Options of every command", globals, n);
	fputs("\n'banger GROUP COMMAND --help' says more, and so does banger(1).\n", out);
}
