/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/create.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/args.h"
#include "banger-cli/ending.h"
#include "banger-cli/object.h"
#include "banger-cli/progress.h"
#include "banger-cli/signals.h"
#include "banger-cli/text.h"
#include "common/str.h"

#define STOP_S 10 /* what container engines leave a command after its stop signal */

/* A creation under way, for the watch on signals. */
struct making {
	struct cli *cli;
	struct client *client;
	struct progress progress;
	char operation[64]; /* "": not known yet */
	char id[64];
	int signal;    /* the first that came */
	bool given_up; /* a second one came */
};

int create_check(struct cli *cli, const struct args_machine *machine, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct json_object *images;
	char all[256] = "";
	size_t used = 0;

	if (machine->image)
		return 0;
	if (cli_call(cli, RPC_METHOD_image_list, NULL, &reply, err) < 0)
		return -1;
	images = object_array(reply.result, "images");
	for (size_t i = 0; i < object_array_size(images); i++) {
		const char *name = object_text(json_object_array_get_idx(images, i), "name");

		if (name &&
			str_format(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", name))
			used += strlen(all + used);
	}
	if (used == 0)
		return cli_refuse(cli, err,
			"--image is missing, and there are no images: make one with 'banger image "
			"import NAME SOURCE'");
	return cli_refuse(cli, err, "--image is missing: there are %s", all);
}

int create_open_image(struct client *c, const char *image, int *ret_fd, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	const char *path;
	int fd = -1;

	if (client_ask(c, RPC_METHOD_image_show, "image", image, &reply, err) < 0)
		return -1;
	path = object_text(object_child(reply.result, "image"), "path");
	if (path) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			return err_sys(err, errno == ENOENT ? ERR_not_found : ERR_operation_failed,
				errno, "cannot open the image's file %s", path);
	}
	*ret_fd = fd;
	return 0;
}

static void append(char *buf, size_t cap, const char *fmt, const char *value)
{
	size_t used = strlen(buf);

	str_format(buf + used, cap - used, fmt, value);
}

static void append_size(char *buf, size_t cap, const char *fmt, uint64_t n)
{
	char size[32];

	append(buf, cap, fmt, text_size(n, size));
}

static void append_disks(
	char *buf, size_t cap, const struct args_machine *m, struct json_object *defaults)
{
	uint64_t work =
		m->disk_size ? m->disk_size : (uint64_t)object_number(defaults, "disk_size", 0);

	if (work)
		append_size(buf, cap, ", work disk %s", work);
	else
		append(buf, cap, ", %s", "no work disk");
	if (m->system_overlay_size)
		append_size(buf, cap, ", root disk %s", m->system_overlay_size);
	else
		append_size(buf, cap, ", root disk at least %s",
			(uint64_t)object_number(defaults, "system_overlay_size", 0));
}

int create_describe(
	struct client *c, const struct plan *plan, char *buf, size_t cap, struct err *err)
{
	_cleanup_reply_ struct reply status = REPLY_INIT;
	const struct args_machine *m = plan->machine;
	struct json_object *defaults;
	int64_t vcpus, memory;
	char number[32];

	if (client_call(c, RPC_METHOD_daemon_status, NULL, &status, err) < 0)
		return -1;
	defaults = object_child(status.result, "defaults");
	vcpus = m->vcpus ? m->vcpus : object_number(defaults, "vcpus", 0);
	memory = m->memory ? m->memory : object_number(defaults, "memory_mib", 0);
	if (vcpus <= 0 || memory <= 0 || memory > UINT32_MAX)
		return err_set(err, ERR_protocol, "the daemon answered without defaults");
	buf[0] = '\0';
	append(buf, cap, "image %s", m->image);
	if (m->name)
		append(buf, cap, ", name %s", m->name);
	if (m->kernel)
		append(buf, cap, ", kernel %s", m->kernel);
	str_format(number, sizeof(number), "%lld", (long long)vcpus);
	append(buf, cap, vcpus == 1 ? ", %s vCPU" : ", %s vCPUs", number);
	append_size(buf, cap, ", memory %s", (uint64_t)memory << 20);
	append_disks(buf, cap, m, defaults);
	append(buf, cap, ", NAT %s", m->nat ? "on" : "off");
	if (m->accel != accel_auto)
		append(buf, cap, ", acceleration %s", accel_to_name(m->accel));
	if (m->vmm != vmm_kind_auto)
		append(buf, cap, ", VMM %s", vmm_kind_to_name(m->vmm));
	if (plan->auto_remove)
		append(buf, cap, ", %s at the end", "deleted");
	return 0;
}

int create_argv(struct client *c, const char *image, const char *entrypoint,
	const struct words *command, struct words *ret, struct reply *ret_image, struct err *err)
{
	struct words w = { 0 };
	struct json_object *own = NULL;
	bool ok = true;

	if (entrypoint) {
		ok = words_add(&w, entrypoint);
	} else {
		if (client_ask(c, RPC_METHOD_image_show, "image", image, ret_image, err) < 0)
			return -1;
		own = object_array(object_child(ret_image->result, "image"), "entrypoint");
	}
	for (size_t i = 0; ok && i < object_array_size(own); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(own, i));

		ok = words_add(&w, word ? word : "");
	}
	for (size_t i = 0; ok && i < command->n; i++)
		ok = words_add(&w, command->items[i]);
	if (!ok) {
		free(w.items);
		return err_sys(
			err, ERR_operation_failed, ENOMEM, "cannot put the command together");
	}
	*ret = w;
	return 0;
}

static struct json_object *begin_params(const struct plan *plan, struct err *err)
{
	const struct args_machine *m = plan->machine;
	struct params p;

	params_init(&p);
	params_text(&p, "image", m->image);
	params_text(&p, "name", m->name);
	params_text(&p, "kernel", m->kernel);
	params_number(&p, "vcpus", m->vcpus);
	params_number(&p, "memory_mib", m->memory);
	params_number(&p, "disk_size", m->disk_size);
	params_number(&p, "system_overlay_size", m->system_overlay_size);
	params_flag(&p, "nat", m->nat);
	params_flag(&p, "no_start", plan->no_start);
	params_flag(&p, "auto_remove", plan->auto_remove);
	if (m->accel != accel_auto)
		params_text(&p, "accel", accel_to_name(m->accel));
	if (m->vmm != vmm_kind_auto)
		params_text(&p, "vmm", vmm_kind_to_name(m->vmm));
	if (plan->mode != guest_mode_auto)
		params_text(&p, "mode", guest_mode_to_name(plan->mode));
	params_words(&p, "argv", plan->argv, plan->n_argv);
	params_env(&p, "env", &plan->process->env);
	params_text(&p, "user", plan->process->user);
	params_text(&p, "directory", plan->process->directory);
	return params_finish(&p, err);
}

/* Ask for the end of the creation; its outcome is what the watch on it says. */
static int send_cancel(struct making *m, struct err *err)
{
	struct json_object *o;
	uint64_t ignored;
	struct params p;

	params_init(&p);
	params_text(&p, "operation", m->operation);
	o = params_finish(&p, err);
	return o ? client_send(
			   m->client, RPC_METHOD_vm_create_cancel, o, NULL, 0, false, &ignored, err)
		 : -1;
}

static int on_signal(struct watch *w, struct err *err)
{
	struct making *m = w->ctx;
	int signo;

	while ((signo = signals_next(w->fd)) > 0) {
		if (!signals_ends(signo))
			continue;
		if (m->signal) {
			m->given_up = true;
			return err_set(err, ERR_cancelled, "%s", signals_word(signo));
		}
		m->signal = signo;
		m->cli->failure = EXIT_SIGNAL + signo;
		progress_clear(&m->progress);
		if (!m->progress.quiet)
			cli_say("%s: cancelling", signals_word(signo));
		if (*m->operation && send_cancel(m, err) < 0)
			return -1;
	}
	return 0;
}

static int begin(struct making *m, const struct plan *plan, const struct client_wait *wait,
	struct created *ret, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct json_object *params = begin_params(plan, err);
	const char *operation, *id, *name;
	uint64_t request;

	if (!params || client_send(m->client, RPC_METHOD_vm_create_begin, params, &plan->image_file,
			       plan->image_file >= 0, false, &request, err) < 0)
		return -1;
	if (client_wait(m->client, request, wait, &reply, err) < 0)
		return -1;
	operation = object_text(reply.result, "operation");
	id = object_text(reply.result, "id");
	name = object_text(reply.result, "name");
	if (!operation || !id || !name ||
		!str_copy(m->operation, sizeof(m->operation), operation) ||
		!str_copy(m->id, sizeof(m->id), id) || !str_copy(ret->id, sizeof(ret->id), id) ||
		!str_copy(ret->name, sizeof(ret->name), name))
		return err_set(err, ERR_protocol, "the daemon answered without an operation");
	text_clean_in_place(ret->name);
	text_clean_in_place(ret->id);
	return 0;
}

/* The outcome of an ended creation, as of vm.create.status. */
static int outcome(struct json_object *operation, struct err *err)
{
	const char *state = object_text(operation, "state");
	struct json_object *error = object_child(operation, "error");
	const char *message =
		error ? object_text(error, "message") : object_text(operation, "error");

	if (str_eq(state, "done"))
		return 0;
	if (str_eq(state, "cancelled"))
		return err_set(err, ERR_cancelled, "cancelled: nothing of the VM is left");
	err_set(err, ERR_operation_failed, "%s", message ? message : "the VM could not be made");
	text_clean_in_place(err->msg);
	return -1;
}

static int follow(struct making *m, const struct client_wait *wait, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct json_object *o;
	struct params p;
	uint64_t request;

	params_init(&p);
	params_text(&p, "operation", m->operation);
	o = params_finish(&p, err);
	if (!o || client_send(m->client, RPC_METHOD_vm_create_watch, o, NULL, 0, true, &request,
			  err) < 0)
		return -1;
	if (m->signal && send_cancel(m, err) < 0)
		return -1;
	if (client_wait(m->client, request, wait, &reply, err) < 0)
		return -1;
	return outcome(object_child(reply.result, "operation"), err);
}

int create_vm(struct cli *cli, struct client *c, const struct plan *plan, int signals,
	struct created *ret, struct err *err)
{
	struct making m = { .cli = cli, .client = c };
	struct watch watch = { signals, on_signal, &m };
	struct client_wait wait = { progress_stage, &m.progress, &watch, 1 };
	int r;

	progress_init(&m.progress, plan->quiet);
	r = begin(&m, plan, &wait, ret, err);
	if (r == 0)
		r = follow(&m, &wait, err);
	progress_clear(&m.progress);
	if (!m.signal)
		return r;
	if (m.given_up)
		return err_set(err, ERR_cancelled,
			"%s twice: the daemon goes on cleaning up by itself",
			signals_word(m.signal));
	/* The cancellation came too late for the creation, but not for the user. */
	if (r == 0 && create_remove(c, m.id, signals, err) < 0)
		return -1;
	if (r == 0 || err->code == ERR_cancelled)
		return err_set(err, ERR_cancelled, "%s: nothing of the VM is left",
			signals_word(m.signal));
	return -1;
}

/* Ask for something about a VM that is to go; a signal ends the wait. */
static int ask_removing(struct client *c, enum rpc_method method, struct params *p, int signals,
	struct reply *ret, struct err *err)
{
	struct ending ending = { NULL, " while the VM was being deleted" };
	struct watch watch = ending_watch(&ending, signals);
	struct client_wait wait = { .watches = &watch, .n_watches = 1 };
	struct json_object *o = params_finish(p, err);
	uint64_t request;

	if (!o || client_send(c, method, o, NULL, 0, false, &request, err) < 0)
		return -1;
	return client_wait(c, request, &wait, ret, err);
}

bool create_has_failed_command(struct client *c, const char *id)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err unknown = ERR_INIT;

	return client_ask(c, RPC_METHOD_vm_health, "vm", id, &reply, &unknown) == 0 &&
	       str_eq(object_text(reply.result, "main"), main_state_to_name(main_state_failed));
}

int create_stop(struct client *c, const char *id, int signals, struct err *err)
{
	_cleanup_reply_ struct reply health = REPLY_INIT, stopped = REPLY_INIT;
	struct params p;

	params_init(&p);
	params_text(&p, "vm", id);
	if (ask_removing(c, RPC_METHOD_vm_health, &p, signals, &health, err) < 0)
		return -1;
	if (!str_eq(object_text(health.result, "main"), main_state_to_name(main_state_running)))
		return 0;
	params_init(&p);
	params_text(&p, "vm", id);
	params_number(&p, "timeout_s", STOP_S);
	return ask_removing(c, RPC_METHOD_vm_stop, &p, signals, &stopped, err);
}

int create_remove(struct client *c, const char *id, int signals, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err failure = ERR_INIT;
	struct params p;

	params_init(&p);
	params_text(&p, "vm", id);
	params_flag(&p, "force", true);
	if (ask_removing(c, RPC_METHOD_vm_delete, &p, signals, &reply, &failure) == 0 ||
		failure.code == ERR_not_found)
		return 0;
	*err = failure;
	return err_wrap(err, "cannot delete VM %s", id);
}
