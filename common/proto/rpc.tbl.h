/*
 * Every method of the JSON-RPC socket, once.
 *   METHOD(ident, "name", class, access, "what it does")
 *   PARAM(type, name, need, "what it is")       need: required | optional
 *   RESULT(json type, name, "what it is")        a member of the result object
 *   END(ident)
 * class: inline (main loop, short, read-only), work (a worker thread, may wait), long (the same for
 *        minutes: it gets a smaller share of the workers), urgent (the same, with workers of its
 *        own, since it ends long ones), stream (notifications until it is done, on the loop).
 * access: any (every local user), owner (who owns the VM, image or kernel; root), root.
 * Types: see common/rpc_types.h. A `fd` parameter is no JSON member: it is the next of the fds that
 * came with the request ("fds": n). An absent optional one is NULL, 0, false or empty.
 * A RESULT of type fd rides with the response in the same way.
 */
#ifndef METHOD
#define METHOD(ident, name, class, access, doc)
#endif
#ifndef PARAM
#define PARAM(type, name, need, doc)
#endif
#ifndef RESULT
#define RESULT(type, name, doc)
#endif
#ifndef END
#define END(ident)
#endif

METHOD(ping, "ping", inline, any, "Answer, to show that the daemon is there")
RESULT(string, version, "the daemon's version")
END(ping)

METHOD(shutdown, "shutdown", inline, root, "End the daemon and its helpers; running VMs stay")
END(shutdown)

METHOD(daemon_status, "daemon.status", inline, any, "What the daemon is, and what the host offers")
RESULT(string, version, "the daemon's version")
RESULT(integer, pid, "its process id")
RESULT(integer, uptime_s, "seconds since it started")
RESULT(integer, vms, "VMs of the caller (of all, for root)")
RESULT(integer, vms_running, "how many of them run")
RESULT(object, host, "kvm, kvm_probe_us, tun, qemu, qemu_version, nftables, limits, limits_problem, net_pool, accel, firecracker, firecracker_version, firecracker_problem, vmm, vmm_why, device_mapper, disk")
RESULT(object, defaults, "what a VM gets that does not say: vcpus, memory_mib, disk_size (of the work disk, 0: none), system_overlay_size (of the root disk, which is at least as large as its image)")
RESULT(string, socket, "the socket's path")
RESULT(string, reconciled, "what was put right when it started: VMs taken over, stopped, removed, what nothing knew")
RESULT(string, state_dir, "where images, kernels and disks are")
RESULT(integer, state_free, "bytes that are free there")
RESULT(integer, state_total, "bytes that there are")
RESULT(integer, min_free, "bytes that are to stay free ([image] min_free)")
RESULT(string, space, "ok, near (80 % used), low (VMs that write are paused) or full (all are)")
END(daemon_status)

METHOD(daemon_examine, "daemon.examine", work, any, "What of the host changes by itself, looked at now; for 'banger doctor'")
RESULT(string, forward_dropped_by, "the chain of another's firewall that drops what VMs with NAT send; null when there is none")
RESULT(integer, state_free, "bytes that are free in state_dir")
RESULT(array, lost, "a sentence for each of the caller's VMs (of all, for root) that has a disk no more, or not all of it")
END(daemon_examine)

METHOD(operations_list, "operations.list", inline, any, "Operations of the caller, newest first")
RESULT(array, operations, "objects with operation, kind, vm, name, state, stage, error, started_at")
END(operations_list)

METHOD(vm_create_begin, "vm.create.begin", work, any, "Begin to create a VM; it goes on by itself")
PARAM(object_ref, image, required, "image: id, name, or unique prefix of either")
PARAM(vm_name, name, optional, "name of the VM; made up when absent")
PARAM(object_ref, kernel, optional, "kernel; the newest one when absent")
PARAM(vcpus, vcpus, optional, "virtual CPUs; a quarter of the host's, at most 4, when absent")
PARAM(mib, memory_mib, optional, "memory in MiB; an eighth of the host's, at most 8192")
PARAM(size, disk_size, optional, "size of the work disk in bytes (--disk-size); as configured when absent")
PARAM(size, system_overlay_size, optional, "size of the root disk in bytes (--system-overlay-size)")
PARAM(boolean, nat, optional, "let the VM reach other networks through the host")
PARAM(boolean, no_start, optional, "create it only")
PARAM(boolean, auto_remove, optional, "delete it once it stops, or when this connection closes")
PARAM(vmm_kind, vmm, optional, "auto, firecracker or qemu; as configured when absent")
PARAM(accel, accel, optional, "auto, kvm or tcg")
PARAM(guest_mode, mode, optional, "auto, command or idle")
PARAM(argv, argv, optional, "command of the main workload; the image's own when empty")
PARAM(env, env, optional, "K=V strings for the guest, beside the image's own")
PARAM(string, user, optional, "user of the main workload and of exec; the image's when absent")
PARAM(string, directory, optional, "working directory; the image's when absent")
PARAM(fd_opt, image_file, optional, "the file of an image that has a `path`, opened by the caller, for reading alone")
RESULT(string, operation, "for vm.create.status, cancel and watch")
RESULT(string, id, "id of the VM")
RESULT(string, name, "name of the VM")
END(vm_create_begin)

METHOD(vm_create_status, "vm.create.status", inline, owner, "How far a creation is")
PARAM(operation, operation, required, "what vm.create.begin gave")
RESULT(object, operation, "operation, kind, vm, name, state (running, done, failed, cancelled), stage, stages, error")
END(vm_create_status)

METHOD(vm_create_cancel, "vm.create.cancel", inline, owner, "Stop a creation and undo it")
PARAM(operation, operation, required, "what vm.create.begin gave")
END(vm_create_cancel)

METHOD(vm_create_watch, "vm.create.watch", stream, owner, "`progress` notifications until a creation ends")
PARAM(operation, operation, required, "what vm.create.begin gave")
RESULT(object, operation, "as of vm.create.status, ended")
END(vm_create_watch)

METHOD(vm_list, "vm.list", inline, any, "The caller's VMs (all, for root), oldest first")
RESULT(array, vms, "objects with id, name, owner, owner_uid, state, paused_why, disk_lost, work_lost, image, kernel, ip, vcpu, memory_mib, disk_size (of the work disk, 0: none), system_overlay_size (of the root disk), disk (its kind), nat, vmm, vmm_why, accel, created_at; state is stopped, running, paused, creating, starting, stopping or deleting; paused_why is null unless the daemon paused it; disk_lost: its root disk cannot be read any more, or its file was not there, or not what it was, when it was last looked at; work_lost: the same of its work disk's file")
END(vm_list)

METHOD(vm_show, "vm.show", inline, owner, "Everything about one VM")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
RESULT(object, vm, "as in vm.list, besides: vmm_asked, pid, started_at, boot_id, mac, gateway, mode, argv, env, user, directory, console_log, disk_used, cow_used, cow_total, disk_warning, last_error; disk_used is what it takes of the host in bytes, null when it does not run; cow_used and cow_total are of its copy-on-write disk")
END(vm_show)

METHOD(vm_start, "vm.start", long, owner, "Start a stopped VM; answers when the guest is ready")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
RESULT(object, vm, "as in vm.list")
END(vm_start)

METHOD(vm_stop, "vm.stop", urgent, owner, "Stop a VM: sync and power off by the agent, then kill")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(seconds, timeout_s, optional, "seconds until it is killed; 0: at once, and the guest is not asked; as configured when absent")
RESULT(object, vm, "as in vm.list")
END(vm_stop)

METHOD(vm_restart, "vm.restart", long, owner, "Stop and start")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(seconds, timeout_s, optional, "seconds until it is killed; 0: at once, and the guest is not asked; as configured when absent")
RESULT(object, vm, "as in vm.list")
END(vm_restart)

METHOD(vm_pause, "vm.pause", work, owner, "Halt a VM's CPUs; paused already is success")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
RESULT(object, vm, "as in vm.list")
END(vm_pause)

METHOD(vm_resume, "vm.resume", work, owner, "Let a paused VM go on; running already is success")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
RESULT(object, vm, "as in vm.list")
END(vm_resume)

METHOD(vm_kill, "vm.kill", urgent, owner, "Send a signal to the VMM; SIGKILL when absent")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(signo, signal, optional, "signal number")
RESULT(object, vm, "as in vm.list")
END(vm_kill)

METHOD(vm_delete, "vm.delete", urgent, owner, "Delete a VM and its disk")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(boolean, force, optional, "also when it runs (it is killed)")
END(vm_delete)

METHOD(vm_set, "vm.set", work, owner, "Change what a VM is; all of it, or nothing; but for its NAT it must be stopped")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(vcpus, vcpus, optional, "virtual CPUs")
PARAM(mib, memory_mib, optional, "memory in MiB")
PARAM(size, disk_size, optional, "size of the work disk in bytes, not below what it has; a VM without one gets one, and so does one that lost it (work_lost)")
PARAM(size, system_overlay_size, optional, "size of the root disk in bytes, not below what it has; of a new one, not below its image's")
PARAM(boolean, nat, optional, "let the VM reach other networks through the host; also while it runs")
PARAM(boolean, no_nat, optional, "let it not; also while it runs")
PARAM(object_ref, image, optional, "image of a new root disk, which the next start makes; the old one is lost, the work disk stays")
PARAM(object_ref, kernel, optional, "kernel that it boots from its next start on; its disks stay")
RESULT(object, vm, "as in vm.list")
END(vm_set)

METHOD(vm_exec, "vm.exec", work, owner, "Run a command in a VM; its stream comes back as an fd")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(argv, argv, optional, "command and arguments; the user's login shell when empty")
PARAM(env, env, optional, "K=V strings, beside the VM's own")
PARAM(string, user, optional, "user, or user:group, by name or number")
PARAM(string, directory, optional, "working directory")
PARAM(boolean, tty, optional, "with a terminal")
PARAM(count, rows, optional, "the terminal's rows")
PARAM(count, columns, optional, "the terminal's columns")
RESULT(integer, pid, "process id in the guest")
RESULT(fd, stream, "the agent's session: agent protocol frames, see banger-rpc(7)")
END(vm_exec)

METHOD(vm_await, "vm.await", stream, owner, "Answer once a VM runs no more, or is paused no more; for who is attached to it")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(boolean, paused, optional, "it is paused, and the answer comes when that is over; else it runs")
RESULT(object, vm, "as in vm.list")
END(vm_await)

METHOD(vm_console, "vm.console", work, owner, "Attach to the serial console, both ways")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
RESULT(fd, stream, "a stream socket: raw bytes")
END(vm_console)

METHOD(vm_logs, "vm.logs", work, owner, "The console's log, as far as it is kept")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
PARAM(boolean, follow, optional, "go on until the VM stops")
RESULT(fd, stream, "raw bytes until end of file")
END(vm_logs)

METHOD(vm_health, "vm.health", work, owner, "Ask the guest's agent how it is")
PARAM(vm_ref, vm, required, "id, name, or unique prefix of either")
RESULT(boolean, healthy, "whether the agent answered in time")
RESULT(string, message, "when it did not: why; then there are no others")
RESULT(integer, uptime_ms, "of the guest")
RESULT(string, main, "none, init, running, exited, signaled or failed")
RESULT(integer, main_status, "exit status or signal number")
RESULT(integer, sessions, "commands that run by exec")
RESULT(integer, memory_total, "bytes")
RESULT(integer, memory_available, "bytes")
RESULT(integer, disk_total, "bytes of the root file system")
RESULT(integer, disk_free, "bytes")
END(vm_health)

METHOD(image_import, "image.import", long, any, "Make an image of an OCI layout, an archive or a rootfs tar; `progress` notifications on the way")
PARAM(ref_name, name, required, "name of the image")
PARAM(image_kind, kind, optional, "auto, oci_layout, oci_archive, docker_archive or rootfs")
PARAM(string, reference, optional, "which image of an input that has several")
PARAM(boolean, replace, optional, "put it in the place of the caller's image of that name")
PARAM(fd, source, required, "a file, a pipe, or a socket that serves a directory")
RESULT(object, image, "as in image.list")
END(image_import)

METHOD(image_register, "image.register", long, any, "Make an image of an ext4 file system in a file of the caller's, where it is: nothing is copied. It is for new VMs alone, while the file is what it was; `progress` notifications on the way")
PARAM(ref_name, name, required, "name of the image")
PARAM(string, path, required, "where the file is, for those who are to open it")
PARAM(boolean, replace, optional, "put it in the place of the caller's image of that name")
PARAM(fd, file, required, "the file, open for reading alone")
RESULT(object, image, "as in image.list")
END(image_register)

METHOD(image_pull, "image.pull", long, any, "Make an image of one in a registry; `progress` notifications on the way: `fetch LAYER` for each, the others as of image.import. The same asked for twice at once is done once")
PARAM(string, reference, required, "as in [registry[:port]/]path[:tag][@digest], or a short name of a catalog or of registries.conf")
PARAM(ref_name, name, optional, "name of the image; the reference as it was given when absent")
PARAM(pull_policy, policy, optional, "always (the default), missing or never")
PARAM(boolean, replace, optional, "put it in the place of the caller's image of that name, even if that is no older one of the same reference")
PARAM(string, platform, optional, "linux/ARCH[/VARIANT]; the host's when absent")
PARAM(argv, credentials, optional, "four strings for each host that wants them: host[:port], user, password, identity token (each of the last three may be empty)")
RESULT(object, image, "as in image.list")
RESULT(boolean, pulled, "false: it was here already")
END(image_pull)

METHOD(image_reference, "image.reference", work, any, "What a reference means by catalogs and registries.conf, and which hosts would be asked")
PARAM(string, reference, required, "as of image.pull")
RESULT(string, reference, "the whole of it: registry/path:tag@digest")
RESULT(array, hosts, "host[:port] of mirrors and of the registry, in the order they are asked")
END(image_reference)

METHOD(image_cache_prune, "image.cache.prune", work, any, "Empty the caller's cache of what was fetched from registries; pulls at work go on")
PARAM(boolean, dry_run, optional, "say what it would free, and free nothing")
RESULT(integer, bytes_freed, "bytes")
RESULT(integer, blobs_freed, "blobs and parts of such")
RESULT(boolean, dry_run, "as was asked")
RESULT(string, cache_dir, "where it is")
END(image_cache_prune)

METHOD(image_catalog, "image.catalog", work, any, "What images the catalogs have, see banger-catalog(5)")
RESULT(array, images, "objects with name, description, reference, digest, file, present; present is the id of the image that is here of it, or null")
RESULT(array, problems, "what is wrong with catalogs that are broken, with file and line; they are left out")
END(image_catalog)

METHOD(image_list, "image.list", inline, any, "The caller's images, and root's, which all may use")
RESULT(array, images, "objects with id, name, owner, owner_uid, digest, size_bytes, entries, path, created_at; path is of the file of one that was registered, else null")
END(image_list)

METHOD(image_show, "image.show", inline, any, "Everything about one image")
PARAM(object_ref, image, required, "id, name, digest, or unique prefix")
RESULT(object, image, "as in image.list, besides: reference, entrypoint, command, env, user, directory, stop_signal, exposed_ports, used_by; config (the digest of its configuration; null for a rootfs) and layers (objects with digest and size_bytes, oldest first)")
END(image_show)

METHOD(image_promote, "image.promote", work, root, "Make an image everybody's: root gets a copy of its own, and the owner's stays")
PARAM(object_ref, image, required, "id, name, digest, or unique prefix")
PARAM(ref_name, name, optional, "name of the copy; the image's own when absent")
PARAM(boolean, replace, optional, "put it in the place of root's image of that name")
RESULT(object, image, "as in image.list")
END(image_promote)

METHOD(image_delete, "image.delete", work, owner, "Delete an image that no VM uses")
PARAM(object_ref, image, required, "id, name, digest, or unique prefix")
END(image_delete)

METHOD(kernel_import, "kernel.import", long, any, "Make a kernel and its initramfs of a packaged kernel")
PARAM(ref_name, name, optional, "name of the kernel; its version when absent")
PARAM(boolean, replace, optional, "put it in the place of the caller's kernel of that name")
PARAM(fd, kernel, required, "a .deb, a bzImage or an ELF vmlinux")
PARAM(fd_opt, modules, optional, "a socket that serves /lib/modules/VERSION")
RESULT(object, kernel, "as in kernel.list")
END(kernel_import)

METHOD(kernel_pull, "kernel.pull", long, any, "Make a kernel of one in a catalog; `progress` notifications on the way: `fetch`, and as of kernel.import. The same asked for twice at once is done once")
PARAM(object_ref, kernel, optional, "its name in the catalogs; the preferred one when absent")
PARAM(ref_name, name, optional, "name of the kernel; the catalog's when absent")
PARAM(boolean, replace, optional, "put it in the place of the caller's kernel of that name, even if no catalog gave that")
RESULT(object, kernel, "as in kernel.list")
RESULT(boolean, pulled, "false: it was here already")
END(kernel_pull)

METHOD(kernel_catalog, "kernel.catalog", work, any, "What kernels the catalogs have, see banger-catalog(5)")
RESULT(array, kernels, "objects with name, description, url, digest, size_bytes, preferred, file, present; present is the id of the kernel that is here of it, or null")
RESULT(array, problems, "what is wrong with catalogs that are broken, with file and line; they are left out")
END(kernel_catalog)

METHOD(kernel_list, "kernel.list", inline, any, "The caller's kernels, and root's, which all may use")
RESULT(array, kernels, "objects with id, name, owner, owner_uid, version, arch, size_bytes, digest, created_at; digest is of the file that it was pulled as, null when it was not")
END(kernel_list)

METHOD(kernel_show, "kernel.show", inline, any, "Everything about one kernel")
PARAM(object_ref, kernel, required, "id, name, or unique prefix of either")
RESULT(object, kernel, "as in kernel.list, besides: modules, used_by")
END(kernel_show)

METHOD(kernel_delete, "kernel.delete", work, owner, "Delete a kernel that no VM uses")
PARAM(object_ref, kernel, required, "id, name, or unique prefix of either")
END(kernel_delete)

#undef METHOD
#undef PARAM
#undef RESULT
#undef END
