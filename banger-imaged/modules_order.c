/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/modules_order.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

/* A line, its end not counted. */
#define LINE_MAX_LEN (MODULES_ORDER_FILE + 32)
#define DEVICE	     " virtio:"

/* What lists without devices had, and when and for which device it loads since. */
static const struct renewal {
	const char *name;
	enum module_phase phase;
	unsigned device;
} renewals[] = {
	{ "virtio_console", PHASE_CHANNEL, VIRTIO_ID_CONSOLE },
	{ "vsock", PHASE_CHANNEL, VIRTIO_ID_VSOCK },
	{ "vmw_vsock_virtio_transport_common", PHASE_CHANNEL, VIRTIO_ID_VSOCK },
	{ "vmw_vsock_virtio_transport", PHASE_CHANNEL, VIRTIO_ID_VSOCK },
	{ "failover", PHASE_NET, VIRTIO_ID_NET },
	{ "net_failover", PHASE_NET, VIRTIO_ID_NET },
	{ "virtio_net", PHASE_NET, VIRTIO_ID_NET },
	{ "virtio_rng", PHASE_LATE, VIRTIO_ID_RNG },
};

void modules_order_file(const struct modules *m, size_t at, char *ret, size_t cap)
{
	str_format(ret, cap, "%03zu-%s.ko", at, m->v[m->order[at]].name);
}

static char *text_create(void)
{
	char *text = malloc((MODULES_WANTED_MAX + 1) * (size_t)LINE_MAX_LEN);

	if (text)
		text[0] = '\0';
	return text;
}

/* Append a line; device 0 is none. */
static void put(char **at, const char *file, enum module_phase phase, unsigned device)
{
	*at += snprintf(*at, LINE_MAX_LEN, "%s %s", file, module_phase_name(phase));
	if (device != 0)
		*at += snprintf(*at, LINE_MAX_LEN, DEVICE "%u", device);
	*at = stpcpy(*at, "\n");
}

int modules_order_write(const struct modules *m, char **ret, struct err *err)
{
	char *text = text_create(), *at = text;

	if (!text)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot list modules");
	for (size_t i = 0; i < m->n_order; i++) {
		const struct module *mod = &m->v[m->order[i]];
		char file[MODULES_ORDER_FILE];

		modules_order_file(m, i, file, sizeof(file));
		put(&at, file, mod->phase, mod->device);
	}
	*ret = text;
	return 0;
}

/* Of a line "FILE PHASE": the file's length, and the phase. */
static bool parse(const char *line, size_t *ret_file, enum module_phase *ret_phase)
{
	const char *blank = strchr(line, ' ');

	if (!blank || strlen(line) >= LINE_MAX_LEN)
		return false;
	*ret_file = (size_t)(blank - line);
	for (int p = 0; p < PHASE__COUNT; p++)
		if (str_eq(blank + 1, module_phase_name((enum module_phase)p))) {
			*ret_phase = (enum module_phase)p;
			return *ret_file > strlen("000-.ko") && *ret_file < MODULES_ORDER_FILE;
		}
	return false;
}

/* "NNN-name.ko", without its length: what there is to know of the name, or NULL. */
static const struct renewal *renewal_of(const char *file, size_t len)
{
	const char *name = file + strlen("000-");

	len -= strlen("000-.ko");
	for (size_t i = 0; i < ARRAY_SIZE(renewals); i++)
		if (strlen(renewals[i].name) == len && strncmp(name, renewals[i].name, len) == 0)
			return &renewals[i];
	return NULL;
}

/* The lines of `list` that are for a device, or those that are not, renewed, to *at. */
static int renew(char *list, bool for_device, char **at, struct err *err)
{
	char *save = NULL;

	for (char *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const struct renewal *r;
		enum module_phase phase;
		char file[MODULES_ORDER_FILE];
		size_t len;

		if (!parse(line, &len, &phase))
			return err_set(err, ERR_bad_input,
				"the old initramfs has a bad line in its modules/order");
		r = renewal_of(line, len);
		if (for_device != (r != NULL))
			continue;
		memcpy(file, line, len);
		file[len] = '\0';
		put(at, file, r ? r->phase : phase, r ? r->device : 0);
	}
	return 0;
}

int modules_order_renew(const char *old, char **ret, struct err *err)
{
	_cleanup_free_ char *first = strdup(old), *second = strdup(old), *text = text_create();
	char *at = text;
	size_t lines = 0;

	if (!first || !second || !text)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot list modules");
	if (strstr(old, DEVICE)) {
		*ret = TAKE_PTR(first);
		return 0;
	}
	for (const char *p = old; (p = strchr(p, '\n')); p++)
		lines++;
	if (lines > MODULES_WANTED_MAX)
		return err_set(err, ERR_bad_input, "the old initramfs lists too many modules");
	/* What is for a device stands behind what brings the devices in. */
	if (renew(first, false, &at, err) < 0 || renew(second, true, &at, err) < 0)
		return -1;
	*ret = TAKE_PTR(text);
	return 0;
}
