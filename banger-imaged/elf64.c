/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/elf64.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/str.h"

#define SEGMENTS_MAX 64
#define GUEST_LIMIT  (UINT64_C(1) << 32)

bool elf64_is(const void *p, size_t n)
{
	return n >= SELFMAG && memcmp(p, ELFMAG, SELFMAG) == 0;
}

static bool is_x86_64(const Elf64_Ehdr *eh)
{
	return elf64_is(eh, sizeof(*eh)) && eh->e_ident[EI_CLASS] == ELFCLASS64 &&
	       eh->e_ident[EI_DATA] == ELFDATA2LSB && eh->e_ident[EI_VERSION] == EV_CURRENT &&
	       eh->e_machine == EM_X86_64 && eh->e_version == EV_CURRENT;
}

static bool inside(uint64_t off, uint64_t len, uint64_t n)
{
	uint64_t end;

	return !ckd_add(&end, off, len) && end <= n;
}

static bool segment_sane(const Elf64_Phdr *ph, uint64_t size)
{
	uint64_t end;

	if (!inside(ph->p_offset, ph->p_filesz, size))
		return false;
	if (ph->p_type != PT_LOAD)
		return true;
	return ph->p_filesz <= ph->p_memsz && !ckd_add(&end, ph->p_paddr, ph->p_memsz) &&
	       end <= GUEST_LIMIT;
}

int elf64_check_kernel(int fd, uint64_t size, struct err *err)
{
	Elf64_Phdr ph[SEGMENTS_MAX];
	bool load = false;
	Elf64_Ehdr eh;
	ssize_t n;

	n = fd_pread_full(fd, &eh, sizeof(eh), 0);
	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the kernel");
	if ((size_t)n < sizeof(eh) || !is_x86_64(&eh) ||
		(eh.e_type != ET_EXEC && eh.e_type != ET_DYN))
		return err_set(err, ERR_bad_input, "the kernel is no x86-64 ELF executable");
	if (eh.e_phentsize != sizeof(ph[0]) || eh.e_phnum == 0 || eh.e_phnum > SEGMENTS_MAX ||
		!inside(eh.e_phoff, eh.e_phnum * sizeof(ph[0]), size))
		return err_set(err, ERR_bad_input, "the kernel's program headers are damaged");
	n = fd_pread_full(fd, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff);
	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the kernel");
	if ((size_t)n < eh.e_phnum * sizeof(ph[0]))
		return err_set(err, ERR_bad_input, "the kernel's program headers are damaged");
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (!segment_sane(&ph[i], size))
			return err_set(err, ERR_bad_input, "the kernel's segment %u is damaged", i);
		load |= ph[i].p_type == PT_LOAD && ph[i].p_memsz > 0;
	}
	if (!load)
		return err_set(err, ERR_bad_input, "the kernel has nothing to load");
	return 0;
}

#define BANNER	    "Linux version "
#define BANNER_ROOM 256
#define SCAN_BLOCK  (1 << 20)

/* A release begins with a digit ("Linux version %s" in the code does not); one cut by the end of
 * the block is found whole in the next. */
static bool take_release(const char *p, size_t n, text *ret)
{
	char word[BANNER_ROOM];
	size_t len = 0;

	while (len < n && len < sizeof(word) - 1 && (unsigned char)p[len] > ' ') {
		word[len] = p[len];
		len++;
	}
	word[len] = '\0';
	return len > 0 && len < n && len < sizeof(word) - 1 && word[0] >= '0' && word[0] <= '9' &&
	       str_printable(word, false) && text_parse(word, ret);
}

static bool find_release(const char *p, size_t n, text *ret)
{
	const size_t len = strlen(BANNER);
	const char *at = p, *end = p + n;

	while ((at = memmem(at, (size_t)(end - at), BANNER, len))) {
		at += len;
		if (take_release(at, (size_t)(end - at), ret))
			return true;
	}
	return false;
}

int elf64_kernel_version(int fd, uint64_t size, text *ret, struct err *err)
{
	_cleanup_free_ char *buf = malloc(SCAN_BLOCK);

	if (!buf)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot scan the kernel");
	/* Blocks overlap by what a banner may take. */
	for (uint64_t off = 0; off < size; off += SCAN_BLOCK - 2 * BANNER_ROOM) {
		ssize_t n = fd_pread_full(fd, buf, SCAN_BLOCK, off);

		if (n < 0)
			return err_sys(err, ERR_operation_failed, errno, "cannot read the kernel");
		if (find_release(buf, (size_t)n, ret))
			return 0;
	}
	return err_set(
		err, ERR_bad_input, "no \"Linux version\" is in the kernel: is it a Linux kernel?");
}

int elf64_check_program(const uint8_t *p, size_t n, const char *what, struct err *err)
{
	Elf64_Ehdr eh;

	if (n < sizeof(eh))
		return err_set(err, ERR_bad_input, "%s is no x86-64 program", what);
	memcpy(&eh, p, sizeof(eh));
	if (!is_x86_64(&eh) || (eh.e_type != ET_EXEC && eh.e_type != ET_DYN))
		return err_set(err, ERR_bad_input, "%s is no x86-64 program", what);
	return 0;
}

/* Section i of a file whose section table was found to be inside. */
static Elf64_Shdr section(const uint8_t *p, const Elf64_Ehdr *eh, unsigned i)
{
	Elf64_Shdr sh;

	memcpy(&sh, p + eh->e_shoff + i * sizeof(sh), sizeof(sh));
	return sh;
}

int elf64_modinfo(const uint8_t *p, size_t n, const char *what, const char **ret, size_t *ret_len,
	struct err *err)
{
	Elf64_Shdr names, sh;
	Elf64_Ehdr eh;

	if (n < sizeof(eh))
		return err_set(err, ERR_bad_input, "%s is no kernel module", what);
	memcpy(&eh, p, sizeof(eh));
	if (!is_x86_64(&eh) || eh.e_type != ET_REL || eh.e_shentsize != sizeof(sh) ||
		!inside(eh.e_shoff, eh.e_shnum * sizeof(sh), n) || eh.e_shstrndx >= eh.e_shnum)
		return err_set(err, ERR_bad_input, "%s is no x86-64 kernel module", what);
	names = section(p, &eh, eh.e_shstrndx);
	if (!inside(names.sh_offset, names.sh_size, n))
		return err_set(err, ERR_bad_input, "%s: its section names are damaged", what);
	for (unsigned i = 1; i < eh.e_shnum; i++) {
		static const char wanted[] = ".modinfo";

		sh = section(p, &eh, i);
		if (!inside(sh.sh_name, sizeof(wanted), names.sh_size) ||
			memcmp(p + names.sh_offset + sh.sh_name, wanted, sizeof(wanted)) != 0)
			continue;
		if (sh.sh_type != SHT_PROGBITS || !inside(sh.sh_offset, sh.sh_size, n) ||
			sh.sh_size == 0 || p[sh.sh_offset + sh.sh_size - 1] != '\0')
			break;
		*ret = (const char *)p + sh.sh_offset;
		*ret_len = sh.sh_size;
		return 0;
	}
	return err_set(err, ERR_bad_input, "%s: it has no information about itself", what);
}
