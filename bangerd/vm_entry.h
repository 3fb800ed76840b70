/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a guest runs: of its image, and of what its VM was created with. */
#include "bangerd/store_image.h"
#include "bangerd/store_vm.h"
#include "common/proto_agent.h"

/*
 * Fill argv, environment, user, directory, stop_signal and mode of a setup request. As engines do
 * it (OCI image-spec, config.md, "Entrypoint" and "Cmd"): the image's entrypoint, then the VM's
 * arguments, or without any the image's command. A VM that was given arguments runs them, whether
 * the image has an init or not. The VM's own environment comes behind the image's, and so wins.
 * *ret_text is the heap memory of the strvs; the caller frees it.
 */
int vm_entry(const struct vm_row *row, const struct image_row *image, struct agent_setup_in *ret,
	char **ret_text, struct err *err);
