/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/firecracker_config: each call's path and body, to the letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/firecracker_config.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/common/scripted_peer.h"

static const mac address = { { 0x52, 0x54, 0x00, 0x01, 0x02, 0x03 } };

typedef int (*call)(struct firecracker_api *api, const struct wait *w, struct err *err);

static int machine(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_machine(api, 2, 256, w, err);
}

static int boot(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_boot(api, "/kernel", "/initramfs", "quiet \"x\"", w, err);
}

static int root(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_root(api, "/disk", 0, 0, w, err);
}

static int root_limited(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_root(api, "/disk", UINT64_MAX, 100, w, err);
}

static int root_operations(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_root(api, "/disk", 0, 1, w, err);
}

static int work(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_work(api, "/work", 0, 0, w, err);
}

static int work_limited(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_work(api, "/work", 1048576, 0, w, err);
}

static int interface(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_interface(api, "bt0123456789ab", address, 0, w, err);
}

static int interface_limited(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_interface(api, "bt0123456789ab", address, 1048576, w, err);
}

static int vsock(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_vsock(api, 3, "/run/vsock", w, err);
}

static int balloon(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_balloon(api, 0, w, err);
}

static int serial(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_serial(api, 1048576, w, err);
}

static int logger(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_logger(api, "/run/log", w, err);
}

static int metrics(struct firecracker_api *api, const struct wait *w, struct err *err)
{
	return firecracker_config_metrics(api, "/run/metrics", w, err);
}

#define DRIVE                                                                        \
	"{\"drive_id\":\"root\",\"path_on_host\":\"/disk\",\"is_root_device\":true," \
	"\"is_read_only\":false,\"cache_type\":\"Writeback\""
#define WORK                                                                          \
	"{\"drive_id\":\"work\",\"path_on_host\":\"/work\",\"is_root_device\":false," \
	"\"is_read_only\":false,\"cache_type\":\"Writeback\""
#define INTERFACE                                                      \
	"{\"iface_id\":\"eth0\",\"host_dev_name\":\"bt0123456789ab\"," \
	"\"guest_mac\":\"52:54:00:01:02:03\""
#define BUCKET(size) "{\"size\":" size ",\"refill_time\":1000}"

static const struct {
	call call;
	const char *path, *body;
} calls[] = {
	{ machine, "/machine-config", "{\"vcpu_count\":2,\"mem_size_mib\":256}" },
	{ boot, "/boot-source",
		"{\"kernel_image_path\":\"/kernel\",\"initrd_path\":\"/initramfs\","
		"\"boot_args\":\"quiet \\\"x\\\"\"}" },
	{ root, "/drives/root", DRIVE "}" },
	{ work, "/drives/work", WORK "}" },
	{ work_limited, "/drives/work",
		WORK ",\"rate_limiter\":{\"bandwidth\":" BUCKET("1048576") "}}" },
	{ root_limited, "/drives/root",
		DRIVE ",\"rate_limiter\":{\"bandwidth\":" BUCKET(
			"18446744073709551615") ",\"ops\":" BUCKET("100") "}}" },
	{ root_operations, "/drives/root", DRIVE ",\"rate_limiter\":{\"ops\":" BUCKET("1") "}}" },
	{ interface, "/network-interfaces/eth0", INTERFACE "}" },
	{ interface_limited, "/network-interfaces/eth0",
		INTERFACE ",\"rx_rate_limiter\":{\"bandwidth\":" BUCKET(
			"1048576") "},\"tx_rate_limiter\":{\"bandwidth\":" BUCKET("1048576") "}}" },
	{ vsock, "/vsock", "{\"guest_cid\":3,\"uds_path\":\"/run/vsock\"}" },
	{ firecracker_config_entropy, "/entropy", "{}" },
	{ balloon, "/balloon",
		"{\"amount_mib\":0,\"deflate_on_oom\":true,\"stats_polling_interval_s\":0}" },
	{ serial, "/serial", "{\"rate_limiter\":" BUCKET("1048576") "}" },
	{ logger, "/logger",
		"{\"log_path\":\"/run/log\",\"level\":\"Warning\",\"show_level\":true}" },
	{ metrics, "/metrics", "{\"metrics_path\":\"/run/metrics\"}" },
};

/* What the peer heard: the path, and a body that is the same JSON. */
static void check_heard(const char *heard, const char *path, const char *body)
{
	struct err err = ERR_INIT;
	_cleanup_json_ struct json_object *got = NULL, *want = NULL;
	const char *sent = strstr(heard, "\r\n\r\n");
	char line[128];

	str_format(line, sizeof(line), "PUT %s HTTP/1.1\r\n", path);
	if (!str_starts(heard, line) || !sent)
		fail_msg("not PUT %s: %s", path, heard);
	sent += 4;
	assert_int_equal(json_parse(sent, strlen(sent), 8, &got, &err), 0);
	assert_int_equal(json_parse(body, strlen(body), 8, &want, &err), 0);
	if (!json_object_equal(got, want))
		fail_msg("%s: %s, not %s", path, sent, body);
}

static void bodies(void **state)
{
	char *taken = scripted_reply(204, NULL);
	char *refusal = scripted_reply(400, "{\"fault_message\":\"because\"}");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (int refused = 0; refused < 2; refused++) {
			const struct peer_turn turn = { .says = refused ? refusal : taken };
			struct wait w = wait_ms(-1, 10000);
			struct err err = ERR_INIT;
			struct scripted_peer p;
			struct firecracker_api *api;
			int fd = scripted_peer_start(&p, &turn, 1);

			assert_int_equal(firecracker_api_open(fd, 10000, &api, &err), 0);
			assert_int_equal(calls[i].call(api, &w, &err), refused ? -1 : 0);
			firecracker_api_close(api);
			scripted_peer_join(&p);
			check_heard(p.heard, calls[i].path, calls[i].body);
			if (refused && (err.code != ERR_operation_failed ||
					       !str_starts(err.msg, "Firecracker refused ") ||
					       !str_ends(err.msg, ": because")))
				fail_msg("%s: %s", calls[i].path, err.msg);
		}
	free(taken);
	free(refusal);
}

/* Refused before Firecracker is asked, which would take some of it. */
static void never_asked(void **state)
{
	static const unsigned vcpus[] = { 0, 33, 255 };
	static const uint32_t cids[] = { 0, 1, 2, UINT32_MAX };
	static const struct peer_turn turn = { .says = NULL };
	struct wait w = wait_ms(-1, 10000);
	struct err err = ERR_INIT;
	struct scripted_peer p;
	struct firecracker_api *api;
	int fd = scripted_peer_start(&p, &turn, 1);

	(void)state;
	assert_int_equal(firecracker_api_open(fd, 10000, &api, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(vcpus); i++) {
		assert_int_equal(firecracker_config_machine(api, vcpus[i], 256, &w, &err), -1);
		assert_int_equal(err.code, ERR_bad_request);
	}
	for (size_t i = 0; i < ARRAY_SIZE(cids); i++) {
		assert_int_equal(
			firecracker_config_vsock(api, cids[i], "/run/vsock", &w, &err), -1);
		assert_int_equal(err.code, ERR_bad_request);
	}
	firecracker_api_close(api);
	scripted_peer_join(&p);
	assert_string_equal(p.heard, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies),
		cmocka_unit_test(never_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
