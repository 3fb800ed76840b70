/*
 * Enumerations that cross a process border: ENUM(e) VAL(e, name)… END_ENUM(e).
 * They give `enum e { e_name… , e__count }`, e_name(), e_parse() and a wire type `e`.
 * The position is the wire value: new ones go to the end.
 */
#ifndef ENUM
#define ENUM(e)
#endif
#ifndef VAL
#define VAL(e, name)
#endif
#ifndef END_ENUM
#define END_ENUM(e)
#endif

/* How a VMM runs guest code. `auto` is KVM when it passes the truth probe, TCG when not. */
ENUM(accel)
VAL(accel, auto)
VAL(accel, kvm)
VAL(accel, tcg)
END_ENUM(accel)

/* Which program is the VMM. `auto` is Firecracker where it is installed and KVM is good, else QEMU. */
ENUM(vmm_kind)
VAL(vmm_kind, auto)
VAL(vmm_kind, firecracker)
VAL(vmm_kind, qemu)
END_ENUM(vmm_kind)

/* What a VM's root disk is: a device-mapper snapshot over its image, or a copy of it. `auto` is the
 * former where the host has it. */
ENUM(disk_kind)
VAL(disk_kind, auto)
VAL(disk_kind, dm)
VAL(disk_kind, clone)
END_ENUM(disk_kind)

/* What the truth probe found /dev/kvm to be. */
ENUM(kvm_state)
VAL(kvm_state, absent)
VAL(kvm_state, denied)
VAL(kvm_state, slow)
VAL(kvm_state, good)
END_ENUM(kvm_state)

/* Where netd's ledger says a VM stands. */
ENUM(ledger_state)
VAL(ledger_state, none)
VAL(ledger_state, reserved)
VAL(ledger_state, network)
VAL(ledger_state, running)
VAL(ledger_state, dead)
END_ENUM(ledger_state)

/* How VMMs are limited on this host. */
ENUM(limits)
VAL(limits, scope)
VAL(limits, cgroup)
VAL(limits, rlimits)
END_ENUM(limits)

/* Stages of an imaged job, as a user sees them. */
ENUM(job_stage)
VAL(job_stage, read)
VAL(job_stage, verify)
VAL(job_stage, unpack)
VAL(job_stage, write)
VAL(job_stage, sync)
VAL(job_stage, kernel)
VAL(job_stage, modules)
VAL(job_stage, initramfs)
END_ENUM(job_stage)

/* What an image import was told that its input is; `auto` looks at the bytes. */
ENUM(image_kind)
VAL(image_kind, auto)
VAL(image_kind, oci_layout)
VAL(image_kind, oci_archive)
VAL(image_kind, docker_archive)
VAL(image_kind, rootfs)
END_ENUM(image_kind)

/* Whether a registry is asked: always (what the reference means there now), only when there is no
 * such image yet, or never. */
ENUM(pull_policy)
VAL(pull_policy, always)
VAL(pull_policy, missing)
VAL(pull_policy, never)
END_ENUM(pull_policy)

/* Who is process 1's workload in the guest: the image's own init when it has one (else as
 * `command`), always the given argv, or nothing but the agent. */
ENUM(guest_mode)
VAL(guest_mode, auto)
VAL(guest_mode, command)
VAL(guest_mode, idle)
END_ENUM(guest_mode)

/* How the main workload of a guest fares. */
ENUM(main_state)
VAL(main_state, none)
VAL(main_state, init)
VAL(main_state, running)
VAL(main_state, exited)
VAL(main_state, signaled)
VAL(main_state, failed)
END_ENUM(main_state)

/* How a guest process ended. */
ENUM(exit_kind)
VAL(exit_kind, exited)
VAL(exit_kind, signaled)
VAL(exit_kind, not_started)
END_ENUM(exit_kind)

#undef ENUM
#undef VAL
#undef END_ENUM
