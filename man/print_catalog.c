/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the reference part of banger-catalog(5), as scdoc: every key of the table. */
#include <stdio.h>
#include <string.h>

static const char *const keys[][5] = {
#define KEY(kind, key, type, need, doc) { #kind, #key, #type, #need, doc },
#include "common/proto/catalog.tbl.h"
};

int main(void)
{
	const char *kind = "";

	puts("# KEYS\n");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(kind, keys[i][0]) != 0) {
			kind = keys[i][0];
			printf("## [%s NAME]\n\n", kind);
		}
		printf("*%s* = _%s_ (%s)\n\t%s\n\n", keys[i][1], keys[i][2], keys[i][3],
			keys[i][4]);
	}
	return ferror(stdout) || fflush(stdout) != 0;
}
