/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where things stand in the file system. Its size is decided last, when all is known; so a cursor
 * hands out blocks in order, and leaves out the places of superblock copies: the head of groups 0,
 * 1 and the powers of 3, 5 and 7 (sparse_super), EXT4_HEAD blocks each, however many of them end
 * up as group descriptors and how many as room for growth.
 */
#include <stdbool.h>
#include <stdint.h>

#define EXT4_BLOCK	  4096U
#define EXT4_GROUP_BLOCKS 32768U
/* Blocks of group descriptors, reserved ones included: 64 descriptors of 64 bytes each, so the
 * file system can grow on-line to 160 * 64 groups of 128 MiB: 1.25 TiB. */
#define EXT4_DESCRIPTOR_BLOCKS 160U
#define EXT4_HEAD	       (1U + EXT4_DESCRIPTOR_BLOCKS)

bool ext4_group_has_super(uint64_t group);

/* The first block at or after `block` from which n blocks (≤ 16,384) are nobody's head. */
uint64_t ext4_place(uint64_t block, uint32_t n);
