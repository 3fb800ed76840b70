/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the reference of all commands into the manual's source (scdoc(5)), between two comment
 * lines. usage: man-reference [--check] FILE; --check writes nothing, and fails when it would.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger-cli/commands.h"
#include "banger-cli/doctor.h"
#include "banger-cli/help.h"
#include "common/fd.h"
#include "common/str.h"

#define BEGIN	 "; begin of what man-reference writes\n"
#define END_LINE "; end of what man-reference writes\n"
#define PAGE_MAX ((size_t)1 << 20)

/* Text with what scdoc would take for markup escaped. */
static void plain(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("_*\\", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void write_option(FILE *out, const struct def *d)
{
	if (d->letter)
		fprintf(out, "*-%c*, ", d->letter);
	fprintf(out, "*--%s*", d->name);
	if (*d->metavar) {
		fputs(" _", out);
		plain(out, d->metavar);
		fputc('_', out);
	}
	fputs("\n\t", out);
	plain(out, d->doc);
	fputs("\n\n", out);
}

static void write_operand(FILE *out, const struct def *d)
{
	fprintf(out, "_%s_\n\t", d->metavar);
	plain(out, d->doc);
	fputs("\n\n", out);
}

static void write_synopsis(FILE *out, const struct command *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return;
	help_operands(f, c);
	fclose(f);
	fputs("## banger ", out);
	help_command_name(out, c);
	/* Headings know no markup, and no escapes. */
	fprintf(out, " [OPTION...]%s\n\n", text);
	free(text);
}

static void write_command(FILE *out, const struct command *c)
{
	struct def defs[DEFS_MAX];
	size_t n = command_defs(c, defs);

	write_synopsis(out, c);
	plain(out, c->doc);
	fputs(".", out);
	if (*c->aliases)
		fprintf(out, " Other names: *%s*.", c->aliases);
	fputs("\n\n", out);
	for (size_t i = 0; i < n; i++)
		if (defs[i].kind == DEF_operand)
			write_operand(out, &defs[i]);
	for (size_t i = 0; i < n; i++)
		if (defs[i].kind == DEF_option)
			write_option(out, &defs[i]);
	for (size_t i = 0; i < n; i++)
		if (defs[i].kind == DEF_note) {
			plain(out, defs[i].doc);
			fputs("\n\n", out);
		}
	for (size_t i = 0; i < n; i++)
		if (defs[i].kind == DEF_example)
			fprintf(out, "```\n%s\n```\n\n", defs[i].doc);
}

static void write_check(FILE *out, const struct check *c)
{
	fprintf(out, "*%s*\n\t", c->name);
	plain(out, c->what);
	fputs(". If not: ", out);
	plain(out, c->fix);
	fputs(".\n\n", out);
}

static void write_reference(FILE *out)
{
	struct def defs[DEFS_MAX];
	size_t n = global_defs(defs);

	fputs("# OPTIONS OF EVERY COMMAND\n\n", out);
	for (size_t i = 0; i < n; i++)
		write_option(out, &defs[i]);
	fputs("# COMMANDS\n\n", out);
	for (unsigned g = 0; g < GROUP__count; g++)
		for (size_t i = 0; i < COMMAND__count; i++)
			if (commands[i].group == g)
				write_command(out, &commands[i]);
	fputs("# CHECKS OF BANGER DOCTOR\n\n", out);
	for (size_t i = 0; i < CHECK__count; i++)
		write_check(out, &checks[i]);
}

static char *read_file(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	char *text;

	if (fd < 0) {
		fprintf(stderr, "man-reference: cannot open %s: %s\n", path, strerror(errno));
		return NULL;
	}
	if (fd_read_text(fd, PAGE_MAX, &text, NULL, &err) == 0)
		return text;
	fprintf(stderr, "man-reference: %s: %s\n", path, err.msg);
	return NULL;
}

/* The page with its reference replaced; NULL when it has no place for one. */
static char *renew(const char *page)
{
	const char *begin = strstr(page, BEGIN), *end = begin ? strstr(begin, END_LINE) : NULL;
	char *text = NULL;
	size_t n;
	FILE *f;

	if (!end || !(f = open_memstream(&text, &n)))
		return NULL;
	begin += strlen(BEGIN);
	fwrite(page, 1, (size_t)(begin - page), f);
	write_reference(f);
	fputs(end, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static int write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	int r = -1;

	if (f && fputs(text, f) >= 0)
		r = 0;
	if (f && fclose(f) != 0)
		r = -1;
	if (r < 0)
		fprintf(stderr, "man-reference: cannot write %s: %s\n", path, strerror(errno));
	return r;
}

int main(int argc, char **argv)
{
	bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
	const char *path = check ? argv[2] : argv[argc - 1];
	_cleanup_free_ char *page = NULL, *renewed = NULL;

	if (argc != 2 && !check) {
		fprintf(stderr, "usage: man-reference [--check] FILE\n");
		return 2;
	}
	page = read_file(path);
	renewed = page ? renew(page) : NULL;
	if (!renewed) {
		fprintf(stderr, "man-reference: %s has no place for the reference\n", path);
		return 1;
	}
	if (strcmp(page, renewed) == 0)
		return 0;
	if (!check)
		return write_file(path, renewed) < 0;
	fprintf(stderr,
		"%s does not say what commands.tbl.h does: run 'ninja update-man-reference'\n",
		path);
	return 1;
}
