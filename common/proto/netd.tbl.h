/*
 * bangerd → banger-netd. MSG(name, state): the ledger state that the VM must have (`any`: no VM,
 * or any state). IN/OUT(type, field); see common/codec.h for types. Only ids, numbers and open fds
 * cross: every name, path, address and argument is derived by netd.
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

/* What the host offers; measured once, when netd starts. have_firecracker: there is one, and it is
 * fit; else firecracker_problem says why not and what to do ("" when it is fit). Its version
 * ("1.16.1") is given as far as it is known, also of one that is too old. swept: things of banger's
 * that no ledger row knew, which were taken away at start. */
MSG(host_status, any)
OUT(kvm_state, kvm)
OUT(u64, kvm_probe_us)
OUT(boolean, have_tun)
OUT(boolean, have_qemu)
OUT(boolean, have_nft)
OUT(limits, limits)
OUT(text, limits_problem)
OUT(u32, tsc_khz)
OUT(ipv4, pool)
OUT(prefix, pool_prefix)
OUT(text, qemu_version)
OUT(boolean, have_firecracker)
OUT(text, firecracker_version)
OUT(text, firecracker_problem)
OUT(boolean, have_dm)
OUT(u32, swept)
END(host_status)

/* Whether a chain of another's drops what the host forwards, and which ("table ip filter, chain
 * FORWARD"): VMs with NAT reach nothing then. Of nftables alone: what the older iptables made is
 * not seen. */
MSG(forward_status, any)
OUT(boolean, dropped)
OUT(text, by)
END(forward_status)

/* The first thing a VM gets: a ledger row, and a jail uid of its own. */
MSG(vm_reserve, none)
IN(vm_id, vm)
IN(uid, owner)
OUT(uid, jail_uid)
END(vm_reserve)

/* A copy-on-write disk of `size` bytes: `image` read-only below, `cow` (common/cow.h says how large)
 * for what differs. The node of it is what qemu_launch or firecracker_launch is to be given. */
MSG(disk_attach, reserved)
IN(vm_id, vm)
IN(u64, size)
IN(fd, image)
IN(fd, cow)
OUT(fd, disk)
END(disk_attach)

/* Of its copy-on-write disk: bytes of the file of differences, in use and in all. `lost`: they
 * could not be written, or are not to be read any more. */
MSG(disk_usage, running)
IN(vm_id, vm)
OUT(boolean, lost)
OUT(u64, used)
OUT(u64, total)
END(disk_usage)

/* The owner's bridge and /24 (made when absent), anti-spoofing, NAT if asked, and for QEMU a TAP on
 * it (Firecracker's comes with its launch). bangerd keeps which subnet is whose and which octet is
 * free; netd refuses contradictions. `vmm` is what will be launched, and never auto. */
MSG(tap_create, reserved)
IN(vm_id, vm)
IN(subnet, subnet)
IN(host_octet, host)
IN(mac, mac)
IN(boolean, nat)
IN(vmm_kind, vmm)
OUT(ipv4, address)
OUT(ipv4, gateway)
OUT(prefix, prefix)
END(tap_create)

/* Jail and exec of QEMU microvm. Sockets of the VM listen in its run directory by then: qmp,
 * console, and p0…pN. The guest does not run before bangerd says `cont` by QMP. `work`: a second
 * disk, which is a plain file always. */
MSG(qemu_launch, network)
IN(vm_id, vm)
IN(vcpus, vcpus)
IN(mib, memory)
IN(accel, accel)
IN(fd, kernel)
IN(fd, initramfs)
IN(fd, disk)
IN(fd_opt, work)
OUT(u32, pid)
OUT(u64, start_time)
OUT(fd, pidfd)
OUT(fd, rundir)
OUT(uid, jail_uid)
END(qemu_launch)

/* Jail and exec of Firecracker, its TAP in its own network namespace. It is executed when this
 * ends; its API's socket (common/jail_paths.h) comes when it makes it. */
MSG(firecracker_launch, network)
IN(vm_id, vm)
IN(vcpus, vcpus)
IN(mib, memory)
IN(fd, kernel)
IN(fd, initramfs)
IN(fd, disk)
IN(fd_opt, work)
OUT(u32, pid)
OUT(u64, start_time)
OUT(fd, pidfd)
OUT(fd, rundir)
OUT(uid, jail_uid)
END(firecracker_launch)

/* Firecracker has opened its TAP by now: netd takes the link out of the VMM's network namespace and
 * puts it on the owner's bridge. Once a VM. */
MSG(tap_attach, running)
IN(vm_id, vm)
END(tap_attach)

/* Whether a VM that has a network reaches others' through the host. Idempotent. */
MSG(nat_set, any)
IN(vm_id, vm)
IN(boolean, nat)
END(nat_set)

/* The pidfd and run directory of a VMM that lives since before bangerd started. */
MSG(vm_adopt, running)
IN(vm_id, vm)
OUT(u32, pid)
OUT(u64, start_time)
OUT(fd, pidfd)
OUT(fd, rundir)
OUT(vmm_kind, vmm)
OUT(uid, jail_uid)
END(vm_adopt)

MSG(vm_signal, running)
IN(vm_id, vm)
IN(signo, signo)
END(vm_signal)

/* After the pidfd became readable: the wait status, when the VMM was our child (known). */
MSG(vm_reap, running)
IN(vm_id, vm)
OUT(boolean, known)
OUT(u32, status)
END(vm_reap)

/* Kill what lives of the VM, then take all away: jail, run directory, TAP, bridge of the owner's
 * last VM, nft elements, uid, ledger row. Idempotent: no row is success. */
MSG(vm_release, any)
IN(vm_id, vm)
END(vm_release)

/* The ledger row after `after` in id order ("000000000000" starts); found=false at the end. */
MSG(vm_next, any)
IN(vm_id, after)
OUT(boolean, found)
OUT(vm_id, vm)
OUT(uid, owner)
OUT(ledger_state, state)
OUT(boolean, alive)
END(vm_next)

#undef MSG
#undef IN
#undef OUT
#undef END
