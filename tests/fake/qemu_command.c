/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/qemu_command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/json.h"
#include "common/str.h"
#include "tests/fake/behaviour.h"
#include "tests/fake/tsc.h"

/* What Firecracker gives a kernel that is given nothing. */
#define DEFAULT_ARGS                                                                       \
	"reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd " \
	"swiotlb=noforce"

/* Without room, `used` goes past the end and stays there: checked once, at the end. */
__attribute__((format(printf, 2, 3))) static void add(struct qemu_command *c, const char *fmt, ...)
{
	size_t room = c->used < sizeof(c->text) ? sizeof(c->text) - c->used : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? c->text + c->used : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || c->n >= QEMU_WORDS) {
		c->used = sizeof(c->text) + 1;
		return;
	}
	c->argv[c->n++] = c->text + c->used;
	c->used += (size_t)n + 1;
}

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

static void add_machine(struct qemu_command *c, const struct machine *m)
{
	unsigned long long mib = machine_mib(m);

	add(c, "-machine");
	add(c, "microvm,pit=off,pic=off,rtc=on,memory-backend=m0");
	/* vhost-user's other end must have it too. */
	add(c, "-object");
	add(c, "memory-backend-memfd,id=m0,size=%lluM,share=on", mib);
	add(c, "-m");
	add(c, "%lluM", mib);
	add(c, "-accel");
	add(c, behaviour.kvm ? "kvm" : "tcg,thread=multi");
	add(c, "-cpu");
	add(c, behaviour.kvm ? "host" : "qemu64");
	add(c, "-smp");
	add(c, "%u", machine_vcpus(m));
	add(c, "-nodefaults");
	add(c, "-no-user-config");
	add(c, "-display");
	add(c, "none");
	/* A reset ends the machine; one that is off stays, as the VMM does. */
	add(c, "-action");
	add(c, "reboot=shutdown,shutdown=pause");
}

/* Behind the given arguments, of two the latter wins: a keyboard controller to reset by there is
 * not; a 6.x kernel that calibrates the TSC under TCG hangs in most boots. */
static void add_kernel(struct qemu_command *c, const struct machine *m)
{
	const char *initrd = get_text(m->boot, "initrd_path"),
		   *args = get_text(m->boot, "boot_args");
	const char *root = "";

	if (m->n_drives > 0 && m->drives[0].root)
		root = m->drives[0].read_only ? " root=/dev/vda ro" : " root=/dev/vda rw";
	add(c, "-kernel");
	add(c, "%s", get_text(m->boot, "kernel_image_path"));
	if (initrd) {
		add(c, "-initrd");
		add(c, "%s", initrd);
	}
	add(c, "-append");
	add(c, "%s%s reboot=t cryptomgr.notests tsc=reliable tsc_early_khz=%u%s",
		args ? args : DEFAULT_ARGS, root, tsc_khz(),
		machine_vcpus(m) == 1 ? " noreplace-smp" : "");
}

/* A bucket's tokens a second; 0: none. */
static unsigned long long a_second(struct json_object *limiter, const char *which)
{
	struct json_object *bucket;
	uint64_t size = 0, ms = 0, product;

	if (!json_object_object_get_ex(limiter, which, &bucket) ||
		!json_get_u64(bucket, "size", 1, UINT64_MAX, &size) ||
		!json_get_u64(bucket, "refill_time", 1, UINT64_MAX, &ms) ||
		ckd_mul(&product, size, UINT64_C(1000)))
		return 0;
	return product / ms;
}

/* The name of the node above `raw`: a throttle, where there is a limit. */
static const char *add_limit(struct qemu_command *c, const struct drive *d, size_t i, char name[16])
{
	struct json_object *limiter = NULL;
	unsigned long long bytes, ops;

	snprintf(name, 16, "r%u", (unsigned)i);
	if (!json_object_object_get_ex(d->config, "rate_limiter", &limiter) || !limiter)
		return name;
	bytes = a_second(limiter, "bandwidth");
	ops = a_second(limiter, "ops");
	if (!bytes && !ops)
		return name;
	add(c, "-object");
	add(c, "throttle-group,id=t%zu,x-bps-total=%llu,x-iops-total=%llu", i, bytes, ops);
	add(c, "-blockdev");
	add(c, "driver=throttle,node-name=l%zu,throttle-group=t%zu,file=r%zu", i, i, i);
	snprintf(name, 16, "l%u", (unsigned)i);
	return name;
}

static void add_drive(struct qemu_command *c, const struct drive *d, size_t i)
{
	const char *read_only = d->read_only ? "on" : "off";
	const char *cache = get_text(d->config, "cache_type");
	struct stat st = { 0 };
	char node[16];

	/* One that cannot be looked at QEMU will not open. */
	fstat(d->fd, &st);
	add(c, "-add-fd");
	add(c, "fd=%d,set=%zu", d->fd, i + 1);
	add(c, "-blockdev");
	add(c,
		"driver=%s,node-name=f%zu,filename=/dev/fdset/%zu,aio=threads,read-only=%s,"
		"cache.no-flush=%s",
		S_ISBLK(st.st_mode) ? "host_device" : "file", i, i + 1, read_only,
		str_eq(cache, "Writeback") ? "off" : "on");
	add(c, "-blockdev");
	add(c, "driver=raw,node-name=r%zu,file=f%zu,read-only=%s", i, i, read_only);
	add_limit(c, d, i, node);
	add(c, "-device");
	add(c, "virtio-blk-device,drive=%s,id=%s", node, d->id);
}

static void add_nic(struct qemu_command *c, const struct nic *n, size_t i)
{
	add(c, "-netdev");
	add(c, "tap,id=n%zu,fd=%d,vhost=off", i, n->tap);
	add(c, "-device");
	add(c, "virtio-net-device,netdev=n%zu%s%s", i, n->mac ? ",mac=" : "", n->mac ? n->mac : "");
}

static void add_others(struct qemu_command *c, const struct machine *m, int vhost_user)
{
	uint64_t cid;

	if (vhost_user >= 0 && json_get_u64(m->vsock, "guest_cid", 0, UINT32_MAX, &cid)) {
		add(c, "-chardev");
		add(c, "socket,id=vsock,fd=%d", vhost_user);
		add(c, "-device");
		add(c, "vhost-user-vsock-device,chardev=vsock");
	}
	if (m->entropy) {
		add(c, "-device");
		add(c, "virtio-rng-device");
	}
	if (m->balloon) {
		add(c, "-device");
		add(c, "virtio-balloon-device,deflate-on-oom=%s",
			get_bool(m->balloon, "deflate_on_oom") ? "on" : "off");
	}
}

static void add_channels(
	struct qemu_command *c, const struct machine *m, const struct qemu_ends *ends)
{
	const char *out = m->serial ? get_text(m->serial, "serial_out_path") : NULL;

	add(c, "-chardev");
	if (ends->serial >= 0)
		add(c, "socket,id=serial,fd=%d", ends->serial);
	else if (out)
		add(c, "file,id=serial,path=%s,append=on", out);
	else
		add(c, "stdio,id=serial,signal=off");
	add(c, "-serial");
	add(c, "chardev:serial");
	add(c, "-chardev");
	add(c, "socket,id=qmp,fd=%d", ends->qmp);
	add(c, "-mon");
	add(c, "chardev=qmp,mode=control");
}

int qemu_command_build(const struct machine *m, const struct qemu_ends *ends,
	struct qemu_command *ret, struct err *err)
{
	ret->n = ret->used = 0;
	add(ret, "qemu-system-x86_64");
	add_machine(ret, m);
	add_kernel(ret, m);
	for (size_t i = 0; i < m->n_drives; i++)
		add_drive(ret, &m->drives[i], i);
	for (size_t i = 0; i < m->n_nics; i++)
		add_nic(ret, &m->nics[i], i);
	add_others(ret, m, ends->vhost_user);
	add_channels(ret, m, ends);
	if (ret->used > sizeof(ret->text))
		return err_set(err, ERR_operation_failed, "QEMU's command line is too long");
	ret->argv[ret->n] = NULL;
	return 0;
}
