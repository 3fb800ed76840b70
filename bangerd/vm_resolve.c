/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_resolve.h"

#include <string.h>

#include "common/str.h"

/* How well a VM fits; the best fit counts, if it is one VM's alone. */
enum fit { FIT_NONE, FIT_PREFIX, FIT_NAME, FIT_OWN_NAME, FIT_ID };

static enum fit fit_of(const struct vm *vm, uid_t uid, const char *ref)
{
	if (uid != 0 && vm->row.owner != uid)
		return FIT_NONE;
	if (str_eq(vm->row.id.s, ref))
		return FIT_ID;
	if (str_eq(vm->row.name.s, ref))
		return vm->row.owner == uid ? FIT_OWN_NAME : FIT_NAME;
	if (str_starts(vm->row.id.s, ref) || str_starts(vm->row.name.s, ref))
		return FIT_PREFIX;
	return FIT_NONE;
}

static int ambiguous(struct vm *first, uid_t uid, const char *ref, enum fit best, struct err *err)
{
	static const char more[] = ", …";
	char list[300] = "";

	for (struct vm *vm = first; vm; vm = vm->next) {
		size_t n = strlen(list);

		if (fit_of(vm, uid, ref) != best)
			continue;
		if (!str_format(list + n, sizeof(list) - sizeof(more) - n, "%s%s (%s)",
			    n ? ", " : "", vm->row.name.s, vm->row.id.s)) {
			str_copy(list + n, sizeof(more), more);
			break;
		}
	}
	return err_set(err, ERR_bad_request, "multiple VMs match '%s': %s", ref, list);
}

int vm_resolve(struct vm *first, uid_t uid, const char *ref, struct vm **ret, struct err *err)
{
	enum fit best = FIT_NONE;
	struct vm *found = NULL;
	unsigned count = 0;

	for (struct vm *vm = first; vm; vm = vm->next) {
		enum fit fit = fit_of(vm, uid, ref);

		if (fit == FIT_NONE || fit < best)
			continue;
		count = fit > best ? 1 : count + 1;
		best = fit;
		found = vm;
	}
	if (!found)
		return err_set(err, ERR_not_found, "no VM '%s'", ref);
	if (count > 1)
		return ambiguous(first, uid, ref, best, err);
	*ret = found;
	return 0;
}
