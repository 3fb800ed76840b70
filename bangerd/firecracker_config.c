/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/firecracker_config.h"

#include "common/json.h"
#include "common/str.h"

/* A bucket's tokens come back in this time, all of them: the burst is a second's worth. */
#define REFILL_MS 1000
#define CID_LEAST 3u
#define CID_MOST  0xfffffffeu

/* An object that is being filled; NULL once memory ran out. */
struct body {
	struct json_object *o;
};

static struct body body_new(void)
{
	return (struct body){ json_object_new_object() };
}

static void body_add(struct body *b, const char *key, struct json_object *value)
{
	if (b->o && value && json_object_object_add(b->o, key, value) == 0)
		return;
	json_object_put(value);
	json_object_put(b->o);
	b->o = NULL;
}

static void body_text(struct body *b, const char *key, const char *value)
{
	body_add(b, key, json_object_new_string(value));
}

static void body_number(struct body *b, const char *key, uint64_t value)
{
	body_add(b, key, json_object_new_uint64(value));
}

static void body_flag(struct body *b, const char *key, bool value)
{
	body_add(b, key, json_object_new_boolean(value));
}

/* TokenBucket */
static void body_bucket(struct body *b, const char *key, uint64_t rate)
{
	struct body bucket = body_new();

	body_number(&bucket, "size", rate);
	body_number(&bucket, "refill_time", REFILL_MS);
	body_add(b, key, bucket.o);
}

/* RateLimiter; nothing when neither is limited. */
static void body_limiter(struct body *b, const char *key, uint64_t bandwidth, uint64_t operations)
{
	struct body limiter;

	if (bandwidth == 0 && operations == 0)
		return;
	limiter = body_new();
	if (bandwidth > 0)
		body_bucket(&limiter, "bandwidth", bandwidth);
	if (operations > 0)
		body_bucket(&limiter, "ops", operations);
	body_add(b, key, limiter.o);
}

int firecracker_config_machine(struct firecracker_api *api, unsigned vcpus, uint32_t memory_mib,
	const struct wait *w, struct err *err)
{
	struct body b;

	if (vcpus < 1 || vcpus > FIRECRACKER_VCPUS_MAX)
		return err_set(err, ERR_bad_request,
			"Firecracker runs VMs with 1 to %d vCPUs, not %u", FIRECRACKER_VCPUS_MAX,
			vcpus);
	b = body_new();
	body_number(&b, "vcpu_count", vcpus);
	body_number(&b, "mem_size_mib", memory_mib);
	return firecracker_api_put(
		api, "/machine-config", "the machine's CPUs and memory", b.o, w, err);
}

int firecracker_config_boot(struct firecracker_api *api, const char *kernel, const char *initramfs,
	const char *args, const struct wait *w, struct err *err)
{
	struct body b = body_new();

	body_text(&b, "kernel_image_path", kernel);
	body_text(&b, "initrd_path", initramfs);
	body_text(&b, "boot_args", args);
	return firecracker_api_put(api, "/boot-source", "the kernel", b.o, w, err);
}

static int say_drive(struct firecracker_api *api, const char *id, const char *path, bool root,
	uint64_t bandwidth, uint64_t operations, const struct wait *w, struct err *err)
{
	char to[32], what[32];
	struct body b = body_new();

	str_format(to, sizeof(to), "/drives/%s", id);
	str_format(what, sizeof(what), "the %s drive", id);
	body_text(&b, "drive_id", id);
	body_text(&b, "path_on_host", path);
	body_flag(&b, "is_root_device", root);
	body_flag(&b, "is_read_only", false);
	/* "Unsafe", the default, does not pass the guest's flushes on. */
	body_text(&b, "cache_type", "Writeback");
	body_limiter(&b, "rate_limiter", bandwidth, operations);
	return firecracker_api_put(api, to, what, b.o, w, err);
}

int firecracker_config_root(struct firecracker_api *api, const char *path, uint64_t bandwidth,
	uint64_t operations, const struct wait *w, struct err *err)
{
	return say_drive(api, "root", path, true, bandwidth, operations, w, err);
}

int firecracker_config_work(struct firecracker_api *api, const char *path, uint64_t bandwidth,
	uint64_t operations, const struct wait *w, struct err *err)
{
	return say_drive(api, "work", path, false, bandwidth, operations, w, err);
}

int firecracker_config_interface(struct firecracker_api *api, const char *tap, mac address,
	uint64_t bandwidth, const struct wait *w, struct err *err)
{
	struct body b = body_new();
	char written[18];

	body_text(&b, "iface_id", "eth0");
	body_text(&b, "host_dev_name", tap);
	body_text(&b, "guest_mac", mac_format(address, written));
	body_limiter(&b, "rx_rate_limiter", bandwidth, 0);
	body_limiter(&b, "tx_rate_limiter", bandwidth, 0);
	return firecracker_api_put(
		api, "/network-interfaces/eth0", "the network interface", b.o, w, err);
}

int firecracker_config_vsock(struct firecracker_api *api, uint32_t cid, const char *path,
	const struct wait *w, struct err *err)
{
	struct body b;

	if (cid < CID_LEAST || cid > CID_MOST)
		return err_set(err, ERR_bad_request, "%u is no CID of a guest", cid);
	b = body_new();
	body_number(&b, "guest_cid", cid);
	body_text(&b, "uds_path", path);
	return firecracker_api_put(api, "/vsock", "the vsock", b.o, w, err);
}

int firecracker_config_entropy(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_api_put(
		api, "/entropy", "the source of random numbers", body_new().o, w, err);
}

int firecracker_config_balloon(
	struct firecracker_api *api, unsigned stats_s, const struct wait *w, struct err *err)
{
	struct body b = body_new();

	body_number(&b, "amount_mib", 0);
	body_flag(&b, "deflate_on_oom", true);
	body_number(&b, "stats_polling_interval_s", stats_s);
	return firecracker_api_put(api, "/balloon", "the balloon", b.o, w, err);
}

int firecracker_config_serial(
	struct firecracker_api *api, uint64_t rate, const struct wait *w, struct err *err)
{
	struct body b = body_new();

	body_bucket(&b, "rate_limiter", rate);
	return firecracker_api_put(api, "/serial", "the console's rate", b.o, w, err);
}

int firecracker_config_logger(
	struct firecracker_api *api, const char *path, const struct wait *w, struct err *err)
{
	struct body b = body_new();

	body_text(&b, "log_path", path);
	body_text(&b, "level", "Warning");
	body_flag(&b, "show_level", true);
	return firecracker_api_put(api, "/logger", "its log", b.o, w, err);
}

int firecracker_config_metrics(
	struct firecracker_api *api, const char *path, const struct wait *w, struct err *err)
{
	struct body b = body_new();

	body_text(&b, "metrics_path", path);
	return firecracker_api_put(api, "/metrics", "its metrics", b.o, w, err);
}
