/*
 * banger-netd → its launch half. The same form as netd.tbl.h. netd has checked all of it by then;
 * launch keeps the children, makes the jails, and holds the pidfds.
 */
#ifndef MSG
#define MSG(name, state)
#endif
#ifndef IN
#define IN(type, field)
#endif
#ifndef OUT
#define OUT(type, field)
#endif
#ifndef END
#define END(name)
#endif

/* rundir: the VM's run directory, made by netd, where launch binds the listening sockets. The child
 * is in its namespaces and waits: process_go makes it the VMM, uid_kill ends it. */
MSG(qemu_spawn, any)
IN(vm_id, vm)
IN(uid, jail_uid)
IN(vcpus, vcpus)
IN(mib, memory)
IN(accel, accel)
IN(u32, tsc_khz)
IN(mac, mac)
IN(fd, kernel)
IN(fd, initramfs)
IN(fd, disk)
IN(fd_opt, work)
IN(fd, tap)
IN(fd, rundir)
OUT(u32, pid)
OUT(u64, start_time)
OUT(fd, pidfd)
END(qemu_spawn)

/* The same for Firecracker, whose directory in rundir is there. tun and netlink: /dev/net/tun and a
 * rtnetlink socket of the child's network namespace, for its TAP. */
MSG(firecracker_spawn, any)
IN(vm_id, vm)
IN(uid, jail_uid)
IN(mib, memory)
IN(fd, kernel)
IN(fd, initramfs)
IN(fd, disk)
IN(fd_opt, work)
IN(fd, rundir)
OUT(u32, pid)
OUT(u64, start_time)
OUT(fd, pidfd)
OUT(fd, tun)
OUT(fd, netlink)
END(firecracker_spawn)

/* The child that waits executes the VMM. When that fails it is gone. */
MSG(process_go, any)
IN(vm_id, vm)
END(process_go)

/* Copy-on-write disks (banger-netd/dm_disk.h). */
MSG(dm_attach, any)
IN(vm_id, vm)
IN(u64, size)
IN(fd, image)
IN(fd, cow)
OUT(fd, disk)
END(dm_attach)

/* None is fine. */
MSG(dm_detach, any)
IN(vm_id, vm)
END(dm_detach)

MSG(dm_usage, any)
IN(vm_id, vm)
OUT(boolean, lost)
OUT(u64, used)
OUT(u64, total)
END(dm_usage)

/* The first disk of this suite behind `after` in id order. */
MSG(dm_next, any)
IN(vm_id, after)
OUT(boolean, found)
OUT(vm_id, vm)
END(dm_next)

/* Is device-mapper there? */
MSG(dm_probe, any)
OUT(boolean, have_dm)
END(dm_probe)

/* Open a pidfd first, then compare start time; fails with not_found when it is another process. */
MSG(process_adopt, any)
IN(vm_id, vm)
IN(u32, pid)
IN(u64, start_time)
OUT(fd, pidfd)
END(process_adopt)

MSG(process_signal, any)
IN(vm_id, vm)
IN(signo, signo)
END(process_signal)

MSG(process_reap, any)
IN(vm_id, vm)
OUT(boolean, known)
OUT(u32, status)
END(process_reap)

/* Does anything run under the jail uid? */
MSG(uid_check, any)
IN(uid, jail_uid)
OUT(boolean, alive)
END(uid_check)

/* End whatever runs under the jail uid: a child takes that uid and kills all of it. */
MSG(uid_kill, any)
IN(vm_id, vm)
IN(uid, jail_uid)
END(uid_kill)

/* How VMs are limited here; `problem` says why by rlimits alone ("" when they are not). */
MSG(limits_status, any)
OUT(limits, limits)
OUT(text, problem)
END(limits_status)

/* Put a spawned VMM under limits before it runs; on failure nothing of them outlives it. */
MSG(limits_place, any)
IN(vm_id, vm)
IN(vcpus, vcpus)
IN(mib, memory)
IN(vmm_kind, vmm)
IN(accel, accel)
END(limits_place)

/* After the last process of a VM: take away what limited it. Idempotent. */
MSG(limits_remove, any)
IN(vm_id, vm)
END(limits_remove)

/* The first jail uid from this one on that something runs under. */
MSG(uid_next, any)
IN(uid, jail_uid)
OUT(boolean, found)
OUT(uid, jail_uid)
END(uid_next)

/* Take away what limited VMs whose processes are all dead; how many. */
MSG(limits_sweep, any)
OUT(u32, removed)
END(limits_sweep)

/* Empty a directory of the jail uid's, as that uid. Nothing of it may run. */
MSG(uid_empty, any)
IN(uid, jail_uid)
IN(fd, dir)
END(uid_empty)

/* The truth probe of /dev/kvm, in a child with a time limit. */
MSG(kvm_probe, any)
OUT(kvm_state, kvm)
OUT(u64, probe_us)
END(kvm_probe)

/* KVM is known to be slow, by a probe of a moment ago: the one that goes on is ended. */
MSG(kvm_known, any)
IN(u64, probe_us)
END(kvm_known)

/* Is QEMU there, fit to be executed, and which is it? `problem` says why not. */
MSG(qemu_probe, any)
OUT(boolean, have_qemu)
OUT(text, version)
OUT(text, problem)
END(qemu_probe)

/* The same for Firecracker, which is not fit when its version is too old or not known. */
MSG(firecracker_probe, any)
OUT(boolean, have_firecracker)
OUT(text, version)
OUT(text, problem)
END(firecracker_probe)

#undef MSG
#undef IN
#undef OUT
#undef END
