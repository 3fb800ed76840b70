/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the default /etc/banger/banger.conf: every setting of the table, commented out. */
#include <stdio.h>
#include <string.h>

static const char *const settings[][4] = {
#define SETTING(section, key, type, default, doc) { #section, #key, default, doc },
#include "common/proto/settings.tbl.h"
};

int main(void)
{
	const char *section = "";

	puts("# banger.conf(5): the settings of bangerd and its helpers. What stands here "
	     "commented out\n"
	     "# is the default. The file must be root's, and writable by root alone.");
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(section, settings[i][0]) != 0) {
			section = settings[i][0];
			printf("\n[%s]\n", section);
		}
		printf("# %s\n#%s = %s\n", settings[i][3], settings[i][1], settings[i][2]);
	}
	return ferror(stdout) || fflush(stdout) != 0;
}
