/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A file that is to be an image as it is: the message image_register of common/proto/job.tbl.h. */
#include "banger-imaged/progress.h"
#include "common/err.h"
#include "common/proto_job.h"

/* Reads it once, and writes nothing. Fails with bad_input when it is no ext4 file system, or is
 * shorter than that says. */
int image_register(const struct job_image_register_in *in, struct job_image_register_out *out,
	const struct progress *p, struct err *err);
