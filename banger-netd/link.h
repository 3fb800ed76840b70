/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Network links by rtnetlink (rtnetlink(7)), in netd's own network namespace. */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

struct link;

struct link_info {
	unsigned index;
	unsigned master; /* index of the bridge it is a port of, or 0 */
	mac address;	 /* zero when it has none */
	char kind[16];	 /* "bridge", "tun"…, "" when it has none */
	bool has_owner;	 /* a TAP's, as its maker set it */
	uint32_t owner;
};

int link_open(struct link **ret, struct err *err);

/* The same for a rtnetlink socket, bound, of another network namespace, where it then looks for
 * links. Takes the fd on success. */
int link_open_socket(int fd, struct link **ret, struct err *err);
void link_close(struct link *l); /* NULL is allowed */

/* 1 and *ret when there is a link of that name, 0 when there is none, -1 on failure. */
int link_find(struct link *l, const char *name, struct link_info *ret, struct err *err);

/* A bridge, down, with a fixed MAC (so that its ports do not change it), no STP, no snooping. */
int link_add_bridge(struct link *l, const char *name, mac address, struct err *err);

int link_set_up(struct link *l, unsigned index, struct err *err);
int link_set_master(struct link *l, unsigned index, unsigned master, struct err *err);
int link_add_address(struct link *l, unsigned index, ipv4 address, uint8_t prefix, struct err *err);

/* Put a link of `l`'s network namespace, down, into another under the same name. Fails with
 * not_found when there is none of that name (any more). */
int link_move(struct link *l, const char *name, int netns, struct err *err);

/* Remove the link of that name; none is fine. */
int link_delete(struct link *l, const char *name, struct err *err);

/* Names of the interfaces that IPv4 default routes of the main table leave by: at most cap. */
int link_uplinks(
	struct link *l, char (*names)[IF_NAMESIZE], size_t cap, size_t *ret_n, struct err *err);
