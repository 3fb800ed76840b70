/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/modules.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

/* A kernel's modules as "name:depends" words, and what is built in. */
struct world {
	const char *const *modules;
	const char *builtin;
	const char *filter; /* how the files are compressed; NULL: not */
	unsigned fetched;
};

static int fetch(void *ctx, struct modules *m, struct err *err)
{
	struct world *w = ctx;

	for (size_t i = 0; i < m->n; i++) {
		struct module *mod = &m->v[i];
		const char *colon = strchr(w->modules[i], ':');
		struct blob b, c;
		int r;

		if (!mod->wanted || mod->data)
			continue;
		b = fixture_module(colon + 1, FIXTURE_RELEASE);
		c = w->filter ? fixture_compress(&b, w->filter) : b;
		r = modules_load(m, mod, c.p, c.n, err);
		w->fetched++;
		if (w->filter)
			free(c.p);
		free(b.p);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* Select among them: the order as "name/phase name/phase:device …" in buf, or the error. */
static int select_from(struct world *w, const char *version, char *buf, size_t cap, struct err *err)
{
	struct modules m = { 0 };
	char *builtin = strdup(w->builtin);
	size_t len = 0;
	int r = 0;

	for (size_t i = 0; w->modules[i] && r == 0; i++) {
		char path[128];

		snprintf(path, sizeof(path), "kernel/x/%.*s.ko%s",
			(int)(strchr(w->modules[i], ':') - w->modules[i]), w->modules[i],
			w->filter ? ".xz" : "");
		r = modules_add(&m, path, NULL, err);
	}
	assert_int_equal(r, 0);
	assert_int_equal(modules_parse_builtin(&m, builtin, err), 0);
	r = modules_select(&m, version, fetch, w, err);
	for (size_t i = 0; r == 0 && i < m.n_order; i++) {
		const struct module *mod = &m.v[m.order[i]];

		len += (size_t)snprintf(buf + len, cap - len, "%s%s/%s", i ? " " : "", mod->name,
			module_phase_name(mod->phase));
		if (mod->device)
			len += (size_t)snprintf(buf + len, cap - len, ":%u", mod->device);
	}
	modules_finish(&m);
	free(builtin);
	return r;
}

/* The packaged 6.1 cloud kernel's, in an order that helps nobody. */
static const char *const cloud[] = { "vmw_vsock_virtio_transport_common:vsock",
	"virtio_net:virtio_ring,virtio,net_failover", "net_failover:failover",
	"overlay:", "virtio_console:virtio_ring,virtio",
	"failover:", "virtio-rng:virtio,virtio_ring", "virtio_blk:virtio_ring,virtio",
	"vsock:", "virtio:virtio_ring", "virtio_balloon:virtio",
	"vmw_vsock_virtio_transport:vmw_vsock_virtio_transport_common,vsock",
	"virtio_ring:", "virtio_mmio:virtio_ring,virtio", "btrfs:raid6_pq", "raid6_pq:", NULL };

static void test_cloud(void **state)
{
	struct world w = { cloud, "kernel/fs/ext4/ext4.ko\nkernel/fs/jbd2/jbd2.ko\n", NULL, 0 };
	struct err err = ERR_INIT;
	char order[1024];

	(void)state;
	if (select_from(&w, FIXTURE_RELEASE, order, sizeof(order), &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(order,
		"virtio_ring/channel virtio/channel virtio_mmio/channel virtio_console/channel:3 "
		"vsock/channel:19 vmw_vsock_virtio_transport_common/channel:19 "
		"vmw_vsock_virtio_transport/channel:19 "
		"failover/net:1 net_failover/net:1 virtio_net/net:1 virtio_blk/disk "
		"overlay/late virtio_balloon/late:5 virtio_rng/late:4");
	assert_int_equal(w.fetched, 14); /* each once, and no other */
	w = (struct world){ cloud, "kernel/fs/ext4/ext4.ko\n", "xz", 0 };
	assert_int_equal(select_from(&w, FIXTURE_RELEASE, order, sizeof(order), &err), 0);
}

/* ext4 as a module brings crc32c, which it asks for by name; what is shared loads with the first.
 */
static void test_ext4_module(void **state)
{
	static const char *const list[] = { "ext4:jbd2,shared",
		"jbd2:", "crc32c_generic:", "virtio_mmio:", "virtio_console:shared",
		"virtio_blk:", "shared:", NULL };
	struct world w = { list, "", NULL, 0 };
	struct err err = ERR_INIT;
	char order[1024];

	(void)state;
	if (select_from(&w, FIXTURE_RELEASE, order, sizeof(order), &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(order, "shared/channel virtio_mmio/channel virtio_console/channel:3 "
				   "crc32c_generic/disk jbd2/disk ext4/disk virtio_blk/disk");
}

/* What serves two devices is for neither alone; what serves one twice is for that. */
static void test_devices(void **state)
{
	static const char *const list[] = { "both:", "twice:", "virtio_mmio:",
		"virtio_console:both", "vsock:both,twice", "vmw_vsock_virtio_transport:vsock,deep",
		"deep:twice", "virtio_blk:", "ext4:", NULL };
	struct world w = { list, "", NULL, 0 };
	struct err err = ERR_INIT;
	char order[1024];

	(void)state;
	if (select_from(&w, FIXTURE_RELEASE, order, sizeof(order), &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(order,
		"both/channel virtio_mmio/channel twice/channel:19 deep/channel:19 "
		"virtio_console/channel:3 vsock/channel:19 vmw_vsock_virtio_transport/channel:19 "
		"ext4/disk virtio_blk/disk");
}

static void test_all_builtin(void **state)
{
	static const char *const none[] = { NULL };
	struct world w = { none,
		"kernel/a/virtio_mmio.ko\nkernel/virtio-console.ko\nkernel/virtio_blk.ko\n"
		"kernel/ext4.ko\nsome rubbish\n",
		NULL, 0 };
	struct err err = ERR_INIT;
	char order[64] = "none";

	(void)state;
	assert_int_equal(select_from(&w, FIXTURE_RELEASE, order, sizeof(order), &err), 0);
	assert_string_equal(order, "none");
	assert_int_equal(w.fetched, 0);
}

static const struct hostile {
	const char *what;
	const char *modules[8];
	const char *builtin, *version;
	const char *says;
} hostiles[] = {
	{ "nothing", { NULL }, "", FIXTURE_RELEASE,
		"lacks virtio_mmio, virtio_console, virtio_blk, ext4" },
	{ "no ext4", { "virtio_mmio:", "virtio_console:", "virtio_blk:", NULL }, "",
		FIXTURE_RELEASE, "lacks ext4" },
	{ "of another kernel", { "ext4:", "virtio_mmio:", "virtio_console:", "virtio_blk:", NULL },
		"", "6.1.0-other", "not of kernel 6.1.0-other" },
	{ "of a longer version",
		{ "ext4:", "virtio_mmio:", "virtio_console:", "virtio_blk:", NULL }, "", "6.1.0",
		"not of kernel 6.1.0:" },
	{ "itself", { "ext4:ext4", "virtio_mmio:", "virtio_console:", "virtio_blk:", NULL }, "",
		FIXTURE_RELEASE, "depends on itself" },
	{ "a circle",
		{ "ext4:a", "a:b", "b:ext4",
			"virtio_mmio:", "virtio_console:", "virtio_blk:", NULL },
		"", FIXTURE_RELEASE, "depends on itself" },
	{ "one that is not there",
		{ "ext4:gone", "virtio_mmio:", "virtio_console:", "virtio_blk:", NULL }, "",
		FIXTURE_RELEASE, "needs others" },
	{ "a path for a name",
		{ "ext4:../../x", "virtio_mmio:", "virtio_console:", "virtio_blk:", NULL }, "",
		FIXTURE_RELEASE, "needs others" },
};

static void test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++) {
		struct world w = { hostiles[i].modules, hostiles[i].builtin, NULL, 0 };
		struct err err = ERR_INIT;
		char order[1024];

		if (select_from(&w, hostiles[i].version, order, sizeof(order), &err) == 0)
			fail_msg("%s passed", hostiles[i].what);
		assert_int_equal(err.code, ERR_bad_input);
		if (!strstr(err.msg, hostiles[i].says))
			fail_msg("%s: %s", hostiles[i].what, err.msg);
	}
}

/* A chain longer than any kernel has costs a bounded number of rounds. */
static void test_long_chain(void **state)
{
	char words[60][16];
	const char *list[64];
	struct world w = { list, "", NULL, 0 };
	struct err err = ERR_INIT;
	char order[1024];
	size_t n = 0;

	(void)state;
	list[n++] = "virtio_mmio:";
	list[n++] = "virtio_console:";
	list[n++] = "virtio_blk:";
	list[n++] = "ext4:m59";
	for (int i = 0; i < 59; i++) {
		snprintf(words[i], sizeof(words[i]), "m%d:m%d", i + 1, i);
		list[n++] = words[i];
	}
	list[n] = NULL;
	assert_int_equal(select_from(&w, FIXTURE_RELEASE, order, sizeof(order), &err), -1);
	assert_non_null(strstr(err.msg, "chain"));
	assert_true(w.fetched <= MODULES_ROUNDS_MAX + 4);
}

static void test_too_many(void **state)
{
	static char depends[400 * 5], words[200][16];
	static char root[sizeof(depends) + 8];
	const char *list[256];
	struct world w = { list, "", NULL, 0 };
	struct err err = ERR_INIT;
	char order[1024];
	size_t n = 0;

	(void)state;
	/* A fixture's .modinfo has room for some ninety names: two roots share the load. */
	for (int i = 0; i < 80; i++)
		snprintf(depends + strlen(depends), 8, "%sa%d", i ? "," : "", i);
	snprintf(root, sizeof(root), "ext4:%s", depends);
	list[n++] = root;
	list[n++] = "virtio_mmio:";
	list[n++] = "virtio_console:";
	list[n++] = "virtio_blk:";
	for (int i = 0; i < 80; i++) {
		snprintf(words[i], sizeof(words[i]), "a%d:a%d", i, i + 100);
		list[n++] = words[i];
	}
	for (int i = 0; i < 80; i++) {
		snprintf(words[i + 80], sizeof(words[i]), "a%d:", i + 100);
		list[n++] = words[i + 80];
	}
	list[n] = NULL;
	assert_int_equal(select_from(&w, FIXTURE_RELEASE, order, sizeof(order), &err), -1);
	if (!strstr(err.msg, "more than"))
		fail_msg("%s", err.msg);
}

static void test_dep_lists(void **state)
{
	static const struct {
		const char *list;
		bool good;
		size_t n;
	} rows[] = {
		{ "kernel/a.ko: kernel/b.ko\nkernel/b.ko:\n", true, 2 },
		{ "kernel/a-b.ko.xz:\nkernel/a_b.ko.xz:\n", true, 1 },
		{ "kernel/readme.txt:\n", true, 0 },
		{ "", true, 0 },
		{ "no colon\n", false, 0 },
		{ "/lib/modules/a.ko:\n", false, 0 },
		{ "../a.ko:\n", false, 0 },
		{ "kernel/../../a.ko:\n", false, 0 },
		{ "a\x1b[2J.ko:\n", true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *list = strdup(rows[i].list);
		struct modules m = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(modules_parse_dep(&m, list, &err), rows[i].good ? 0 : -1);
		if (rows[i].good)
			assert_int_equal(m.n, rows[i].n);
		else
			assert_int_equal(err.code, ERR_bad_input);
		modules_finish(&m);
		free(list);
	}
}

static void test_load(void **state)
{
	struct modules m = { 0 };
	struct err err = ERR_INIT;
	struct module *mod;
	struct blob b = fixture_program(1);

	(void)state;
	assert_int_equal(modules_add(&m, "a/ext4.ko", &mod, &err), 0);
	assert_int_equal(modules_load(&m, mod, b.p, b.n, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_null(mod->data);
	assert_int_equal(modules_load(&m, mod, (const uint8_t *)"junk", 4, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	modules_finish(&m);
	free(b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cloud),
		cmocka_unit_test(test_ext4_module),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_all_builtin),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_dep_lists),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
