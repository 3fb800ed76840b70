/*
 * Where a test build can be told to fail: POINT(process, name, text). Each is one place in that
 * process, FAILPOINT(name, err); `text` says what has been done by then, and what has not. The steps
 * of sagas (bangerd/saga.h) are points without a row here: OPERATION/STEP before, after and undo.
 */
#ifndef POINT
#define POINT(process, name, text)
#endif

/* ---- a VM's files, inside steps of its start ---- */
POINT(bangerd, disk_removed, "the disk of the earlier image is gone, the new one is not there")
POINT(bangerd, files_synced, "a VM's files are on the disk, its row does not say what it is")
POINT(bangerd, work_formatted, "the work disk has its file system, not its name")
POINT(bangerd, work_named, "it has, in memory")

/* ---- images and kernels that are deleted ---- */
POINT(bangerd, image_unlisted, "an image's row is gone, its file is there")
POINT(bangerd, kernel_unlisted, "a kernel's row is gone, its files are there")

/* ---- the host's things ---- */
POINT(netd, reserve_begin, "nothing is known of the VM")
POINT(netd, reserve_row, "its row is in the ledger")
POINT(netd, disk_begin, "a disk is to be attached")
POINT(netd, disk_attached, "device-mapper has it, the row does not say so")
POINT(netd, disk_row, "the row says so")
POINT(netd, tap_begin, "the row is as before")
POINT(netd, tap_row, "the row has a network, the host not")
POINT(netd, tap_bridge, "the owner's bridge is there")
POINT(netd, tap_forward, "packets are forwarded")
POINT(netd, tap_rules, "the rules have the VM")
POINT(netd, tap_made, "QEMU's TAP is on the bridge")
POINT(netd, launch_begin, "the run directory is not there")
POINT(netd, launch_rundir, "it is")
POINT(netd, launch_spawned, "a child waits in its jail")
POINT(netd, launch_tap, "Firecracker's TAP is in its namespace")
POINT(netd, launch_limits, "the child is under its limits")
POINT(netd, launch_go, "the VMM runs, the row does not say so")
POINT(netd, launch_row, "the row says so")
POINT(netd, attach_begin, "the TAP is in the VMM's namespace")
POINT(netd, attach_moved, "it is on the host, and no port of the bridge")
POINT(netd, attach_joined, "it is a port, the row does not say so")
POINT(netd, attach_row, "the row says so")
POINT(netd, nat_begin, "a VM that runs is as it was")
POINT(netd, nat_row, "its row says how it is to be")
POINT(netd, nat_applied, "so is the host")
POINT(netd, signal_begin, "the VMM has no signal yet")
POINT(netd, reap_begin, "the VMM is dead, and not reaped")
POINT(netd, reap_row, "the row says that it is dead")
POINT(netd, release_begin, "nothing is taken away")
POINT(netd, release_killed, "nothing runs under the jail's uid, no cgroup is left")
POINT(netd, release_disk, "its disk is detached")
POINT(netd, release_tap, "its TAP is gone, its bridge and rules are there")
POINT(netd, release_network, "its network is gone")
POINT(netd, release_rundir, "its run directory is gone")
POINT(netd, release_row, "its row is gone")

/* ---- netd's launch half ---- */
POINT(launch, spawn_begin, "no child is there")
POINT(launch, spawn_child, "it is, and launch does not hold it")
POINT(launch, spawn_kept, "launch holds it")
POINT(launch, go_begin, "it waits")
POINT(launch, go_end, "it has become the VMM")
POINT(launch, limits_begin, "it is under no limits")
POINT(launch, limits_end, "it is under its limits")
POINT(launch, kill_begin, "all of the uid run")
POINT(launch, kill_end, "none does")
POINT(launch, dm_bare, "a device is there, without a table")
POINT(launch, dm_loaded, "it has its table, which is not in force")
POINT(launch, dm_base, "the base is there, and marked for nothing")
POINT(launch, dm_snapshot, "so is the snapshot")
POINT(launch, dm_marked, "the base goes with its last snapshot")
POINT(launch, dm_removed, "the snapshot is gone")

/* ---- the workers' server, and a worker ---- */
POINT(imaged, job_begin, "a job is asked for, no worker is there")
POINT(imaged, job_started, "the worker runs, bangerd does not know it yet")

POINT(worker, job_taken, "the worker has its job")
POINT(worker, image_unpacked, "all layers are read, blocks are written, the file system is not whole")
POINT(worker, image_written, "it is whole, and not synced")
POINT(worker, kernel_unpacked, "the kernel is written, its initramfs is not")
POINT(worker, kernel_written, "both are, and not synced")
POINT(worker, job_done, "the file is done, the answer not sent")

/* ---- the fetchers' server, and a fetcher ---- */
POINT(fetch, fetch_begin, "a fetcher is asked for, none is there")
POINT(fetch, fetch_started, "it runs, bangerd does not know it yet")

POINT(fetcher, resolve_done, "an image's manifest is known, to the fetcher alone")
POINT(fetcher, blob_begin, "a part is the fetcher's to write, nothing came for it")
POINT(fetcher, blob_part, "some of it is there")
POINT(fetcher, blob_whole, "all of it is, and not verified")
POINT(fetcher, blob_put, "it is verified, and in its place")
POINT(fetcher, fetch_done, "all is fetched, the answer not sent")

#undef POINT
