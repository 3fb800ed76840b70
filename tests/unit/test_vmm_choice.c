/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/vmm_choice: who runs a VM on which host, and what is said about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/vmm_choice.h"
#include "common/str.h"

#define GOOD   kvm_state_good, 200
#define SLOW   kvm_state_slow, 310000
#define ABSENT kvm_state_absent, 0
#define DENIED kvm_state_denied, 0

#define ASK(kind)                                          \
	{                                                  \
		vmm_kind_##kind, vmm_kind_auto, accel_auto \
	}
#define ASK_ACCEL(k, a)                                \
	{                                              \
		vmm_kind_##k, vmm_kind_auto, accel_##a \
	}
#define CONFIGURE(c)                                    \
	{                                               \
		vmm_kind_auto, vmm_kind_##c, accel_auto \
	}
#define FC(version, ...)                             \
	{                                            \
		true, true, version, "", __VA_ARGS__ \
	}

static const struct {
	struct vmm_offer offer;
	struct vmm_wish wish;
	enum vmm_kind kind;
	enum accel accel;
	bool warn;
	const char *why;
} chosen[] = {
	{ FC("1.16.1", GOOD), ASK(auto), vmm_kind_firecracker, accel_kvm, false,
		"firecracker 1.16.1 and KVM are there" },
	{ FC("1.8.0", GOOD), ASK(auto), vmm_kind_firecracker, accel_kvm, false,
		"firecracker 1.8.0 and KVM are there" },
	{ FC("1.17.0", GOOD), ASK(auto), vmm_kind_firecracker, accel_kvm, true,
		"firecracker 1.17.0 and KVM are there; tried were versions up to 1.16" },
	{ FC("1.16.1", GOOD), ASK_ACCEL(auto, kvm), vmm_kind_firecracker, accel_kvm, false,
		"firecracker 1.16.1 and KVM are there" },
	/* No QEMU is needed where Firecracker is good. */
	{ { false, true, "1.16.1", "", GOOD }, ASK(auto), vmm_kind_firecracker, accel_kvm, false,
		"firecracker 1.16.1 and KVM are there" },

	{ FC("1.7.9", GOOD), ASK(auto), vmm_kind_qemu, accel_kvm, false,
		"firecracker 1.7.9 is no version to take by itself; packaged kernels find virtio "
		"by ACPI, which takes Firecracker 1.8" },
	{ FC("0.25.0", GOOD), ASK(auto), vmm_kind_qemu, accel_kvm, false, "firecracker 0.25.0" },
	{ FC("soon", GOOD), ASK(auto), vmm_kind_qemu, accel_kvm, false, "firecracker soon" },
	{ FC("1.16.1", SLOW), ASK(auto), vmm_kind_qemu, accel_tcg, false,
		"KVM is slow here (truth probe: 310 ms)" },
	{ FC("1.16.1", ABSENT), ASK(auto), vmm_kind_qemu, accel_tcg, false, "KVM is absent" },
	{ FC("1.16.1", DENIED), ASK(auto), vmm_kind_qemu, accel_tcg, false, "KVM is denied" },
	{ FC("1.16.1", GOOD), ASK_ACCEL(auto, tcg), vmm_kind_qemu, accel_tcg, false,
		"tcg is wanted" },
	{ { true, false, "", "", GOOD }, ASK(auto), vmm_kind_qemu, accel_kvm, false,
		"no firecracker: it is not installed" },
	{ { true, false, "", "/usr/bin/firecracker is writable by others", GOOD }, ASK(auto),
		vmm_kind_qemu, accel_kvm, false,
		"no firecracker: /usr/bin/firecracker is writable by others" },

	/* What is asked for goes before what is configured. */
	{ FC("1.16.1", GOOD), ASK(qemu), vmm_kind_qemu, accel_kvm, false, "it was asked for" },
	{ FC("1.16.1", GOOD), CONFIGURE(qemu), vmm_kind_qemu, accel_kvm, false,
		"it is configured" },
	{ FC("1.16.1", GOOD), { vmm_kind_firecracker, vmm_kind_qemu, accel_auto },
		vmm_kind_firecracker, accel_kvm, false, "firecracker 1.16.1 was asked for" },
	{ FC("1.16.1", GOOD), { vmm_kind_qemu, vmm_kind_firecracker, accel_auto }, vmm_kind_qemu,
		accel_kvm, false, "it was asked for" },
	{ FC("1.16.1", GOOD), { vmm_kind_auto, vmm_kind_firecracker, accel_tcg }, vmm_kind_qemu,
		accel_tcg, false, "tcg is wanted" },
	{ FC("1.16.1", GOOD), CONFIGURE(firecracker), vmm_kind_firecracker, accel_kvm, false,
		"firecracker 1.16.1 is configured" },
	{ FC("1.16.1", SLOW), CONFIGURE(firecracker), vmm_kind_firecracker, accel_kvm, true,
		"firecracker 1.16.1 is configured; KVM is slow here (truth probe: 310 ms)" },
	{ FC("1.5.0", GOOD), ASK(firecracker), vmm_kind_firecracker, accel_kvm, true,
		"firecracker 1.5.0 was asked for; packaged kernels find virtio by ACPI" },
	{ FC("1.17.2", SLOW), ASK(firecracker), vmm_kind_firecracker, accel_kvm, true,
		"310 ms); tried were versions up to 1.16" },
};

static void test_chosen(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(chosen); i++) {
		struct vmm_choice c = { .accel = accel_auto };
		struct err err = ERR_INIT;

		if (vmm_choose(&chosen[i].offer, &chosen[i].wish, &c, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		if (c.kind != chosen[i].kind || c.accel != chosen[i].accel ||
			c.warn != chosen[i].warn || !strstr(c.why.s, chosen[i].why))
			fail_msg("row %zu: %s by %s%s: %s", i, vmm_kind_to_name(c.kind),
				accel_to_name(c.accel), c.warn ? ", with a warning" : "", c.why.s);
	}
}

static const struct {
	struct vmm_offer offer;
	struct vmm_wish wish;
	enum err_code code;
	const char *says;
} refused[] = {
	{ FC("1.16.1", GOOD), ASK_ACCEL(firecracker, tcg), ERR_bad_request, "--vmm qemu" },
	{ FC("1.4.1", GOOD), ASK(firecracker), ERR_bad_version, "1.4.1 is older than 1.5" },
	{ FC("1.4.1", GOOD), CONFIGURE(firecracker), ERR_bad_version, "Firecracker 1.8 or later" },
	{ FC("soon", GOOD), ASK(firecracker), ERR_bad_version, "'soon'" },
	{ FC("1.16.1", ABSENT), ASK(firecracker), ERR_unavailable, "no /dev/kvm" },
	{ FC("1.16.1", DENIED), ASK(firecracker), ERR_unavailable, "cannot be opened" },
	{ { true, false, "", "", GOOD }, ASK(firecracker), ERR_unavailable,
		"it is not installed; put" },
	{ { true, false, "1.16.1", "it is a symlink", GOOD }, CONFIGURE(firecracker),
		ERR_unavailable, "it is a symlink; put" },
	{ { false, true, "1.16.1", "", SLOW }, ASK(auto), ERR_unavailable,
		"install the package qemu-system-x86" },
	{ { false, true, "1.16.1", "", SLOW }, ASK(auto), ERR_unavailable, "KVM is slow here" },
	{ { false, true, "1.16.1", "", GOOD }, ASK(qemu), ERR_unavailable, "QEMU" },
	{ FC("1.16.1", SLOW), ASK_ACCEL(auto, kvm), ERR_unavailable, "--accel tcg" },
	{ FC("1.16.1", ABSENT), ASK_ACCEL(qemu, kvm), ERR_unavailable, "absent" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct vmm_choice c;
		struct err err = ERR_INIT;

		if (vmm_choose(&refused[i].offer, &refused[i].wish, &c, &err) == 0)
			fail_msg("row %zu: chosen, because %s", i, c.why.s);
		if (err.code != refused[i].code || !strstr(err.msg, refused[i].says))
			fail_msg("row %zu: %s", i, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chosen),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
