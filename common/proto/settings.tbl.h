/*
 * Every setting of /etc/banger/banger.conf: SETTING(section, key, type, default, "what it is").
 * Types: path (absolute), name (a user or group), size (bytes), count, boolean, level, seccomp_mode,
 * quantity (a size, or 0), accel, vmm_kind, disk_kind, rate (a size each second; 0: no limit), cidr, addresses. A process reads the file before it confines itself.
 */
#ifndef SETTING
#define SETTING(section, key, type, default, doc)
#endif

SETTING(paths, run_dir, path, "/run/banger", "sockets and what is true until the next boot")
SETTING(paths, state_dir, path, "/var/lib/banger", "the database, images, kernels and disks")
SETTING(paths, libexec_dir, path, "/usr/libexec/banger", "helpers and guest programs")
SETTING(paths, catalog_dir, path, "/etc/banger/catalog.d", "catalogs of this host, see banger-catalog(5)")
SETTING(paths, vendor_catalog_dir, path, "/usr/share/banger/catalog.d", "catalogs that packages bring")

SETTING(daemon, user, name, "banger", "user of bangerd; its group reaches the VMs' sockets")
SETTING(daemon, image_user, name, "banger-image", "user of banger-imaged and its workers")
SETTING(daemon, log_level, level, "info", "error, warning, notice, info or debug")
SETTING(daemon, seccomp, seccomp_mode, "kill", "off, log or kill: what a forbidden system call does")
SETTING(daemon, workers, count, "16", "threads for requests that wait, 2 to 256")

SETTING(net, pool, cidr, "172.30.0.0/16", "where each owner's /24 comes from")
SETTING(net, dns, addresses, "auto", "resolvers of guests: auto (the host's) or up to two addresses")

SETTING(jail, uid_base, count, "1900000000", "first user id of VMMs; not to be changed while there are VMs that run")
SETTING(jail, uid_count, count, "65536", "how many there are")

SETTING(vmm, vmm, vmm_kind, "auto", "auto, firecracker or qemu, of VMs that do not ask for one")
SETTING(vmm, firecracker, path, "/usr/bin/firecracker", "the Firecracker binary; not given, also looked for in /usr/local/bin")
SETTING(vmm, qemu, path, "/usr/bin/qemu-system-x86_64", "the QEMU binary")
SETTING(vmm, accel, accel, "auto", "auto, kvm or tcg")
SETTING(vmm, start_timeout, count, "60", "seconds a guest has to get ready")
SETTING(vmm, stop_timeout, count, "20", "seconds a guest has to power off before it is killed")
SETTING(vmm, console_log_size, size, "1M", "how much of a VM's console is kept")
SETTING(vmm, console_rate, rate, "1M", "bytes a second that a VM may write to its console (Firecracker)")
SETTING(vmm, disk_bandwidth, rate, "0", "bytes a second of a VM's disk (Firecracker)")
SETTING(vmm, disk_ops, rate, "0", "requests a second of a VM's disk (Firecracker)")
SETTING(vmm, net_bandwidth, rate, "0", "bytes a second of a VM's network, each way (Firecracker)")

SETTING(image, disk, disk_kind, "auto", "what new VMs' disks are: dm (copy-on-write by device-mapper), clone (a copy) or auto")
SETTING(image, system_overlay_size, size, "8G", "least size of a VM's root disk")
SETTING(image, work_size, quantity, "0", "size of the work disk of a VM that does not say; 0: none")
SETTING(image, verify_diff_ids, boolean, "yes", "check the digest of uncompressed layers too")
SETTING(image, registries, path, "/etc/banger/registries.conf", "mirrors, short names and TLS settings of registries, see registries.conf(5)")
SETTING(image, min_free, size, "512M", "free space that imports and disks leave on the host")

#undef SETTING
