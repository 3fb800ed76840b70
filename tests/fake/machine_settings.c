/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is one of in a machine: kernel, balloon, entropy, serial, logger, metrics, vsock. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/fake/log.h"
#include "tests/fake/machine.h"

/* Of the guest's memory, with its NUL (Linux: COMMAND_LINE_SIZE). */
#define BOOT_ARGS_MAX 2048
#define BACKLOG	      128

static const char *get_text(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

/* Keep a request's body as what is configured. */
static void keep(struct json_object **at, struct json_object *body)
{
	json_object_put(*at);
	*at = json_object_get(body);
}

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

MACHINE_HANDLER(machine_put_boot)
{
	const char *kernel_path = get_text(q->body, "kernel_image_path");
	const char *initrd_path = get_text(q->body, "initrd_path");
	const char *args = get_text(q->body, "boot_args");
	_cleanup_fd_ int kernel = open_file(kernel_path), initrd = -1;

	if (kernel < 0) {
		reply_fault_os(r, errno, "Boot source error: The kernel file cannot be opened");
		return;
	}
	if (initrd_path && (initrd = open_file(initrd_path)) < 0) {
		reply_fault_os(r, errno,
			"Boot source error: The initrd file cannot be opened due to invalid path "
			"or invalid permissions");
		return;
	}
	if (args && strlen(args) >= BOOT_ARGS_MAX) {
		reply_fault(r,
			"Boot source error: The kernel command line is invalid: it is longer than "
			"%d bytes",
			BOOT_ARGS_MAX - 1);
		return;
	}
	fd_closep(&m->kernel);
	fd_closep(&m->initrd);
	m->kernel = TAKE_FD(kernel);
	m->initrd = TAKE_FD(initrd);
	keep(&m->boot, q->body);
}

static uint64_t get_number(struct json_object *o, const char *key)
{
	uint64_t v = 0;

	json_get_u64(o, key, 0, UINT64_MAX, &v);
	return v;
}

MACHINE_HANDLER(machine_get_balloon)
{
	if (m->balloon)
		reply_json(r, m->balloon);
	else
		reply_fault(r, "Balloon config error: No balloon device found.");
}

MACHINE_HANDLER(machine_put_balloon)
{
	static const char *const optional[] = { "free_page_hinting", "free_page_reporting" };

	if (get_number(q->body, "amount_mib") > machine_mib(m)) {
		reply_fault(r, "Balloon config error: Amount of pages requested is too large.");
		return;
	}
	keep(&m->balloon, q->body);
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (!json_object_object_get_ex(m->balloon, optional[i], NULL))
			json_object_object_add(m->balloon, optional[i], json_object_new_boolean(0));
	if (!json_object_object_get_ex(m->balloon, "stats_polling_interval_s", NULL))
		json_object_object_add(
			m->balloon, "stats_polling_interval_s", json_object_new_int(0));
}

MACHINE_HANDLER(machine_patch_balloon)
{
	uint64_t mib = get_number(q->body, "amount_mib");
	struct err err = ERR_INIT;

	if (!m->balloon)
		reply_fault(r, "Balloon update error: No balloon device found.");
	else if (mib > machine_mib(m))
		reply_fault(r, "Balloon update error: Amount of pages requested is too large.");
	else if (m->engine->balloon(m, mib, &err) < 0)
		reply_fault(r, "Balloon update error: %s", err.msg);
	else
		json_object_object_add(m->balloon, "amount_mib", json_object_new_uint64(mib));
}

MACHINE_HANDLER(machine_patch_statistics)
{
	if (!m->balloon)
		reply_fault(r, "Balloon update error: No balloon device found.");
	else if (!get_number(m->balloon, "stats_polling_interval_s") !=
		 !get_number(q->body, "stats_polling_interval_s"))
		reply_fault(r, "Balloon update error: Statistics cannot be switched after boot.");
	else
		json_object_object_add(m->balloon, "stats_polling_interval_s",
			json_object_new_uint64(get_number(q->body, "stats_polling_interval_s")));
}

MACHINE_HANDLER(machine_put_entropy)
{
	keep(&m->entropy, q->body);
}

/* Where the guest's serial port goes; it is not opened before the start, and not at all without
 * one. */
MACHINE_HANDLER(machine_put_serial)
{
	json_object_put(m->serial);
	m->serial = json_object_get(q->body);
}

MACHINE_HANDLER(machine_put_logger)
{
	const char *path = get_text(q->body, "log_path");

	if (path) {
		int fd = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);

		if (fd < 0) {
			reply_fault_os(r, errno, "Logger error: Failed to open target file");
			return;
		}
		log_line_to(fd);
	}
	log_line_level(get_text(q->body, "level"));
}

MACHINE_HANDLER(machine_put_metrics)
{
	_cleanup_fd_ int fd = open(
		get_text(q->body, "metrics_path"), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);

	if (fd < 0)
		reply_fault_os(r, errno,
			"Metrics error: Cannot initialize the metrics system due to bad user "
			"input");
	else if (m->metrics >= 0)
		reply_fault(r,
			"Metrics error: Cannot initialize the metrics system due to bad user "
			"input: it is initialized already");
	else
		m->metrics = TAKE_FD(fd);
}

int machine_flush_metrics(struct machine *m, struct err *err)
{
	char line[64];
	int n;

	if (m->metrics < 0)
		return 0;
	n = snprintf(
		line, sizeof(line), "{\"utc_timestamp_ms\":%lld}\n", (long long)time(NULL) * 1000);
	if (write(m->metrics, line, (size_t)n) != n)
		return err_sys(err, ERR_operation_failed, errno, "Metrics cannot be written");
	return 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;

	if (!str_copy(a.sun_path, sizeof(a.sun_path), path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(fd, BACKLOG) < 0)
		return -1;
	return TAKE_FD(fd);
}

MACHINE_HANDLER(machine_put_vsock)
{
	const char *path = get_text(q->body, "uds_path");

	if (m->vsock) {
		fd_closep(&m->vsock_listen);
		unlink(get_text(m->vsock, "uds_path"));
		json_object_put(m->vsock);
		m->vsock = NULL;
	}
	m->vsock_listen = listen_at(path);
	if (m->vsock_listen < 0) {
		reply_fault_os(r, errno,
			"Vsock config error: Cannot create backend for vsock device: Error "
			"binding to the host-side Unix socket");
		return;
	}
	keep(&m->vsock, q->body);
}
