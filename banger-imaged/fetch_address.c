/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "common/str.h"

/* RFC 6890 and what came to its registry since. */
static const struct {
	uint32_t net;
	unsigned bits;
	enum address_class class;
} ranges[] = {
	{ 0x00000000, 8, ADDRESS_OTHER }, /* 0.0.0.0 connects to this host */
	{ 0x0a000000, 8, ADDRESS_PRIVATE },
	{ 0x64400000, 10, ADDRESS_PRIVATE },
	{ 0x7f000000, 8, ADDRESS_LOOPBACK },
	{ 0xa9fe0000, 16, ADDRESS_LINK_LOCAL },
	{ 0xac100000, 12, ADDRESS_PRIVATE },
	{ 0xc0000000, 24, ADDRESS_OTHER },
	{ 0xc0a80000, 16, ADDRESS_PRIVATE },
	{ 0xc6120000, 15, ADDRESS_PRIVATE },
	{ 0xe0000000, 3, ADDRESS_OTHER },
};

static enum address_class class_of_v4(uint32_t a)
{
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (a >> (32 - ranges[i].bits) == ranges[i].net >> (32 - ranges[i].bits))
			return ranges[i].class;
	return ADDRESS_PUBLIC;
}

static uint32_t v4_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static enum address_class class_of_v6(const uint8_t a[16])
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[12], one[16] = { [15] = 1 };

	if (memcmp(a, one, 16) == 0)
		return ADDRESS_LOOPBACK;
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0 || memcmp(a, zero, 12) == 0)
		return class_of_v4(v4_at(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02)
		return class_of_v4(v4_at(a + 2));
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return ADDRESS_LINK_LOCAL;
	if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0))
		return ADDRESS_PRIVATE;
	/* All global unicast there is lies in 2000::/3. */
	return (a[0] & 0xe0) == 0x20 ? ADDRESS_PUBLIC : ADDRESS_OTHER;
}

enum address_class address_class_of(const struct sockaddr *sa)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		return class_of_v4(ntohl(v4.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		return class_of_v6(v6.sin6_addr.s6_addr);
	}
	return ADDRESS_OTHER;
}

enum address_class address_class_of_text(const char *ip)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, ip, &v4) == 1)
		return class_of_v4(ntohl(v4.s_addr));
	if (inet_pton(AF_INET6, ip, &v6) == 1)
		return class_of_v6(v6.s6_addr);
	return ADDRESS_OTHER;
}

bool address_is_loopback_name(const char *host)
{
	char bare[64];
	size_t n = strlen(host);

	if (strcmp(host, "localhost") == 0 || str_ends(host, ".localhost"))
		return true;
	if (host[0] == '[' && n > 2 && n - 2 < sizeof(bare)) {
		memcpy(bare, host + 1, n - 2);
		bare[n - 2] = '\0';
		host = bare;
	}
	return address_class_of_text(host) == ADDRESS_LOOPBACK;
}

const char *address_class_text(enum address_class c)
{
	switch (c) {
	case ADDRESS_PUBLIC:
		return "a public address";
	case ADDRESS_PRIVATE:
		return "a private address";
	case ADDRESS_LOOPBACK:
		return "a loopback address";
	case ADDRESS_LINK_LOCAL:
		return "a link-local address";
	case ADDRESS_OTHER:
		break;
	}
	return "an address that is no host's";
}
