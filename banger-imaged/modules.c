/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/modules.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/elf64.h"
#include "banger-imaged/expand.h"
#include "common/str.h"

#define LOADED_MAX (256U << 20)

static const struct root {
	const char *name;
	enum module_phase phase;
	bool required;
	unsigned device;       /* as struct module's */
	const char *only_with; /* wanted only when this one is a module */
} roots[] = {
	{ "virtio_mmio", PHASE_CHANNEL, true, 0, NULL },
	{ "virtio_console", PHASE_CHANNEL, true, VIRTIO_ID_CONSOLE, NULL },
	/* Where there is none, the kernel boots under VMMs without vsock all the same. */
	{ "vsock", PHASE_CHANNEL, false, VIRTIO_ID_VSOCK, NULL },
	{ "vmw_vsock_virtio_transport", PHASE_CHANNEL, false, VIRTIO_ID_VSOCK, NULL },
	{ "virtio_net", PHASE_NET, false, VIRTIO_ID_NET, NULL },
	{ "virtio_blk", PHASE_DISK, true, 0, NULL },
	/* ext4 asks for crc32c by its algorithm's name, not by a symbol. */
	{ "crc32c_generic", PHASE_DISK, false, 0, "ext4" },
	{ "ext4", PHASE_DISK, true, 0, NULL },
	{ "overlay", PHASE_LATE, false, 0, NULL },
	{ "virtio_rng", PHASE_LATE, false, VIRTIO_ID_RNG, NULL },
	{ "virtio_balloon", PHASE_LATE, false, VIRTIO_ID_BALLOON, NULL },
};

/* What the roots need in the kernels that distributions ship: read along in the first pass over a
 * package. A list too short costs a pass, one too long costs memory; neither is wrong. */
static const char *const likely_deps[] = { "virtio", "virtio_ring", "failover", "net_failover",
	"jbd2", "mbcache", "crc16", "vmw_vsock_virtio_transport_common", "libcrc32c" };

static const char *const suffixes[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };

const char *module_phase_name(enum module_phase p)
{
	static const char *const names[PHASE__COUNT] = { "channel", "net", "disk", "late" };

	return names[p];
}

void modules_finish(struct modules *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].path);
		free(m->v[i].data);
		free(m->v[i].deps);
	}
	free(m->v);
	free(m->builtin);
	*m = (struct modules){ 0 };
}

/* "a/b/virtio-rng.ko.xz" → "virtio_rng"; false when it is no module's path. */
static bool name_of_path(const char *path, char name[MODULE_NAME_MAX + 1])
{
	const char *base = strrchr(path, '/');
	size_t len = 0;

	base = base ? base + 1 : path;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes) && len == 0; i++)
		if (str_ends(base, suffixes[i]))
			len = strlen(base) - strlen(suffixes[i]);
	if (len == 0 || len > MODULE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = base[i] == '-' ? '_' : base[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '_'))
			return false;
		name[i] = c;
	}
	name[len] = '\0';
	return true;
}

static struct module *find(struct modules *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (str_eq(m->v[i].name, name))
			return &m->v[i];
	return NULL;
}

static bool is_builtin(const struct modules *m, const char *name)
{
	for (size_t i = 0; i < m->n_builtin; i++)
		if (str_eq(m->builtin[i], name))
			return true;
	return false;
}

/* Room for one more element of `size` bytes in the array at *v. */
static int make_room(void **v, size_t n, size_t *cap, size_t size, struct err *err)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return 0;
	if (n >= MODULES_CATALOG_MAX)
		return err_set(err, ERR_bad_input, "the kernel has more than %d modules",
			MODULES_CATALOG_MAX);
	p = reallocarray(*v, more, size);
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot list modules");
	*v = p;
	*cap = more;
	return 0;
}

int modules_add(struct modules *m, const char *path, struct module **ret, struct err *err)
{
	char name[MODULE_NAME_MAX + 1];
	struct module *mod = NULL;
	void *v = m->v;

	if (name_of_path(path, name) && !(mod = find(m, name))) {
		_cleanup_free_ char *copy = strdup(path);

		if (!copy)
			return err_sys(err, ERR_operation_failed, ENOMEM, "cannot list modules");
		if (make_room(&v, m->n, &m->cap, sizeof(*m->v), err) < 0)
			return -1;
		m->v = v;
		mod = &m->v[m->n++];
		*mod = (struct module){ .path = TAKE_PTR(copy) };
		str_copy(mod->name, sizeof(mod->name), name);
	}
	if (ret)
		*ret = mod;
	return 0;
}

static bool path_is_tame(const char *path)
{
	return path[0] != '/' && !str_eq(path, "..") && !str_starts(path, "../") &&
	       !strstr(path, "/../") && !str_ends(path, "/..");
}

int modules_parse_dep(struct modules *m, char *list, struct err *err)
{
	char *save = NULL;

	for (char *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (!colon)
			return err_set(err, ERR_bad_input,
				"modules.dep has a line without a colon: run depmod");
		*colon = '\0';
		if (!path_is_tame(line))
			return err_set(err, ERR_bad_input,
				"modules.dep names a path outside of its directory");
		if (modules_add(m, line, NULL, err) < 0)
			return -1;
	}
	return 0;
}

int modules_parse_builtin(struct modules *m, char *list, struct err *err)
{
	char *save = NULL;

	for (char *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[MODULE_NAME_MAX + 1];
		void *v = m->builtin;

		if (!name_of_path(line, name))
			continue;
		if (make_room(&v, m->n_builtin, &m->cap_builtin, sizeof(*m->builtin), err) < 0)
			return -1;
		m->builtin = v;
		str_copy(m->builtin[m->n_builtin++], sizeof(*m->builtin), name);
	}
	return 0;
}

bool modules_is_likely(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (str_eq(name, roots[i].name))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(likely_deps); i++)
		if (str_eq(name, likely_deps[i]))
			return true;
	return false;
}

int modules_load(struct modules *m, struct module *mod, const uint8_t *p, size_t n, struct err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size = n, info_len;
	const char *info;

	if (elf64_is(p, n)) {
		if (n > MODULE_MAX)
			return err_set(err, ERR_bad_input, "%s is larger than %u MiB", mod->name,
				MODULE_MAX >> 20);
		data = malloc(n);
		if (!data)
			return err_sys(
				err, ERR_operation_failed, ENOMEM, "cannot load %s", mod->name);
		memcpy(data, p, n);
	} else if (expand_memory(p, n, MODULE_MAX, mod->name, &data, &size, err) < 0) {
		return -1;
	}
	if (elf64_modinfo(data, size, mod->name, &info, &info_len, err) < 0)
		return -1;
	if (size > LOADED_MAX - m->loaded)
		return err_set(err, ERR_bad_input, "the kernel's modules are larger than %u MiB",
			LOADED_MAX >> 20);
	m->loaded += size - mod->size;
	free(mod->data);
	mod->data = TAKE_PTR(data);
	mod->size = size;
	return 0;
}

/* The value of `key` ("depends=") in a module's information, or NULL. */
static const char *info_value(const char *info, size_t len, const char *key)
{
	for (const char *s = info; s < info + len; s += strlen(s) + 1)
		if (str_starts(s, key))
			return s + strlen(key);
	return NULL;
}

/* Whom a dependency serves beside the first that wanted it, settle() sees. */
static int want(struct modules *m, struct module *mod, enum module_phase phase, unsigned device,
	struct err *err)
{
	size_t n = 0;

	if (mod->wanted) {
		if (phase < mod->phase)
			mod->phase = phase;
		if (device != mod->device)
			mod->device = 0;
		return 0;
	}
	for (size_t i = 0; i < m->n; i++)
		n += m->v[i].wanted;
	if (n >= MODULES_WANTED_MAX)
		return err_set(err, ERR_bad_input, "the guest's modules need more than %d others",
			MODULES_WANTED_MAX);
	mod->wanted = true;
	mod->phase = phase;
	mod->device = device;
	return 0;
}

static int want_roots(struct modules *m, struct err *err)
{
	char missing[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		struct module *mod = find(m, roots[i].name);

		if (roots[i].only_with && !find(m, roots[i].only_with))
			continue;
		if (mod && !is_builtin(m, mod->name)) {
			if (want(m, mod, roots[i].phase, roots[i].device, err) < 0)
				return -1;
		} else if (roots[i].required && !is_builtin(m, roots[i].name)) {
			str_format(missing + len, sizeof(missing) - len, "%s%s", len ? ", " : "",
				roots[i].name);
			len = strlen(missing);
		}
	}
	if (len > 0)
		return err_set(err, ERR_bad_input,
			"the kernel lacks %s, built in or as a module: a guest cannot boot",
			missing);
	return 0;
}

/* Turn a loaded module's "depends=a,b" into indices, and want those. */
static int resolve(struct modules *m, size_t i, const char *version, struct err *err)
{
	const char *depends, *magic, *info;
	_cleanup_free_ char *list = NULL;
	char *save = NULL;
	size_t len;

	if (elf64_modinfo(m->v[i].data, m->v[i].size, m->v[i].name, &info, &len, err) < 0)
		return -1;
	magic = info_value(info, len, "vermagic=");
	if (!magic || !str_starts(magic, version) || magic[strlen(version)] != ' ')
		return err_set(err, ERR_bad_input,
			"module %s is not of kernel %s: give the modules of this kernel",
			m->v[i].name, version);
	depends = info_value(info, len, "depends=");
	list = strdup(depends ? depends : "");
	m->v[i].deps = calloc(MODULES_WANTED_MAX, sizeof(*m->v[i].deps));
	if (!list || !m->v[i].deps)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot order modules");
	for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		char name[MODULE_NAME_MAX + 1], file[MODULE_NAME_MAX + 4];
		struct module *dep = NULL;

		if (str_format(file, sizeof(file), "%s.ko", s) && name_of_path(file, name))
			dep = find(m, name);
		if (!dep || m->v[i].n_deps == MODULES_WANTED_MAX)
			return err_set(err, ERR_bad_input,
				"module %s needs others that are not there", m->v[i].name);
		if (want(m, dep, m->v[i].phase, m->v[i].device, err) < 0)
			return -1;
		m->v[i].deps[m->v[i].n_deps++] = (size_t)(dep - m->v);
	}
	m->v[i].resolved = true;
	return 0;
}

/* A dependency that is shared loads in the earliest phase of those that need it, and when any of
 * their devices is there: always, if those are not the same. */
static void settle(struct modules *m)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < m->n; i++)
			for (size_t d = 0; m->v[i].wanted && d < m->v[i].n_deps; d++) {
				struct module *dep = &m->v[m->v[i].deps[d]];

				if (dep->phase > m->v[i].phase) {
					dep->phase = m->v[i].phase;
					changed = true;
				}
				if (dep->device != 0 && dep->device != m->v[i].device) {
					dep->device = 0;
					changed = true;
				}
			}
	}
}

static bool is_ready(const struct modules *m, const struct module *mod)
{
	for (size_t d = 0; d < mod->n_deps; d++)
		if (!m->v[mod->deps[d]].placed)
			return false;
	return true;
}

/* Those for a device stand behind the others, which bring the devices in. Else names decide, so
 * that the order does not depend on that of the source. */
static bool is_before(const struct module *a, const struct module *b)
{
	if ((a->device != 0) != (b->device != 0))
		return a->device == 0;
	return strcmp(a->name, b->name) < 0;
}

/* The next to load of this phase, of those whose dependencies are placed. */
static struct module *next_of_phase(struct modules *m, enum module_phase phase)
{
	struct module *best = NULL;

	for (size_t i = 0; i < m->n; i++) {
		struct module *mod = &m->v[i];

		if (mod->wanted && !mod->placed && mod->phase == phase && is_ready(m, mod) &&
			(!best || is_before(mod, best)))
			best = mod;
	}
	return best;
}

static int put_in_order(struct modules *m, struct err *err)
{
	struct module *mod;

	settle(m);
	for (int p = 0; p < PHASE__COUNT; p++)
		while ((mod = next_of_phase(m, (enum module_phase)p))) {
			mod->placed = true;
			m->order[m->n_order++] = (size_t)(mod - m->v);
		}
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].wanted && !m->v[i].placed)
			return err_set(
				err, ERR_bad_input, "module %s depends on itself", m->v[i].name);
	return 0;
}

static int check_fetched(const struct modules *m, struct err *err)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].wanted && !m->v[i].data)
			return err_set(err, ERR_bad_input, "module %s is listed, but not there",
				m->v[i].name);
	return 0;
}

int modules_select(
	struct modules *m, const char *version, modules_fetch fetch, void *ctx, struct err *err)
{
	bool more = true;

	if (want_roots(m, err) < 0)
		return -1;
	/* Each round adds what the last one's modules need. */
	for (int round = 0; more; round++) {
		if (round == MODULES_ROUNDS_MAX)
			return err_set(err, ERR_bad_input,
				"the modules' chain of dependencies is longer than %d", round);
		if (fetch(ctx, m, err) < 0 || check_fetched(m, err) < 0)
			return -1;
		more = false;
		for (size_t i = 0; i < m->n; i++)
			if (m->v[i].wanted && m->v[i].data && !m->v[i].resolved &&
				resolve(m, i, version, err) < 0)
				return -1;
		for (size_t i = 0; i < m->n; i++)
			more |= m->v[i].wanted && !m->v[i].resolved;
	}
	return put_in_order(m, err);
}
