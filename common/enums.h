/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The enumerations of common/proto/enums.tbl.h, their names and their parsers. */
#include <stdbool.h>

#define ENUM(e)	  enum e {
#define VAL(e, n) e##_##n,
#define END_ENUM(e) \
	e##__count  \
	}           \
	;
#include "common/proto/enums.tbl.h"

/* e_to_name: the value's name ("auto"), "?" for none. e_from_name: false when there is none. */
#define ENUM(e)                            \
	const char *e##_to_name(enum e v); \
	bool e##_from_name(const char *name, enum e *ret);
#include "common/proto/enums.tbl.h"
