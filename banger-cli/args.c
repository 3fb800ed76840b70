/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/suggest.h"
#include "common/str.h"

struct parser {
	struct parsed *out;
	char *const *argv;
	int argc, at;
	struct def globals[DEFS_MAX], defs[DEFS_MAX];
	size_t n_globals, n_defs;
	size_t operand; /* index into defs of the operand that comes next; n_defs: none */
	size_t filled;	/* words that this operand has so far */
	bool options_ended;
};

bool words_add(struct words *w, const char *word)
{
	const char **grown = reallocarray(w->items, w->n + 1, sizeof(*w->items));

	if (!grown)
		return false;
	w->items = grown;
	w->items[w->n++] = word;
	return true;
}

static bool holds_words(const struct def *d)
{
	if (d->kind == DEF_option)
		return d->type == ARG_env;
	return d->kind == DEF_operand && d->arity != ARITY_one && d->arity != ARITY_optional;
}

void parsed_finish(struct parsed *p)
{
	struct def defs[DEFS_MAX];
	size_t n = p->command && p->args ? command_defs(p->command, defs) : 0;

	for (size_t i = 0; i < n; i++)
		if (holds_words(&defs[i]))
			free(((struct words *)(void *)((char *)p->args + defs[i].offset))->items);
	free(p->args);
	p->args = NULL;
}

/* ---- options ---- */

static const struct def *find_option(
	const struct def *defs, size_t n, char letter, const char *name, size_t name_len)
{
	for (size_t i = 0; i < n; i++) {
		const struct def *d = &defs[i];

		if (d->kind != DEF_option)
			continue;
		if (letter ? d->letter == letter
			   : strlen(d->name) == name_len && strncmp(d->name, name, name_len) == 0)
			return d;
	}
	return NULL;
}

/* The option's definition, and the struct it goes into. */
static const struct def *lookup(
	const struct parser *p, char letter, const char *name, size_t name_len, void **ret_base)
{
	const struct def *d = find_option(p->defs, p->n_defs, letter, name, name_len);

	*ret_base = p->out->args;
	if (d)
		return d;
	*ret_base = &p->out->global;
	return find_option(p->globals, p->n_globals, letter, name, name_len);
}

static int store_option(const struct def *d, void *base, const char *value, struct err *err)
{
	void *dst = (char *)base + d->offset;
	const char *word;

	if (d->type == ARG_flag) {
		*(bool *)dst = true;
		return 0;
	}
	if (d->type != ARG_env)
		return value_parse(d->type, value, dst, err);
	if (value_parse(d->type, value, &word, err) < 0)
		return -1;
	if (!words_add(dst, word))
		return err_sys(err, ERR_operation_failed, ENOMEM, "no memory for the arguments");
	return 0;
}

/* The value of option `shown`: what was attached to it, or the next argument. */
static int option_value(struct parser *p, const struct def *d, const char *shown,
	const char *attached, const char **ret, struct err *err)
{
	if (attached) {
		*ret = attached;
		return 0;
	}
	if (p->at >= p->argc)
		return err_set(
			err, ERR_bad_request, "%s needs a value: %s %s", shown, shown, d->metavar);
	*ret = p->argv[p->at++];
	return 0;
}

static void suggest_options(struct suggestion *s, const struct def *defs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (defs[i].kind == DEF_option)
			suggest(s, defs[i].name);
}

static int unknown_option(const struct parser *p, const char *name, size_t n, struct err *err)
{
	char word[64] = "";
	struct suggestion s = { .word = word };

	if (n < sizeof(word)) {
		memcpy(word, name, n);
		suggest_options(&s, p->defs, p->n_defs);
		suggest_options(&s, p->globals, p->n_globals);
	}
	if (s.best)
		return err_set(err, ERR_bad_request,
			"there is no option '--%.*s'; did you mean --%s?", (int)n, name, s.best);
	return err_set(
		err, ERR_bad_request, "there is no option '--%.*s'", n < 80 ? (int)n : 80, name);
}

static int long_option(struct parser *p, const char *arg, struct err *err)
{
	const char *name = arg + 2, *equals = strchr(name, '='), *value = NULL;
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	char shown[64];
	void *base;
	const struct def *d = lookup(p, 0, name, n, &base);

	if (!d)
		return unknown_option(p, name, n, err);
	str_format(shown, sizeof(shown), "--%s", d->name);
	if (d->type == ARG_flag && equals)
		return err_set(err, ERR_bad_request, "%s takes no value", shown);
	if (d->type != ARG_flag &&
		option_value(p, d, shown, equals ? equals + 1 : NULL, &value, err) < 0)
		return -1;
	return store_option(d, base, value, err) < 0 ? err_wrap(err, "%s", shown) : 0;
}

/* "-q", "-it", "-eK=V", "-e K=V". */
static int short_options(struct parser *p, const char *arg, struct err *err)
{
	for (const char *c = arg + 1; *c; c++) {
		const char *value = NULL;
		char shown[] = { '-', *c, '\0' };
		void *base;
		const struct def *d = lookup(p, *c, NULL, 0, &base);

		if (!d)
			return err_set(err, ERR_bad_request, "there is no option '%s'%s%s", shown,
				arg[2] ? " in " : "", arg[2] ? arg : "");
		if (d->type != ARG_flag &&
			option_value(p, d, shown, c[1] ? c + 1 : NULL, &value, err) < 0)
			return -1;
		if (store_option(d, base, value, err) < 0)
			return err_wrap(err, "%s", shown);
		if (d->type != ARG_flag)
			return 0;
	}
	return 0;
}

static bool is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] != '\0';
}

static int option(struct parser *p, const char *arg, struct err *err)
{
	return arg[1] == '-' ? long_option(p, arg, err) : short_options(p, arg, err);
}

/* ---- operands ---- */

static bool is_rest(const struct def *d)
{
	return d->arity == ARITY_rest || d->arity == ARITY_command;
}

static void next_operand(struct parser *p)
{
	p->filled = 0;
	do
		p->operand++;
	while (p->operand < p->n_defs && p->defs[p->operand].kind != DEF_operand);
}

static int unexpected(const struct parser *p, const char *word, struct err *err)
{
	bool has_rest = false;

	for (size_t i = 0; i < p->n_defs; i++)
		has_rest = has_rest || (p->defs[i].kind == DEF_operand && is_rest(&p->defs[i]));
	if (has_rest)
		return err_set(err, ERR_bad_request,
			"'%.80s' is one word too many: a command goes behind \"--\"%s", word,
			find_option(p->defs, p->n_defs, 0, "image", strlen("image"))
				? ", and an image is named by --image"
				: "");
	return err_set(err, ERR_bad_request, "'%.80s' is one word too many", word);
}

static int store_operand(
	struct parser *p, const struct def *d, const char *word, void *dst, struct err *err)
{
	const char *checked = word;

	if (is_rest(d) && p->filled == 0 && *word == '\0')
		return err_set(err, ERR_bad_request, "%s: its first word is empty", d->metavar);
	if (d->type == ARG_word)
		;
	else if (!holds_words(d))
		return value_parse(d->type, word, dst, err) < 0 ? err_wrap(err, "%s", d->metavar)
								: 0;
	else if (value_parse(d->type, word, &checked, err) < 0)
		return err_wrap(err, "%s", d->metavar);
	if (!words_add(dst, checked))
		return err_sys(err, ERR_operation_failed, ENOMEM, "no memory for the arguments");
	return 0;
}

/* Without an operand before it, the rest of a command line begins at "--" alone. */
static bool needs_dashes(const struct parser *p, const struct def *d)
{
	for (size_t i = 0; i < p->operand; i++)
		if (p->defs[i].kind == DEF_operand)
			return false;
	return is_rest(d);
}

static int operand(struct parser *p, const char *word, struct err *err)
{
	const struct def *d = p->operand < p->n_defs ? &p->defs[p->operand] : NULL;

	if (!d || (!p->options_ended && needs_dashes(p, d)))
		return unexpected(p, word, err);
	if (store_operand(p, d, word, (char *)p->out->args + d->offset, err) < 0)
		return -1;
	p->filled++;
	if (is_rest(d))
		p->options_ended = true;
	if (d->arity == ARITY_one || d->arity == ARITY_optional)
		next_operand(p);
	return 0;
}

static int check_missing(const struct parser *p, struct err *err)
{
	const struct def *d = p->operand < p->n_defs ? &p->defs[p->operand] : NULL;

	if (!d || p->filled > 0 || p->out->global.help || p->out->global.version)
		return 0;
	if (d->arity == ARITY_one || d->arity == ARITY_many || d->arity == ARITY_command)
		return err_set(err, ERR_bad_request, "%s is missing: %s", d->metavar, d->doc);
	return 0;
}

/* ---- commands ---- */

static int unknown_word(const struct parser *p, const char *word, struct err *err)
{
	const struct parsed *out = p->out;
	struct suggestion s = { .word = word };
	const char *kind = out->in_group ? "command" : "group or command", *where = "";

	/* A verb without its group is the likeliest mistake. */
	for (size_t i = 0; !out->in_group && i < COMMAND__count; i++)
		if (command_find(commands[i].group, word) == &commands[i])
			return err_set(err, ERR_bad_request,
				"there is no %s '%s'; did you mean '%s %s'?", kind, word,
				groups[commands[i].group].name, commands[i].verb);
	for (unsigned i = 0; !out->in_group && i < GROUP__count; i++)
		suggest(&s, groups[i].name);
	for (size_t i = 0; i < COMMAND__count; i++)
		if (commands[i].group == (out->in_group ? out->group : GROUP_top))
			suggest(&s, commands[i].verb);
	if (out->in_group)
		where = groups[out->group].name;
	return err_set(err, ERR_bad_request, "there is no %s '%s%s%.80s'%s%s%s", kind, where,
		*where ? " " : "", word, s.best ? "; did you mean '" : "", s.best ? s.best : "",
		s.best ? "'?" : "");
}

/* A group's or a command's name; options before the command are global. */
static int command_word(struct parser *p, const char *word, struct err *err)
{
	struct parsed *out = p->out;

	if (!out->in_group && group_find(word, &out->group)) {
		out->in_group = true;
		return 0;
	}
	out->command = command_find(out->in_group ? out->group : GROUP_top, word);
	if (!out->command)
		return unknown_word(p, word, err);
	out->group = out->command->group;
	out->in_group = true;
	out->args = calloc(1, out->command->args_size + 1);
	if (!out->args)
		return err_sys(err, ERR_operation_failed, ENOMEM, "no memory for the arguments");
	p->n_defs = command_defs(out->command, p->defs);
	p->operand = 0;
	if (p->n_defs > 0 && p->defs[0].kind != DEF_operand)
		next_operand(p);
	return 0;
}

static int argument(struct parser *p, const char *arg, struct err *err)
{
	if (p->options_ended)
		return operand(p, arg, err);
	if (strcmp(arg, "--") == 0) {
		p->options_ended = true;
		return 0;
	}
	return is_option(arg) ? option(p, arg, err) : operand(p, arg, err);
}

int args_parse(int argc, char *const *argv, struct parsed *ret, struct err *err)
{
	struct parser p = { .out = ret, .argv = argv, .argc = argc, .at = 1 };

	memset(ret, 0, sizeof(*ret));
	p.n_globals = global_defs(p.globals);
	while (p.at < argc) {
		const char *arg = argv[p.at++];
		int r;

		if (ret->command)
			r = argument(&p, arg, err);
		else if (is_option(arg) && strcmp(arg, "--") != 0)
			r = option(&p, arg, err);
		else
			r = command_word(&p, arg, err);
		if (r < 0)
			return -1;
	}
	return ret->command ? check_missing(&p, err) : 0;
}
