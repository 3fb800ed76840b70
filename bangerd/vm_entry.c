/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

/* a, then b, at `at`; returns what is behind. */
static char *join(char *at, const strv *a, const strv *b, strv *ret)
{
	*ret = (strv){ at, a->n + b->n, a->count + b->count };
	if (a->n > 0)
		memcpy(at, a->p, a->n);
	if (b->n > 0)
		memcpy(at + a->n, b->p, b->n);
	return at + ret->n;
}

int vm_entry(const struct vm_row *row, const struct image_row *image, struct agent_setup_in *ret,
	char **ret_text, struct err *err)
{
	const strv *arguments = row->argv.count > 0 ? &row->argv : &image->command;
	size_t size = (size_t)image->entrypoint.n + arguments->n + image->env.n + row->env.n;
	char *joined = malloc(size + 1), *at = joined;

	if (!joined)
		return err_sys(err, ERR_operation_failed, ENOMEM, "no room for the command");
	at = join(at, &image->entrypoint, arguments, &ret->argv);
	join(at, &image->env, &row->env, &ret->environment);
	ret->user = row->user.s[0] ? row->user : image->user;
	ret->directory = row->directory.s[0] ? row->directory : image->directory;
	ret->stop_signal = image->stop_signal;
	ret->work = row->work_size > 0;
	ret->mode = row->mode == guest_mode_auto && row->argv.count > 0 ? guest_mode_command
									: row->mode;
	*ret_text = joined;
	return 0;
}
