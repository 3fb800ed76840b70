/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table a request, as Firecracker 1.16 takes them (its published OpenAPI description). */
#include "tests/fake/body.h"

#define MUST .required = true

static const char *const action_types[] = { "FlushMetrics", "InstanceStart", "SendCtrlAltDel",
	NULL };
static const char *const cache_types[] = { "Unsafe", "Writeback", NULL };
static const char *const io_engines[] = { "Async", "Sync", NULL };
static const char *const cpu_templates[] = { "C3", "T2", "T2S", "T2CL", "T2A", "None", NULL };
static const char *const page_sizes[] = { "None", "2M", NULL };
static const char *const vm_states[] = { "Paused", "Resumed", NULL };
static const char *const snapshot_types[] = { "Full", "Diff", NULL };
static const char *const levels[] = { "Off", "OFF", "Trace", "TRACE", "Debug", "DEBUG", "Info",
	"INFO", "Warn", "WARN", "Warning", "WARNING", "Error", "ERROR", NULL };
static const char *const memory_backends[] = { "File", "Uffd", NULL };

static const struct body token_bucket = { .open = true,
	.members = {
		{ "size", MEMBER_NUMBER, MUST, .max = UINT64_MAX },
		{ "one_time_burst", MEMBER_NUMBER, .max = UINT64_MAX },
		{ "refill_time", MEMBER_NUMBER, MUST, .max = UINT64_MAX },
	} };

static const struct body rate_limiter = { .members = {
						  { "bandwidth", MEMBER_OBJECT,
							  .body = &token_bucket },
						  { "ops", MEMBER_OBJECT, .body = &token_bucket },
					  } };

static const struct body memory_backend = { .members = {
						    { "backend_type", MEMBER_WORD, MUST,
							    .words = memory_backends },
						    { "backend_path", MEMBER_TEXT, MUST },
					    } };

const struct body body_action = { .members = {
					  { "action_type", MEMBER_WORD, MUST,
						  .words = action_types },
				  } };

const struct body body_balloon = { .members = {
					   { "amount_mib", MEMBER_NUMBER, MUST, .max = UINT32_MAX },
					   { "deflate_on_oom", MEMBER_BOOL, MUST },
					   { "stats_polling_interval_s", MEMBER_NUMBER,
						   .never_null = true, .max = UINT16_MAX },
					   { "free_page_hinting", MEMBER_BOOL, .never_null = true },
					   { "free_page_reporting", MEMBER_BOOL,
						   .never_null = true },
				   } };

const struct body body_balloon_update = { .members = {
						  { "amount_mib", MEMBER_NUMBER, MUST,
							  .max = UINT32_MAX },
					  } };

const struct body body_balloon_statistics = { .members = {
						      { "stats_polling_interval_s", MEMBER_NUMBER,
							      MUST, .max = UINT16_MAX },
					      } };

const struct body body_boot_source = { .members = {
					       { "kernel_image_path", MEMBER_TEXT, MUST },
					       { "initrd_path", MEMBER_TEXT },
					       { "boot_args", MEMBER_TEXT },
				       } };

const struct body body_drive = { .members = {
					 { "drive_id", MEMBER_TEXT, MUST },
					 { "partuuid", MEMBER_TEXT },
					 { "is_root_device", MEMBER_BOOL, MUST },
					 { "cache_type", MEMBER_WORD, .never_null = true,
						 .words = cache_types },
					 { "is_read_only", MEMBER_BOOL },
					 { "path_on_host", MEMBER_TEXT },
					 { "rate_limiter", MEMBER_OBJECT, .body = &rate_limiter },
					 { "io_engine", MEMBER_WORD, .words = io_engines },
					 { "socket", MEMBER_TEXT },
				 } };

const struct body body_drive_update = { .members = {
						{ "drive_id", MEMBER_TEXT, MUST },
						{ "path_on_host", MEMBER_TEXT },
						{ "rate_limiter", MEMBER_OBJECT,
							.body = &rate_limiter },
					} };

const struct body body_entropy = { .members = {
					   { "rate_limiter", MEMBER_OBJECT, .body = &rate_limiter },
				   } };

const struct body body_logger = { .members = {
					  { "log_path", MEMBER_TEXT },
					  { "level", MEMBER_WORD, .words = levels },
					  { "show_level", MEMBER_BOOL },
					  { "show_log_origin", MEMBER_BOOL },
					  { "module", MEMBER_TEXT },
				  } };

const struct body
	body_machine_config = { .members = {
					{ "vcpu_count", MEMBER_NUMBER, MUST, .max = UINT8_MAX },
					{ "mem_size_mib", MEMBER_NUMBER, MUST, .max = UINT64_MAX },
					{ "smt", MEMBER_BOOL, .never_null = true },
					{ "cpu_template", MEMBER_WORD, .words = cpu_templates },
					{ "track_dirty_pages", MEMBER_BOOL, .never_null = true },
					{ "huge_pages", MEMBER_WORD, .never_null = true,
						.words = page_sizes },
				} };

const struct body
	body_machine_update = { .members = {
					{ "vcpu_count", MEMBER_NUMBER, .max = UINT8_MAX },
					{ "mem_size_mib", MEMBER_NUMBER, .max = UINT64_MAX },
					{ "smt", MEMBER_BOOL },
					{ "cpu_template", MEMBER_WORD, .words = cpu_templates },
					{ "track_dirty_pages", MEMBER_BOOL },
					{ "huge_pages", MEMBER_WORD, .words = page_sizes },
				} };

const struct body body_metrics = { .open = true,
	.members = {
		{ "metrics_path", MEMBER_TEXT, MUST },
	} };

const struct body body_network = { .members = {
					   { "iface_id", MEMBER_TEXT, MUST },
					   { "host_dev_name", MEMBER_TEXT, MUST },
					   { "guest_mac", MEMBER_MAC },
					   { "mtu", MEMBER_NUMBER, .max = UINT16_MAX },
					   { "rx_rate_limiter", MEMBER_OBJECT,
						   .body = &rate_limiter },
					   { "tx_rate_limiter", MEMBER_OBJECT,
						   .body = &rate_limiter },
				   } };

const struct body body_network_update = { .members = {
						  { "iface_id", MEMBER_TEXT, MUST },
						  { "rx_rate_limiter", MEMBER_OBJECT,
							  .body = &rate_limiter },
						  { "tx_rate_limiter", MEMBER_OBJECT,
							  .body = &rate_limiter },
					  } };

const struct body body_serial = { .members = {
					  { "serial_out_path", MEMBER_TEXT },
					  { "rate_limiter", MEMBER_OBJECT, .body = &token_bucket },
				  } };

const struct body body_snapshot_create = { .members = {
						   { "snapshot_type", MEMBER_WORD,
							   .never_null = true,
							   .words = snapshot_types },
						   { "snapshot_path", MEMBER_TEXT, MUST },
						   { "mem_file_path", MEMBER_TEXT, MUST },
					   } };

const struct body
	body_snapshot_load = { .members = {
				       { "snapshot_path", MEMBER_TEXT, MUST },
				       { "mem_backend", MEMBER_OBJECT, .body = &memory_backend },
				       { "mem_file_path", MEMBER_TEXT },
				       { "enable_diff_snapshots", MEMBER_BOOL, .never_null = true },
				       { "track_dirty_pages", MEMBER_BOOL, .never_null = true },
				       { "resume_vm", MEMBER_BOOL, .never_null = true },
			       } };

const struct body body_vm = { .members = {
				      { "state", MEMBER_WORD, MUST, .words = vm_states },
			      } };

const struct body body_vsock = { .members = {
					 { "vsock_id", MEMBER_TEXT },
					 { "guest_cid", MEMBER_NUMBER, MUST, .max = UINT32_MAX },
					 { "uds_path", MEMBER_TEXT, MUST },
				 } };
