/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/boot_args.h"

#include "common/str.h"

int boot_args(unsigned vcpus, char *dst, size_t cap, struct err *err)
{
	/* One serial port, quiet: each byte of it is an exit. The keyboard controller is there for
	 * its reset line alone (reboot=k, which ends Firecracker); probing what else it may have
	 * takes half a second. No PCI scan: Firecracker says so itself. */
	static const char fixed[] =
		"console=ttyS0 8250.nr_uarts=1 quiet reboot=k panic=-1 i8042.noaux i8042.nomux "
		"i8042.nopnp i8042.dumbkbd cryptomgr.notests rdinit=/init";

	/* With one CPU the kernel would patch its locks away, at each boot. */
	if (!str_format(dst, cap, "%s%s", fixed, vcpus == 1 ? " noreplace-smp" : ""))
		return err_set(err, ERR_operation_failed, "the kernel's arguments do not fit");
	return 0;
}
