/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of QEMU's monitor, from a VMM in a guest's hands: refused, or a message of one kind. */
#include <stdint.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "bangerd/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qmp_message m = { .object = NULL };
	struct err err = ERR_INIT;

	if (qmp_parse((const char *)data, size, &m, &err) < 0) {
		if (err.code != ERR_protocol || m.object)
			abort();
		return 0;
	}
	if (!json_object_is_type(m.object, json_type_object) || m.kind > QMP_EVENT)
		abort();
	json_object_put(m.object);
	return 0;
}
