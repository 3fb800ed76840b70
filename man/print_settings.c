/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the reference part of banger.conf(5), as scdoc: every setting of the table. */
#include <stdio.h>
#include <string.h>

static const char *const settings[][5] = {
#define SETTING(section, key, type, default, doc) { #section, #key, #type, default, doc },
#include "common/proto/settings.tbl.h"
};

/* What stands in text where scdoc would see markup. */
static void put(const char *s)
{
	for (; *s; s++) {
		if (*s == '_' || *s == '*' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
}

int main(void)
{
	const char *section = "";

	puts("# SETTINGS\n");
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(section, settings[i][0]) != 0) {
			section = settings[i][0];
			printf("## [%s]\n\n", section);
		}
		printf("*");
		put(settings[i][1]);
		printf("* = ");
		put(settings[i][3]);
		printf(" (");
		put(settings[i][2]);
		printf(")\n\t");
		put(settings[i][4]);
		puts("\n");
	}
	return ferror(stdout) || fflush(stdout) != 0;
}
