/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/refs.h"

#include "common/str.h"

/* Lower is better. */
enum { NONE, BY_ID, BY_OWN_NAME, BY_ROOTS_NAME, BY_NAME, BY_DIGEST, BY_PREFIX };

void refs_begin(struct refs *r, uid_t uid, const char *ref)
{
	*r = (struct refs){ .ref = ref, .uid = uid };
}

static int rank_of(
	const struct refs *r, const char *id, const char *name, uid_t owner, const char *digest)
{
	if (str_eq(r->ref, id))
		return BY_ID;
	if (str_eq(r->ref, name) && owner == r->uid)
		return BY_OWN_NAME;
	if (str_eq(r->ref, name))
		return owner == 0 ? BY_ROOTS_NAME : BY_NAME;
	if (digest && str_eq(r->ref, digest))
		return BY_DIGEST;
	return str_starts(id, r->ref) || str_starts(name, r->ref) ? BY_PREFIX : NONE;
}

bool refs_offer(struct refs *r, const char *id, const char *name, uid_t owner, const char *digest)
{
	int rank = rank_of(r, id, name, owner, digest);

	if (rank == NONE || (r->rank != NONE && rank > r->rank))
		return false;
	/* What has the same digest is the same thing. */
	if (rank == r->rank && rank != BY_DIGEST) {
		r->count++;
		return false;
	}
	r->rank = rank;
	r->count = 1;
	return true;
}

int refs_end(const struct refs *r, const char *what, struct err *err)
{
	if (r->count == 0)
		return err_set(err, ERR_not_found, "no %s '%s'", what, r->ref);
	if (r->count > 1)
		return err_set(err, ERR_bad_request, "multiple %ss match '%s' (%u): say more of it",
			what, r->ref, r->count);
	return 0;
}
