/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "banger-netd/limits_bus.h"
#include "banger-netd/limits_cgroup.h"
#include "banger-netd/limits_scope.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

#define DEATH_MS 5000

struct limits_host {
	enum limits kind;
	int tree; /* of cgroups, or -1 */
	char problem[ERR_MSG_MAX];
};

static bool try_scope(struct err *err)
{
	if (sd_booted() <= 0) {
		err_set(err, ERR_unavailable, "the host does not run systemd");
		return false;
	}
	return limits_scope_check(limits_managers, LIMITS_SCOPE_TIMEOUT_MS, err) == 0;
}

static bool try_cgroup(struct limits_host *l, struct err *err)
{
	_cleanup_fd_ int root = -1;
	unsigned removed = 0;

	if (limits_cgroup_root(&root, err) < 0 || limits_cgroup_open(root, &l->tree, err) < 0)
		return false;
	if (limits_cgroup_sweep(l->tree, &removed, err) < 0)
		log_error("%s", err->msg);
	if (removed)
		log_notice("removed the cgroups of %u VMs that are gone", removed);
	return true;
}

int limits_open(struct limits_host **ret, struct err *err)
{
	struct err no_scope = ERR_INIT, no_cgroup = ERR_INIT;
	struct limits_host *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(err, ERR_operation_failed, "no memory");
	l->tree = -1;
	if (try_scope(&no_scope))
		l->kind = limits_scope;
	else if (try_cgroup(l, &no_cgroup))
		l->kind = limits_cgroup;
	else {
		l->kind = limits_rlimits;
		str_format(l->problem, sizeof(l->problem),
			"VMs are limited by rlimits only: %.200s; %.200s", no_scope.msg,
			no_cgroup.msg);
		log_notice("%s", l->problem);
	}
	*ret = l;
	return 0;
}

void limits_close(struct limits_host *l)
{
	if (!l)
		return;
	fd_closep(&l->tree);
	free(l);
}

enum limits limits_kind(const struct limits_host *l)
{
	return l->kind;
}

const char *limits_problem(const struct limits_host *l)
{
	return l->problem;
}

int limits_place(struct limits_host *l, const struct limits_vm *vm, struct err *err)
{
	int r = 0;

	switch (l->kind) {
	case limits_scope:
		r = limits_scope_place(limits_managers, vm, LIMITS_SCOPE_TIMEOUT_MS, err);
		break;
	case limits_cgroup:
		r = limits_cgroup_place(l->tree, vm, err);
		break;
	case limits_rlimits:
	case limits__count:
		break;
	}
	return r < 0 ? err_wrap(err, "cannot limit VM %s", vm->vm.s) : 0;
}

int limits_sweep(struct limits_host *l, unsigned *ret, struct err *err)
{
	if (l->kind == limits_cgroup)
		return limits_cgroup_sweep(l->tree, ret, err);
	*ret = 0;
	return 0;
}

int limits_remove(struct limits_host *l, vm_id vm, struct err *err)
{
	struct err stays = ERR_INIT;

	switch (l->kind) {
	case limits_scope:
		/* It ends without our help, and nothing of ours depends on when. */
		if (limits_scope_remove(limits_managers, vm, LIMITS_SCOPE_TIMEOUT_MS, &stays) < 0)
			log_warning("%s", stays.msg);
		return 0;
	case limits_cgroup:
		return limits_cgroup_remove(l->tree, vm, DEATH_MS, err);
	case limits_rlimits:
	case limits__count:
		break;
	}
	return 0;
}
