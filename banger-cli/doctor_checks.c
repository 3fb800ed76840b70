/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One function for each CHECK of doctor.tbl.h. */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "banger-cli/doctor.h"
#include "banger-cli/object.h"
#include "banger-cli/text.h"
#include "common/str.h"

/* As banger.conf(5) has them by default: without the daemon what is configured is not known. */
#define STATE_DIR "/var/lib/banger"
#define MIN_FREE  (512LL << 20)

static void found(struct finding *f, enum health health, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void found(struct finding *f, enum health health, const char *fmt, ...)
{
	va_list ap;

	f->health = health;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* What only the daemon can tell. */
static void not_known(struct finding *f)
{
	found(f, HEALTH_warn, "not known: the daemon does not say");
	f->unknown = true;
}

static const char *text_of(struct json_object *o, const char *name, const char *otherwise)
{
	const char *s = object_text(o, name);

	return s && *s ? s : otherwise;
}

/* Of a device or program that the caller can see: whether it works is for the daemon to tell. */
static void seen(struct finding *f, const char *path, const char *otherwise)
{
	if (access(path, F_OK) == 0)
		found(f, HEALTH_pass, "%s is there; whether it works only the daemon can tell",
			path);
	else
		found(f, HEALTH_warn, "%s", otherwise);
}

void check_daemon(const struct doctor *d, struct finding *f)
{
	if (d->status)
		found(f, HEALTH_pass, "banger %s answers at %s", text_of(d->status, "version", "?"),
			d->socket);
	else
		found(f, HEALTH_fail, "%s", d->no_daemon.msg);
}

void check_access(const struct doctor *d, struct finding *f)
{
	if (d->status)
		found(f, HEALTH_pass, "%s may be used", d->socket);
	else if (access(d->socket, F_OK) < 0 && errno == ENOENT)
		not_known(f);
	else if (access(d->socket, W_OK) < 0)
		found(f, HEALTH_fail, "%s: %s", d->socket, strerror(errno));
	else
		found(f, HEALTH_pass, "%s may be used, but nobody answers there", d->socket);
}

void check_vmm(const struct doctor *d, struct finding *f)
{
	const char *vmm = object_text(d->host, "vmm");

	if (!d->host)
		not_known(f);
	else if (vmm)
		found(f, HEALTH_pass, "%s with %s: %s", vmm, text_of(d->host, "accel", "?"),
			text_of(d->host, "vmm_why", "?"));
	else
		found(f, HEALTH_fail, "%s", text_of(d->host, "vmm_why", "there is none"));
}

void check_kvm(const struct doctor *d, struct finding *f)
{
	const char *kvm = text_of(d->host, "kvm", "?");

	if (!d->host)
		seen(f, "/dev/kvm", "/dev/kvm is not there: VMs are slow");
	else if (str_eq(kvm, "good"))
		found(f, HEALTH_pass, "it works: a million instructions took %lld us",
			(long long)object_number(d->host, "kvm_probe_us", -1));
	else if (str_eq(kvm, "slow"))
		found(f, HEALTH_warn,
			"it is there, but emulates what guests run: QEMU does that better by "
			"itself, "
			"and VMs are slow");
	else if (str_eq(kvm, "denied"))
		found(f, HEALTH_warn, "it cannot be opened, even by root: VMs are slow");
	else
		found(f, HEALTH_warn, "it was %s when the daemon started: VMs are slow", kvm);
}

void check_firecracker(const struct doctor *d, struct finding *f)
{
	if (!d->host)
		seen(f, "/usr/bin/firecracker", "there is no /usr/bin/firecracker");
	else if (object_flag(d->host, "firecracker"))
		found(f, HEALTH_pass, "version %s", text_of(d->host, "firecracker_version", "?"));
	else
		found(f, HEALTH_warn, "%s",
			text_of(d->host, "firecracker_problem", "there is none"));
}

void check_qemu(const struct doctor *d, struct finding *f)
{
	if (!d->host)
		seen(f, "/usr/bin/qemu-system-x86_64", "there is no /usr/bin/qemu-system-x86_64");
	else if (object_flag(d->host, "qemu"))
		found(f, HEALTH_pass, "%s", text_of(d->host, "qemu_version", "it is there"));
	else
		found(f, HEALTH_warn, "%s", text_of(d->host, "qemu_version", "there is none"));
}

void check_disks(const struct doctor *d, struct finding *f)
{
	const char *disk = object_text(d->host, "disk");
	bool dm = object_flag(d->host, "device_mapper");

	if (!d->host)
		seen(f, "/dev/mapper/control",
			"there is no /dev/mapper/control: disks are copies of their image");
	else if (!disk)
		found(f, HEALTH_fail,
			"[image] disk is dm, and the host has no device-mapper with snapshots: no "
			"VM "
			"can be made");
	else if (str_eq(disk, "dm"))
		found(f, HEALTH_pass, "they do");
	else if (dm)
		found(f, HEALTH_pass, "they are copies, as configured ([image] disk = clone)");
	else
		found(f, HEALTH_warn,
			"they are copies of it, which take more time and room: the host has no "
			"device-mapper with snapshots");
}

void check_network(const struct doctor *d, struct finding *f)
{
	bool tun = object_flag(d->host, "tun"), nft = object_flag(d->host, "nftables");

	if (!d->host)
		seen(f, "/dev/net/tun", "there is no /dev/net/tun");
	else if (tun && nft)
		found(f, HEALTH_pass, "they can, from %s", text_of(d->host, "net_pool", "?"));
	else
		found(f, HEALTH_fail, "%s%s%s", tun ? "" : "/dev/net/tun is not usable",
			!tun && !nft ? ", " : "", nft ? "" : "nftables does not take rules");
}

void check_forwarding(const struct doctor *d, struct finding *f)
{
	const char *by = object_text(d->examined, "forward_dropped_by");

	if (!d->examined)
		not_known(f);
	else if (by)
		found(f, HEALTH_warn,
			"%s drops what it does not know: VMs with --nat reach nothing", by);
	else
		found(f, HEALTH_pass, "none that nftables knows of");
}

void check_limits(const struct doctor *d, struct finding *f)
{
	const char *limits = text_of(d->host, "limits", "?");

	if (!d->host)
		not_known(f);
	else if (str_eq(limits, "scope") || str_eq(limits, "cgroup"))
		found(f, HEALTH_pass, "by %s",
			str_eq(limits, "scope") ? "scopes of systemd" : "cgroups");
	else
		found(f, HEALTH_warn, "by rlimits alone: %s",
			text_of(d->host, "limits_problem", "neither systemd nor cgroup v2"));
}

static void judge_space(
	struct finding *f, const char *dir, long long free, long long keep, bool near)
{
	char have[32], stay[32];

	text_size((unsigned long long)free, have);
	text_size((unsigned long long)keep, stay);
	if (free <= keep)
		found(f, HEALTH_fail, "%s are free below %s, %s are to stay free: VMs are paused",
			have, dir, stay);
	else
		found(f, near ? HEALTH_warn : HEALTH_pass,
			"%s are free below %s, %s are to stay free", have, dir, stay);
}

void check_space(const struct doctor *d, struct finding *f)
{
	struct statvfs st;

	if (d->examined && d->status)
		judge_space(f, text_of(d->status, "state_dir", "?"),
			object_number(d->examined, "state_free", 0),
			object_number(d->status, "min_free", MIN_FREE),
			!str_eq(text_of(d->status, "space", "ok"), "ok"));
	else if (statvfs(STATE_DIR, &st) == 0)
		judge_space(f, STATE_DIR, (long long)st.f_bavail * (long long)st.f_frsize, MIN_FREE,
			false);
	else
		not_known(f);
}

static void count(struct finding *f, struct json_object *list)
{
	size_t n = object_array_size(list);

	if (!list)
		not_known(f);
	else
		found(f, n > 0 ? HEALTH_pass : HEALTH_warn, n > 0 ? "%zu" : "there is none", n);
}

void check_kernel(const struct doctor *d, struct finding *f)
{
	count(f, d->kernels);
}

void check_image(const struct doctor *d, struct finding *f)
{
	count(f, d->images);
}

void check_catalogs(const struct doctor *d, struct finding *f)
{
	size_t n = object_array_size(d->problems);
	const char *first =
		n > 0 ? json_object_get_string(json_object_array_get_idx(d->problems, 0)) : NULL;

	if (!d->problems)
		not_known(f);
	else if (n == 0)
		found(f, HEALTH_pass, "none is broken");
	else
		found(f, HEALTH_warn, "%zu broken: %.500s", n, first ? first : "?");
}

void check_vms(const struct doctor *d, struct finding *f)
{
	struct json_object *lost = object_array(d->examined, "lost"), *first = NULL;
	size_t n = object_array_size(d->vms), paused = 0;
	const char *why;

	if (!d->vms) {
		not_known(f);
		return;
	}
	for (size_t i = n; i-- > 0;) {
		struct json_object *vm = json_object_array_get_idx(d->vms, i);

		if (object_text(vm, "paused_why") || object_flag(vm, "disk_lost") ||
			object_flag(vm, "work_lost")) {
			paused++;
			first = vm;
		}
	}
	why = lost && object_array_size(lost) > 0
		      ? json_object_get_string(json_object_array_get_idx(lost, 0))
		      : NULL;
	if (why)
		found(f, HEALTH_warn, "%zu lost a disk; %.500s", object_array_size(lost), why);
	else if (paused == 0)
		found(f, HEALTH_pass, "none of %zu", n);
	else
		found(f, HEALTH_warn, "%zu of %zu; VM '%s': %.400s", paused, n,
			text_of(first, "name", "?"),
			text_of(first, "paused_why", "its disk is lost"));
}
