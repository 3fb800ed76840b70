/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bangerd/addr.h"
#include "bangerd/call.h"
#include "bangerd/disk.h"
#include "bangerd/host.h"
#include "bangerd/room.h"
#include "bangerd/work_disk.h"
#include "common/cow.h"
#include "common/fd.h"
#include "common/settings.h"
#include "common/str.h"

#define DISK_STEP  4096 /* a disk is whole blocks of its file system */
#define VCPUS_MAX  4
#define MEMORY_MAX 8192 /* MiB */
#define MEMORY_MIN 256

uint8_t vm_default_vcpus(long host_cpus)
{
	long n = host_cpus / 4;

	return (uint8_t)(n < 1 ? 1 : n > VCPUS_MAX ? VCPUS_MAX : n);
}

uint32_t vm_default_memory_mib(uint64_t host_mib)
{
	uint64_t n = host_mib / 8;

	return (uint32_t)(n < MEMORY_MIN ? MEMORY_MIN : n > MEMORY_MAX ? MEMORY_MAX : n);
}

/* "Name:   123 kB" at the beginning of a line. */
static bool parse_kib(const char *meminfo, const char *name, uint64_t *ret_mib)
{
	const char *at = meminfo;
	size_t n = strlen(name);
	char digits[20] = "";
	uint64_t kib;

	while (at && strncmp(at, name, n) != 0) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return false;
	at += n + strspn(at + n, " ");
	n = strspn(at, "0123456789");
	if (n == 0 || n >= sizeof(digits))
		return false;
	memcpy(digits, at, n);
	if (!str_to_u64(digits, 0, UINT64_MAX, &kib))
		return false;
	*ret_mib = kib / 1024;
	return true;
}

bool vm_parse_meminfo(const char *meminfo, uint64_t *ret_total, uint64_t *ret_available)
{
	return parse_kib(meminfo, "MemTotal:", ret_total) &&
	       parse_kib(meminfo, "MemAvailable:", ret_available);
}

int vm_host_memory(struct vms *vms, uint64_t *ret_total, uint64_t *ret_available, struct err *err)
{
	char buf[4096];
	ssize_t n = fd_pread_full(vms->meminfo_fd, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read /proc/meminfo");
	buf[n] = '\0';
	if (!vm_parse_meminfo(buf, ret_total, ret_available))
		return err_set(err, ERR_operation_failed, "/proc/meminfo has no MemAvailable");
	return 0;
}

static int check_memory(struct vms *vms, const struct vm_row *row, struct err *err)
{
	uint64_t total, available;

	if (vm_host_memory(vms, &total, &available, err) < 0)
		return -1;
	if (row->memory_mib > available)
		return err_set(err, ERR_quota_exceeded,
			"not enough memory: the VM needs %u MiB, the host has %llu MiB available; "
			"stop a VM, or ask for less (--memory)",
			row->memory_mib, (unsigned long long)available);
	return 0;
}

int vm_defaults(struct vms *vms, struct vm_defaults *ret, struct err *err)
{
	const struct settings *settings = vms->services->settings;
	uint64_t total, available;

	if (vm_host_memory(vms, &total, &available, err) < 0)
		return -1;
	*ret = (struct vm_defaults){
		.vcpus = vm_default_vcpus(sysconf(_SC_NPROCESSORS_ONLN)),
		.memory_mib = vm_default_memory_mib(total),
		.work_size = settings->image_work_size,
		.disk_size = settings->image_system_overlay_size,
	};
	return 0;
}

static uint64_t whole_blocks(uint64_t size)
{
	return (size + DISK_STEP - 1) / DISK_STEP * DISK_STEP;
}

int vm_size_disks(
	struct vm_row *row, uint64_t asked, uint64_t usual, uint64_t image_size, struct err *err)
{
	uint64_t size = asked ? asked : usual;

	if (asked && asked < image_size)
		return err_set(err, ERR_bad_request,
			"the root disk must be at least as large as the image, %llu MiB "
			"(--system-overlay-size)",
			(unsigned long long)((image_size + (1 << 20) - 1) >> 20));
	if (size > COW_DISK_MAX)
		return err_set(err, ERR_bad_request,
			"the root disk must not be larger than %llu TiB (--system-overlay-size)",
			(unsigned long long)(COW_DISK_MAX >> 40));
	if (row->work_size > 0 && work_disk_check(row->work_size, err) < 0)
		return -1;
	row->disk_size = whole_blocks(size > image_size ? size : image_size);
	row->work_size = whole_blocks(row->work_size);
	return 0;
}

/* A VM that is new has none yet: the first one is in any pool. */
static int check_network(const struct host *host, const struct vm_row *row, struct err *err)
{
	if (row->subnet < addr_pool_subnets(host->status.pool_prefix))
		return 0;
	return err_set(err, ERR_unavailable,
		"the network of VM '%s' is not in [net] pool any more, which was made smaller, and "
		"has no other that is free: make it larger, and restart the daemon",
		row->name.s);
}

int vm_check(struct vms *vms, const struct vm_row *row, int image, struct vmm_choice *ret,
	struct err *err)
{
	const struct settings *settings = vms->services->settings;
	struct vmm_choice choice;
	uint64_t cost;

	if (!vms->services->host->status.have_tun)
		return err_set(err, ERR_unavailable,
			"/dev/net/tun is not usable: load the module tun (modprobe tun)");
	if (check_network(vms->services->host, row, err) < 0 ||
		host_choose(vms->services->host, row->vmm, row->accel, &choice, err) < 0 ||
		check_memory(vms, row, err) < 0)
		return -1;
	if (image >= 0 && (disk_ops_of(row->disk)->cost(image, &cost, err) < 0 ||
				  room_check(vms->dir_fd, "the VM's disk", cost,
					  settings->image_min_free, err) < 0))
		return -1;
	*ret = choice;
	return 0;
}
