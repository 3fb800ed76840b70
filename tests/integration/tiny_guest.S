/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest guest: an ELF kernel that QEMU starts by its PVH note (Xen's "PHYS32_ENTRY", see
 * docs/misc/pvh.pandoc of Xen) in 32-bit protected mode. It writes a line to the first serial port
 * and halts. For tests of a VMM's jail that need a guest, but no operating system.
 */
	.section .note.Xen, "a", @note
	.balign 4
	.long 4			/* of the name */
	.long 4			/* of what follows */
	.long 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	movl $line, %esi
	movw $0x3f8, %dx
1:	lodsb
	testb %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	cli
	hlt
	jmp 2b

	.section .rodata
line:
	.asciz "tiny guest is up\r\n"

	.section .note.GNU-stack, "", @progbits
