/*
 * What each process may ask of the kernel once it is confined.
 *   GROUP(name) CALL(syscall)… CALL_IF(syscall, arg, mask, value)… CALL_SOCKET(…)… CALL_ERRNO(syscall, errno)… END_GROUP(name)
 *   PROFILE(name) USE(group)… END_PROFILE(name)
 * CALL_IF allows the call when (argument & mask) == value; several for one call are alternatives.
 * CALL_SOCKET(domain, type) allows socket() of these two (with flags or without).
 * CALL_ERRNO makes the call fail quietly. Everything else dies (mode kill) or is logged (mode log).
 * DENY(syscall) lines make the deny-list `launch`. VMMs have more besides, each its list:
 * `firecracker` of the DENY_VMM(syscall) lines, `qemu` of these and the DENY_QEMU(syscall) lines.
 * They fail with EPERM, all else is allowed.
 */
#ifndef GROUP
#define GROUP(name)
#endif
#ifndef CALL
#define CALL(name)
#endif
#ifndef CALL_IF
#define CALL_IF(name, arg, mask, value)
#endif
#ifndef CALL_SOCKET
#define CALL_SOCKET(domain, type)
#endif
#ifndef CALL_ERRNO
#define CALL_ERRNO(name, errnum)
#endif
#ifndef END_GROUP
#define END_GROUP(name)
#endif
#ifndef PROFILE
#define PROFILE(name)
#endif
#ifndef USE
#define USE(group)
#endif
#ifndef END_PROFILE
#define END_PROFILE(name)
#endif
#ifndef DENY
#define DENY(name)
#endif
#ifndef DENY_VMM
#define DENY_VMM(name)
#endif
#ifndef DENY_QEMU
#define DENY_QEMU(name)
#endif

/* Memory, time, signals and exit: what the C library needs in any program. */
GROUP(base)
#ifdef __SANITIZE_ADDRESS__ /* before each exit of a thread or process */
CALL(sigaltstack)
#endif
CALL(read)
CALL(write)
CALL(close)
CALL(fstat)
CALL(lseek)
CALL_IF(mmap, 2, PROT_EXEC, 0)
CALL(munmap)
CALL_IF(mprotect, 2, PROT_EXEC, 0)
CALL(mremap)
CALL(madvise)
CALL(brk)
CALL(futex)
CALL(getrandom)
CALL(clock_gettime)
CALL(clock_nanosleep)
CALL(rt_sigaction)
CALL(rt_sigprocmask)
CALL(rt_sigreturn)
CALL(getpid)
CALL(gettid)
CALL(tgkill)
CALL(exit)
CALL(exit_group)
CALL(restart_syscall)
/* Asked by the C library for a file's kind, never beyond an open fd. */
CALL_IF(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH)
END_GROUP(base)

/* Messages over sockets that are there already. */
GROUP(ipc)
CALL(sendmsg)
CALL(recvmsg)
CALL(poll)
CALL(ppoll)
CALL(fcntl)
CALL(dup)
CALL_IF(socketpair, 0, ~0ULL, AF_UNIX)
CALL(getsockopt)
CALL_IF(setsockopt, 1, ~0ULL, SOL_SOCKET)
END_GROUP(ipc)

/* Threads, but no processes: clone3 cannot be looked into, and the C library falls back. */
GROUP(threads)
CALL_IF(clone, 0, CLONE_THREAD, CLONE_THREAD)
CALL_ERRNO(clone3, ENOSYS)
CALL(set_robust_list)
CALL(rseq)
CALL(sched_yield)
CALL(sched_getaffinity)
/* PR_SET_NAME of threads; everything else of prctl stays away. */
CALL_IF(prctl, 0, ~0ULL, PR_SET_NAME)
END_GROUP(threads)

/* Data of open files. */
GROUP(file_data)
CALL(pread64)
CALL(pwrite64)
CALL(ftruncate)
CALL(fsync)
CALL(fdatasync)
CALL(copy_file_range)
CALL(fstatfs)
END_GROUP(file_data)

/* Names in the directories that Landlock leaves. */
GROUP(file_names)
CALL(openat)
CALL(openat2)
CALL(newfstatat)
CALL(access)
CALL(readlink)
CALL(mkdirat)
CALL(unlink)
CALL(unlinkat)
CALL(renameat)
CALL(getdents64)
CALL(fchmod)
END_GROUP(file_names)

/* An sd-event loop, and who is at the other end of a socket. */
GROUP(event_loop)
CALL(epoll_create1)
CALL(epoll_ctl)
CALL(epoll_wait)
CALL(epoll_pwait2)
CALL(eventfd2)
CALL(timerfd_create)
CALL(timerfd_settime)
CALL(signalfd4)
CALL_IF(waitid, 0, ~0ULL, P_PIDFD)
CALL(accept4)
END_GROUP(event_loop)

PROFILE(bangerd)
USE(base)
USE(ipc)
USE(threads)
USE(file_data)
USE(file_names)
USE(event_loop)
USE(bangerd_own)
END_PROFILE(bangerd)

/* SQLite's locks and identity, connections to the VMs' sockets, reflinks, console snapshots;
 * sd_notify() compares all four ids before it sends. */
GROUP(bangerd_own)
CALL_IF(socket, 0, ~0ULL, AF_UNIX)
CALL(connect)
CALL(sendto)
CALL(shutdown)
CALL(memfd_create)
/* An image under a second name. */
CALL(linkat)
CALL(sysinfo)
CALL(getuid)
CALL(geteuid)
CALL(getgid)
CALL(getegid)
CALL_IF(ioctl, 1, ~0ULL, FICLONE)
END_GROUP(bangerd_own)

/* The job server forks workers, executes their program by fd, and reaps. A filter is inherited, and
 * a worker's own only narrows it: so the server's has what a worker needs, and what the dynamic
 * loader and the worker's confinement ask before. */
PROFILE(imaged)
USE(base)
USE(threads)
USE(worker_own)
USE(imaged_own)
END_PROFILE(imaged)

GROUP(imaged_own)
CALL(alarm) /* common/watchdog.h */
CALL(clone)
CALL(execveat)
CALL(wait4)
CALL(dup2)
/* The loader maps code, never to be written. */
CALL_IF(mmap, 2, PROT_WRITE | PROT_EXEC, PROT_EXEC)
CALL(newfstatat)
CALL(openat)
CALL(access)
CALL(close_range)
CALL(arch_prctl)
CALL(set_tid_address)
CALL(prlimit64)
CALL(prctl)
CALL(capget)
CALL(capset)
CALL(landlock_create_ruleset)
CALL(landlock_restrict_self)
CALL(seccomp)
END_GROUP(imaged_own)

/* The same, of fetchers. */
PROFILE(fetch_server)
USE(base)
USE(threads)
USE(file_names)
USE(worker_own)
USE(imaged_own)
USE(fetch_own)
USE(fetch_server_own)
END_PROFILE(fetch_server)

/* A fetcher leaves itself some files of those that its server has. */
GROUP(fetch_server_own)
CALL(landlock_add_rule)
END_GROUP(fetch_server_own)

/* What a registry is spoken with: a cache, the network. */
PROFILE(fetch)
USE(base)
USE(threads)
USE(file_names)
USE(worker_own)
USE(fetch_own)
END_PROFILE(fetch)

/* A resolver and connections over TCP. */
GROUP(fetch_own)
CALL_SOCKET(AF_INET, SOCK_STREAM)
CALL_SOCKET(AF_INET, SOCK_DGRAM)
CALL_SOCKET(AF_INET6, SOCK_STREAM)
CALL_SOCKET(AF_INET6, SOCK_DGRAM)
CALL_IF(socket, 0, ~0ULL, AF_UNIX)
CALL_IF(socket, 0, ~0ULL, AF_NETLINK)
CALL_IF(socketpair, 0, ~0ULL, AF_UNIX)
CALL(connect)
CALL(bind)
CALL(getsockname)
CALL(getpeername)
CALL(setsockopt)
CALL(sendto)
CALL(sendmmsg)
CALL(recvfrom)
CALL(shutdown)
CALL(pipe2)
CALL(ppoll)
CALL(uname)
/* Documents of the layout that a fetcher shows; room in the cache. */
CALL(memfd_create)
CALL(fstatfs)
CALL_IF(ioctl, 1, ~0ULL, FIONREAD)
CALL_IF(ioctl, 1, ~0ULL, FIONBIO)
END_GROUP(fetch_own)

PROFILE(worker)
USE(base)
USE(threads)
USE(worker_own)
END_PROFILE(worker)

/* The job's messages, and the data of the files that came with them. */
GROUP(worker_own)
CALL(sendmsg)
CALL(recvmsg)
CALL(poll)
CALL(getsockopt)
CALL(fcntl)
CALL(pread64)
CALL(pwrite64)
CALL(ftruncate)
CALL(fallocate)
CALL(fsync)
CALL(fdatasync)
/* How the pipeline's threads are told to stop; asked by qsort() for how much memory it may take. */
CALL(eventfd2)
CALL(sysinfo)
END_GROUP(worker_own)

PROFILE(netd)
USE(base)
USE(ipc)
USE(netd_own)
END_PROFILE(netd)

/* The ledger and run directories, rtnetlink and nfnetlink (whose library has its own way to wait),
 * TAPs. */
GROUP(netd_own)
CALL(openat)
CALL(openat2)
CALL(mkdirat)
CALL(unlinkat)
CALL(renameat)
CALL(getdents64)
CALL(fchmod)
CALL(fchown)
CALL(geteuid)
CALL_IF(socket, 0, ~0ULL, AF_NETLINK)
CALL(bind)
CALL(getsockname)
CALL(sendto)
CALL(recvfrom)
CALL(pselect6)
CALL(alarm) /* common/watchdog.h */
CALL_IF(ioctl, 1, ~0ULL, TUNSETIFF)
CALL_IF(ioctl, 1, ~0ULL, TUNSETOWNER)
CALL_IF(ioctl, 1, ~0ULL, TUNSETPERSIST)
END_GROUP(netd_own)

/* launch must unshare, mount and exec; it never needs these, nor does a VMM. */
DENY(init_module)
DENY(finit_module)
DENY(delete_module)
DENY(kexec_load)
DENY(kexec_file_load)
DENY(reboot)
DENY(swapon)
DENY(swapoff)
DENY(bpf)
DENY(perf_event_open)
DENY(ptrace)
DENY(process_vm_readv)
DENY(process_vm_writev)
DENY(add_key)
DENY(request_key)
DENY(keyctl)
DENY(settimeofday)
DENY(clock_settime)
DENY(adjtimex)
DENY(clock_adjtime)
DENY(acct)
DENY(quotactl)
DENY(open_by_handle_at)
DENY(name_to_handle_at)
DENY(iopl)
DENY(ioperm)
DENY(userfaultfd)
DENY(sethostname)
DENY(setdomainname)
DENY(lookup_dcookie)
DENY(io_uring_setup)
DENY(io_uring_enter)
DENY(io_uring_register)
DENY(uselib)
DENY(personality)
DENY(syslog)
DENY(vhangup)
DENY(mknod)

/* Once in its jail a VMM has all that it needs: no way out, no kin. (execveat is how it gets there;
 * the VMMs' own filters take that away, and more.) */
DENY_VMM(mount)
DENY_VMM(umount2)
DENY_VMM(mount_setattr)
DENY_VMM(move_mount)
DENY_VMM(open_tree)
DENY_VMM(fsopen)
DENY_VMM(fsconfig)
DENY_VMM(fsmount)
DENY_VMM(fspick)
DENY_VMM(pivot_root)
DENY_VMM(chroot)
DENY_VMM(unshare)
DENY_VMM(setns)
DENY_VMM(mknodat)
DENY_VMM(fork)
DENY_VMM(vfork)
DENY_VMM(execve)
DENY_VMM(kill)
DENY_VMM(tkill)
DENY_VMM(pidfd_open)
DENY_VMM(pidfd_getfd)
DENY_VMM(pidfd_send_signal)
DENY_VMM(process_madvise)
DENY_VMM(kcmp)
DENY_VMM(capset)
DENY_VMM(fanotify_init)
DENY_VMM(inotify_init)
DENY_VMM(inotify_init1)
DENY_VMM(move_pages)
DENY_VMM(migrate_pages)
DENY_VMM(msgget)
DENY_VMM(semget)
DENY_VMM(shmget)
DENY_VMM(mq_open)

/* QEMU's sockets are there before it is. Firecracker makes its own, of its API and its vsock. */
DENY_QEMU(socket)
DENY_QEMU(connect)
DENY_QEMU(bind)

#undef GROUP
#undef CALL
#undef CALL_IF
#undef CALL_SOCKET
#undef CALL_ERRNO
#undef END_GROUP
#undef PROFILE
#undef USE
#undef END_PROFILE
#undef DENY
#undef DENY_VMM
#undef DENY_QEMU
