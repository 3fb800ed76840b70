/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-netd/qemu_argv: the one command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "banger-netd/qemu_argv.h"
#include "common/str.h"

static const struct qemu_machine machine = {
	.vm = { "0123456789ab" },
	.vcpus = 1,
	.memory = 256,
	.tsc_khz = 2500000,
	.mac = { { 0x52, 0x54, 0, 1, 2, 3 } },
};

static struct qemu_argv a;

static void build(const struct qemu_machine *m)
{
	struct err err = ERR_INIT;

	assert_int_equal(qemu_argv_build("/usr/bin/qemu-system-x86_64", m, &a, &err), 0);
	assert_null(a.argv[a.n]);
}

/* How often the option stands there, and with that value (NULL: any). */
static size_t count(const char *option, const char *value)
{
	size_t n = 0;

	for (size_t i = 0; i < a.n; i++)
		n += str_eq(a.argv[i], option) && (!value || str_eq(a.argv[i + 1], value));
	return n;
}

static const char *value_of(const char *option)
{
	for (size_t i = 0; i + 1 < a.n; i++)
		if (str_eq(a.argv[i], option))
			return a.argv[i + 1];
	return "";
}

static void test_confined_and_paused(void **state)
{
	(void)state;
	build(&machine);
	assert_string_equal(a.argv[0], "/usr/bin/qemu-system-x86_64");
	assert_int_equal(count("-nodefaults", NULL), 1);
	assert_int_equal(count("-no-user-config", NULL), 1);
	assert_int_equal(count("-no-reboot", NULL), 1);
	assert_int_equal(count("-S", NULL), 1);
	assert_string_equal(value_of("-sandbox"),
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	assert_string_equal(value_of("-name"), "0123456789ab");
	assert_string_equal(value_of("-m"), "256M");
}

static void test_acceleration(void **state)
{
	struct qemu_machine m = machine;

	(void)state;
	build(&m);
	assert_string_equal(value_of("-accel"), "tcg,thread=multi");
	assert_string_equal(value_of("-cpu"), "qemu64");
	m.kvm = true;
	build(&m);
	assert_string_equal(value_of("-accel"), "kvm");
	assert_non_null(strstr(value_of("-machine"), "rtc=on"));
	assert_string_equal(value_of("-cpu"), "host");
}

static void test_kernel_command_line(void **state)
{
	struct qemu_machine m = machine;

	(void)state;
	build(&m);
	assert_string_equal(value_of("-append"),
		"console=ttyS0 reboot=t panic=-1 quiet cryptomgr.notests tsc=reliable "
		"tsc_early_khz=2500000 noreplace-smp rdinit=/init");
	m.vcpus = 2;
	build(&m);
	assert_null(strstr(value_of("-append"), "noreplace-smp"));
	assert_string_equal(value_of("-smp"), "2");
}

static void check_fds(int end)
{
	for (int fd = QEMU_FD_DISK; fd < end; fd++) {
		char needle[16];
		size_t n = 0;

		str_format(needle, sizeof(needle), "fd=%d,", fd);
		for (size_t i = 0; i < a.n; i++)
			n += strstr(a.argv[i], needle) != NULL;
		if (n != 1)
			fail_msg("fd %d is used %zu times", fd, n);
	}
}

static void test_every_inherited_fd_is_used_once(void **state)
{
	struct qemu_machine m = machine;

	(void)state;
	assert_int_equal(QEMU_FD_END, 23);
	build(&m);
	check_fds(QEMU_FD_END);
	assert_int_equal(count("-add-fd", NULL), 1);
	m.work = true;
	build(&m);
	check_fds(QEMU_FD_WORK + 1);
}

/* By their place the guest knows them. */
static void test_the_root_disk_is_the_first(void **state)
{
	struct qemu_machine m = machine;
	size_t root = 0, work = 0;

	(void)state;
	m.block = m.work = true;
	build(&m);
	for (size_t i = 0; i < a.n; i++) {
		if (str_eq(a.argv[i], "virtio-blk-device,drive=d0"))
			root = i;
		if (str_eq(a.argv[i], "virtio-blk-device,drive=d1"))
			work = i;
	}
	assert_true(root > 0 && root < work);
	assert_int_equal(count("-blockdev", "driver=host_device,node-name=f0,filename=/dev/fdset/1,"
					    "aio=threads,discard=unmap"),
		1);
	assert_int_equal(count("-blockdev", "driver=file,node-name=f1,filename=/dev/fdset/2,"
					    "aio=threads,discard=unmap"),
		1);
}

static void test_ports(void **state)
{
	(void)state;
	build(&machine);
	assert_int_equal(count("-device", "virtio-serial-device,max_ports=17"), 1);
	for (int i = 0; i < QEMU_PORTS; i++) {
		char device[64], chardev[64];

		str_format(device, sizeof(device),
			"virtserialport,chardev=p%d,name=banger.%d,nr=%d", i, i, i + 1);
		str_format(chardev, sizeof(chardev), "socket,id=p%d,fd=%d,server=on,wait=off", i,
			QEMU_FD_PORT0 + i);
		assert_int_equal(count("-device", device), 1);
		assert_int_equal(count("-chardev", chardev), 1);
	}
	assert_int_equal(count("-device", "virtio-net-device,netdev=n0,mac=52:54:00:01:02:03"), 1);
}

static void test_a_path_too_long_is_refused(void **state)
{
	static char path[sizeof(a.text)];
	struct err err = ERR_INIT;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(qemu_argv_build(path, &machine, &a, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confined_and_paused),
		cmocka_unit_test(test_acceleration),
		cmocka_unit_test(test_kernel_command_line),
		cmocka_unit_test(test_every_inherited_fd_is_used_once),
		cmocka_unit_test(test_the_root_disk_is_the_first),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_a_path_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
