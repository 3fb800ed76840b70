/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/kvm_guest.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "common/fd.h"
#include "common/str.h"

/* Guest memory: a page each for the three levels of tables (one 2 MiB page maps it all), and one
 * for the code. */
#define PML4	 0x1000U
#define PDPT	 0x2000U
#define PD	 0x3000U
#define CODE	 0x4000U
#define MEM_SIZE 0x10000U

/* 100,001 instructions. */
static const uint8_t code[] = {
	0xb9, 0x50, 0xc3, 0x00, 0x00, /* mov $50000, %ecx */
	0xff, 0xc9,		      /* 1: dec %ecx */
	0x75, 0xfc,		      /* jnz 1b */
	0xf4,			      /* hlt */
};

static void put_entry(uint8_t *mem, uint32_t at, uint64_t value)
{
	memcpy(mem + at, &value, sizeof(value));
}

static void fill_memory(uint8_t *mem)
{
	/* Present, writable; at the last level also a large page (Intel SDM 3A, 4.5). */
	put_entry(mem, PML4, PDPT | 3);
	put_entry(mem, PDPT, PD | 3);
	put_entry(mem, PD, 0x83);
	memcpy(mem + CODE, code, sizeof(code));
}

static int set_long_mode(int vcpu)
{
	struct kvm_segment cs = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	struct kvm_segment ds = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
	};
	struct kvm_regs regs = { .rip = CODE, .rsp = MEM_SIZE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	sregs.cs = cs;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ds;
	sregs.cr3 = PML4;
	sregs.cr4 = 1U << 5;			       /* PAE */
	sregs.cr0 = 1U | 1U << 4 | 1U << 5 | 1U << 31; /* PE, ET, NE, PG */
	sregs.efer = 1U << 8 | 1U << 10;	       /* LME, LMA */
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

static int run(int vcpu, const struct kvm_run *state, uint64_t *ret_ns)
{
	struct timespec from, to;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do
		r = ioctl(vcpu, KVM_RUN, 0);
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (r < 0)
		return -1;
	if (state->exit_reason != KVM_EXIT_HLT) {
		errno = EPROTO;
		return -1;
	}
	*ret_ns = (uint64_t)((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec);
	return 0;
}

/* The caller is a child that ends next: what is mapped goes with it. */
int kvm_guest_run(int kvm_fd, uint64_t *ret_ns)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEM_SIZE };
	_cleanup_fd_ int vm = -1, vcpu = -1;
	struct kvm_run *state;
	uint8_t *mem;
	int size;

	if (ioctl(kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		errno = EPROTO;
		return -1;
	}
	vm = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm < 0 || size < (int)sizeof(*state))
		return -1;
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	fill_memory(mem);
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -1;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return -1;
	state = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED || set_long_mode(vcpu) < 0)
		return -1;
	return run(vcpu, state, ret_ns);
}
