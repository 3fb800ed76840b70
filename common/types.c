/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/types.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/str.h"

static bool is_lower_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool vm_id_parse(const char *s, vm_id *ret)
{
	vm_id id = { 0 };

	if (strnlen(s, VM_ID_LEN + 1) != VM_ID_LEN)
		return false;
	for (size_t i = 0; i < VM_ID_LEN; i++) {
		if (!is_lower_hex(s[i]))
			return false;
		id.s[i] = s[i];
	}
	*ret = id;
	return true;
}

bool vm_name_parse(const char *s, vm_name *ret)
{
	size_t n = strnlen(s, VM_NAME_MAX + 1);
	bool letters = false;
	vm_name name = { 0 };

	if (n == 0 || n > VM_NAME_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (!is_alnum(c) && c != '-')
			return false;
		if (c >= 'A' && c <= 'Z')
			return false;
		letters = letters || c < '0' || c > '9';
		name.s[i] = c;
	}
	if (!letters)
		return false;
	*ret = name;
	return true;
}

bool ref_name_parse(const char *s, ref_name *ret)
{
	size_t n = strnlen(s, REF_NAME_MAX + 1);
	ref_name name = { 0 };

	if (n == 0 || n > REF_NAME_MAX || !is_alnum(s[0]) || strstr(s, "..") || strstr(s, "//"))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_alnum(s[i]) && !strchr("._/:@+-", s[i]))
			return false;
		name.s[i] = s[i];
	}
	*ret = name;
	return true;
}

bool digest_parse(const char *s, digest *ret)
{
	size_t hex = 0, n = strnlen(s, DIGEST_MAX + 1);
	digest d = { 0 };

	if (str_starts(s, "sha256:"))
		hex = 64;
	else if (str_starts(s, "sha512:"))
		hex = 128;
	if (hex == 0 || n != 7 + hex)
		return false;
	for (size_t i = 7; i < n; i++)
		if (!is_lower_hex(s[i]))
			return false;
	memcpy(d.s, s, n);
	*ret = d;
	return true;
}

bool mac_parse_bytes(const uint8_t b[6], mac *ret)
{
	static const uint8_t zero[6];

	if ((b[0] & 1) || memcmp(b, zero, 6) == 0)
		return false;
	memcpy(ret->b, b, 6);
	return true;
}

bool ipv4_parse(const char *s, ipv4 *ret)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		return false;
	ret->v = ntohl(a.s_addr);
	return true;
}

bool text_parse(const char *s, text *ret)
{
	size_t n = strnlen(s, TEXT_MAX + 1);
	text t = { 0 };

	if (n > TEXT_MAX || !str_printable(s, true))
		return false;
	memcpy(t.s, s, n);
	*ret = t;
	return true;
}

bool strv_parse(const char *p, uint32_t n, strv *ret)
{
	strv v = { .p = p, .n = n };

	if (n > 0 && p[n - 1] != '\0')
		return false;
	for (uint32_t i = 0; i < n; i++)
		v.count += p[i] == '\0';
	*ret = v;
	return true;
}

vm_id vm_id_random(void)
{
	uint8_t raw[VM_ID_LEN / 2];
	vm_id id = { 0 };

	/* Six bytes never come short, and a boot that far has its entropy (getrandom(2)). */
	while (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		;
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(id.s + 2 * i, 3, "%02x", raw[i]);
	return id;
}

const char *mac_format(mac m, char buf[18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m.b[0], m.b[1], m.b[2], m.b[3], m.b[4],
		m.b[5]);
	return buf;
}

const char *ipv4_format(ipv4 a, char buf[16])
{
	snprintf(buf, 16, "%u.%u.%u.%u", a.v >> 24, (a.v >> 16) & 255, (a.v >> 8) & 255, a.v & 255);
	return buf;
}

const char *strv_next(const strv *v, const char *at)
{
	if (v->n == 0)
		return NULL;
	if (!at)
		return v->p;
	at += strlen(at) + 1;
	return at < v->p + v->n ? at : NULL;
}

bool strv_add(strv *v, char *buf, uint32_t cap, const char *s)
{
	size_t n = strlen(s) + 1;

	if (n > cap - v->n)
		return false;
	memcpy(buf + v->n, s, n);
	v->p = buf;
	v->n += (uint32_t)n;
	v->count++;
	return true;
}
