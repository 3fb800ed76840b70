/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/qemu_argv.h"

#include <stdarg.h>
#include <stdio.h>

/* Without room, `used` goes past the end and stays there: checked once, by the caller. */
__attribute__((format(printf, 2, 3))) static void add(struct qemu_argv *a, const char *fmt, ...)
{
	size_t room = a->used < sizeof(a->text) ? sizeof(a->text) - a->used : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? a->text + a->used : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || a->n >= QEMU_ARGS_MAX) {
		a->used = sizeof(a->text) + 1;
		return;
	}
	a->argv[a->n++] = a->text + a->used;
	a->used += (size_t)n + 1;
}

static void add_machine(struct qemu_argv *a, const struct qemu_machine *m)
{
	add(a, "-name");
	add(a, "%s", m->vm.s);
	/* ACPI and the RTC stay: packaged kernels find virtio-mmio by the one, and wait seconds
	 * for the other when it is not there, which under KVM would be QEMU's own choice. */
	add(a, "-machine");
	add(a, "microvm,pit=off,pic=off,rtc=on");
	add(a, "-accel");
	add(a, m->kvm ? "kvm" : "tcg,thread=multi");
	add(a, "-cpu");
	add(a, m->kvm ? "host" : "qemu64");
	add(a, "-smp");
	add(a, "%u", m->vcpus);
	add(a, "-m");
	add(a, "%uM", m->memory);
	add(a, "-nodefaults");
	add(a, "-no-user-config");
	add(a, "-no-reboot");
	add(a, "-S");
	add(a, "-display");
	add(a, "none");
	add(a, "-sandbox");
	add(a, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void add_kernel(struct qemu_argv *a, const struct qemu_machine *m)
{
	add(a, "-kernel");
	add(a, QEMU_KERNEL);
	add(a, "-initrd");
	add(a, QEMU_INITRAMFS);
	/* A 6.x kernel that calibrates the TSC under TCG hangs in most boots: it is told. */
	add(a, "-append");
	add(a,
		"console=ttyS0 reboot=t panic=-1 quiet cryptomgr.notests tsc=reliable "
		"tsc_early_khz=%u%s rdinit=/init",
		m->tsc_khz, m->vcpus == 1 ? " noreplace-smp" : "");
}

static void add_socket(struct qemu_argv *a, const char *id, int fd)
{
	add(a, "-chardev");
	add(a, "socket,id=%s,fd=%d,server=on,wait=off", id, fd);
}

static void add_drive(struct qemu_argv *a, const char *driver, int fd, unsigned n)
{
	add(a, "-add-fd");
	add(a, "fd=%d,set=%u", fd, n + 1);
	add(a, "-blockdev");
	add(a, "driver=%s,node-name=f%u,filename=/dev/fdset/%u,aio=threads,discard=unmap", driver,
		n, n + 1);
	add(a, "-blockdev");
	add(a, "driver=raw,node-name=d%u,file=f%u,discard=unmap", n, n);
	add(a, "-device");
	add(a, "virtio-blk-device,drive=d%u", n);
}

static void add_devices(struct qemu_argv *a, const struct qemu_machine *m)
{
	char address[18];

	add_drive(a, m->block ? "host_device" : "file", QEMU_FD_DISK, 0);
	if (m->work)
		add_drive(a, "file", QEMU_FD_WORK, 1);
	add(a, "-netdev");
	add(a, "tap,id=n0,fd=%d,vhost=off", QEMU_FD_TAP);
	add(a, "-device");
	add(a, "virtio-net-device,netdev=n0,mac=%s", mac_format(m->mac, address));
	add(a, "-device");
	add(a, "virtio-rng-device");
}

static void add_channels(struct qemu_argv *a)
{
	add_socket(a, "qmp", QEMU_FD_QMP);
	add(a, "-mon");
	add(a, "chardev=qmp,mode=control");
	add_socket(a, "console", QEMU_FD_CONSOLE);
	add(a, "-serial");
	add(a, "chardev:console");
	add(a, "-device");
	add(a, "virtio-serial-device,max_ports=%d", QEMU_PORTS + 1);
	for (int i = 0; i < QEMU_PORTS; i++) {
		char id[8];

		snprintf(id, sizeof(id), "p%d", i);
		add_socket(a, id, QEMU_FD_PORT0 + i);
		add(a, "-device");
		add(a, "virtserialport,chardev=%s,name=banger.%d,nr=%d", id, i, i + 1);
	}
}

int qemu_argv_build(
	const char *path, const struct qemu_machine *m, struct qemu_argv *ret, struct err *err)
{
	ret->n = 0;
	ret->used = 0;
	add(ret, "%s", path);
	add_machine(ret, m);
	add_kernel(ret, m);
	add_devices(ret, m);
	add_channels(ret);
	if (ret->used > sizeof(ret->text))
		return err_set(err, ERR_operation_failed, "QEMU's command line is too long");
	ret->argv[ret->n] = NULL;
	return 0;
}
