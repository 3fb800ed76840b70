/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine is, and how it runs; machine_*.c have the devices. */
#include "tests/fake/machine.h"

#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/str.h"
#include "tests/fake/behaviour.h"

#define VCPUS_MAX 32

static struct json_object *text(const char *s)
{
	return json_object_new_string(s);
}

int machine_init(struct machine *m, const char *id, const struct engine *engine, struct err *err)
{
	*m = (struct machine){
		.engine = engine, .kernel = -1, .initrd = -1, .vsock_listen = -1, .metrics = -1
	};
	if (!str_copy(m->id, sizeof(m->id), id))
		return err_set(err, ERR_bad_request, "the id is too long");
	m->config = json_object_new_object();
	json_object_object_add(m->config, "vcpu_count", json_object_new_int(1));
	json_object_object_add(m->config, "mem_size_mib", json_object_new_int(128));
	json_object_object_add(m->config, "smt", json_object_new_boolean(0));
	json_object_object_add(m->config, "track_dirty_pages", json_object_new_boolean(0));
	json_object_object_add(m->config, "huge_pages", text("None"));
	return 0;
}

static uint64_t number(struct json_object *o, const char *key)
{
	uint64_t v = 0;

	json_get_u64(o, key, 0, UINT64_MAX, &v);
	return v;
}

unsigned machine_vcpus(const struct machine *m)
{
	return (unsigned)number(m->config, "vcpu_count");
}

uint64_t machine_mib(const struct machine *m)
{
	return number(m->config, "mem_size_mib");
}

MACHINE_HANDLER(machine_get_info)
{
	static const char *const states[] = { [MACHINE_NOT_STARTED] = "Not started",
		[MACHINE_RUNNING] = "Running",
		[MACHINE_PAUSED] = "Paused" };
	_cleanup_json_ struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", text(m->id));
	json_object_object_add(o, "state", text(states[m->state]));
	json_object_object_add(o, "vmm_version", text(behaviour.version));
	json_object_object_add(o, "app_name", text("Firecracker"));
	reply_json(r, o);
}

MACHINE_HANDLER(machine_get_version)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	json_object_object_add(o, "firecracker_version", text(behaviour.version));
	reply_json(r, o);
}

MACHINE_HANDLER(machine_get_config)
{
	reply_json(r, m->config);
}

MACHINE_HANDLER(machine_get_all)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *drives = json_object_new_array(), *nics = json_object_new_array();

	for (size_t i = 0; i < m->n_drives; i++)
		json_object_array_add(drives, json_object_get(m->drives[i].config));
	for (size_t i = 0; i < m->n_nics; i++)
		json_object_array_add(nics, json_object_get(m->nics[i].config));
	json_object_object_add(o, "balloon", json_object_get(m->balloon));
	json_object_object_add(o, "drives", drives);
	json_object_object_add(o, "boot-source", json_object_get(m->boot));
	json_object_object_add(o, "machine-config", json_object_get(m->config));
	json_object_object_add(o, "network-interfaces", nics);
	json_object_object_add(o, "vsock", json_object_get(m->vsock));
	json_object_object_add(o, "entropy", json_object_get(m->entropy));
	reply_json(r, o);
}

static const char *config_problem(const struct machine *m, struct json_object *config)
{
	struct json_object *pages;
	uint64_t vcpus = number(config, "vcpu_count"), mib = number(config, "mem_size_mib");
	bool smt = false, huge;

	json_get_bool(config, "smt", &smt);
	huge = json_object_object_get_ex(config, "huge_pages", &pages) &&
	       str_eq(json_object_get_string(pages), "2M");
	if (vcpus == 0 || vcpus > VCPUS_MAX || (smt && vcpus != 1 && vcpus % 2))
		return "The number of vCPUs must be 1 to 32, and 1 or even with SMT.";
	if (mib == 0 || (huge && mib % 2))
		return "The memory size (MiB) is 0, or no multiple of the page size.";
	if (m->balloon && mib < number(m->balloon, "amount_mib"))
		return "The memory size (MiB) is smaller than the balloon's.";
	return NULL;
}

/* `from` laid over the configuration there is. */
static void update_config(
	struct machine *m, struct json_object *base, struct json_object *from, struct reply *r)
{
	_cleanup_json_ struct json_object *config = NULL;
	const char *problem;

	if (json_object_deep_copy(base, &config, NULL) < 0) {
		reply_fault(r, "Machine config error: no memory");
		return;
	}
	json_object_object_foreach(from, name, value) if (value)
		json_object_object_add(config, name, json_object_get(value));
	problem = config_problem(m, config);
	if (problem) {
		reply_fault(r, "Machine config error: %s", problem);
		return;
	}
	json_object_put(m->config);
	m->config = TAKE_PTR(config);
}

MACHINE_HANDLER(machine_put_config)
{
	_cleanup_json_ struct json_object *defaults = json_object_new_object();

	json_object_object_add(defaults, "smt", json_object_new_boolean(0));
	json_object_object_add(defaults, "track_dirty_pages", json_object_new_boolean(0));
	json_object_object_add(defaults, "huge_pages", text("None"));
	update_config(m, defaults, q->body, r);
}

MACHINE_HANDLER(machine_patch_config)
{
	size_t n = 0;

	json_object_object_foreach(q->body, name, value) n += name && value;
	if (n == 0)
		reply_fault(r, "Empty PATCH request.");
	else
		update_config(m, m->config, q->body, r);
}

static bool kernel_is_elf(const struct machine *m)
{
	char magic[4];

	return pread(m->kernel, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

static void start(struct machine *m, struct reply *r)
{
	struct err err = ERR_INIT;

	if (m->state != MACHINE_NOT_STARTED)
		reply_fault(
			r, "The requested operation is not supported after starting the microVM.");
	else if (m->kernel < 0)
		reply_fault(r,
			"Start microvm error: Cannot start microvm without kernel configuration.");
	else if (!kernel_is_elf(m))
		reply_fault(r,
			"Start microvm error: Kernel Loader: failed to load ELF kernel image: "
			"Invalid Elf magic number");
	else if (m->engine->start(m, &err) < 0)
		reply_fault(r, "Start microvm error: %s", err.msg);
	else
		m->state = MACHINE_RUNNING;
}

MACHINE_HANDLER(machine_action)
{
	struct json_object *type = json_object_object_get(q->body, "action_type");
	const char *action = json_object_get_string(type);
	struct err err = ERR_INIT;

	if (str_eq(action, "InstanceStart")) {
		start(m, r);
		return;
	}
	if (m->state == MACHINE_NOT_STARTED) {
		reply_fault(
			r, "The requested operation is not supported before starting the microVM.");
		return;
	}
	if (str_eq(action, "SendCtrlAltDel") && m->engine->ctrl_alt_del(m, &err) < 0)
		reply_fault(r, "Internal VMM error: %s", err.msg);
	if (str_eq(action, "FlushMetrics") && machine_flush_metrics(m, &err) < 0)
		reply_fault(r, "Internal VMM error: %s", err.msg);
}

MACHINE_HANDLER(machine_patch_vm)
{
	struct json_object *state = json_object_object_get(q->body, "state");
	bool pause = str_eq(json_object_get_string(state), "Paused");
	enum machine_state next = pause ? MACHINE_PAUSED : MACHINE_RUNNING;
	struct err err = ERR_INIT;

	if (next == m->state)
		return;
	if ((pause ? m->engine->pause : m->engine->resume)(m, &err) < 0)
		reply_fault(r, "Internal VMM error: %s", err.msg);
	else
		m->state = next;
}

MACHINE_HANDLER(machine_put_snapshot)
{
	if (m->state == MACHINE_RUNNING)
		reply_fault(r, "Create snapshot error: the microVM is not paused");
	else
		reply_fault(r, "Snapshot error: this stand-in keeps none");
}
