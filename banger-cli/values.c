/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/values.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"
#include "common/types.h"

#define MEMORY_MIN    64
#define MEMORY_MAX    1048576
#define MIB	      ((uint64_t)1 << 20)
#define SIZE_MAX_DISK ((uint64_t)1 << 46)
#define VM_REF_MAX    63

/* What the user types; in the protocol, words are joined by '_'. */
static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
static const char *const vmms[] = { "auto", "firecracker", "qemu", NULL };
static const char *const image_kinds[] = { "auto", "oci-layout", "oci-archive", "docker-archive",
	"rootfs", NULL };
static const char *const pull_policies[] = { "always", "missing", "never", NULL };
static const char *const cache_verbs[] = { "prune", NULL };
static const char *const formats[] = { "table", "json", NULL };
static const char *const shells[] = { "bash", "zsh", "fish", NULL };

_Static_assert(ARRAY_SIZE(accels) == accel__count + 1, "a kind of acceleration has no word");
_Static_assert(ARRAY_SIZE(vmms) == vmm_kind__count + 1, "a VMM has no word");
_Static_assert(ARRAY_SIZE(pull_policies) == pull_policy__count + 1, "a policy has no word");
_Static_assert(ARRAY_SIZE(image_kinds) == image_kind__count + 1, "a kind of image has no word");

static const char *const *choices(enum arg_type type)
{
	if (type == ARG_accel)
		return accels;
	if (type == ARG_vmm)
		return vmms;
	if (type == ARG_image_kind)
		return image_kinds;
	if (type == ARG_pull_policy)
		return pull_policies;
	if (type == ARG_cache_verb)
		return cache_verbs;
	if (type == ARG_format)
		return formats;
	return type == ARG_shell ? shells : NULL;
}

const char *value_choice(enum arg_type type, size_t i)
{
	const char *const *words = choices(type);

	if (!words)
		return NULL;
	for (size_t j = 0; j < i; j++)
		if (!words[j])
			return NULL;
	return words[i];
}

static int parse_choice(enum arg_type type, const char *s, int *ret, struct err *err)
{
	const char *const *words = choices(type);
	char all[128] = "";
	size_t used = 0;

	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], s) == 0) {
			*ret = i;
			return 0;
		}
		str_format(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "", words[i]);
		used += strlen(all + used);
	}
	return err_set(err, ERR_bad_request, "'%.80s' is not one of: %s", s, all);
}

static int parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
	if (str_to_u64(s, min, max, ret))
		return 0;
	return err_set(err, ERR_bad_request, "'%.80s' is not a whole number from %llu to %llu", s,
		(unsigned long long)min, (unsigned long long)max);
}

static int parse_size(const char *s, uint64_t *ret, struct err *err)
{
	uint64_t v;

	if (!str_to_size(s, &v))
		return err_set(err, ERR_bad_request,
			"'%.80s' is not a size above zero: write 512M, 8G…", s);
	if (v > SIZE_MAX_DISK)
		return err_set(err, ERR_bad_request, "'%.80s' is more than 64T", s);
	*ret = v;
	return 0;
}

static int parse_memory(const char *s, uint32_t *ret, struct err *err)
{
	uint64_t v;

	if (parse_size(s, &v, err) < 0)
		return -1;
	v = (v + MIB - 1) / MIB;
	if (v < MEMORY_MIN || v > MEMORY_MAX)
		return err_set(err, ERR_bad_request, "'%.80s' is not between 64M and 1T%s", s,
			strspn(s, "0123456789") == strlen(s) ? " (a bare number is bytes)" : "");
	*ret = (uint32_t)v;
	return 0;
}

static int parse_signal(const char *s, uint8_t *ret, struct err *err)
{
	const char *name = strncasecmp(s, "SIG", 3) == 0 ? s + 3 : s;
	uint64_t v;

	if (str_to_u64(s, 1, 64, &v)) {
		*ret = (uint8_t)v;
		return 0;
	}
	for (int i = 1; i < 32; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation && strcasecmp(abbreviation, name) == 0) {
			*ret = (uint8_t)i;
			return 0;
		}
	}
	return err_set(err, ERR_bad_request,
		"'%.80s' is not a signal: write TERM, KILL… or a number from 1 to 64", s);
}

static int parse_env(const char *s, const char **ret, struct err *err)
{
	size_t n = strcspn(s, "=");

	if (n == 0)
		return err_set(err, ERR_bad_request, "'%.80s' has no name: write NAME=value", s);
	*ret = s;
	return 0;
}

static bool is_vm_ref(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= VM_REF_MAX && s[n] == '\0' && s[0] != '-';
}

static bool is_object_ref(const char *s)
{
	ref_name name;

	return ref_name_parse(s, &name);
}

static bool is_string(enum arg_type type)
{
	return type == ARG_string || type == ARG_image_source;
}

static bool is_image(enum arg_type type)
{
	return type == ARG_image_ref || type == ARG_image_wanted;
}

static bool is_kernel(enum arg_type type)
{
	return type == ARG_kernel_ref || type == ARG_kernel_wanted;
}

static int parse_text(enum arg_type type, const char *s, const char **ret, struct err *err)
{
	vm_name name;

	if (type == ARG_path && *s == '\0')
		return err_set(err, ERR_bad_request, "a path is not empty");
	if (is_string(type) && (*s == '\0' || strlen(s) > TEXT_MAX || !str_printable(s, true)))
		return err_set(err, ERR_bad_request, "this is one printable line of 1 to %d bytes",
			TEXT_MAX);
	if (type == ARG_vm_ref && !is_vm_ref(s))
		return err_set(err, ERR_bad_request,
			"'%.80s' is no VM's name or id: they have a-z, 0-9 and hyphens", s);
	if ((is_image(type) || is_kernel(type)) && !is_object_ref(s))
		return err_set(err, ERR_bad_request, "'%.80s' is no %s's name or id", s,
			is_image(type) ? "image" : "kernel");
	if (type == ARG_vm_name && !vm_name_parse(s, &name))
		return err_set(err, ERR_bad_request,
			"'%.80s' is no name for a VM: 1 to 63 of a-z, 0-9 and inner hyphens, not "
			"only "
			"digits",
			s);
	if (type == ARG_ref_name && !is_object_ref(s))
		return err_set(err, ERR_bad_request,
			"'%.80s' is no good name: it begins with a letter or digit and goes on "
			"with "
			"those "
			"and . _ / : @ + -",
			s);
	*ret = s;
	return 0;
}

int value_parse(enum arg_type type, const char *s, void *dst, struct err *err)
{
	uint64_t v = 0;
	int choice = 0;

	if (choices(type)) {
		if (parse_choice(type, s, &choice, err) < 0)
			return -1;
		*(int *)dst = type == ARG_shell || type == ARG_pull_policy ? choice + 1 : choice;
		return 0;
	}
	if (type == ARG_size)
		return parse_size(s, dst, err);
	if (type == ARG_memory)
		return parse_memory(s, dst, err);
	if (type == ARG_signal)
		return parse_signal(s, dst, err);
	if (type == ARG_env)
		return parse_env(s, dst, err);
	if (type == ARG_vcpus) {
		if (parse_number(s, 1, 32, &v, err) < 0)
			return -1;
		*(uint8_t *)dst = (uint8_t)v;
		return 0;
	}
	if (type == ARG_seconds) {
		if (parse_number(s, 0, 1000000, &v, err) < 0)
			return -1;
		*(struct seconds *)dst = (struct seconds){ .given = true, .n = (uint32_t)v };
		return 0;
	}
	return parse_text(type, s, dst, err);
}
