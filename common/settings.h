/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * banger.conf by common/proto/settings.tbl.h: `s.section_key` for each setting. The file is an ini
 * file (libinih); an unknown section, key or value is an error that names the line.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/confine.h"
#include "common/enums.h"
#include "common/err.h"
#include "common/log.h"
#include "common/types.h"

#define SETTINGS_PATH "/etc/banger/banger.conf"

struct cidr {
	ipv4 base;
	uint8_t prefix;
};

/* `automatic`, or up to two addresses (0: none). */
struct addresses {
	bool automatic;
	ipv4 a[2];
};

#define ST_path              \
	struct {             \
		char s[256]; \
	}
#define ST_name             \
	struct {            \
		char s[64]; \
	}
#define ST_size		uint64_t
#define ST_count	uint64_t
#define ST_boolean	bool
#define ST_level	enum log_level
#define ST_seccomp_mode enum confine_mode
#define ST_accel	enum accel
#define ST_vmm_kind	enum vmm_kind
#define ST_disk_kind	enum disk_kind
#define ST_rate		uint64_t
#define ST_quantity	uint64_t
#define ST_cidr		struct cidr
#define ST_addresses	struct addresses

struct settings {
#define SETTING(section, key, type, def, doc) ST_##type section##_##key;
#include "common/proto/settings.tbl.h"
};

/* The defaults, then the file. It must be a regular file of root's that nobody else may write.
 * That SETTINGS_PATH is missing is no error; that another path is, is one. */
int settings_load(const char *path, struct settings *ret, struct err *err);
