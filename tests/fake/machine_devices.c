/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives and network interfaces. */
#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/fake/machine.h"
#include "tests/fake/tap.h"

static const char *get_text(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

static bool get_bool(struct json_object *o, const char *key)
{
	bool v = false;

	json_get_bool(o, key, &v);
	return v;
}

static struct drive *find_drive(struct machine *m, const char *id)
{
	for (struct drive *d = m->drives; d < m->drives + m->n_drives; d++)
		if (str_eq(d->id, id))
			return d;
	return NULL;
}

static bool has_other_root(const struct machine *m, const char *id)
{
	for (size_t i = 0; i < m->n_drives; i++)
		if (m->drives[i].root && !str_eq(m->drives[i].id, id))
			return true;
	return false;
}

/* -1, and r says why. */
static int open_drive(const char *path, bool read_only, struct reply *r)
{
	int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	if (fd < 0)
		reply_fault_os(r, errno,
			"Drive config error: Unable to create the virtio block device: Virtio "
			"backend error: Error manipulating the backing file %s",
			path);
	return fd;
}

static void drive_clear(struct drive *d)
{
	json_object_put(d->config);
	fd_closep(&d->fd);
}

/* The root device is the first. */
static void place_drive(struct machine *m, struct drive *known, const struct drive *d)
{
	if (known) {
		drive_clear(known);
		*known = *d;
	} else {
		known = &m->drives[m->n_drives++];
		*known = *d;
	}
	if (d->root) {
		*known = m->drives[0];
		m->drives[0] = *d;
	}
}

MACHINE_HANDLER(machine_put_drive)
{
	const char *path = get_text(q->body, "path_on_host"), *socket = get_text(q->body, "socket");
	struct drive *known = find_drive(m, q->id);
	struct drive d = { .id = get_text(q->body, "drive_id"),
		.root = get_bool(q->body, "is_root_device"),
		.read_only = get_bool(q->body, "is_read_only") };

	if (m->state != MACHINE_NOT_STARTED)
		reply_fault(r, "PCI is not enabled");
	else if (d.root && has_other_root(m, q->id))
		reply_fault(r, "Drive config error: A root block device already exists!");
	else if (!path || socket)
		reply_fault(r,
			"Drive config error: Unable to create the virtio block device: Invalid "
			"block config.");
	else if (!known && m->n_drives == MACHINE_DRIVES)
		reply_fault(r, "Drive config error: this stand-in has room for %d drives",
			MACHINE_DRIVES);
	else if ((d.fd = open_drive(path, d.read_only, r)) >= 0) {
		d.config = json_object_get(q->body);
		place_drive(m, known, &d);
	}
}

MACHINE_HANDLER(machine_patch_drive)
{
	struct drive *d = find_drive(m, q->id);
	const char *path = get_text(q->body, "path_on_host");
	int fd;

	if (!d) {
		reply_fault(
			r, "Drive config error: Unable to patch the block device: no '%s'", q->id);
		return;
	}
	if (!path)
		return;
	fd = open_drive(path, d->read_only, r);
	if (fd < 0)
		return;
	fd_closep(&d->fd);
	d->fd = fd;
	json_object_object_add(d->config, "path_on_host", json_object_new_string(path));
}

static struct nic *find_nic(struct machine *m, const char *id)
{
	for (struct nic *n = m->nics; n < m->nics + m->n_nics; n++)
		if (str_eq(n->id, id))
			return n;
	return NULL;
}

static bool mac_is_taken(const struct machine *m, const char *id, const char *mac)
{
	for (size_t i = 0; mac && i < m->n_nics; i++)
		if (m->nics[i].mac && strcasecmp(m->nics[i].mac, mac) == 0 &&
			!str_eq(m->nics[i].id, id))
			return true;
	return false;
}

static void nic_clear(struct nic *n)
{
	json_object_put(n->config);
	fd_closep(&n->tap);
}

/* What the interface was before is gone, also when the new one cannot be had. */
static void put_nic(struct machine *m, const struct request *q, struct reply *r)
{
	struct nic *known = find_nic(m, q->id);
	struct nic n = { .id = get_text(q->body, "iface_id"),
		.mac = get_text(q->body, "guest_mac") };
	const char *tap = get_text(q->body, "host_dev_name");

	if (known) {
		nic_clear(known);
		*known = m->nics[--m->n_nics];
	}
	n.tap = tap_open(tap);
	if (n.tap < 0) {
		reply_fault_os(r, errno,
			"Network config error: Could not create the network device: Open tap "
			"device failed: %s",
			tap);
		return;
	}
	n.config = json_object_get(q->body);
	m->nics[m->n_nics++] = n;
}

MACHINE_HANDLER(machine_put_nic)
{
	const char *mac = get_text(q->body, "guest_mac");
	uint64_t mtu;

	if (m->state != MACHINE_NOT_STARTED)
		reply_fault(r, "PCI is not enabled");
	else if (mac_is_taken(m, q->id, mac))
		reply_fault(r, "Network config error: The MAC address is already in use: %s", mac);
	else if (json_get_u64(q->body, "mtu", 0, 67, &mtu))
		reply_fault(r, "Network config error: MTU %u is out of range [68, 65535]",
			(unsigned)mtu);
	else if (!find_nic(m, q->id) && m->n_nics == MACHINE_NICS)
		reply_fault(r, "Network config error: this stand-in has room for %d interfaces",
			MACHINE_NICS);
	else
		put_nic(m, q, r);
}

MACHINE_HANDLER(machine_patch_nic)
{
	if (!find_nic(m, q->id))
		reply_fault(
			r, "Network config error: Unable to update the net device: no '%s'", q->id);
}
