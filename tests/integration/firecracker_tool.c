/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firecracker-tool API-SOCKET
 *
 * bangerd's client of Firecracker's API, and of its vsock, on a Firecracker that runs: one command
 * a line on stdin, one answer a line on stdout, "ok …" or "error CODE MESSAGE".
 *
 *   connect REQUEST-MS          a fresh connection, in the place of the last one
 *   version | state | config | entropy | pause | resume | start | flush | ctrl-alt-del
 *   machine VCPUS MIB | boot KERNEL INITRAMFS | root PATH BANDWIDTH OPERATIONS
 *   interface TAP BANDWIDTH | vsock CID PATH | balloon SECONDS | serial RATE | logger PATH
 *   metrics PATH
 *   port SOCKET PORT            connect to a port of the guest by the vsock's socket
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bangerd/boot_args.h"
#include "bangerd/firecracker_api.h"
#include "bangerd/firecracker_config.h"
#include "bangerd/hybrid_vsock.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

#define WORDS_MAX 6
#define LAST_MS	  30000

struct tool {
	const char *path;
	struct firecracker_api *api;
	struct wait w;
	size_t n; /* words of the command */
	char *word[WORDS_MAX];
};

static int connect_to(const char *path, int *ret_fd, struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (!str_copy(a.sun_path, sizeof(a.sun_path), path))
		return err_set(err, ERR_bad_request, "too long a path");
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot connect to %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static uint64_t number(const struct tool *t, size_t i)
{
	return strtoull(t->word[i], NULL, 10);
}

static int do_connect(struct tool *t, struct err *err)
{
	int fd;

	firecracker_api_close(t->api);
	t->api = NULL;
	if (connect_to(t->path, &fd, err) < 0)
		return -1;
	return firecracker_api_open(fd, (unsigned)number(t, 1), &t->api, err);
}

static int do_version(struct tool *t, struct err *err)
{
	struct firecracker_version v;

	if (firecracker_api_version(t->api, &t->w, &v, err) < 0)
		return -1;
	printf("ok %u.%u.%u\n", v.major, v.minor, v.patch);
	return 1;
}

static int do_state(struct tool *t, struct err *err)
{
	static const char *const names[] = { "not_started", "running", "paused" };
	enum firecracker_state s;

	if (firecracker_api_state(t->api, &t->w, &s, err) < 0)
		return -1;
	printf("ok %s\n", names[s]);
	return 1;
}

static int do_config(struct tool *t, struct err *err)
{
	struct json_object *o;

	if (firecracker_api_config(t->api, &t->w, &o, err) < 0)
		return -1;
	printf("ok %s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return 1;
}

static int do_machine(struct tool *t, struct err *err)
{
	return firecracker_config_machine(
		t->api, (unsigned)number(t, 1), (uint32_t)number(t, 2), &t->w, err);
}

static int do_boot(struct tool *t, struct err *err)
{
	char args[BOOT_ARGS_MAX + 1];

	if (boot_args(1, args, sizeof(args), err) < 0)
		return -1;
	return firecracker_config_boot(t->api, t->word[1], t->word[2], args, &t->w, err);
}

static int do_root(struct tool *t, struct err *err)
{
	return firecracker_config_root(t->api, t->word[1], number(t, 2), number(t, 3), &t->w, err);
}

static int do_interface(struct tool *t, struct err *err)
{
	static const mac address = { { 0x52, 0x54, 0x00, 0x01, 0x02, 0x03 } };

	return firecracker_config_interface(t->api, t->word[1], address, number(t, 2), &t->w, err);
}

static int do_vsock(struct tool *t, struct err *err)
{
	return firecracker_config_vsock(t->api, (uint32_t)number(t, 1), t->word[2], &t->w, err);
}

static int do_entropy(struct tool *t, struct err *err)
{
	return firecracker_config_entropy(t->api, &t->w, err);
}

static int do_balloon(struct tool *t, struct err *err)
{
	return firecracker_config_balloon(t->api, (unsigned)number(t, 1), &t->w, err);
}

static int do_serial(struct tool *t, struct err *err)
{
	return firecracker_config_serial(t->api, number(t, 1), &t->w, err);
}

static int do_logger(struct tool *t, struct err *err)
{
	return firecracker_config_logger(t->api, t->word[1], &t->w, err);
}

static int do_metrics(struct tool *t, struct err *err)
{
	return firecracker_config_metrics(t->api, t->word[1], &t->w, err);
}

static int do_pause(struct tool *t, struct err *err)
{
	return firecracker_api_pause(t->api, str_eq(t->word[0], "pause"), &t->w, err);
}

static int do_start(struct tool *t, struct err *err)
{
	return firecracker_api_action(t->api, FIRECRACKER_INSTANCE_START, &t->w, err);
}

static int do_flush(struct tool *t, struct err *err)
{
	return firecracker_api_action(t->api, FIRECRACKER_FLUSH_METRICS, &t->w, err);
}

static int do_keys(struct tool *t, struct err *err)
{
	return firecracker_api_action(t->api, FIRECRACKER_SEND_CTRL_ALT_DEL, &t->w, err);
}

static int do_port(struct tool *t, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (connect_to(t->word[1], &fd, err) < 0)
		return -1;
	return hybrid_vsock_connect(fd, (uint32_t)number(t, 2), &t->w, err);
}

/* A command gives 0 for a plain "ok", 1 when it said more itself, -1. */
static const struct {
	const char *name;
	size_t words;
	int (*run)(struct tool *t, struct err *err);
} commands[] = {
	{ "connect", 2, do_connect },
	{ "version", 1, do_version },
	{ "state", 1, do_state },
	{ "config", 1, do_config },
	{ "machine", 3, do_machine },
	{ "boot", 3, do_boot },
	{ "root", 4, do_root },
	{ "interface", 3, do_interface },
	{ "vsock", 3, do_vsock },
	{ "entropy", 1, do_entropy },
	{ "balloon", 2, do_balloon },
	{ "serial", 2, do_serial },
	{ "logger", 2, do_logger },
	{ "metrics", 2, do_metrics },
	{ "pause", 1, do_pause },
	{ "resume", 1, do_pause },
	{ "start", 1, do_start },
	{ "flush", 1, do_flush },
	{ "ctrl-alt-del", 1, do_keys },
	{ "port", 3, do_port },
};

static int run(struct tool *t, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (t->n != commands[i].words || !str_eq(commands[i].name, t->word[0]))
			continue;
		if (!t->api && commands[i].run != do_connect)
			break;
		t->w = wait_ms(-1, LAST_MS);
		return commands[i].run(t, err);
	}
	return err_set(err, ERR_bad_request, "no such command");
}

static void run_line(struct tool *t, char *line)
{
	struct err err = ERR_INIT;
	char *save = NULL;
	int r;

	t->n = 0;
	for (char *w = strtok_r(line, " \n", &save); w && t->n < WORDS_MAX;
		w = strtok_r(NULL, " \n", &save))
		t->word[t->n++] = w;
	if (t->n == 0)
		return;
	r = run(t, &err);
	if (r < 0)
		printf("error %s %s\n", err_code_name(err.code), err.msg);
	else if (r == 0)
		puts("ok");
}

int main(int argc, char **argv)
{
	struct tool t = { 0 };
	char line[4096];

	if (argc != 2) {
		fprintf(stderr, "usage: firecracker-tool API-SOCKET\n");
		return 2;
	}
	t.path = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		run_line(&t, line);
	firecracker_api_close(t.api);
	return 0;
}
