/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/image.h"

#include <stdlib.h>
#include <string.h>

#include "banger-imaged/choose.h"

void image_finish(struct image *i)
{
	image_config_finish(&i->config);
	free(i->layers);
	*i = (struct image){ 0 };
}

int image_check_config(const struct image *i, struct err *err)
{
	const struct platform *p = &i->config.platform;

	if (strcmp(p->os, "linux") != 0 || strcmp(p->architecture, host_architecture) != 0)
		return err_set(err, ERR_bad_input, "the image is for %s/%s; this host is linux/%s",
			p->os, p->architecture, host_architecture);
	if (i->config.n_diff_ids != i->n_layers)
		return err_set(err, ERR_bad_input,
			"the image has %u layers, its configuration speaks of %u", i->n_layers,
			i->config.n_diff_ids);
	return 0;
}
