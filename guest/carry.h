/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Carries a session: hands what the host sends on a carrier to the session it is for.
 */
#include "guest/carrier.h"
#include "guest/child.h"

/* `tree` and `image` must outlive all carriers. */
void carry_init(struct loop *loop, int tree, const struct image *image);

/* Take all that came: a request for a session, or what the session is told. -1 when the host is
 * gone, or broke the protocol (err says which). */
int carry_take(struct carrier *c, struct err *err);

/* Move what can be moved, after something came or the fd takes more. */
void carry_move(struct carrier *c);

/* The stream ends: a session that lives on no longer has it. */
void carry_drop(struct carrier *c);
