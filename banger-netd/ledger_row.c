/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/ledger_row.h"

#include <stdio.h>
#include <string.h>

#include "common/str.h"

enum key {
	KEY_boot,
	KEY_owner,
	KEY_jail_uid,
	KEY_state,
	KEY_disk,
	KEY_subnet,
	KEY_host,
	KEY_mac,
	KEY_nat,
	KEY_vmm,
	KEY_pid,
	KEY_start_time,
	KEY_attached,
	KEY__count
};

static const char *const key_names[KEY__count] = { "boot", "owner", "jail_uid", "state", "disk",
	"subnet", "host", "mac", "nat", "vmm", "pid", "start_time", "attached" };

#define BIT(k)	 (1U << (k))
#define KEYS_ALL (BIT(KEY_boot) | BIT(KEY_owner) | BIT(KEY_jail_uid) | BIT(KEY_state))
#define KEYS_NETWORK \
	(KEYS_ALL | BIT(KEY_subnet) | BIT(KEY_host) | BIT(KEY_mac) | BIT(KEY_nat) | BIT(KEY_vmm))
#define KEYS_RUNNING (KEYS_NETWORK | BIT(KEY_pid) | BIT(KEY_start_time) | BIT(KEY_attached))

static unsigned keys_of(enum ledger_state state)
{
	switch (state) {
	case ledger_state_reserved:
		return KEYS_ALL;
	case ledger_state_network:
		return KEYS_NETWORK;
	case ledger_state_running:
	case ledger_state_dead:
		return KEYS_RUNNING;
	case ledger_state_none:
	case ledger_state__count:
		break;
	}
	return 0;
}

bool ledger_row_has_network(const struct ledger_row *row)
{
	return keys_of(row->state) & BIT(KEY_subnet);
}

size_t ledger_row_format(const struct ledger_row *row, char buf[LEDGER_ROW_MAX])
{
	unsigned keys = keys_of(row->state);
	char m[18];
	int n;

	n = snprintf(buf, LEDGER_ROW_MAX, "boot=%s\nowner=%u\njail_uid=%u\nstate=%s\n",
		row->boot_id, row->owner, row->jail_uid, ledger_state_to_name(row->state));
	if (row->disk)
		n += snprintf(buf + n, LEDGER_ROW_MAX - (size_t)n, "disk=%llu\n",
			(unsigned long long)row->disk);
	if (keys & BIT(KEY_subnet))
		n += snprintf(buf + n, LEDGER_ROW_MAX - (size_t)n,
			"subnet=%u\nhost=%u\nmac=%s\nnat=%d\nvmm=%s\n", row->subnet, row->host,
			mac_format(row->mac, m), row->nat, vmm_kind_to_name(row->vmm));
	if (keys & BIT(KEY_pid))
		n += snprintf(buf + n, LEDGER_ROW_MAX - (size_t)n,
			"pid=%d\nstart_time=%llu\nattached=%d\n", row->pid,
			(unsigned long long)row->start_time, row->attached);
	return (size_t)n;
}

static bool parse_mac(const char *s, mac *ret)
{
	unsigned b[6];
	uint8_t raw[6];
	char again[18];

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return false;
	for (size_t i = 0; i < 6; i++)
		raw[i] = (uint8_t)b[i];
	return mac_parse_bytes(raw, ret) && strcmp(mac_format(*ret, again), s) == 0;
}

static bool parse_boot_id(const char *s, char ret[LEDGER_BOOT_ID_LEN + 1])
{
	if (strlen(s) != LEDGER_BOOT_ID_LEN || strspn(s, "0123456789abcdef-") != LEDGER_BOOT_ID_LEN)
		return false;
	return str_copy(ret, LEDGER_BOOT_ID_LEN + 1, s);
}

static bool parse_value(enum key key, const char *s, struct ledger_row *row)
{
	uint64_t n;

	switch (key) {
	case KEY_boot:
		return parse_boot_id(s, row->boot_id);
	case KEY_owner:
		return str_to_u64(s, 0, UINT32_MAX - 1, &n) && (row->owner = (uid_t)n, true);
	case KEY_jail_uid:
		return str_to_u64(s, 1, UINT32_MAX - 1, &n) && (row->jail_uid = (uid_t)n, true);
	case KEY_state:
		return ledger_state_from_name(s, &row->state) && row->state != ledger_state_none;
	case KEY_disk:
		return str_to_u64(s, 1, UINT64_MAX, &n) && (row->disk = (dev_t)n, true);
	case KEY_subnet:
		return str_to_u64(s, 0, UINT16_MAX, &n) && (row->subnet = (uint16_t)n, true);
	case KEY_host:
		return str_to_u64(s, 2, 254, &n) && (row->host = (uint8_t)n, true);
	case KEY_mac:
		return parse_mac(s, &row->mac);
	case KEY_nat:
		return str_to_u64(s, 0, 1, &n) && (row->nat = n != 0, true);
	case KEY_vmm:
		return vmm_kind_from_name(s, &row->vmm) && row->vmm != vmm_kind_auto;
	case KEY_pid:
		return str_to_u64(s, 1, INT32_MAX, &n) && (row->pid = (pid_t)n, true);
	case KEY_start_time:
		return str_to_u64(s, 0, UINT64_MAX, &row->start_time);
	case KEY_attached:
		return str_to_u64(s, 0, 1, &n) && (row->attached = n != 0, true);
	case KEY__count:
		break;
	}
	return false;
}

/* One "key=value" of `line`, which it may cut; the key's bit, or 0 when it is none. */
static unsigned parse_line(char *line, struct ledger_row *row)
{
	char *eq = strchr(line, '=');

	if (!eq)
		return 0;
	*eq = '\0';
	for (unsigned k = 0; k < KEY__count; k++)
		if (strcmp(line, key_names[k]) == 0)
			return parse_value((enum key)k, eq + 1, row) ? BIT(k) : 0;
	return 0;
}

int ledger_row_parse(vm_id vm, const char *s, struct ledger_row *ret, struct err *err)
{
	struct ledger_row row = { .vm = vm, .tap = -1, .inside = -1 };
	char copy[LEDGER_ROW_MAX], *line = copy;
	unsigned seen = 0;

	if (!str_copy(copy, sizeof(copy), s))
		return err_set(err, ERR_bad_input, "the ledger's row %s is too long", vm.s);
	while (*line) {
		char *end = strchr(line, '\n');
		unsigned bit;

		if (!end)
			return err_set(err, ERR_bad_input, "the ledger's row %s is cut off", vm.s);
		*end = '\0';
		bit = parse_line(line, &row);
		if (!bit || (seen & bit))
			return err_set(err, ERR_bad_input, "the ledger's row %s is damaged", vm.s);
		seen |= bit;
		line = end + 1;
	}
	if (seen == 0 || (seen & ~BIT(KEY_disk)) != keys_of(row.state))
		return err_set(err, ERR_bad_input, "the ledger's row %s is incomplete", vm.s);
	*ret = row;
	return 0;
}
