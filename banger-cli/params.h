/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The parameters of a request, built member by member. A failure (memory, text that is not UTF-8,
 * as JSON must be) is kept and told once, by params_finish(). Every function but params_init()
 * takes one that was initialised.
 */
#include <stdbool.h>
#include <stdint.h>

#include "banger-cli/values.h"
#include "common/err.h"

struct json_object;

struct params {
	struct json_object *object;
	bool failed;
	bool not_utf8;
};

void params_init(struct params *p);
void params_text(struct params *p, const char *name, const char *value); /* NULL: left out */
void params_number(struct params *p, const char *name, uint64_t value);	 /* 0: left out */
void params_flag(struct params *p, const char *name, bool value);	 /* false: left out */
void params_words(struct params *p, const char *name, const char *const *words, size_t n);

/* Left out when it is not given: 0 is a number like another. */
void params_seconds(struct params *p, const char *name, struct seconds value);

/* Environment as the command line has it: a NAME alone takes the value that the caller's own
 * environment has, and is left out when it has none. */
void params_env(struct params *p, const char *name, const struct words *env);

/* One more string of a list that params_words() or params_env() began or not. */
void params_word(struct params *p, const char *name, const char *word);

/* The object, the caller's now; or NULL when a step failed. */
struct json_object *params_finish(struct params *p, struct err *err);
