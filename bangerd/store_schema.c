/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_schema.h"

#include "common/str.h"

/* Ids are 12 hex digits, times seconds since the epoch, lists of strings blobs of NUL-terminated
 * ones. An image or kernel that a VM names cannot go. */
const char *const store_schema_steps[] = {
	"CREATE TABLE image ("
	" id TEXT NOT NULL PRIMARY KEY,"
	" name TEXT NOT NULL,"
	" owner INTEGER NOT NULL,"
	" digest TEXT NOT NULL,"
	" size INTEGER NOT NULL,"
	" entries INTEGER NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" reference TEXT NOT NULL,"
	" user TEXT NOT NULL,"
	" directory TEXT NOT NULL,"
	" stop_signal TEXT NOT NULL,"
	" entrypoint BLOB NOT NULL,"
	" command BLOB NOT NULL,"
	" env BLOB NOT NULL,"
	" exposed_ports BLOB NOT NULL,"
	" UNIQUE (owner, name)"
	") STRICT;"

	"CREATE TABLE kernel ("
	" id TEXT NOT NULL PRIMARY KEY,"
	" name TEXT NOT NULL,"
	" owner INTEGER NOT NULL,"
	" version TEXT NOT NULL,"
	" arch TEXT NOT NULL,"
	" size INTEGER NOT NULL,"
	" modules INTEGER NOT NULL,"
	" guest TEXT NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" UNIQUE (owner, name)"
	") STRICT;"

	/* Which /24 of the pool is whose. */
	"CREATE TABLE owner_subnet ("
	" owner INTEGER NOT NULL PRIMARY KEY,"
	" subnet INTEGER NOT NULL UNIQUE"
	") STRICT;"

	"CREATE TABLE vm ("
	" id TEXT NOT NULL PRIMARY KEY,"
	" name TEXT NOT NULL,"
	" owner INTEGER NOT NULL,"
	" image_id TEXT NOT NULL REFERENCES image (id),"
	" kernel_id TEXT NOT NULL REFERENCES kernel (id),"
	" vcpus INTEGER NOT NULL,"
	" memory_mib INTEGER NOT NULL,"
	" disk_size INTEGER NOT NULL,"
	" nat INTEGER NOT NULL,"
	" auto_remove INTEGER NOT NULL,"
	" accel INTEGER NOT NULL,"
	" mode INTEGER NOT NULL,"
	" argv BLOB NOT NULL,"
	" env BLOB NOT NULL,"
	" user TEXT NOT NULL,"
	" directory TEXT NOT NULL,"
	" subnet INTEGER NOT NULL,"
	" host INTEGER NOT NULL,"
	" mac BLOB NOT NULL,"
	" state TEXT NOT NULL,"
	" last_error TEXT NOT NULL DEFAULT '',"
	" boot_id TEXT NOT NULL DEFAULT '',"
	" started_at INTEGER NOT NULL DEFAULT 0,"
	" created_at INTEGER NOT NULL,"
	" UNIQUE (owner, name),"
	" UNIQUE (subnet, host)"
	") STRICT;"
	"CREATE INDEX vm_image ON vm (image_id);"
	"CREATE INDEX vm_kernel ON vm (kernel_id);",

	/* Which VMM was asked for, and why the last start took the one it took. Who was there
	 * before Firecracker was asked for nothing. */
	"ALTER TABLE vm ADD COLUMN vmm INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE vm ADD COLUMN vmm_why TEXT NOT NULL DEFAULT '';",

	/* What kind its disk is: all were copies. */
	"ALTER TABLE vm ADD COLUMN disk INTEGER NOT NULL DEFAULT 2;",

	/* Why the daemon paused it, and whether its disk is lost. */
	"ALTER TABLE vm ADD COLUMN paused_why TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE vm ADD COLUMN disk_lost INTEGER NOT NULL DEFAULT 0;",

	/* Its work disk, and whether its root disk is to be made anew. */
	"ALTER TABLE vm ADD COLUMN work_size INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE vm ADD COLUMN remake INTEGER NOT NULL DEFAULT 0;",

	/* Which boot of the host this was used in last. */
	"CREATE TABLE host (boot_id TEXT NOT NULL) STRICT;"
	"INSERT INTO host VALUES ('');",

	/* The file that a kernel was pulled as, by a catalog. */
	"ALTER TABLE kernel ADD COLUMN digest TEXT NOT NULL DEFAULT '';",

	/* What an image is made of; of those that were here nobody noted it. */
	"ALTER TABLE image ADD COLUMN config TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE image ADD COLUMN layers BLOB NOT NULL DEFAULT x'';",

	/* Where the file of one that was registered is, and what it was then. */
	"ALTER TABLE image ADD COLUMN path TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE image ADD COLUMN stamp TEXT NOT NULL DEFAULT '';",

	/* How large its disks were made (0: not yet), and whether their files are not there, or not
	 * what they were. Of those that were here nobody noted it. */
	"ALTER TABLE vm ADD COLUMN disk_made INTEGER NOT NULL DEFAULT -1;"
	"ALTER TABLE vm ADD COLUMN work_made INTEGER NOT NULL DEFAULT -1;"
	"ALTER TABLE vm ADD COLUMN disk_gone INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE vm ADD COLUMN work_gone INTEGER NOT NULL DEFAULT 0;",
};

const int store_schema_version = ARRAY_SIZE(store_schema_steps);
