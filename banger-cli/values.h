/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The types that arguments of commands.tbl.h have, and their one parser. Strings are those of
 * argv: they live as long as the process.
 *   flag        no value
 *   word        anything (behind "--")
 *   string      one line of printable UTF-8, 1 to 511 bytes
 *   path        not empty
 *   vm_ref      1 to 63 of [a-z0-9-]
 *   image_ref   1 to 255 of a ref_name's characters; kernel_ref too
 *   image_wanted, kernel_wanted   the same, and it need not be here yet
 *   image_source   a string: of a registry or a catalog
 *   vm_name, ref_name   as in common/types.h
 *   size        bytes: decimal with K, M, G, T; 1 to 2^46
 *   memory      the same, in MiB, rounded up; 64 MiB to 1 TiB
 *   vcpus       1 to 32
 *   seconds     0 to 1,000,000; 0 and left out differ
 *   signal      a name in either case with or without "SIG", or a number from 1 to 64
 *   env         NAME=value, or a NAME
 *   accel, vmm, image_kind, pull_policy, cache_verb, format, shell     one of a few words
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/enums.h"
#include "common/err.h"
#include "common/seconds.h"

enum format { format_table, format_json };
enum shell { shell_none, shell_bash, shell_zsh, shell_fish };
enum cache_verb { cache_prune };
/* One more than enum pull_policy has it. */
enum pull_given { pull_not_given };

/* Words in the order they were given. The array is the heap's, the words are argv's. */
struct words {
	const char **items;
	size_t n;
};

#define AT_flag		 bool
#define AT_word		 const char *
#define AT_string	 const char *
#define AT_path		 const char *
#define AT_vm_ref	 const char *
#define AT_image_ref	 const char *
#define AT_kernel_ref	 const char *
#define AT_image_wanted	 const char *
#define AT_kernel_wanted const char *
#define AT_image_source	 const char *
#define AT_vm_name	 const char *
#define AT_ref_name	 const char *
#define AT_size		 uint64_t
#define AT_memory	 uint32_t
#define AT_vcpus	 uint8_t
#define AT_seconds	 struct seconds
#define AT_signal	 uint8_t
#define AT_env		 struct words
#define AT_accel	 enum accel
#define AT_vmm		 enum vmm_kind
#define AT_image_kind	 enum image_kind
#define AT_pull_policy	 enum pull_given
#define AT_cache_verb	 enum cache_verb
#define AT_format	 enum format
#define AT_shell	 enum shell

enum arg_type {
	ARG_flag,
	ARG_word,
	ARG_string,
	ARG_path,
	ARG_vm_ref,
	ARG_image_ref,
	ARG_kernel_ref,
	ARG_image_wanted,
	ARG_kernel_wanted,
	ARG_image_source,
	ARG_vm_name,
	ARG_ref_name,
	ARG_size,
	ARG_memory,
	ARG_vcpus,
	ARG_seconds,
	ARG_signal,
	ARG_env,
	ARG_accel,
	ARG_vmm,
	ARG_image_kind,
	ARG_pull_policy,
	ARG_cache_verb,
	ARG_format,
	ARG_shell,
	ARG__count
};

/* A value of `type` into *dst (its AT_ type; for env a `const char *`). Fails with bad_request and
 * what a good value looks like. Not for flags. */
int value_parse(enum arg_type type, const char *s, void *dst, struct err *err);

/* The i-th word that a type of few words allows; NULL at the end, and for the other types. */
const char *value_choice(enum arg_type type, size_t i);
