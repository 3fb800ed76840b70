/*
 * What `banger doctor` looks at: CHECK(ident, "name", "what has to be so", "what to do when it is not").
 * Each has its function in doctor_checks.c; output and the manual follow from here.
 */
#ifndef CHECK
#define CHECK(ident, name, what, fix)
#endif

CHECK(daemon, "daemon", "the daemon answers", "start it: systemctl start bangerd; its log says why it ended: journalctl -u bangerd")
CHECK(access, "access", "its socket may be used by the caller", "its directory and socket must be open to everybody: restart the daemon, which makes them so")
CHECK(vmm, "vmm", "there is a VMM for VMs that ask for none", "install qemu-system-x86 or Firecracker, or change [vmm] in banger.conf, then restart the daemon")
CHECK(kvm, "kvm", "/dev/kvm runs guests at the processor's speed", "switch virtualization on in the firmware, or nested virtualization on the host of this one; load kvm-intel or kvm-amd; then restart the daemon")
CHECK(firecracker, "firecracker", "Firecracker is there, fit, and new enough", "install a release of Firecracker to /usr/bin/firecracker, root's and not writable by others, then restart the daemon")
CHECK(qemu, "qemu", "QEMU is there, for hosts and VMs without Firecracker", "install qemu-system-x86, then restart the daemon")
CHECK(disks, "disks", "root disks share their image by device-mapper", "modprobe dm-snapshot, then restart the daemon; VMs that are there keep their copies")
CHECK(network, "network", "interfaces and rules can be made: TUN and nftables", "modprobe tun nf_tables, then restart the daemon")
CHECK(forwarding, "forwarding", "nobody else's firewall drops what VMs send to other networks", "let it through there; for docker: iptables -I DOCKER-USER -i 'bgr+' -j ACCEPT; iptables -I DOCKER-USER -o 'bgr+' -j ACCEPT")
CHECK(limits, "limits", "memory, tasks and processor time of VMs can be limited", "run the daemon under systemd with cgroup v2, as its unit does")
CHECK(space, "space", "there is room for images and disks", "delete VMs or images, make the file system of state_dir larger, or [image] min_free smaller")
CHECK(kernel, "kernel", "there is a kernel that the caller may use", "banger kernel import, or banger kernel pull")
CHECK(image, "image", "there is an image that the caller may use", "banger image import NAME SOURCE")
CHECK(catalogs, "catalogs", "catalogs of images and kernels can be read", "mend the file, see banger-catalog(5): until then, names that it could have are refused")
CHECK(vms, "vms", "no VM of the caller's stands still or has lost a disk", "banger vm show VM says more")

#undef CHECK
