/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The JSON objects that requests carry, by tables: which members, of which types, which must be. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

enum member_type {
	MEMBER_TEXT,
	MEMBER_BOOL,
	MEMBER_NUMBER, /* unsigned, at most `max` */
	MEMBER_WORD,   /* one of `words` */
	MEMBER_MAC,
	MEMBER_TEXTS,  /* an array */
	MEMBER_OBJECT, /* one of `body` */
};

struct body;

struct member {
	const char *name;
	enum member_type type;
	bool required;
	bool never_null; /* it may be left out, but `null` is not that */
	uint64_t max;
	const char *const *words;
	const struct body *body;
};

struct body {
	bool open; /* members that the table does not have are ignored */
	struct member members[10];
};

extern const struct body body_action, body_balloon, body_balloon_update, body_balloon_statistics,
	body_boot_source, body_drive, body_drive_update, body_entropy, body_logger,
	body_machine_config, body_machine_update, body_metrics, body_network, body_network_update,
	body_serial, body_snapshot_create, body_snapshot_load, body_vm, body_vsock;

/*
 * The object of len bytes of JSON text when it is one as the table has it, the caller's; else NULL,
 * and what is wrong with it in why[cap].
 */
struct json_object *body_parse(
	const struct body *b, const char *text, size_t len, char *why, size_t cap);
