/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/behaviour.h"

#include <stdio.h>
#include <string.h>

#include "common/str.h"

#define AREA  256
#define RULES 16

/* Volatile: what stands here when the program is built is not what it runs with. */
static const volatile char area[AREA] = "BANGER-FAKE:";
#define AREA_MARK (sizeof("BANGER-FAKE:") - 1)

struct behaviour behaviour = { .version = "1.16.1" };

static struct rule {
	enum effect effect;
	char what[64];
	uint32_t ms;
} rules[RULES];
static size_t n_rules;

static const char *const effects[EFFECT__count] = {
	[EFFECT_DELAY] = "delay",
	[EFFECT_SLOW] = "slow",
	[EFFECT_DIE] = "die",
	[EFFECT_DIEAFTER] = "dieafter",
	[EFFECT_SILENT] = "silent",
	[EFFECT_CLOSE] = "close",
	[EFFECT_HALF] = "half",
	[EFFECT_CUT] = "cut",
	[EFFECT_GARBAGE] = "garbage",
	[EFFECT_BADJSON] = "badjson",
	[EFFECT_HUGE] = "huge",
	[EFFECT_EXTRA] = "extra",
	[EFFECT_STATUS500] = "status500",
	[EFFECT_BARE500] = "bare500",
	[EFFECT_FAULT] = "fault",
};

static const char *const manners[VSOCK__count] = {
	[VSOCK_GOOD] = "good",
	[VSOCK_REFUSE] = "refuse",
	[VSOCK_JUNK] = "junk",
	[VSOCK_CLOSE] = "close",
	[VSOCK_SILENT] = "silent",
	[VSOCK_FLOOD] = "flood",
};

static bool find(const char *const *names, size_t n, const char *name, size_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name)) {
			*ret = i;
			return true;
		}
	return false;
}

static bool to_ms(const char *s, uint32_t *ret)
{
	uint64_t v;

	if (!s || !str_to_u64(s, 0, 3600000, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* WHAT, and behind its last colon the milliseconds of those that have some. */
static bool add_rule(enum effect effect, char *what)
{
	struct rule *r = &rules[n_rules];

	if (n_rules == RULES)
		return false;
	if (effect == EFFECT_DELAY || effect == EFFECT_SLOW) {
		char *colon = strrchr(what, ':');

		if (!colon || !to_ms(colon + 1, &r->ms))
			return false;
		*colon = '\0';
	}
	r->effect = effect;
	n_rules++;
	return *what != '\0' && str_copy(r->what, sizeof(r->what), what);
}

static bool take(const char *name, char *value)
{
	size_t i;

	if (find(effects, EFFECT__count, name, &i))
		return value && add_rule((enum effect)i, value);
	if (str_eq(name, "engine")) {
		behaviour.none = str_eq(value, "none");
		behaviour.kvm = str_eq(value, "kvm");
		return behaviour.none || behaviour.kvm || str_eq(value, "qemu");
	}
	if (str_eq(name, "version"))
		return value && str_copy(behaviour.version, sizeof(behaviour.version), value);
	if (str_eq(name, "nosocket")) {
		behaviour.no_socket = true;
		return !value;
	}
	if (str_eq(name, "late"))
		return to_ms(value, &behaviour.late_ms);
	if (str_eq(name, "stamps"))
		return value && str_copy(behaviour.stamps, sizeof(behaviour.stamps), value);
	if (str_eq(name, "console"))
		return value && str_to_size(value, &behaviour.console_bytes);
	if (str_eq(name, "vsock") && value && find(manners, VSOCK__count, value, &i)) {
		behaviour.vsock = (enum vsock_manner)i;
		return true;
	}
	return false;
}

/* The first item of *rest into a NUL-terminated string of its own: up to a blank behind which
 * another `name=` or `nosocket` begins. */
static char *next_item(char **rest)
{
	char *item = *rest + strspn(*rest, " \n"), *end = item;

	if (*item == '\0')
		return NULL;
	for (;;) {
		char *word;

		end += strcspn(end, " \n");
		word = end + strspn(end, " \n");
		if (*word == '\0' || str_starts(word, "nosocket") ||
			memchr(word, '=', strcspn(word, " \n"))) {
			*rest = word;
			*end = '\0';
			return item;
		}
		end = word;
	}
}

int behaviour_init(struct err *err)
{
	char text[AREA + 1], *rest = text + AREA_MARK, *item;

	for (size_t i = 0; i < AREA; i++)
		text[i] = area[i];
	text[AREA] = '\0';
	while ((item = next_item(&rest))) {
		char *equals = strchr(item, '=');

		if (equals)
			*equals = '\0';
		if (!take(item, equals ? equals + 1 : NULL))
			return err_set(err, ERR_bad_request, "no behaviour '%s%s%s'", item,
				equals ? "=" : "", equals ? equals + 1 : "");
	}
	return 0;
}

static bool matches(const struct rule *r, const char *request, unsigned nth)
{
	char number[16];

	snprintf(number, sizeof(number), "#%u", nth);
	return str_eq(r->what, "*") || str_eq(r->what, number) || str_starts(request, r->what);
}

uint32_t behaviour_of(const char *method, const char *path, unsigned nth, uint32_t *ret_ms)
{
	char request[256];
	uint32_t found = 0;

	/* What does not fit is longer than any rule. */
	snprintf(request, sizeof(request), "%s %s", method, path);
	for (size_t i = 0; i < n_rules; i++)
		if (matches(&rules[i], request, nth)) {
			found |= UINT32_C(1) << rules[i].effect;
			if (rules[i].ms)
				*ret_ms = rules[i].ms;
		}
	return found;
}
