/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Kernels, modules and packages small enough to be made by the tests that read them. All buffers
 * are the caller's to free; a fixture that cannot be made aborts. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
	uint8_t *p;
	size_t n;
};

#define FIXTURE_RELEASE "6.1.0-test"

/* An x86-64 ELF executable with one segment that says "Linux version RELEASE (…". */
struct blob fixture_vmlinux(const char *release, size_t size);

/* An x86-64 relocatable file with a .modinfo for `release` that says depends=… */
struct blob fixture_module(const char *depends, const char *release);

/* A static-looking program, for init and agent: `fill` makes them differ. */
struct blob fixture_program(uint8_t fill);

/* Compress by a filter of libarchive: "gzip", "bzip2", "lzma", "xz", "zstd". */
struct blob fixture_compress(const struct blob *b, const char *filter);

/* Wrap a compressed kernel; `sized` appends the unpacked size (all but gzip have it). */
struct blob fixture_bzimage(
	const struct blob *payload, uint32_t unpacked, bool sized, const char *release);

/* One more file of a tar; ends with path NULL. `link` makes it a symlink to that. */
struct fixture_file {
	const char *path;
	struct blob content;
	const char *link;
};

/* An uncompressed tar, and a package around a data.tar (`member` "data.tar.xz", …). */
struct blob fixture_tar(const struct fixture_file *files);
struct blob fixture_deb(const struct blob *data, const char *member);

/* A whole package: the kernel and the modules that a guest needs, in xz. */
struct blob fixture_kernel_deb(void);

/* The bytes in an anonymous file, at its beginning; an empty one when b is NULL. */
int fixture_fd(const struct blob *b);
