/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netd-tool BANGER-NETD [ARG…]
 *
 * Starts banger-netd with a socket pair, as bangerd does, and speaks netd.tbl.h to it: one command
 * a line on stdin, one answer a line on stdout, "ok KEY=VALUE…", "error CODE MESSAGE" or, once
 * netd is gone, "gone". For tests in languages that do not know the tables.
 *
 *   status | reserve VM UID | tap VM SUBNET HOST MAC NAT [VMM] | launch VM VCPUS MIB ACCEL KERNEL
 *   INITRAMFS DISK | adopt VM | signal VM SIGNO | reap VM | release VM | next VM
 *   firecracker VM VCPUS MIB KERNEL INITRAMFS DISK | attach VM
 *   disk VM SIZE IMAGE COW | usage VM
 *   close VM          the disk's node, which this side holds from disk on
 *   await VM MS       wait until the pidfd of the VM (from launch or adopt) is readable
 *   raw HEX [FILE…]   send these bytes as a packet, with these files
 *   pid               of banger-netd
 *   wait              close the socket and wait for its end: "ok status=N"
 *
 * A file is MODE:PATH with the mode ro, rw, wo, append, path or memfd (a copy).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/proto_netd.h"
#include "common/str.h"

#define WORDS_MAX 12
#define VMS_MAX	  64

struct tool_vm {
	vm_id vm;
	int pidfd, disk;
};

struct tool {
	struct ipc *ch;
	pid_t netd;
	struct tool_vm vms[VMS_MAX];
	size_t n_vms;
	size_t n; /* words of the command */
	char *w[WORDS_MAX];
};

typedef int (*command)(struct tool *t, struct err *err);

static int usage(const struct tool *t, struct err *err)
{
	return err_set(err, ERR_bad_request, "'%s' is not used like this", t->w[0]);
}

static int get_vm(const struct tool *t, size_t i, vm_id *ret, struct err *err)
{
	if (i < t->n && vm_id_parse(t->w[i], ret))
		return 0;
	return err_set(err, ERR_bad_request, "no VM id");
}

static uint64_t number(const struct tool *t, size_t i)
{
	uint64_t v = 0;

	if (i >= t->n || !str_to_u64(t->w[i], 0, UINT64_MAX, &v))
		fprintf(stderr, "netd-tool: '%s': no number\n", i < t->n ? t->w[i] : "");
	return v;
}

static int copy_to_memfd(const char *path)
{
	_cleanup_fd_ int from = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int to = memfd_create("copy", MFD_CLOEXEC);
	struct stat st;

	if (from < 0 || to < 0 || fstat(from, &st) < 0 ||
		sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size)
		return -1;
	return TAKE_FD(to);
}

static int open_file(const char *spec, int *ret, struct err *err)
{
	static const struct {
		const char *mode;
		int flags;
	} modes[] = { { "ro", O_RDONLY | O_NONBLOCK }, { "rw", O_RDWR | O_NONBLOCK },
		{ "wo", O_WRONLY | O_NONBLOCK }, { "append", O_RDWR | O_APPEND },
		{ "path", O_PATH } };
	const char *colon = strchr(spec, ':');
	int fd = -1;

	if (!colon)
		return err_set(err, ERR_bad_request, "'%s' is no MODE:PATH", spec);
	if (str_starts(spec, "memfd:"))
		fd = copy_to_memfd(colon + 1);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strlen(modes[i].mode) == (size_t)(colon - spec) &&
			str_starts(spec, modes[i].mode))
			fd = open(colon + 1, modes[i].flags | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, ERR_bad_request, errno, "cannot open '%s'", spec);
	*ret = fd;
	return 0;
}

/* A text as one word. */
static const char *hex(const char *s, char *buf)
{
	size_t n = 0;

	buf[0] = '\0';
	for (; *s; s++)
		n += (size_t)sprintf(buf + n, "%02x", (unsigned)(unsigned char)*s);
	return buf;
}

static int do_status(struct tool *t, struct err *err)
{
	const struct netd_host_status_in in;
	struct netd_host_status_out out;
	char pool[16], problem[2 * TEXT_MAX + 1];

	if (netd_host_status(t->ch, &in, &out, err) < 0)
		return -1;
	printf("ok kvm=%s probe_us=%llu tun=%d qemu=%d nft=%d limits=%s tsc_khz=%u pool=%s/%u "
	       "dm=%d firecracker=%d fc=%s fc_problem=%s version=%s\n",
		kvm_state_to_name(out.kvm), (unsigned long long)out.kvm_probe_us, out.have_tun,
		out.have_qemu, out.have_nft, limits_to_name(out.limits), out.tsc_khz,
		ipv4_format(out.pool, pool), out.pool_prefix, out.have_dm, out.have_firecracker,
		out.firecracker_version.s, hex(out.firecracker_problem.s, problem),
		out.qemu_version.s);
	return 0;
}

static int do_reserve(struct tool *t, struct err *err)
{
	struct netd_vm_reserve_in in = { .owner = (uint32_t)number(t, 2) };
	struct netd_vm_reserve_out out;

	if (get_vm(t, 1, &in.vm, err) < 0 || netd_vm_reserve(t->ch, &in, &out, err) < 0)
		return -1;
	printf("ok jail_uid=%u\n", out.jail_uid);
	return 0;
}

static int do_tap(struct tool *t, struct err *err)
{
	struct netd_tap_create_in in = { .subnet = (uint16_t)number(t, 2),
		.host = (uint8_t)number(t, 3),
		.nat = number(t, 5),
		.vmm = vmm_kind_qemu };
	struct netd_tap_create_out out;
	unsigned b[6] = { 0 };
	char address[16], gateway[16];

	if (t->n < 6 ||
		sscanf(t->w[4], "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return usage(t, err);
	if (t->n > 6 && !vmm_kind_from_name(t->w[6], &in.vmm))
		return usage(t, err);
	for (size_t i = 0; i < 6; i++)
		in.mac.b[i] = (uint8_t)b[i];
	if (get_vm(t, 1, &in.vm, err) < 0 || netd_tap_create(t->ch, &in, &out, err) < 0)
		return -1;
	printf("ok address=%s gateway=%s prefix=%u\n", ipv4_format(out.address, address),
		ipv4_format(out.gateway, gateway), out.prefix);
	return 0;
}

static struct tool_vm *vm_of(struct tool *t, vm_id vm)
{
	for (size_t i = 0; i < t->n_vms; i++)
		if (str_eq(t->vms[i].vm.s, vm.s))
			return &t->vms[i];
	if (t->n_vms == VMS_MAX) {
		fprintf(stderr, "netd-tool: too many VMs\n");
		exit(1);
	}
	t->vms[t->n_vms] = (struct tool_vm){ .vm = vm, .pidfd = -1, .disk = -1 };
	return &t->vms[t->n_vms++];
}

static void keep_pidfd(struct tool *t, vm_id vm, int pidfd)
{
	int *p = &vm_of(t, vm)->pidfd;

	fd_closep(p);
	*p = pidfd;
}

static int do_nat(struct tool *t, struct err *err)
{
	struct netd_nat_set_in in = { .nat = number(t, 2) };
	struct netd_nat_set_out out;

	if (t->n < 3)
		return usage(t, err);
	if (get_vm(t, 1, &in.vm, err) < 0 || netd_nat_set(t->ch, &in, &out, err) < 0)
		return -1;
	printf("ok\n");
	return 0;
}

/* The files from word `at` on: kernel, initramfs, disk, and a work disk where it is given; closed
 * again on failure. */
static int open_files(const struct tool *t, size_t at, int fds[4], struct err *err)
{
	for (size_t i = 0; i < 4; i++)
		fds[i] = -1;
	for (size_t i = 0; i < 4 && at + i < t->n; i++)
		if (open_file(t->w[at + i], &fds[i], err) < 0) {
			fd_close_many(fds, 4);
			return -1;
		}
	return 0;
}

static int do_launch(struct tool *t, struct err *err)
{
	struct netd_qemu_launch_in in = { .vcpus = (uint8_t)number(t, 2),
		.memory = (uint32_t)number(t, 3) };
	struct netd_qemu_launch_out out;
	int fds[4], r;

	if (t->n < 8 || !accel_from_name(t->w[4], &in.accel))
		return usage(t, err);
	if (get_vm(t, 1, &in.vm, err) < 0 || open_files(t, 5, fds, err) < 0)
		return -1;
	in.kernel = fds[0];
	in.initramfs = fds[1];
	in.disk = fds[2];
	in.work = fds[3];
	r = netd_qemu_launch(t->ch, &in, &out, err);
	fd_close_many(fds, 4);
	if (r < 0)
		return -1;
	keep_pidfd(t, in.vm, out.pidfd);
	fd_closep(&out.rundir);
	printf("ok pid=%u start_time=%llu vmm=qemu jail_uid=%u\n", out.pid,
		(unsigned long long)out.start_time, out.jail_uid);
	return 0;
}

static int do_firecracker(struct tool *t, struct err *err)
{
	struct netd_firecracker_launch_in in = { .vcpus = (uint8_t)number(t, 2),
		.memory = (uint32_t)number(t, 3) };
	struct netd_firecracker_launch_out out;
	int fds[4], r;

	if (t->n < 7)
		return usage(t, err);
	if (get_vm(t, 1, &in.vm, err) < 0 || open_files(t, 4, fds, err) < 0)
		return -1;
	in.kernel = fds[0];
	in.initramfs = fds[1];
	in.disk = fds[2];
	in.work = fds[3];
	r = netd_firecracker_launch(t->ch, &in, &out, err);
	fd_close_many(fds, 4);
	if (r < 0)
		return -1;
	keep_pidfd(t, in.vm, out.pidfd);
	fd_closep(&out.rundir);
	printf("ok pid=%u start_time=%llu vmm=firecracker jail_uid=%u\n", out.pid,
		(unsigned long long)out.start_time, out.jail_uid);
	return 0;
}

static int do_attach(struct tool *t, struct err *err)
{
	struct netd_tap_attach_in in;
	struct netd_tap_attach_out out;

	if (get_vm(t, 1, &in.vm, err) < 0 || netd_tap_attach(t->ch, &in, &out, err) < 0)
		return -1;
	puts("ok");
	return 0;
}

static int do_disk(struct tool *t, struct err *err)
{
	struct netd_disk_attach_in in = { .size = number(t, 2), .cow = -1 };
	struct netd_disk_attach_out out;
	int r;

	if (t->n < 5)
		return usage(t, err);
	if (get_vm(t, 1, &in.vm, err) < 0 || open_file(t->w[3], &in.image, err) < 0)
		return -1;
	r = open_file(t->w[4], &in.cow, err);
	if (r == 0)
		r = netd_disk_attach(t->ch, &in, &out, err);
	fd_closep(&in.image);
	fd_closep(&in.cow);
	if (r < 0)
		return -1;
	fd_closep(&vm_of(t, in.vm)->disk);
	vm_of(t, in.vm)->disk = out.disk;
	printf("ok fd=%d\n", out.disk);
	return 0;
}

static int do_usage(struct tool *t, struct err *err)
{
	struct netd_disk_usage_in in;
	struct netd_disk_usage_out out;

	if (get_vm(t, 1, &in.vm, err) < 0 || netd_disk_usage(t->ch, &in, &out, err) < 0)
		return -1;
	printf("ok lost=%d used=%llu total=%llu\n", out.lost, (unsigned long long)out.used,
		(unsigned long long)out.total);
	return 0;
}

static int do_close(struct tool *t, struct err *err)
{
	vm_id vm;

	if (get_vm(t, 1, &vm, err) < 0)
		return -1;
	fd_closep(&vm_of(t, vm)->disk);
	puts("ok");
	return 0;
}

static int do_adopt(struct tool *t, struct err *err)
{
	struct netd_vm_adopt_in in;
	struct netd_vm_adopt_out out;

	if (get_vm(t, 1, &in.vm, err) < 0 || netd_vm_adopt(t->ch, &in, &out, err) < 0)
		return -1;
	keep_pidfd(t, in.vm, out.pidfd);
	fd_closep(&out.rundir);
	printf("ok pid=%u start_time=%llu vmm=%s jail_uid=%u\n", out.pid,
		(unsigned long long)out.start_time, vmm_kind_to_name(out.vmm), out.jail_uid);
	return 0;
}

static int do_signal(struct tool *t, struct err *err)
{
	struct netd_vm_signal_in in = { .signo = (uint8_t)number(t, 2) };
	struct netd_vm_signal_out out;

	if (get_vm(t, 1, &in.vm, err) < 0 || netd_vm_signal(t->ch, &in, &out, err) < 0)
		return -1;
	puts("ok");
	return 0;
}

static int do_reap(struct tool *t, struct err *err)
{
	struct netd_vm_reap_in in;
	struct netd_vm_reap_out out;

	if (get_vm(t, 1, &in.vm, err) < 0 || netd_vm_reap(t->ch, &in, &out, err) < 0)
		return -1;
	printf("ok known=%d status=%u\n", out.known, out.status);
	return 0;
}

static int do_release(struct tool *t, struct err *err)
{
	struct netd_vm_release_in in;
	struct netd_vm_release_out out;

	if (get_vm(t, 1, &in.vm, err) < 0 || netd_vm_release(t->ch, &in, &out, err) < 0)
		return -1;
	puts("ok");
	return 0;
}

static int do_next(struct tool *t, struct err *err)
{
	struct netd_vm_next_in in;
	struct netd_vm_next_out out;

	if (get_vm(t, 1, &in.after, err) < 0 || netd_vm_next(t->ch, &in, &out, err) < 0)
		return -1;
	printf("ok found=%d vm=%s owner=%u state=%s alive=%d\n", out.found, out.vm.s, out.owner,
		ledger_state_to_name(out.state), out.alive);
	return 0;
}

static int do_await(struct tool *t, struct err *err)
{
	struct pollfd p = { .events = POLLIN };
	vm_id vm;

	if (get_vm(t, 1, &vm, err) < 0)
		return -1;
	p.fd = vm_of(t, vm)->pidfd;
	if (p.fd < 0)
		return err_set(err, ERR_not_found, "no pidfd of VM %s", vm.s);
	printf("ok dead=%d\n", poll(&p, 1, (int)number(t, 2)) == 1);
	return 0;
}

static int do_raw(struct tool *t, struct err *err)
{
	int fds[FRAME_FDS], r = 0;
	uint8_t buf[4096];
	size_t len = 0, n = 0;

	for (const char *p = t->n > 1 ? t->w[1] : ""; p[0] && p[1] && len < sizeof(buf); p += 2) {
		unsigned b;

		if (sscanf(p, "%2x", &b) != 1)
			return usage(t, err);
		buf[len++] = (uint8_t)b;
	}
	while (r == 0 && n < FRAME_FDS && n + 2 < t->n)
		if ((r = open_file(t->w[n + 2], &fds[n], err)) == 0)
			n++;
	if (r == 0)
		r = frame_send(ipc_fd(t->ch), buf, len, fds, n, err);
	fd_close_many(fds, n);
	if (r == 0)
		puts("ok");
	return r;
}

static int do_pid(struct tool *t, struct err *err)
{
	(void)err;
	printf("ok pid=%d\n", t->netd);
	return 0;
}

static int do_wait(struct tool *t, struct err *err)
{
	int status;

	ipc_close(t->ch);
	t->ch = NULL;
	while (waitpid(t->netd, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno, "cannot wait");
	printf("ok status=%d\n", status);
	return 0;
}

static const struct {
	const char *name;
	command run;
} commands[] = {
	{ "status", do_status },
	{ "reserve", do_reserve },
	{ "tap", do_tap },
	{ "nat", do_nat },
	{ "launch", do_launch },
	{ "firecracker", do_firecracker },
	{ "attach", do_attach },
	{ "disk", do_disk },
	{ "usage", do_usage },
	{ "close", do_close },
	{ "adopt", do_adopt },
	{ "signal", do_signal },
	{ "reap", do_reap },
	{ "release", do_release },
	{ "next", do_next },
	{ "await", do_await },
	{ "raw", do_raw },
	{ "pid", do_pid },
	{ "wait", do_wait },
};

static void run_line(struct tool *t, char *line)
{
	struct err err = ERR_INIT;
	char *save = NULL;

	t->n = 0;
	for (char *w = strtok_r(line, " \n", &save); w && t->n < WORDS_MAX;
		w = strtok_r(NULL, " \n", &save))
		t->w[t->n++] = w;
	for (size_t i = 0; t->n > 0 && i < ARRAY_SIZE(commands); i++) {
		if (!str_eq(commands[i].name, t->w[0]))
			continue;
		if (commands[i].run(t, &err) == 0)
			return;
		if (ipc_broken(t->ch))
			printf("gone %s\n", err.msg);
		else
			printf("error %s %s\n", err_code_name(err.code), err.msg);
		return;
	}
	printf("error bad_request no such command\n");
}

static int start(struct tool *t, char **argv)
{
	struct err err = ERR_INIT;
	int sv[2];

	if (frame_pair(sv, &err) < 0)
		return -1;
	t->netd = fork();
	if (t->netd < 0)
		return -1;
	if (t->netd == 0) {
		/* dup2 takes close-on-exec away; the end of this side goes with exec. */
		if (sv[1] == 3 ? fd_set_cloexec(3, false) < 0 : dup2(sv[1], 3) < 0)
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	fd_closep(&sv[1]);
	return ipc_open(sv[0], &netd_protocol, &t->ch, &err);
}

int main(int argc, char **argv)
{
	struct tool t = { 0 };
	char line[8192];

	if (argc < 2 || start(&t, argv + 1) < 0) {
		fprintf(stderr, "usage: netd-tool BANGER-NETD [ARG…]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (t.ch && fgets(line, sizeof(line), stdin))
		run_line(&t, line);
	ipc_close(t.ch);
	return 0;
}
