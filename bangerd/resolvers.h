/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"
#include "common/settings.h"

/* The first two IPv4 name servers of a resolv.conf(5) text that a guest can reach: none on the
 * host's own loopback. What is missing is 0. */
void resolvers_parse(const char *conf, ipv4 ret[2]);

/* The guests' resolvers: as configured, or the host's: /etc/resolv.conf, or, where that names a
 * stub on the loopback, systemd-resolved's own list. */
void resolvers_choose(const struct addresses *setting, ipv4 ret[2]);
