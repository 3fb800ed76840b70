/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as the kernel file of an import (package, bzImage, vmlinux), as a module, and as an old
 * initramfs. What is accepted as a kernel must be one that a VMM can load. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-imaged/elf64.h"
#include "banger-imaged/initramfs.h"
#include "banger-imaged/kernel_import.h"
#include "common/fd.h"
#include "tests/common/kernel_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int program_fd(void)
{
	static int fd = -1;

	if (fd < 0) {
		struct blob p = fixture_program(1);

		fd = fixture_fd(&p);
		free(p.p);
	}
	return fd;
}

static void as_kernel(int input)
{
	struct job_kernel_import_in in = { .kernel = input,
		.modules = -1,
		.init = program_fd(),
		.agent = program_fd(),
		.vmlinux = fixture_fd(NULL),
		.initramfs = fixture_fd(NULL) };
	struct job_kernel_import_out out;
	struct err err = ERR_INIT;
	struct stat st;

	if (kernel_import(&in, &out, NULL, &err) == 0 &&
		(fstat(in.vmlinux, &st) < 0 ||
			elf64_check_kernel(in.vmlinux, (uint64_t)st.st_size, &err) < 0))
		abort();
	close(in.vmlinux);
	close(in.initramfs);
}

static void as_module(const uint8_t *data, size_t size)
{
	struct modules m = { 0 };
	struct err err = ERR_INIT;
	struct module *mod;

	if (modules_add(&m, "ext4.ko", &mod, &err) == 0)
		(void)modules_load(&m, mod, data, size, &err);
	modules_finish(&m);
}

static void as_initramfs(int input)
{
	struct job_initramfs_refresh_in in = { .old = input,
		.init = program_fd(),
		.agent = program_fd(),
		.initramfs = fixture_fd(NULL) };
	struct job_initramfs_refresh_out out;
	struct err err = ERR_INIT;

	(void)kernel_refresh(&in, &out, &err);
	close(in.initramfs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blob b = { (uint8_t *)(uintptr_t)data, size };
	int input = fixture_fd(&b);

	as_kernel(input);
	as_module(data, size);
	as_initramfs(input);
	close(input);
	return 0;
}
