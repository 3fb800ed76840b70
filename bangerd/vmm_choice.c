/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vmm_choice.h"

#include "bangerd/firecracker_version.h"
#include "common/str.h"

/* Firecracker's minors: what is refused below, what boots packaged kernels, what was tried. */
#define MINOR_LEAST 5
#define MINOR_ACPI  8
#define MINOR_TRIED 16

#define HOW_TO_GET                                                                  \
	"put Firecracker 1.8 or later at /usr/local/bin/firecracker or name it in " \
	"[vmm] firecracker, then restart the daemon"

static const char *problem(const struct vmm_offer *o)
{
	return o->firecracker_problem[0] ? o->firecracker_problem : "it is not installed";
}

/* "KVM is …" */
static const char *kvm_text(const struct vmm_offer *o, char *buf, size_t cap)
{
	switch (o->kvm) {
	case kvm_state_good:
		str_copy(buf, cap, "KVM is there");
		break;
	case kvm_state_slow:
		str_format(buf, cap, "KVM is slow here (truth probe: %llu ms)",
			(unsigned long long)(o->kvm_probe_us / 1000));
		break;
	case kvm_state_denied:
		str_copy(buf, cap, "KVM is denied (/dev/kvm cannot be opened)");
		break;
	case kvm_state_absent:
	case kvm_state__count:
		str_copy(buf, cap, "KVM is absent (no /dev/kvm when the daemon started)");
		break;
	}
	return buf;
}

/* Of the version, whether it is worth a warning; `buf` gets " …", or "". False: it is none. */
static bool judge_version(const char *version, char *buf, size_t cap, bool *ret_old, bool *ret_new)
{
	struct firecracker_version v;

	buf[0] = '\0';
	if (!firecracker_version_parse(version, &v))
		return false;
	*ret_old = !firecracker_version_least(&v, 1, MINOR_ACPI);
	*ret_new = firecracker_version_least(&v, 1, MINOR_TRIED + 1);
	if (*ret_old)
		str_format(buf, cap,
			"; packaged kernels find virtio by ACPI, which takes Firecracker 1.%u",
			MINOR_ACPI);
	else if (*ret_new)
		str_format(buf, cap, "; tried were versions up to 1.%u", MINOR_TRIED);
	return true;
}

/* Firecracker because it was asked for, or is configured. */
static int take_firecracker(
	const struct vmm_offer *o, const char *by, struct vmm_choice *ret, struct err *err)
{
	const char *version = o->firecracker_version;
	struct vmm_choice c = { .kind = vmm_kind_firecracker, .accel = accel_kvm };
	struct firecracker_version v;
	bool old = false, newer = false;
	char kvm[64], more[96];

	if (!o->firecracker)
		return err_set(err, ERR_unavailable,
			"Firecracker cannot be used: %.250s; " HOW_TO_GET ", or take QEMU "
			"(--vmm qemu)",
			problem(o));
	if (!judge_version(version, more, sizeof(more), &old, &newer))
		return err_set(err, ERR_bad_version,
			"Firecracker says it is version '%.32s', which is none; " HOW_TO_GET,
			version);
	if (firecracker_version_parse(version, &v) &&
		!firecracker_version_least(&v, 1, MINOR_LEAST))
		return err_set(err, ERR_bad_version,
			"Firecracker %s is older than 1.%u; " HOW_TO_GET, version, MINOR_LEAST);
	kvm_text(o, kvm, sizeof(kvm));
	if (o->kvm != kvm_state_good && o->kvm != kvm_state_slow)
		return err_set(err, ERR_unavailable,
			"Firecracker cannot be used: %s; load kvm-intel or kvm-amd, or let the "
			"host have nested virtualization, then restart the daemon; or take QEMU "
			"(--vmm qemu)",
			kvm);
	c.warn = old || newer || o->kvm != kvm_state_good;
	str_format(c.why.s, sizeof(c.why.s), "firecracker %.32s %s%s%s%s", version, by,
		o->kvm == kvm_state_good ? "" : "; ", o->kvm == kvm_state_good ? "" : kvm, more);
	*ret = c;
	return 0;
}

static int take_qemu(const struct vmm_offer *o, enum accel accel, const char *why,
	struct vmm_choice *ret, struct err *err)
{
	struct vmm_choice c = { .kind = vmm_kind_qemu };
	char kvm[64];

	if (!o->qemu)
		return err_set(err, ERR_unavailable,
			"QEMU is not installed: install the package qemu-system-x86, then restart "
			"the daemon ([vmm] qemu; it would be taken because: %s)",
			why);
	if (accel == accel_kvm && o->kvm != kvm_state_good)
		return err_set(err, ERR_unavailable,
			"KVM cannot be used: %s; take --accel tcg, or auto (doctor says more)",
			kvm_text(o, kvm, sizeof(kvm)));
	c.accel = accel == accel_tcg || o->kvm != kvm_state_good ? accel_tcg : accel_kvm;
	str_format(c.why.s, sizeof(c.why.s), "%s", why);
	*ret = c;
	return 0;
}

/* Nobody asked: Firecracker if all is well with it; else why not. */
static bool prefer_firecracker(
	const struct vmm_offer *o, enum accel accel, struct vmm_choice *c, char *why, size_t cap)
{
	const char *version = o->firecracker_version;
	bool old = false, newer = false;
	char more[96];

	if (accel == accel_tcg) {
		str_copy(why, cap, "tcg is wanted, which QEMU alone has");
		return false;
	}
	if (!o->firecracker) {
		str_format(why, cap, "no firecracker: %.250s", problem(o));
		return false;
	}
	if (!judge_version(version, more, sizeof(more), &old, &newer) || old) {
		str_format(why, cap, "firecracker %.32s is no version to take by itself%s", version,
			more);
		return false;
	}
	if (o->kvm != kvm_state_good) {
		kvm_text(o, why, cap);
		return false;
	}
	*c = (struct vmm_choice){ .kind = vmm_kind_firecracker, .accel = accel_kvm, .warn = newer };
	str_format(
		c->why.s, sizeof(c->why.s), "firecracker %.32s and KVM are there%s", version, more);
	return true;
}

int vmm_choose(const struct vmm_offer *o, const struct vmm_wish *w, struct vmm_choice *ret,
	struct err *err)
{
	bool asked = w->asked != vmm_kind_auto;
	enum vmm_kind wanted = asked ? w->asked : w->configured;
	struct vmm_choice c;
	char why[400];

	if (w->asked == vmm_kind_firecracker && w->accel == accel_tcg)
		return err_set(err, ERR_bad_request,
			"Firecracker runs guests by KVM alone: leave out --accel tcg ([vmm] "
			"accel), or take QEMU (--vmm qemu)");
	if (wanted == vmm_kind_qemu)
		return take_qemu(
			o, w->accel, asked ? "it was asked for" : "it is configured", ret, err);
	/* TCG that was asked for goes before what is configured. */
	if (wanted == vmm_kind_firecracker && w->accel != accel_tcg)
		return take_firecracker(o, asked ? "was asked for" : "is configured", ret, err);
	if (!prefer_firecracker(o, w->accel, &c, why, sizeof(why)))
		return take_qemu(o, w->accel, why, ret, err);
	*ret = c;
	return 0;
}
