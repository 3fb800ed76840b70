/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Per-interface switches of the network namespace: /proc/sys/net/FAMILY/conf/IF/KEY. */
#include "common/err.h"

/* FAMILY is "ipv4" or "ipv6". An absent file fails with not_found (no IPv6, no interface). */
int sysctl_set(const char *family, const char *ifname, const char *key, int value, struct err *err);
int sysctl_get(const char *family, const char *ifname, const char *key, int *ret, struct err *err);
