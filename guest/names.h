/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"
#include "common/types.h"

/*
 * The files by which a system knows its name and its name servers: /etc/hostname, /etc/hosts and
 * /etc/resolv.conf, kept in memory and bound over those the image has. One that it lacks is left
 * out; the agent's relay (guest/dns.h) stands in for a missing resolv.conf.
 */
int names_bind(
	int tree, const vm_name *hostname, ipv4 address, ipv4 dns1, ipv4 dns2, struct err *err);
