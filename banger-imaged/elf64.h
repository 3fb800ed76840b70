/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What must hold of ELF files before a VMM or a guest kernel gets them (System V ABI, AMD64). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

bool elf64_is(const void *p, size_t n);

/* The `size` bytes of fd are a bootable x86-64 kernel: an executable whose segments lie inside the
 * file and below 4 GiB of guest memory. Fails with bad_input. */
int elf64_check_kernel(int fd, uint64_t size, struct err *err);

/* The release in the "Linux version X (…" of the kernel in fd. Fails with bad_input. */
int elf64_kernel_version(int fd, uint64_t size, text *ret, struct err *err);

/* The n bytes at p are a static or dynamic x86-64 program. `what` names it. */
int elf64_check_program(const uint8_t *p, size_t n, const char *what, struct err *err);

/* The strings of a module's .modinfo section ("name=value", each with its NUL, back to back),
 * inside the caller's bytes. Fails with bad_input when the n bytes at p are no x86-64 module. */
int elf64_modinfo(const uint8_t *p, size_t n, const char *what, const char **ret, size_t *ret_len,
	struct err *err);
