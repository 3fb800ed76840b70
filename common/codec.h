/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Messages to bytes and back, driven by descriptors that the .tbl.h tables make (ipc_decl.h).
 *
 * Wire form, little-endian: a 24-byte header (u32 length of all, u16 message, u8 kind, u8 fds,
 * u32 seq, u32 zero, u64 op), then each field by its type, nothing behind the last. Integers by
 * their size; a bool or enum is one byte; a vm_id its 12 bytes; names and texts are u16 + bytes;
 * bytes and strv are u32 + bytes; an fd is nothing on the wire but its place among the fds that
 * ride along, an fd_opt one byte (0 or 1) besides. A value that its type forbids does not decode.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/enums.h"
#include "common/err.h"
#include "common/types.h"

#define FRAME_HEADER 24
#define FRAME_MAX    131072
#define FRAME_FDS    8

/* Field types, their C types. */
#define CT_u8	   uint8_t
#define CT_u16	   uint16_t
#define CT_u32	   uint32_t
#define CT_u64	   uint64_t
#define CT_boolean bool
#define CT_vm_id   vm_id
#define CT_vm_name vm_name
#define CT_digest  digest
#define CT_mac	   mac
#define CT_ipv4	   ipv4
#define CT_text	   text
#define CT_bytes   bytes
#define CT_strv	   strv
#define CT_fd	   int
#define CT_fd_opt  int

#define RANGED(t, ctype, min, max) typedef CT_##ctype ranged_##t;
#include "common/proto/ranges.tbl.h"
#define CT_vcpus      ranged_vcpus
#define CT_mib	      ranged_mib
#define CT_host_octet ranged_host_octet
#define CT_subnet     ranged_subnet
#define CT_signo      ranged_signo
#define CT_lease_port ranged_lease_port
#define CT_prefix     ranged_prefix
#define CT_uid	      ranged_uid

#define CT_accel	enum accel
#define CT_vmm_kind	enum vmm_kind
#define CT_disk_kind	enum disk_kind
#define CT_kvm_state	enum kvm_state
#define CT_ledger_state enum ledger_state
#define CT_limits	enum limits
#define CT_job_stage	enum job_stage
#define CT_image_kind	enum image_kind
#define CT_pull_policy	enum pull_policy
#define CT_guest_mode	enum guest_mode
#define CT_main_state	enum main_state
#define CT_exit_kind	enum exit_kind

enum field_type {
	FT_u8,
	FT_u16,
	FT_u32,
	FT_u64,
	FT_boolean,
	FT_vm_id,
	FT_vm_name,
	FT_digest,
	FT_mac,
	FT_ipv4,
	FT_text,
	FT_bytes,
	FT_strv,
	FT_fd,
	FT_fd_opt,
#define RANGED(t, ctype, min, max) FT_##t,
#include "common/proto/ranges.tbl.h"
#define ENUM(e) FT_##e,
#include "common/proto/enums.tbl.h"
	FT__count
};

enum field_dir { DIR_IN, DIR_OUT };

struct field {
	enum field_type type;
	enum field_dir dir;
	size_t offset; /* in the message's _in or _out struct */
	const char *name;
};

struct message {
	const char *name;
	const char *state; /* the second word of MSG() */
	const struct field *fields;
	size_t n_fields;
	size_t in_size, out_size; /* of the structs */
};

struct protocol {
	const char *name;
	const struct message *messages;
	uint16_t n_messages;
};

enum frame_kind { FRAME_REQUEST, FRAME_REPLY, FRAME_ERROR, FRAME_NOTICE };

struct header {
	uint32_t length;
	uint16_t message;
	enum frame_kind kind;
	uint8_t n_fds;
	uint32_t seq;
	uint64_t op;
};

/* A whole frame of `msg` into buf: its `in` fields (request, notice) or `out` fields (reply) from
 * the struct at `st`. The fds are put, not duplicated, into fds (FRAME_FDS of them); *ret_n_fds
 * says how many. Fails with bad_request when a value is not one of its type or does not fit. */
int codec_encode(const struct protocol *p, uint16_t msg, enum frame_kind kind, uint32_t seq,
	uint64_t op, const void *st, void *buf, size_t cap, size_t *ret_len, int *fds,
	size_t *ret_n_fds, struct err *err);

/* An error frame for a request. */
int codec_encode_error(uint16_t msg, uint32_t seq, uint64_t op, const struct err *e, void *buf,
	size_t cap, size_t *ret_len, struct err *err);

/* The header at buf, checked: length, known message, kind, zero bytes. Fails with protocol. */
int codec_header(
	const struct protocol *p, const void *buf, size_t len, struct header *ret, struct err *err);

/*
 * The body of a frame whose header `h` came from codec_header(), into the struct at `st` (in_size
 * or out_size bytes, cleared here). n_fds received ones in fds; those the struct takes are set to
 * -1 there. bytes and strv point into buf. Fails with protocol, taking no fd, when the frame is
 * not exactly what the table says.
 */
int codec_decode(const struct protocol *p, const struct header *h, const void *buf, int *fds,
	size_t n_fds, void *st, struct err *err);

/* The error that an error frame carries. Fails with protocol when it is malformed. */
int codec_decode_error(const struct header *h, const void *buf, struct err *ret, struct err *err);

/* Set every fd field of a struct to -1; close every fd field that is not -1. */
void codec_fds_init(const struct message *m, enum field_dir dir, void *st);
void codec_fds_close(const struct message *m, enum field_dir dir, void *st);

const char *field_type_name(enum field_type t);
