/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-imaged/hash.h"
#include "banger-imaged/kernel_import.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/proto_source.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

/* A directory of modules that a child serves as the CLI would, or worse. */
struct dir_file {
	const char *path;
	const char *text;    /* its content, or */
	const char *depends; /* a module that depends on these */
};

struct dir {
	const struct dir_file *files;
	const char *odd;		  /* this path gives … */
	enum { ODD_PIPE, ODD_HUGE } kind; /* … something that is no proper file */
	const char *release;
};

#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#define PROTO_CTX   const struct dir
#include "common/ipc_serve.h"

static int odd_file(const struct dir *d)
{
	int fd, p[2];

	if (d->kind == ODD_PIPE)
		return pipe2(p, O_CLOEXEC) < 0 ? -1 : p[0];
	fd = fixture_fd(NULL);
	return ftruncate(fd, (off_t)1 << 40) < 0 ? -1 : fd;
}

int on_file_open(const struct dir *d, struct source_file_open_in *in,
	struct source_file_open_out *out, struct err *err)
{
	if (d->odd && str_eq(in->path.s, d->odd)) {
		out->file = odd_file(d);
		return 0;
	}
	for (const struct dir_file *f = d->files; f->path; f++) {
		struct blob b;

		if (!str_eq(f->path, in->path.s))
			continue;
		if (f->text)
			b = (struct blob){ (uint8_t *)strdup(f->text), strlen(f->text) };
		else
			b = fixture_module(f->depends, d->release);
		out->file = fixture_fd(&b);
		out->size = b.n;
		free(b.p);
		return 0;
	}
	return err_set(err, ERR_not_found, "%s is not there", in->path.s);
}

/* The socket of a served directory. The child ends with the socket. */
static int serve(const struct dir *d)
{
	struct err err = ERR_INIT;
	struct ipc *ch;
	int sv[2];

	assert_int_equal(frame_pair(sv, &err), 0);
	if (fork() == 0) {
		close(sv[0]);
		if (ipc_open(sv[1], &source_protocol, &ch, &err) == 0)
			while (ipc_serve(ch, source_handlers, (void *)(uintptr_t)d, NULL, &err) > 0)
				;
		_exit(0);
	}
	close(sv[1]);
	return sv[0];
}

/* Import and close all; the out struct says what came. */
static int run(int kernel, int modules, struct job_kernel_import_out *out, struct err *err)
{
	struct blob p = fixture_program(1);
	struct job_kernel_import_in in = { .kernel = kernel,
		.modules = modules,
		.init = fixture_fd(&p),
		.agent = fixture_fd(&p),
		.vmlinux = fixture_fd(NULL),
		.initramfs = fixture_fd(NULL) };
	struct stat v, i;
	int r;

	r = kernel_import(&in, out, NULL, err);
	assert_int_equal(in.modules, -1);
	if (r == 0) {
		assert_int_equal(fstat(in.vmlinux, &v), 0);
		assert_int_equal(fstat(in.initramfs, &i), 0);
		assert_int_equal(out->size, v.st_size + i.st_size);
	}
	close(in.kernel);
	close(in.init);
	close(in.agent);
	close(in.vmlinux);
	close(in.initramfs);
	free(p.p);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return r;
}

static const struct dir_file files[] = {
	{ "modules.dep",
		"kernel/virtio_ring.ko:\nkernel/virtio_blk.ko: kernel/virtio_ring.ko\n"
		"kernel/virtio-console.ko: kernel/virtio_ring.ko\nkernel/virtio_mmio.ko:\n",
		NULL },
	{ "modules.builtin", "kernel/fs/ext4/ext4.ko\n", NULL },
	{ "kernel/virtio_ring.ko", NULL, "" },
	{ "kernel/virtio_blk.ko", NULL, "virtio_ring" },
	{ "kernel/virtio-console.ko", NULL, "virtio_ring" },
	{ "kernel/virtio_mmio.ko", NULL, "" },
	{ NULL, NULL, NULL },
};

static int bzimage_fd(void)
{
	struct blob v = fixture_vmlinux(FIXTURE_RELEASE, 50000), z = fixture_compress(&v, "zstd");
	struct blob b = fixture_bzimage(&z, (uint32_t)v.n, true, FIXTURE_RELEASE);
	int fd = fixture_fd(&b);

	free(v.p);
	free(z.p);
	free(b.p);
	return fd;
}

static int vmlinux_fd(void)
{
	struct blob v = fixture_vmlinux(FIXTURE_RELEASE, 50000);
	int fd = fixture_fd(&v);

	free(v.p);
	return fd;
}

static void test_kinds(void **state)
{
	const struct dir d = { files, NULL, ODD_PIPE, FIXTURE_RELEASE };
	struct blob deb = fixture_kernel_deb();
	struct job_kernel_import_out out;
	struct err err = ERR_INIT;

	(void)state;
	if (run(fixture_fd(&deb), -1, &out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out.n_modules, 7);
	assert_string_equal(out.version.s, FIXTURE_RELEASE);
	/* The given directory beats the package's own modules. */
	if (run(fixture_fd(&deb), serve(&d), &out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out.n_modules, 4);
	if (run(bzimage_fd(), serve(&d), &out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out.n_modules, 4);
	assert_string_equal(out.version.s, FIXTURE_RELEASE);
	if (run(vmlinux_fd(), serve(&d), &out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out.n_modules, 4);
	/* Without modules all is taken to be built in. */
	if (run(vmlinux_fd(), -1, &out, &err) < 0 || run(bzimage_fd(), -1, &out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out.n_modules, 0);
	assert_string_equal(out.arch.s, "x86_64");
	free(deb.p);
}

static void expect(const char *what, int kernel, int modules, const char *says)
{
	struct job_kernel_import_out out;
	struct err err = ERR_INIT;

	if (run(kernel, modules, &out, &err) == 0)
		fail_msg("%s passed", what);
	if (err.code != ERR_bad_input && err.code != ERR_not_found && err.code != ERR_unavailable)
		fail_msg("%s: %s: %s", what, err_code_name(err.code), err.msg);
	if (!strstr(err.msg, says))
		fail_msg("%s: %s", what, err.msg);
}

static int text_fd(const char *s, off_t size)
{
	struct blob b = { (uint8_t *)(uintptr_t)s, strlen(s) };
	int fd = fixture_fd(&b);

	assert_int_equal(size ? ftruncate(fd, size) : 0, 0);
	return fd;
}

static void test_not_kernels(void **state)
{
	int p[2];

	(void)state;
	expect("nothing", text_fd("", 0), -1, "no bzImage");
	expect("text", text_fd("hello", 0), -1, "no bzImage");
	expect("a short ELF", text_fd("\177ELF", 0), -1, "no x86-64 ELF");
	expect("an ELF of zeros", text_fd("\177ELF", 100000), -1, "no x86-64 ELF");
	expect("a huge ELF", text_fd("\177ELF", (off_t)600 << 20), -1, "512 MiB");
	expect("a huge file", text_fd("x", (off_t)129 << 20), -1, "128 MiB");
	expect("a monstrous file", text_fd("x", (off_t)1 << 40), -1, "1024 MiB");
	expect("an empty package", text_fd("!<arch>\ndebian-binary", 0), -1, "package");
	expect("a directory", open("/", O_RDONLY | O_CLOEXEC), -1, "no regular file");
	expect("a device", open("/dev/zero", O_RDONLY | O_CLOEXEC), -1, "no regular file");
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[1]);
	expect("a pipe", p[0], -1, "no regular file");
}

#define M FIXTURE_RELEASE "/"

/* Packages by the names of their files; the content is a kernel's or a module's by the name. */
static const struct package {
	const char *what;
	const char *paths[8];
	const char *says;
} bad_packages[] = {
	{ "no kernel", { "./usr/share/doc/x", NULL }, "no boot/vmlinuz" },
	{ "two kernels", { "./boot/vmlinuz-1", "./boot/vmlinuz-2", NULL }, "more than one kernel" },
	{ "one kernel in two places",
		{ "./boot/vmlinuz-1", "./usr/lib/modules/" M "vmlinuz", NULL },
		"more than one kernel" },
	{ "no modules", { "./boot/vmlinuz-1", NULL }, "lacks virtio_mmio" },
	{ "the modules of two kernels",
		{ "./boot/vmlinuz-1", "./lib/modules/1/a.ko", "./lib/modules/2/a.ko", NULL },
		"the modules of more than one" },
	{ "a kernel that leaves", { "./../boot/vmlinuz-1", NULL }, "outside" },
	{ "a part of the modules",
		{ "./boot/vmlinuz-1", "./lib/modules/" M "ext4.ko",
			"./lib/modules/" M "virtio_blk.ko", "./lib/modules/" M "virtio_mmio.ko",
			NULL },
		"lacks virtio_console," },
};

static void test_bad_packages(void **state)
{
	struct blob v = fixture_vmlinux(FIXTURE_RELEASE, 5000),
		    m = fixture_module("", FIXTURE_RELEASE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_packages); i++) {
		struct fixture_file list[9] = { 0 };
		struct blob tar, deb;

		for (size_t j = 0; bad_packages[i].paths[j]; j++) {
			const char *path = bad_packages[i].paths[j];

			list[j].path = path;
			list[j].content = str_ends(path, ".ko") ? m : v;
		}
		tar = fixture_tar(list);
		deb = fixture_deb(&tar, "data.tar");
		expect(bad_packages[i].what, fixture_fd(&deb), -1, bad_packages[i].says);
		free(tar.p);
		free(deb.p);
	}
	free(v.p);
	free(m.p);
}

static void test_bad_directories(void **state)
{
	static const struct dir_file empty[] = { { NULL, NULL, NULL } };
	static const struct dir_file no_builtin[] = { { "modules.dep", "", NULL },
		{ NULL, NULL, NULL } };
	static const struct dir_file listed[] = {
		{ "modules.dep", "a/ext4.ko:\na/virtio_blk.ko:\na/virtio_mmio.ko:\n", NULL },
		{ "modules.builtin", "a/virtio_console.ko\n", NULL },
		{ NULL, NULL, NULL },
	};
	static const struct dir_file leaving[] = { { "modules.dep", "../../etc/ext4.ko:\n", NULL },
		{ "modules.builtin", "", NULL }, { NULL, NULL, NULL } };
	const struct row {
		const char *what;
		struct dir dir;
		const char *says;
	} rows[] = {
		{ "empty", { empty, NULL, ODD_PIPE, "" }, "modules.dep" },
		{ "no list of what is built in", { no_builtin, NULL, ODD_PIPE, "" },
			"modules.builtin" },
		{ "listed, not there", { listed, NULL, ODD_PIPE, FIXTURE_RELEASE }, "ext4" },
		{ "a path that leaves", { leaving, NULL, ODD_PIPE, "" }, "outside" },
		{ "another kernel's", { files, NULL, ODD_PIPE, "5.0" }, "not of kernel" },
		{ "a pipe for a module",
			{ files, "kernel/virtio_mmio.ko", ODD_PIPE, FIXTURE_RELEASE },
			"no regular file" },
		{ "a module of a terabyte",
			{ files, "kernel/virtio_mmio.ko", ODD_HUGE, FIXTURE_RELEASE }, "64 MiB" },
		{ "a list of a terabyte", { files, "modules.dep", ODD_HUGE, FIXTURE_RELEASE },
			"limit" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(rows[i].what, vmlinux_fd(), serve(&rows[i].dir), rows[i].says);
}

/* Who serves the modules says nothing, or nonsense. */
static void test_dead_source(void **state)
{
	struct err err = ERR_INIT;
	int sv[2];

	(void)state;
	assert_int_equal(frame_pair(sv, &err), 0);
	close(sv[1]);
	expect("nobody", vmlinux_fd(), sv[0], "peer");
}

static void test_targets(void **state)
{
	struct blob p = fixture_program(1);
	const int rdonly = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int targets[] = { rdonly, fixture_fd(&p), open("/dev/null", O_RDWR | O_CLOEXEC) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct job_kernel_import_in in = { .kernel = vmlinux_fd(),
			.modules = -1,
			.init = fixture_fd(&p),
			.agent = fixture_fd(&p),
			.vmlinux = fixture_fd(NULL),
			.initramfs = targets[i] };
		struct job_kernel_import_out out;
		struct err err = ERR_INIT;

		assert_int_equal(kernel_import(&in, &out, NULL, &err), -1);
		assert_int_equal(err.code, ERR_bad_request);
		close(in.kernel);
		close(in.init);
		close(in.agent);
		close(in.vmlinux);
		close(in.initramfs);
	}
	free(p.p);
}

/* With a digest, what has another is not looked into; a copy is what is read. */
static void test_digest(void **state)
{
	struct blob deb = fixture_kernel_deb(), p = fixture_program(1);
	struct hash h = { 0 };
	struct err err = ERR_INIT;
	digest good;

	assert_int_equal(hash_init(&h, NULL, &err) | hash_update(&h, deb.p, deb.n, &err) |
				 hash_digest(&h, &good, &err),
		0);
	hash_finish(&h);
	for (int i = 0; i < 5; i++) {
		static const char *const says[] = { "", "has the digest sha256:", "is none, or has",
			"is none, or has", "no empty regular file" };
		struct job_kernel_import_in in = { .kernel = fixture_fd(&deb),
			.spool = i == 2 ? -1 : fixture_fd(i == 4 ? &p : NULL),
			.modules = -1,
			.init = fixture_fd(&p),
			.agent = fixture_fd(&p),
			.vmlinux = fixture_fd(NULL),
			.initramfs = fixture_fd(NULL) };
		struct job_kernel_import_out out;
		struct stat st;

		err = (struct err)ERR_INIT;
		snprintf(in.digest.s, sizeof(in.digest.s), "%s", i == 3 ? "md5:0" : good.s);
		if (i == 1)
			assert_int_equal(pwrite(in.kernel, "x", 1, (off_t)deb.n - 1), 1);
		assert_int_equal(kernel_import(&in, &out, NULL, &err), i == 0 ? 0 : -1);
		assert_non_null(strstr(i == 0 ? "" : err.msg, says[i]));
		assert_int_equal(fstat(in.vmlinux, &st), 0);
		assert_true((st.st_size > 0) == (i == 0));
		if (i == 0)
			assert_int_equal(lseek(in.spool, 0, SEEK_END), (off_t)deb.n);
		close(in.kernel);
		close(in.spool);
		close(in.init);
		close(in.agent);
		close(in.vmlinux);
		close(in.initramfs);
	}
	free(deb.p);
	free(p.p);
}

static void test_refresh(void **state)
{
	struct blob a = fixture_program(1), b = fixture_program(2);
	struct job_kernel_import_in in = { .kernel = vmlinux_fd(),
		.modules = -1,
		.init = fixture_fd(&a),
		.agent = fixture_fd(&a),
		.vmlinux = fixture_fd(NULL),
		.initramfs = fixture_fd(NULL) };
	struct job_initramfs_refresh_in re = { .old = in.initramfs,
		.init = fixture_fd(&b),
		.agent = fixture_fd(&a),
		.initramfs = fixture_fd(NULL) };
	struct job_kernel_import_out out;
	struct job_initramfs_refresh_out re_out;
	struct err err = ERR_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(kernel_import(&in, &out, NULL, &err), 0);
	if (kernel_refresh(&re, &re_out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fstat(re.initramfs, &st), 0);
	assert_int_equal(st.st_size, re_out.size);
	/* Once more onto the same target: it is not empty any more. */
	assert_int_equal(kernel_refresh(&re, &re_out, &err), -1);
	assert_int_equal(err.code, ERR_bad_request);
	close(in.kernel);
	close(in.init);
	close(in.agent);
	close(in.vmlinux);
	close(in.initramfs);
	close(re.init);
	close(re.agent);
	close(re.initramfs);
	free(a.p);
	free(b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_not_kernels),
		cmocka_unit_test(test_bad_packages),
		cmocka_unit_test(test_bad_directories),
		cmocka_unit_test(test_dead_source),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
