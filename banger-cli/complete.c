/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/complete.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/client.h"
#include "banger-cli/commands.h"
#include "banger-cli/object.h"
#include "banger-cli/text.h"
#include "common/str.h"

struct completion {
	const char *typed;  /* the word being typed, or the value behind its "=" */
	const char *socket; /* of a --socket on the line */
	const struct command *command;
	struct def globals[DEFS_MAX], defs[DEFS_MAX];
	size_t n_globals, n_defs;
	bool in_group;
	enum group_id group;
	bool described;
	const char *kept; /* described: whole words are wanted, which begin with this "--option=" */
	size_t n_kept;
};

static void candidate(
	const struct completion *c, const char *prefix, const char *word, const char *doc)
{
	char whole[256];

	if (!str_format(whole, sizeof(whole), "%s%s", prefix, word) ||
		!str_starts(whole, c->typed) || !str_printable(whole, false))
		return;
	if (c->described)
		printf("%.*s%s\t%s\n", (int)c->n_kept, c->kept, whole, doc);
	else
		puts(whole);
}

/* Names of the daemon's objects; without a daemon there are none. */
static void names(const struct completion *c, enum rpc_method method, const char *list)
{
	const char *env = getenv("BANGER_SOCKET"), *path = c->socket;
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err err = ERR_INIT;
	struct json_object *array;

	if (!path)
		path = env && *env ? env : "/run/banger/bangerd.sock";
	if (client_open(path, &client, &err) < 0 ||
		client_call(client, method, NULL, &reply, &err) < 0)
		return;
	array = object_array(reply.result, list);
	for (size_t i = 0; i < object_array_size(array); i++) {
		const char *name = object_text(json_object_array_get_idx(array, i), "name");

		if (name)
			candidate(c, "", name, "");
	}
}

static void values(const struct completion *c, enum arg_type type)
{
	const char *choice;

	if (type == ARG_vm_ref)
		names(c, RPC_METHOD_vm_list, "vms");
	else if (type == ARG_image_ref || type == ARG_image_wanted)
		names(c, RPC_METHOD_image_list, "images");
	else if (type == ARG_kernel_ref || type == ARG_kernel_wanted)
		names(c, RPC_METHOD_kernel_list, "kernels");
	else if (type == ARG_path)
		puts(":files");
	if (type == ARG_image_wanted || type == ARG_image_source)
		names(c, RPC_METHOD_image_catalog, "images");
	else if (type == ARG_kernel_wanted)
		names(c, RPC_METHOD_kernel_catalog, "kernels");
	for (size_t i = 0; (choice = value_choice(type, i)); i++)
		candidate(c, "", choice, "");
}

static void option_names(const struct completion *c, const struct def *defs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (defs[i].kind == DEF_option)
			candidate(c, "--", defs[i].name, defs[i].doc);
}

static const struct def *match(const struct def *defs, size_t n, const char *word)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < n; i++) {
		const struct def *d = &defs[i];

		if (d->kind != DEF_option)
			continue;
		if (word[1] == '-' ? len == strlen(d->name) + 2 &&
					     strncmp(word + 2, d->name, len - 2) == 0
				   : d->letter && d->letter == word[strlen(word) - 1])
			return d;
	}
	return NULL;
}

static const struct def *find_option(const struct completion *c, const char *word)
{
	const struct def *d = match(c->defs, c->n_defs, word);

	return d ? d : match(c->globals, c->n_globals, word);
}

static void verbs(const struct completion *c)
{
	for (unsigned i = 0; !c->in_group && i < GROUP__count; i++)
		if (*groups[i].name)
			candidate(c, "", groups[i].name, groups[i].doc);
	for (size_t i = 0; i < COMMAND__count; i++)
		if (commands[i].group == (c->in_group ? c->group : GROUP_top))
			candidate(c, "", commands[i].verb, commands[i].doc);
}

static void command_word(struct completion *c, const char *word)
{
	enum group_id group = c->in_group ? c->group : GROUP_top;

	if (!c->in_group && group_find(word, &c->group)) {
		c->in_group = true;
		return;
	}
	c->command = command_find(group, word);
	if (c->command)
		c->n_defs = command_defs(c->command, c->defs);
}

static bool is_rest(const struct def *d)
{
	return d->arity == ARITY_rest || d->arity == ARITY_command;
}

/* The operand that the n-th operand word of the command goes to; NULL for none. */
static const struct def *operand_at(const struct completion *c, size_t n)
{
	for (size_t i = 0; i < c->n_defs; i++) {
		const struct def *d = &c->defs[i];

		if (d->kind != DEF_operand)
			continue;
		if (n == 0 || d->arity == ARITY_many || d->arity == ARITY_any || is_rest(d))
			return d;
		n--;
	}
	return NULL;
}

/* Of `banger help`: a group or a command, then a group's command. */
static void topics(struct completion *c, size_t n_operands, const char *before)
{
	c->in_group = n_operands == 1 && before && group_find(before, &c->group);
	if (n_operands == 0 || c->in_group)
		verbs(c);
}

static void current_word(struct completion *c, size_t n_operands, const char *before)
{
	const char *equals = strchr(c->typed, '=');
	const struct def *d;

	if (str_starts(c->typed, "--") && equals) {
		d = find_option(c, c->typed);
		c->kept = c->typed;
		c->n_kept = (size_t)(equals + 1 - c->typed);
		c->typed = equals + 1;
		if (d)
			values(c, d->type);
		return;
	}
	if (c->typed[0] == '-') {
		option_names(c, c->defs, c->n_defs);
		option_names(c, c->globals, c->n_globals);
		return;
	}
	if (!c->command) {
		verbs(c);
		return;
	}
	if (c->command->id == COMMAND_help) {
		topics(c, n_operands, before);
		return;
	}
	d = operand_at(c, n_operands);
	if (d && !is_rest(d))
		values(c, d->type);
}

/* An operand; false when it is the guest's, and so are those behind it. */
static bool operand_word(const struct completion *c, size_t *n_operands)
{
	const struct def *d = operand_at(c, (*n_operands)++);

	return !d || !is_rest(d);
}

int complete(int n, char *const *words, bool described)
{
	struct completion c = {
		.typed = n > 0 ? words[n - 1] : "", .kept = "", .described = described
	};
	const struct def *wants_value = NULL;
	size_t n_operands = 0;

	c.n_globals = global_defs(c.globals);
	for (int i = 0; i < n - 1; i++) {
		const char *word = words[i];

		if (wants_value) {
			if (strcmp(wants_value->name, "socket") == 0)
				c.socket = word;
			wants_value = NULL;
		} else if (strcmp(word, "--") == 0) {
			return 0; /* the guest's words */
		} else if (word[0] == '-' && word[1]) {
			const struct def *d = find_option(&c, word);

			if (str_starts(word, "--socket="))
				c.socket = word + strlen("--socket=");
			if (d && d->type != ARG_flag && !strchr(word, '='))
				wants_value = d;
		} else if (!c.command) {
			command_word(&c, word);
		} else if (!operand_word(&c, &n_operands)) {
			return 0;
		}
	}
	if (wants_value)
		values(&c, wants_value->type);
	else
		current_word(&c, n_operands, n > 1 ? words[n - 2] : NULL);
	return 0;
}
