/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/names.h"

#include "common/jail_paths.h"
#include "common/str.h"

/* Both always fit: 2 + 12, and 3 + 10 characters. */
struct ifname name_tap(vm_id vm)
{
	struct ifname n;

	str_format(n.s, sizeof(n.s), JAIL_TAP_PREFIX "%s", vm.s);
	return n;
}

struct ifname name_bridge(uid_t owner)
{
	struct ifname n;

	str_format(n.s, sizeof(n.s), "bgr%u", owner);
	return n;
}

mac name_bridge_mac(uid_t owner)
{
	return (mac){ { 0x02, 0xba, (uint8_t)(owner >> 24), (uint8_t)(owner >> 16),
		(uint8_t)(owner >> 8), (uint8_t)owner } };
}

unsigned name_subnets(const struct netd_config *c)
{
	return 1U << (NAME_PREFIX - c->pool_prefix);
}

ipv4 name_address(const struct netd_config *c, uint16_t subnet, uint8_t host)
{
	return (ipv4){ c->pool.v + ((uint32_t)subnet << 8) + host };
}
