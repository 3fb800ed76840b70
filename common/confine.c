/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/landlock.h"
#include "common/str.h"

enum group {
#define GROUP(name) GROUP_##name,
#include "common/proto/syscalls.tbl.h"
	GROUP__count
};

enum rule_kind { RULE_ALLOW, RULE_ALLOW_IF, RULE_SOCKET, RULE_ERRNO };

struct rule {
	int nr;
	enum rule_kind kind;
	unsigned arg;
	/* RULE_ERRNO: value is the errno; RULE_SOCKET: they are domain and type */
	uint64_t mask, value;
};

/* Rules of all groups in the table's order; a group ends with nr == RULES_END. */
#define RULES_END -100000
static const struct rule rules[] = {
#define CALL(name)			{ SCMP_SYS(name), RULE_ALLOW, 0, 0, 0 },
#define CALL_IF(name, arg, mask, value) { SCMP_SYS(name), RULE_ALLOW_IF, arg, mask, value },
#define CALL_SOCKET(domain, type)	{ SCMP_SYS(socket), RULE_SOCKET, 0, domain, type },
#define CALL_ERRNO(name, errnum)	{ SCMP_SYS(name), RULE_ERRNO, 0, 0, errnum },
#define END_GROUP(name)			{ RULES_END, RULE_ALLOW, 0, 0, 0 },
#include "common/proto/syscalls.tbl.h"
};

/* The deny-lists, in the order of their profiles; a list ends with RULES_END. */
static const int denied_launch[] = {
#define DENY(name) SCMP_SYS(name),
#include "common/proto/syscalls.tbl.h"
	RULES_END
};

static const int denied_firecracker[] = {
#define DENY_VMM(name) SCMP_SYS(name),
#include "common/proto/syscalls.tbl.h"
	RULES_END
};

static const int denied_qemu[] = {
#define DENY_VMM(name)	SCMP_SYS(name),
#define DENY_QEMU(name) SCMP_SYS(name),
#include "common/proto/syscalls.tbl.h"
	RULES_END
};

/* A profile's deny-list; NULL when it is a list of what is allowed. */
static const int *deny_list(enum confine_profile profile)
{
	if (profile == CONFINE_launch)
		return denied_launch;
	if (profile == CONFINE_firecracker)
		return denied_firecracker;
	return profile == CONFINE_qemu ? denied_qemu : NULL;
}

/* Which groups a profile uses, as a bit set. */
static const uint64_t profile_groups[] = {
#define PROFILE(name)	  0
#define USE(group)	  | (1ULL << GROUP_##group)
#define END_PROFILE(name) ,
#include "common/proto/syscalls.tbl.h"
};

static const char *const profile_names[] = {
#define PROFILE(name) #name,
#include "common/proto/syscalls.tbl.h"
	"launch",
	"firecracker",
	"qemu",
};

const char *confine_profile_name(enum confine_profile profile)
{
	return profile_names[profile];
}

/* The next rule of the profile from *at on, or NULL. *group is the running group's number. */
static const struct rule *next_rule(enum confine_profile profile, size_t *at, unsigned *group)
{
	for (; *at < ARRAY_SIZE(rules); (*at)++) {
		if (rules[*at].nr == RULES_END)
			(*group)++;
		else if (profile_groups[profile] & (1ULL << *group))
			return &rules[(*at)++];
	}
	return NULL;
}

static bool counted_before(enum confine_profile profile, const struct rule *r)
{
	unsigned group = 0;
	size_t at = 0;

	for (const struct rule *x; (x = next_rule(profile, &at, &group)) && x != r;)
		if (x->nr == r->nr && x->kind != RULE_ERRNO)
			return true;
	return false;
}

size_t confine_count(enum confine_profile profile)
{
	unsigned group = 0;
	size_t at = 0, n = 0;

	for (const int *d = deny_list(profile); d; d++, n++)
		if (*d == RULES_END)
			return n;
	for (const struct rule *r; (r = next_rule(profile, &at, &group));)
		n += r->kind != RULE_ERRNO && !counted_before(profile, r);
	return n;
}

/* True when the profile allows the call without conditions: libseccomp then refuses further
 * conditional rules, which add nothing. */
static bool allowed_plainly(enum confine_profile profile, int nr)
{
	unsigned group = 0;
	size_t at = 0;

	for (const struct rule *r; (r = next_rule(profile, &at, &group));)
		if (r->nr == nr && r->kind == RULE_ALLOW)
			return true;
	return false;
}

static int add_rule(scmp_filter_ctx ctx, enum confine_profile profile, const struct rule *r)
{
	struct scmp_arg_cmp cmp = SCMP_CMP(r->arg, SCMP_CMP_MASKED_EQ, r->mask, r->value);

	if (r->nr < 0) /* the architecture does not have it */
		return 0;
	if ((r->kind == RULE_ALLOW_IF || r->kind == RULE_SOCKET) && allowed_plainly(profile, r->nr))
		return 0;
	if (r->kind == RULE_SOCKET)
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, r->nr, 2,
			SCMP_A0(SCMP_CMP_EQ, r->mask), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, r->value));
	if (r->kind == RULE_ALLOW_IF)
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, r->nr, 1, &cmp);
	if (r->kind == RULE_ERRNO)
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint16_t)r->value), r->nr, 0);
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, r->nr, 0);
}

static int fill_filter(scmp_filter_ctx ctx, enum confine_profile profile)
{
	unsigned group = 0;
	size_t at = 0;
	int r;

	for (const int *d = deny_list(profile); d; d++) {
		if (*d == RULES_END)
			return 0;
		if (*d < 0) /* the architecture does not have it */
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), *d, 0);
		if (r < 0)
			return r;
	}
	for (const struct rule *rule; (rule = next_rule(profile, &at, &group));) {
		r = add_rule(ctx, profile, rule);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

static int apply_seccomp(enum confine_profile profile, enum confine_mode mode, struct err *err)
{
	uint32_t otherwise = mode == CONFINE_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx ctx;
	int r;

	if (mode == CONFINE_OFF)
		return 0;
	ctx = seccomp_init(deny_list(profile) ? SCMP_ACT_ALLOW : otherwise);
	if (!ctx)
		return err_set(err, ERR_operation_failed, "seccomp: no memory for the filter");
	/* no_new_privs is set already; the filter must not try again through prctl. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0 && !deny_list(profile))
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = fill_filter(ctx, profile);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r < 0)
		return err_sys(err, ERR_operation_failed, -r, "seccomp: profile %s",
			profile_names[profile]);
	return 0;
}

static int apply_capabilities(const struct confine *c, struct err *err)
{
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < c->n_capabilities; i++)
		if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			    c->capabilities[i], -1) < 0)
			return err_set(err, ERR_operation_failed, "capability %u is not known",
				c->capabilities[i]);
	/* The bounding set can only be narrowed by who has CAP_SETPCAP; the others have had no
	 * capability since their change of uid, and no_new_privs keeps it so. */
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE, 0, 0, 0) == 0) {
		if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
			return err_set(err, ERR_operation_failed, "cannot drop bounding set");
	}
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return err_set(err, ERR_operation_failed, "cannot drop capabilities");
	return 0;
}

int confine_apply(const struct confine *c, struct err *err)
{
	int abi;

	for (size_t i = 0; i < c->n_rlimits; i++) {
		struct rlimit l = { c->rlimits[i].value, c->rlimits[i].value };

		if (setrlimit((__rlimit_resource_t)c->rlimits[i].resource, &l) < 0)
			return err_sys(err, ERR_operation_failed, errno, "cannot set limit %d",
				c->rlimits[i].resource);
	}
	/* A VMM has none by then: nothing is said of them. */
	if (c->profile != CONFINE_firecracker && c->profile != CONFINE_qemu &&
		apply_capabilities(c, err) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set no_new_privs");
	if (c->landlock && landlock_restrict(c->paths, c->n_paths, c->network, &abi, err) < 0)
		return -1;
	return apply_seccomp(c->profile, c->mode, err);
}
