/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which /24 of the pool an owner gets, which octet and Ethernet address a VM gets. */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

/* The hosts of a /24 that guests may have (common/proto/ranges.tbl.h, host_octet). */
#define ADDR_HOST_MIN 2
#define ADDR_HOST_MAX 254

/* Which octets of a subnet are taken. */
struct addr_hosts {
	uint64_t bits[4];
};

void addr_hosts_add(struct addr_hosts *h, uint8_t octet);

/* /24 networks in a pool with that prefix length (8 to 24). */
uint32_t addr_pool_subnets(uint8_t prefix);

/* The lowest subnet that is not among the n `used` ones, sorted upwards. Fails with
 * quota_exceeded when the pool is full. */
int addr_subnet_pick(
	const uint16_t *used, size_t n, uint8_t pool_prefix, uint16_t *ret, struct err *err);

/* The next free octet behind `last` (0 at first), around the end: an address rests before it is
 * given again, so that nobody's ARP cache mistakes one VM for another. Fails with quota_exceeded.
 */
int addr_host_pick(const struct addr_hosts *used, uint8_t last, uint8_t *ret, struct err *err);

/* The id's 48 bits as a unicast, locally administered address (IEEE 802, 8.2.2): those two bits
 * aside, as unique as the id. */
mac addr_mac(const vm_id *id);

/* The guest's address in its owner's subnet. */
ipv4 addr_ipv4(ipv4 pool, uint16_t subnet, uint8_t host);
