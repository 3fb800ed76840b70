/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What netd derives from ids: no name or address comes from its peer. */
#include <net/if.h>
#include <sys/types.h>

#include "banger-netd/config.h"
#include "common/types.h"

#define NAME_GATEWAY_HOST 1
#define NAME_PREFIX	  24 /* of an owner's subnet */

struct ifname {
	char s[IF_NAMESIZE];
};

struct ifname name_tap(vm_id vm);	/* "bt" + id */
struct ifname name_bridge(uid_t owner); /* "bgr" + uid */

/* A locally administered address, the owner's uid in its last four bytes. */
mac name_bridge_mac(uid_t owner);

/* How many /24 the pool has, and an address in one of them. */
unsigned name_subnets(const struct netd_config *c);
ipv4 name_address(const struct netd_config *c, uint16_t subnet, uint8_t host);
