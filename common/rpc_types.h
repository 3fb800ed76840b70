/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The parameter types of common/proto/rpc.tbl.h as C. Pointers live as long as the request. What
 * is absent is NULL, 0, false or empty; what is there is valid:
 *   string      one printable line of UTF-8, 1 to 511 bytes
 *   vm_ref      1 to 63 of [a-z0-9-]
 *   vm_name     a vm_name
 *   object_ref  1 to 255 of a ref_name's characters
 *   ref_name    a ref_name
 *   operation   16 lower-case hex digits
 *   size        bytes, 1 to 2^46
 *   count       0 to 1,000,000
 *   seconds     the same; 0 and absent differ
 *   argv        at most 4,096 strings, 64 KiB in all, none with NUL; the first is not empty
 *   env         the same; each "NAME=value", NAME not empty
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/enums.h"
#include "common/seconds.h"
#include "common/types.h"

#define RT_string      const char *
#define RT_vm_ref      const char *
#define RT_vm_name     const char *
#define RT_object_ref  const char *
#define RT_ref_name    const char *
#define RT_operation   const char *
#define RT_boolean     bool
#define RT_vcpus       uint8_t
#define RT_mib	       uint32_t
#define RT_size	       uint64_t
#define RT_count       uint32_t
#define RT_seconds     struct seconds
#define RT_signo       uint8_t
#define RT_argv	       strv
#define RT_env	       strv
#define RT_accel       enum accel
#define RT_vmm_kind    enum vmm_kind
#define RT_guest_mode  enum guest_mode
#define RT_image_kind  enum image_kind
#define RT_pull_policy enum pull_policy
#define RT_fd	       int
#define RT_fd_opt      int

enum rpc_type {
	RPC_string,
	RPC_vm_ref,
	RPC_vm_name,
	RPC_object_ref,
	RPC_ref_name,
	RPC_operation,
	RPC_boolean,
	RPC_vcpus,
	RPC_mib,
	RPC_size,
	RPC_count,
	RPC_seconds,
	RPC_signo,
	RPC_argv,
	RPC_env,
	RPC_accel,
	RPC_vmm_kind,
	RPC_guest_mode,
	RPC_image_kind,
	RPC_pull_policy,
	RPC_fd,
	RPC_fd_opt,
	RPC__type_count
};

/* An RPC message: one line, without its newline. */
#define RPC_LINE_MAX (256 * 1024)

enum rpc_method {
#define METHOD(ident, name, class, access, doc) RPC_METHOD_##ident,
#include "common/proto/rpc.tbl.h"
	RPC_METHOD__count
};

/* The parameters of a method, decoded: struct rpc_IDENT_in. */
#define METHOD(ident, name, class, access, doc) __extension__ struct rpc_##ident##_in {
#define PARAM(type, name, need, doc)		RT_##type name;
#define END(ident) \
	}          \
	;
#include "common/proto/rpc.tbl.h"
