/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a user brings, into one ext4 file: see `image_import` in common/proto/job.tbl.h. */
#include "banger-imaged/image_limits.h"
#include "banger-imaged/progress.h"
#include "common/err.h"
#include "common/proto_job.h"

/* What the strings of an answer point into. */
struct image_answer;
void image_answer_destroy(struct image_answer *a); /* NULL is allowed */

/*
 * fds of `in` stay the caller's, save the socket of a directory, which is taken. The target is
 * synced on success. `limits` NULL: the usual ones. *ret_answer must live until *out was sent.
 * Errors: bad_input and not_found name what is wrong with the image; no_space: the target's or the
 * spool's disk is full.
 */
int image_import(const struct progress *progress, struct job_image_import_in *in,
	const struct image_limits *limits, struct job_image_import_out *out,
	struct image_answer **ret_answer, struct err *err);
