/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the reference part of banger-rpc(7), as scdoc: methods, types and errors of the tables. */
#include <stdio.h>

/* What stands in text where scdoc would see markup. */
static void put(const char *s)
{
	for (; *s; s++) {
		if (*s == '_' || *s == '*' || *s == '\\' || *s == '#' || *s == '`')
			putchar('\\');
		putchar(*s);
	}
}

static void item(const char *name, const char *type, const char *need, const char *doc)
{
	printf("*");
	put(name);
	printf("* (");
	put(type);
	if (need) {
		printf(", %s", need);
	}
	printf(")\n\t");
	put(doc);
	puts("\n");
}

static void method(const char *name, const char *class, const char *access, const char *doc)
{
	printf("## %s\n\n", name);
	put(doc);
	printf(".\n\nClass %s, access %s.\n\n", class, access);
}

/* A statement or two for each row of the table. */
/* NOLINTNEXTLINE(readability-function-size) */
static void methods(void)
{
	const char *head;

#define METHOD(ident, name, class, access, doc) \
	method(name, #class, #access, doc);     \
	head = "Parameters:\n";
#define PARAM(type, name, need, doc) \
	if (head)                    \
		puts(head);          \
	head = NULL;                 \
	item(#name, #type, #need, doc);
#define END(ident) (void)head;
#include "common/proto/rpc.tbl.h"
}

/* A statement or two for each row of the table. */
/* NOLINTNEXTLINE(readability-function-size) */
static void results(void)
{
	const char *method_name;

#define METHOD(ident, name, class, access, doc) method_name = name;
#define RESULT(type, name, doc)                   \
	if (method_name)                          \
		printf("## %s\n\n", method_name); \
	method_name = NULL;                       \
	item(#name, #type, NULL, doc);
#define END(ident) (void)method_name;
#include "common/proto/rpc.tbl.h"
}

static void error_code(const char *name, int number, const char *doc)
{
	printf("*");
	put(name);
	printf("* (%d)\n\t", number);
	put(doc);
	puts("\n");
}

int main(void)
{
	puts("# METHODS\n");
	methods();
	puts("# RESULTS\n\nMembers of each method's result object; a method that is not here has "
	     "an "
	     "empty one.\n");
	results();
	puts("# ERRORS\n");
#define ERR(name, rpc, doc) \
	if ((rpc) != 0)     \
		error_code(#name, rpc, doc);
#include "common/proto/errors.tbl.h"
	return ferror(stdout) || fflush(stdout) != 0;
}
