/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/limits_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "banger-netd/limits_bus.h"
#include "banger-netd/limits_figures.h"
#include "common/fd.h"
#include "common/str.h"

#define SLICE	  "banger.slice"
#define STOP_USEC 5000000ULL /* a shutdown need not wait: VMMs that ignore SIGTERM are killed */

/* Property by property, as systemd.resource-control(5) and org.freedesktop.systemd1(5) name them.
 */
static int append_properties(sd_bus_message *m, const struct limits_vm *vm)
{
	struct limits_figures f;
	char description[64];
	int r;

	limits_figures(vm, &f);
	str_format(description, sizeof(description), "banger's VM %s", vm->vm.s);
	r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s", description,
		"Slice", "s", SLICE, "PIDs", "au", 1, (uint32_t)vm->pid, "CollectMode", "s",
		"inactive-or-failed", "TimeoutStopUSec", "t", (uint64_t)STOP_USEC);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "MemoryMax", "t", f.memory,
		"MemorySwapMax", "t", (uint64_t)0, "TasksMax", "t", (uint64_t)f.tasks,
		"CPUQuotaPerSecUSec", "t", f.cpu_usec);
	if (r < 0)
		return r;
	/* What bangerd.service has too: in a scope of its own a VMM is no longer beneath that. m:
	 * the jail's nodes are made by the child itself. */
	r = sd_bus_message_append(m, "(sv)(sv)", "DevicePolicy", "s", "closed", "DeviceAllow",
		"a(ss)", 3, "/dev/kvm", "rwm", "/dev/net/tun", "rwm", "block-device-mapper", "rwm");
	if (r < 0)
		return r;
	return sd_bus_message_close_container(m);
}

/* StartTransientUnit; the job's path into the bus's watch. */
static int start_unit(
	struct limits_bus *b, const char *unit, const struct limits_vm *vm, sd_bus_error *error)
{
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *m = NULL, *reply = NULL;
	const char *job;
	int r;

	r = limits_bus_message(b, "StartTransientUnit", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ss", unit, "fail");
	if (r < 0)
		return r;
	r = append_properties(m, vm);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r < 0)
		return r;
	r = limits_bus_call(b, m, error, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "o", &job);
	if (r < 0)
		return r;
	return str_copy(b->job, sizeof(b->job), job) ? 0 : -EBADMSG;
}

/* True when /proc/PID/cgroup (proc(5), cgroups(7)) has the process in that scope: by the v2
 * hierarchy, or by systemd's own where that is not used. */
static bool is_in_scope(pid_t pid, const char *unit)
{
	char path[64], suffix[64], buf[4096], *line, *save = NULL;
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	str_format(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	str_format(suffix, sizeof(suffix), "/" SLICE "/%s", unit);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (n = fd_read_full(fd, buf, sizeof(buf) - 1)) < 0)
		return false;
	buf[n] = '\0';
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if ((str_starts(line, "0::") || strstr(line, ":name=systemd:")) &&
			str_ends(line, suffix))
			return true;
	return false;
}

/* One try on one connection. *ret_lost: the connection went, and another may do. */
static int place_once(struct limits_bus *b, const char *unit, const struct limits_vm *vm,
	bool *ret_lost, struct err *err)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error error = SD_BUS_ERROR_NULL;
	bool old;
	int r;

	b->unit = unit;
	r = start_unit(b, unit, vm, &error);
	old = sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists");
	/* What a try before did before its connection went; else the scope of an earlier life. */
	if (old && is_in_scope(vm->pid, unit))
		return 0;
	if (old && limits_bus_forget_unit(b, unit) == 0) {
		sd_bus_error_free(&error);
		r = start_unit(b, unit, vm, &error);
	}
	if (r >= 0)
		r = limits_bus_await_job(b);
	*ret_lost = limits_bus_is_lost(r);
	if (r < 0)
		return err_set(err, ERR_operation_failed, "systemd does not start %s: %s", unit,
			sd_bus_error_is_set(&error) ? error.message : strerror(-r));
	if (!str_eq(b->result, "done"))
		return err_set(err, ERR_operation_failed,
			"systemd does not start %s: the job's result is '%s'", unit, b->result);
	if (!is_in_scope(vm->pid, unit))
		return err_set(err, ERR_operation_failed,
			"systemd started %s without the VM's process", unit);
	return 0;
}

int limits_scope_place(const struct limits_manager *managers, const struct limits_vm *vm,
	int timeout_ms, struct err *err)
{
	struct limits_name unit = limits_scope_name(vm->vm);
	bool lost = true;
	int r = -1;

	for (int i = 0; i < 2 && lost; i++) {
		_cleanup_(limits_bus_close) struct limits_bus b = { 0 };

		if (limits_bus_open(managers, timeout_ms, &b, err) < 0)
			return -1;
		r = place_once(&b, unit.s, vm, &lost, err);
		if (r == 0)
			return 0;
	}
	return r;
}

int limits_scope_remove(
	const struct limits_manager *managers, vm_id vm, int timeout_ms, struct err *err)
{
	struct limits_name unit = limits_scope_name(vm);
	_cleanup_(limits_bus_close) struct limits_bus b = { 0 };
	int r;

	if (limits_bus_open(managers, timeout_ms, &b, err) < 0)
		return -1;
	r = limits_bus_forget_unit(&b, unit.s);
	if (r == -ETIMEDOUT)
		return err_set(err, ERR_busy, "%s has not ended after %d ms", unit.s, timeout_ms);
	if (r < 0)
		return err_sys(err, ERR_unavailable, -r, "cannot ask systemd for %s", unit.s);
	return 0;
}

int limits_scope_check(const struct limits_manager *managers, int timeout_ms, struct err *err)
{
	_cleanup_(limits_bus_close) struct limits_bus b = { 0 };
	int r;

	if (limits_bus_open(managers, timeout_ms, &b, err) < 0)
		return -1;
	/* A unit that cannot exist: who knows that is a manager. */
	r = limits_bus_forget_unit(&b, "banger-vm-none.scope");
	if (r < 0)
		return err_sys(err, ERR_unavailable, -r, "systemd does not answer");
	return 0;
}
