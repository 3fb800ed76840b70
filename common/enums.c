/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/enums.h"

#include <stddef.h>
#include <string.h>

#define ENUM(e)	  static const char *const e##_names[] = {
#define VAL(e, n) #n,
#define END_ENUM(e) \
	NULL        \
	}           \
	;
#include "common/proto/enums.tbl.h"

static int find(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

#define ENUM(e)                                                       \
	const char *e##_to_name(enum e v)                             \
	{                                                             \
		return (unsigned)v < e##__count ? e##_names[v] : "?"; \
	}                                                             \
	bool e##_from_name(const char *name, enum e *ret)             \
	{                                                             \
		int i = find(e##_names, name);                        \
		if (i < 0)                                            \
			return false;                                 \
		*ret = (enum e)i;                                     \
		return true;                                          \
	}
#include "common/proto/enums.tbl.h"
