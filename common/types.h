/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Validated scalars. Each has one parser, `X_parse`, and no other way in from outside: who holds
 * one holds a proven value. Strings are NUL-terminated and padded with zeros.
 */
#include <stdbool.h>
#include <stdint.h>

/* 48 random bits in hex: short enough for an interface name, and for people. */
#define VM_ID_LEN 12
typedef struct {
	char s[VM_ID_LEN + 1];
} vm_id;

/* A DNS label (RFC 1123): lower-case letters, digits, inner hyphens; not all digits. */
#define VM_NAME_MAX 63
typedef struct {
	char s[VM_NAME_MAX + 1];
} vm_name;

/* The name of an image or kernel: [a-zA-Z0-9][a-zA-Z0-9._/:@+-]*, with no "//" and no "..". */
#define REF_NAME_MAX 255
typedef struct {
	char s[REF_NAME_MAX + 1];
} ref_name;

/* "sha256:" + 64 or "sha512:" + 128 lower-case hex digits (OCI image-spec, descriptor.md). */
#define DIGEST_MAX 135
typedef struct {
	char s[DIGEST_MAX + 1];
} digest;

/* An Ethernet address: unicast and not all zero. */
typedef struct {
	uint8_t b[6];
} mac;

/* An IPv4 address in host byte order; 0 is "none". */
typedef struct {
	uint32_t v;
} ipv4;

/* One line of UTF-8 for people: no control characters, ≤ 511 bytes. */
#define TEXT_MAX 511
typedef struct {
	char s[TEXT_MAX + 1];
} text;

/* Bytes inside somebody else's buffer: valid as long as that is (a received frame: until the next
 * call on its channel). */
typedef struct {
	const void *p;
	uint32_t n;
} bytes;

/* Strings inside somebody else's buffer, each with its NUL, back to back: `n` bytes, `count`
 * strings. n == 0 if and only if count == 0. */
typedef struct {
	const char *p;
	uint32_t n;
	uint32_t count;
} strv;

bool vm_id_parse(const char *s, vm_id *ret);
bool vm_name_parse(const char *s, vm_name *ret);
bool ref_name_parse(const char *s, ref_name *ret);
bool digest_parse(const char *s, digest *ret);
bool mac_parse_bytes(const uint8_t b[6], mac *ret);
bool ipv4_parse(const char *s, ipv4 *ret);
bool text_parse(const char *s, text *ret);
bool strv_parse(const char *p, uint32_t n, strv *ret);

/* Fresh random ones, from getrandom(2). */
vm_id vm_id_random(void);

/* "52:54:00:…", "10.1.2.3" into a buffer of at least 18 or 16 bytes; returns it. */
const char *mac_format(mac m, char buf[18]);
const char *ipv4_format(ipv4 a, char buf[16]);

/* The next string of a strv: `at` starts as NULL; NULL at the end. */
const char *strv_next(const strv *v, const char *at);

/* Append to a strv that is being built in `buf` of `cap` bytes; false when full. A strv under
 * construction has v->p == buf. */
bool strv_add(strv *v, char *buf, uint32_t cap, const char *s);
