/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What kind of place an address is: who names one for us must not choose freely. */
#include <stdbool.h>
#include <sys/socket.h>

/* Bits, so that a set of them is a permission. */
enum address_class {
	ADDRESS_PUBLIC = 1,
	ADDRESS_PRIVATE = 2,	/* RFC 1918, RFC 6598 (shared), RFC 4193 */
	ADDRESS_LOOPBACK = 4,	/* 127.0.0.0/8, ::1 */
	ADDRESS_LINK_LOCAL = 8, /* 169.254.0.0/16 (metadata services), fe80::/10 */
	ADDRESS_OTHER = 16,	/* unspecified, multicast, reserved (RFC 6890), not of IP at all */
};

/* An IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) counts as what it is. */
enum address_class address_class_of(const struct sockaddr *sa);

/* The same of an address in numbers, without brackets; ADDRESS_OTHER when it is none. */
enum address_class address_class_of_text(const char *ip);

/* Whether a host, as in a URL, is a loopback address or one of the names that always mean one
 * (RFC 6761: localhost and below). */
bool address_is_loopback_name(const char *host);

/* "a private address" and so on, for messages. */
const char *address_class_text(enum address_class c);
