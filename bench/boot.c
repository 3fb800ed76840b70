/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot agent SOCKET -- VMM ARG…      milliseconds from exec until the guest's agent is set up
 * boot console WORD -- VMM ARG…      … until the word stands on the guest's console (stdout)
 *
 * Starts the VMM by hand, waits, prints the time, and kills it: what `vm run` is measured against.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/proto_agent.h"
#include "common/str.h"
#include "common/stream.h"

#define BOOT_MAX_MS 60000

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int die(const char *what)
{
	perror(what);
	return -1;
}

/* The VMM's socket, once it listens: a few milliseconds after its exec. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	double end = now_ms() + BOOT_MAX_MS;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	while (now_ms() < end) {
		struct timespec pause = { 0, 1000000 };
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return die("socket");
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			fd_set_nonblock(fd, true);
			return fd;
		}
		close(fd);
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "nobody listens at %s\n", path);
	return -1;
}

/* hello, and the setup that bangerd would send. */
static int agent_ready(const char *path, struct err *err)
{
	static const struct stream_wait wait = { BOOT_MAX_MS, -1 };
	_cleanup_stream_ struct stream *s = NULL;
	struct agent_hello_in hello;
	struct agent_hello_out greeting;
	struct agent_setup_in in = { .prefix = 24, .mode = guest_mode_idle };
	struct agent_setup_out out;
	struct timespec clock;
	uint8_t seed[32];
	const uint8_t address[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	_cleanup_fd_ int fd = connect_to(path);

	if (fd < 0)
		return err_set(err, ERR_unavailable, "no socket");
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return err_sys(err, ERR_operation_failed, errno, "no random bytes");
	in.seed = (bytes){ seed, sizeof(seed) };
	clock_gettime(CLOCK_REALTIME, &clock);
	in.clock_ns = (uint64_t)clock.tv_sec * 1000000000 + (uint64_t)clock.tv_nsec;
	if (!vm_name_parse("bench", &in.hostname) || !mac_parse_bytes(address, &in.mac) ||
		!ipv4_parse("172.30.0.2", &in.address) || !ipv4_parse("172.30.0.1", &in.gateway))
		return err_set(err, ERR_operation_failed, "the setup is not valid");
	memset(&hello, 0, sizeof(hello));
	if (stream_create(&agent_protocol, &s, err) < 0 ||
		stream_call(s, fd, agent_msg_hello, &hello, &greeting, &wait, err) < 0)
		return -1;
	return stream_call(s, fd, agent_msg_setup, &in, &out, &wait, err);
}

/* Until the word has come on the VMM's stdout. */
static int console_says(int fd, const char *word, struct err *err)
{
	static char said[1 << 20];
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, BOOT_MAX_MS) <= 0)
			return err_set(err, ERR_timeout, "the console never said '%s'", word);
		got = read(fd, said + n, sizeof(said) - 1 - n);
		if (got <= 0)
			return err_set(err, ERR_unavailable, "the VMM ended: %s", said);
		n += (size_t)got;
		said[n] = '\0';
		if (strstr(said, word))
			return 0;
	}
}

static pid_t start(char **argv, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		execv(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int out[2], r;
	double begin;
	pid_t pid;

	if (argc < 5 || !str_eq(argv[3], "--") ||
		(!str_eq(argv[1], "agent") && !str_eq(argv[1], "console"))) {
		fprintf(stderr, "usage: boot agent SOCKET|console WORD -- VMM ARG…\n");
		return 2;
	}
	if (pipe2(out, O_CLOEXEC) < 0)
		return die("pipe2") != 0;
	begin = now_ms();
	pid = start(argv + 4, out[1]);
	if (pid < 0)
		return die("fork") != 0;
	close(out[1]);
	r = str_eq(argv[1], "agent") ? agent_ready(argv[2], &err)
				     : console_says(out[0], argv[2], &err);
	if (r == 0)
		printf("%.1f\n", now_ms() - begin);
	else
		fprintf(stderr, "boot: %s\n", err.msg);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r != 0;
}
