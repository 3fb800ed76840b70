/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/addr.h"

#include <stdbool.h>

void addr_hosts_add(struct addr_hosts *h, uint8_t octet)
{
	h->bits[octet / 64] |= UINT64_C(1) << (octet % 64);
}

static bool is_used(const struct addr_hosts *h, unsigned octet)
{
	return h->bits[octet / 64] >> (octet % 64) & 1;
}

uint32_t addr_pool_subnets(uint8_t prefix)
{
	return prefix >= 24 ? 1 : prefix <= 8 ? 65536 : UINT32_C(1) << (24 - prefix);
}

int addr_subnet_pick(
	const uint16_t *used, size_t n, uint8_t pool_prefix, uint16_t *ret, struct err *err)
{
	uint32_t pick = 0;

	for (size_t i = 0; i < n && used[i] <= pick; i++)
		if (used[i] == pick)
			pick++;
	if (pick >= addr_pool_subnets(pool_prefix))
		return err_set(err, ERR_quota_exceeded,
			"all %u networks of the pool are given to users; make [net] pool larger",
			addr_pool_subnets(pool_prefix));
	*ret = (uint16_t)pick;
	return 0;
}

int addr_host_pick(const struct addr_hosts *used, uint8_t last, uint8_t *ret, struct err *err)
{
	const unsigned n = ADDR_HOST_MAX - ADDR_HOST_MIN + 1U;
	unsigned start = last < ADDR_HOST_MIN || last > ADDR_HOST_MAX
				 ? n - 1
				 : last - (unsigned)ADDR_HOST_MIN;

	for (unsigned i = 1; i <= n; i++) {
		unsigned octet = ADDR_HOST_MIN + (start + i) % n;

		if (is_used(used, octet))
			continue;
		*ret = (uint8_t)octet;
		return 0;
	}
	return err_set(err, ERR_quota_exceeded,
		"all %u addresses of your network are in use; delete a VM", n);
}

static uint8_t hex_value(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

mac addr_mac(const vm_id *id)
{
	mac m;

	for (unsigned i = 0; i < 6; i++)
		m.b[i] = (uint8_t)(hex_value(id->s[2 * i]) << 4 | hex_value(id->s[2 * i + 1]));
	m.b[0] = (uint8_t)((m.b[0] & ~1U) | 2U);
	return m;
}

ipv4 addr_ipv4(ipv4 pool, uint16_t subnet, uint8_t host)
{
	return (ipv4){ pool.v + ((uint32_t)subnet << 8) + host };
}
