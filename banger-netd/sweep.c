/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "banger-netd/names.h"
#include "common/fd.h"
#include "common/jail_paths.h"
#include "common/log.h"
#include "common/str.h"

#define BRIDGE_PREFIX "bgr"

static unsigned failed(const struct err *err)
{
	log_error("%s", err->msg);
	return 0;
}

/* ---- processes, and what limited them ---- */

static bool uid_is_known(const struct netd *n, uid_t uid)
{
	const struct ledger_row *row;

	for (size_t i = 0; (row = ledger_at(n->ledger, i)); i++)
		if (row->jail_uid == uid)
			return true;
	return false;
}

static unsigned sweep_processes(struct netd *n)
{
	/* The range's last one is no VM's: programs are asked for their version under it. */
	const uid_t end = n->config.uid_base + n->config.uid_count - 1;
	struct launch_uid_next_in in = { .jail_uid = n->config.uid_base };
	const struct launch_limits_sweep_in limits_in;
	struct launch_limits_sweep_out limits_out;
	struct launch_uid_next_out next;
	struct launch_uid_kill_in kill = { .jail_uid = 0 };
	struct launch_uid_kill_out killed;
	struct err err = ERR_INIT;
	unsigned count = 0;

	if (!vm_id_parse("000000000000", &kill.vm))
		return 0;
	for (;; in.jail_uid = next.jail_uid + 1) {
		if (in.jail_uid >= end)
			break;
		if (launch_uid_next(n->launch, &in, &next, &err) < 0)
			return failed(&err);
		if (!next.found || next.jail_uid >= end)
			break;
		if (uid_is_known(n, next.jail_uid))
			continue;
		log_notice("ending what runs under jail uid %u, which no VM has", next.jail_uid);
		kill.jail_uid = next.jail_uid;
		if (launch_uid_kill(n->launch, &kill, &killed, &err) < 0)
			failed(&err);
		else
			count++;
	}
	if (launch_limits_sweep(n->launch, &limits_in, &limits_out, &err) < 0)
		failed(&err);
	else if (limits_out.removed > 0)
		log_notice("removed the cgroups of %u VMs that are gone", limits_out.removed);
	return count;
}

/* ---- links ---- */

static bool is_bridge(const char *name, const struct link_info *info, uid_t *ret_owner)
{
	uint64_t uid;
	mac address;

	if (!str_starts(name, BRIDGE_PREFIX) ||
		!str_to_u64(name + strlen(BRIDGE_PREFIX), 0, UINT32_MAX - 1, &uid) ||
		!str_eq(info->kind, "bridge"))
		return false;
	address = name_bridge_mac((uid_t)uid);
	*ret_owner = (uid_t)uid;
	return str_eq(name_bridge((uid_t)uid).s, name) &&
	       memcmp(&info->address, &address, sizeof(address)) == 0;
}

static bool owner_is_known(const struct netd *n, uid_t owner)
{
	const struct ledger_row *row;

	for (size_t i = 0; (row = ledger_at(n->ledger, i)); i++)
		if (row->owner == owner && ledger_row_has_network(row))
			return true;
	return false;
}

/* The bridge that a TAP is on is one of ours. */
static bool on_our_bridge(struct netd *n, const struct if_nameindex *all, unsigned master)
{
	struct link_info info;
	struct err err = ERR_INIT;
	uid_t owner;

	for (; all->if_index && master != 0; all++)
		if (all->if_index == master)
			return link_find(n->link, all->if_name, &info, &err) == 1 &&
			       is_bridge(all->if_name, &info, &owner);
	return false;
}

/* Ours, and of a VM without a row. */
static bool is_stray_tap(struct netd *n, const struct if_nameindex *all, const char *name,
	const struct link_info *info)
{
	uid_t base = n->config.uid_base;
	vm_id vm;

	if (!str_starts(name, JAIL_TAP_PREFIX) ||
		!vm_id_parse(name + strlen(JAIL_TAP_PREFIX), &vm) || !str_eq(info->kind, "tun") ||
		ledger_find(n->ledger, vm))
		return false;
	return (info->has_owner && info->owner >= base &&
		       info->owner - base < n->config.uid_count) ||
	       on_our_bridge(n, all, info->master);
}

/* With `bridges` those, after their ports are gone; else TAPs. */
static unsigned sweep_links(struct netd *n, bool bridges)
{
	struct if_nameindex *all = if_nameindex();
	unsigned count = 0;

	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		struct link_info info;
		struct err err = ERR_INIT;
		uid_t owner;
		bool stray;

		if (link_find(n->link, i->if_name, &info, &err) != 1)
			continue;
		stray = bridges ? is_bridge(i->if_name, &info, &owner) && !owner_is_known(n, owner)
				: is_stray_tap(n, all, i->if_name, &info);
		if (!stray)
			continue;
		log_notice("removing interface %s, which is no VM's", i->if_name);
		if (link_delete(n->link, i->if_name, &err) < 0)
			failed(&err);
		else
			count++;
	}
	if_freenameindex(all);
	return count;
}

/* ---- run directories ---- */

static unsigned sweep_rundirs(struct netd *n)
{
	int fd = openat(n->rundirs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	unsigned count = 0;
	vm_id vm;

	if (!d) {
		fd_closep(&fd);
		return 0;
	}
	while ((e = readdir(d))) {
		struct err err = ERR_INIT;

		if (!vm_id_parse(e->d_name, &vm) || ledger_find(n->ledger, vm))
			continue;
		log_notice("removing the run directory of VM %s, which is no more", vm.s);
		if (netd_rundir_remove(n, vm, &err) < 0)
			failed(&err);
		else
			count++;
	}
	closedir(d);
	return count;
}

unsigned netd_sweep(struct netd *n)
{
	struct err err = ERR_INIT;
	unsigned count = sweep_processes(n), disks = 0;

	/* What held a disk or a TAP is dead by now. */
	if (netd_disk_sweep(n, &disks, &err) < 0)
		failed(&err);
	count += disks + sweep_links(n, false);
	count += sweep_links(n, true);
	return count + sweep_rundirs(n);
}
