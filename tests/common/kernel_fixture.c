/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/common/kernel_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

static void must(bool ok)
{
	if (!ok) {
		perror("fixture");
		abort();
	}
}

static struct blob blob_new(size_t n)
{
	struct blob b = { calloc(1, n + 1), n };

	must(b.p != NULL);
	return b;
}

static Elf64_Ehdr elf_header(uint16_t type)
{
	Elf64_Ehdr eh = { .e_type = type,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_shentsize = sizeof(Elf64_Shdr) };

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
	return eh;
}

struct blob fixture_vmlinux(const char *release, size_t size)
{
	struct blob b = blob_new(size);
	Elf64_Ehdr eh = elf_header(ET_EXEC);
	Elf64_Phdr ph = { .p_type = PT_LOAD,
		.p_offset = 0,
		.p_paddr = 0x1000000,
		.p_filesz = size,
		.p_memsz = size + 4096 };

	must(size >= 1024);
	eh.e_phoff = sizeof(eh);
	eh.e_phnum = 1;
	memcpy(b.p, &eh, sizeof(eh));
	memcpy(b.p + sizeof(eh), &ph, sizeof(ph));
	snprintf((char *)b.p + size - 256, 256, "Linux version %%s%cLinux version %s (test) #1", 0,
		release);
	return b;
}

struct blob fixture_module(const char *depends, const char *release)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	struct blob b = blob_new(1024);
	Elf64_Ehdr eh = elf_header(ET_REL);
	Elf64_Shdr sh[3] = { 0 };
	int n;

	n = snprintf((char *)b.p + 512, 512, "license=GPL%cdepends=%s%cvermagic=%s SMP ", 0,
		depends, 0, release);
	sh[1] = (Elf64_Shdr){
		.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = 512, .sh_size = (uint64_t)n + 1
	};
	sh[2] = (Elf64_Shdr){
		.sh_name = 10, .sh_type = SHT_STRTAB, .sh_offset = 64, .sh_size = sizeof(names)
	};
	eh.e_shoff = 128;
	eh.e_shnum = 3;
	eh.e_shstrndx = 2;
	memcpy(b.p, &eh, sizeof(eh));
	memcpy(b.p + 64, names, sizeof(names));
	memcpy(b.p + 128, sh, sizeof(sh));
	return b;
}

struct blob fixture_program(uint8_t fill)
{
	struct blob b = blob_new(300);
	Elf64_Ehdr eh = elf_header(ET_EXEC);

	memset(b.p, fill, b.n);
	memcpy(b.p, &eh, sizeof(eh));
	return b;
}

/* What a libarchive writer made, in a buffer of exactly that size. */
static struct blob finish(struct archive *a, struct blob room, size_t used)
{
	must(archive_write_free(a) == ARCHIVE_OK);
	room.n = used;
	return room;
}

struct blob fixture_compress(const struct blob *b, const char *filter)
{
	struct blob room = blob_new(b->n * 2 + 65536);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t used = 0;

	must(archive_write_set_format_raw(a) == ARCHIVE_OK &&
		archive_write_add_filter_by_name(a, filter) == ARCHIVE_OK &&
		archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK &&
		archive_write_open_memory(a, room.p, room.n, &used) == ARCHIVE_OK);
	archive_entry_set_filetype(e, AE_IFREG);
	must(archive_write_header(a, e) == ARCHIVE_OK &&
		archive_write_data(a, b->p, b->n) == (la_ssize_t)b->n &&
		archive_write_close(a) == ARCHIVE_OK);
	archive_entry_free(e);
	return finish(a, room, used);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

struct blob fixture_bzimage(
	const struct blob *payload, uint32_t unpacked, bool sized, const char *release)
{
	const size_t head = 2 * 512 + 16; /* boot sector, one of setup, some code */
	size_t len = payload->n + (sized ? 4 : 0);
	struct blob b = blob_new(head + len);

	b.p[0x1f1] = 1;
	memcpy(b.p + 0x202, "HdrS", 4);
	b.p[0x206] = 0x0f;
	b.p[0x207] = 0x02;
	b.p[0x20f] = 0x01; /* the version's text: 0x100 + 0x200 */
	b.p[0x236] = 1;	   /* XLF_KERNEL_64 */
	put32(b.p + 0x248, 16);
	put32(b.p + 0x24c, (uint32_t)len);
	snprintf((char *)b.p + 0x300, 128, "%s (test) #1 SMP", release);
	memcpy(b.p + head, payload->p, payload->n);
	if (sized)
		put32(b.p + head + payload->n, unpacked);
	return b;
}

struct blob fixture_tar(const struct fixture_file *files)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	struct blob room;
	size_t used = 0, cap = 65536;

	for (const struct fixture_file *f = files; f->path; f++)
		cap += f->content.n + 4096;
	room = blob_new(cap);
	must(archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
		archive_write_open_memory(a, room.p, room.n, &used) == ARCHIVE_OK);
	for (const struct fixture_file *f = files; f->path; f++) {
		archive_entry_clear(e);
		archive_entry_set_pathname(e, f->path);
		archive_entry_set_mode(e, (f->link ? AE_IFLNK : AE_IFREG) | 0644);
		if (f->link)
			archive_entry_set_symlink(e, f->link);
		archive_entry_set_size(e, (la_int64_t)f->content.n);
		must(archive_write_header(a, e) == ARCHIVE_OK);
		must(archive_write_data(a, f->content.p, f->content.n) == (la_ssize_t)f->content.n);
	}
	must(archive_write_close(a) == ARCHIVE_OK);
	archive_entry_free(e);
	return finish(a, room, used);
}

struct blob fixture_deb(const struct blob *data, const char *member)
{
	struct blob b = blob_new(8 + 60 + 4 + 60 + data->n + 1);
	int n = snprintf((char *)b.p, b.n, "!<arch>\n%-16s%-12u%-6u%-6u%-8o%-10u`\n2.0\n",
		"debian-binary", 0, 0, 0, 0100644, 4);

	n += snprintf((char *)b.p + n, b.n - (size_t)n, "%-16s%-12u%-6u%-6u%-8o%-10zu`\n", member,
		0, 0, 0, 0100644, data->n);
	memcpy(b.p + n, data->p, data->n);
	b.n = (size_t)n + data->n;
	if (data->n % 2)
		b.p[b.n++] = '\n';
	return b;
}

struct blob fixture_kernel_deb(void)
{
#define MODULES "./lib/modules/" FIXTURE_RELEASE "/"
	struct blob vmlinux = fixture_vmlinux(FIXTURE_RELEASE, 100000);
	struct blob packed = fixture_compress(&vmlinux, "xz");
	struct fixture_file files[] = {
		{ "./boot/vmlinuz-" FIXTURE_RELEASE,
			fixture_bzimage(&packed, (uint32_t)vmlinux.n, true, FIXTURE_RELEASE), 0 },
		{ MODULES "kernel/virtio.ko", fixture_module("virtio_ring", FIXTURE_RELEASE), 0 },
		{ MODULES "kernel/virtio_blk.ko", fixture_module("virtio", FIXTURE_RELEASE), 0 },
		{ MODULES "kernel/virtio_console.ko", fixture_module("virtio", FIXTURE_RELEASE),
			0 },
		{ MODULES "kernel/virtio_mmio.ko", fixture_module("virtio", FIXTURE_RELEASE), 0 },
		{ MODULES "kernel/virtio-rng.ko", fixture_module("rng-core", FIXTURE_RELEASE), 0 },
		{ MODULES "kernel/rng-core.ko", fixture_module("", FIXTURE_RELEASE), 0 },
		{ MODULES "kernel/virtio_ring.ko", fixture_module("", FIXTURE_RELEASE), 0 },
		{ MODULES "modules.builtin", { (uint8_t *)strdup("kernel/fs/ext4/ext4.ko\n"), 23 },
			0 },
		{ 0 },
	};
	struct blob tar = fixture_tar(files), data = fixture_compress(&tar, "xz");
	struct blob deb = fixture_deb(&data, "data.tar.xz");

	for (struct fixture_file *f = files; f->path; f++)
		free(f->content.p);
	free(vmlinux.p);
	free(packed.p);
	free(tar.p);
	free(data.p);
	return deb;
#undef MODULES
}

int fixture_fd(const struct blob *b)
{
	int fd = memfd_create("fixture", MFD_CLOEXEC);

	must(fd >= 0);
	must(!b || fd_pwrite_full(fd, b->p, b->n, 0) == 0);
	return fd;
}
