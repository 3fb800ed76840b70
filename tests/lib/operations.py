# SPDX-License-Identifier: GPL-2.0-or-later
"""The operations that are walked: how each is asked for, ended in the middle, and taken back."""

import contextlib
import os
import re
import signal
import threading
from pathlib import Path

import files_server
import oci
import rpc
import suite

VM = "walk"
IMAGE = "walked"
KERNEL = "walked"
WORK = 128 << 20


class Client(threading.Thread):
    """Asks for an operation on a connection of its own, and waits for its end."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.rpc, self.error = ask, rpc.Rpc(timeout=90), None
        self.start()

    def run(self):
        try:
            self.ask(self.rpc)
        except (rpc.RpcError, rpc.Closed, OSError) as error:
            self.error = error

    def leave(self):
        """As a client does that is interrupted."""
        with contextlib.suppress(OSError):
            self.rpc.sock.shutdown(2)

    def end(self, seconds=120):
        self.join(seconds)
        assert not self.is_alive(), "the operation does not end"
        self.rpc.close()
        return self.error


def write_files():
    """What is imported: two images that VMs run, and what the walk itself imports."""
    rootfs(suite.DIR / "base.tar", 40)
    rootfs(suite.DIR / "other.tar", 44)
    rootfs(suite.DIR / "walked.tar", 3)
    (suite.DIR / "walked.vmlinux").write_bytes(files_server.vmlinux())


def rootfs(path, files):
    """A small root file system, as a tar."""
    entries = [oci.directory("etc"), *(oci.entry(f"etc/{i}", b"x" * 5000) for i in range(files))]
    path.write_bytes(oci.tar(entries))


def create(client, **more):
    begun = client.call("vm.create.begin", parameters(**more))
    ended = client.call("vm.create.watch", {"operation": begun["operation"]})
    if ended["operation"]["state"] != "done":
        raise rpc.RpcError({"message": str(ended["operation"].get("error"))})


def parameters(**more):
    return {"image": "base", "name": VM, "kernel": "cloud", "vcpus": 1, "memory_mib": 64,
            "vmm": "firecracker", **more}


def import_image(client):
    source = os.open(suite.DIR / "walked.tar", os.O_RDONLY)
    try:
        client.call("image.import", {"name": IMAGE, "kind": "rootfs"}, fds=[source])
    finally:
        os.close(source)


def create_with_work(client):
    create(client, disk_size=WORK)


def create_on_qemu(client):
    create(client, vmm="qemu", memory_mib=128)


def import_kernel(client):
    source = os.open(suite.DIR / "walked.vmlinux", os.O_RDONLY)
    try:
        client.call("kernel.import", {"name": KERNEL}, fds=[source])
    finally:
        os.close(source)


def call(method, **params):
    return lambda client: client.call(method, params)


def force_delete():
    rpc.call("vm.delete", {"vm": VM, "force": True})


def quietly(method, **params):
    with contextlib.suppress(rpc.RpcError):
        rpc.call(method, params)


class Operation:
    """`ask` does it; `before` makes the world that it begins in, from none of it; `back` makes that
    again from the one that it ends in; `stop` ends one that hangs. `job`: a worker has a part in it.
    Only places that begin with one of `only` are walked, if there are any: the others are another
    operation's.

    What an operation that failed has made already and the next try takes, or makes anew, is
    `between` before and after, the names of files, with a slash behind them of directories; then
    `prove` shows that the next try succeeds and makes what it should."""

    def __init__(self, name, ask, before, back, stop, job=False, only=(), between=(), prove=None):
        self.name, self.ask, self.before, self.back, self.stop = name, ask, before, back, stop
        self.job, self.only, self.between, self.proves = job, only, between, prove is not None
        self.proof = prove or nothing

    def wants(self, place):
        return not self.only or place.startswith(self.only)

    def bare(self, found):
        """A world without what is in between, and without a row's word for it."""
        ends = tuple(name if name.endswith("/") else f"{name} " for name in self.between)
        files = [name for name in found["state files"] if not name.startswith(ends)]
        rows = [re.sub(r" work_made=\d+", "", row) if self.between else row
                for row in found["rows"]]
        return {**found, "state files": files, "rows": rows}


def nothing():
    pass


def own_network():
    """An owner keeps the network that the first VM brought."""
    make()
    force_delete()


def leave_and_delete(client):
    """Before it is begun, a client that leaves cancels it; from then on it goes on by itself."""
    client.leave()
    quietly("vm.delete", vm=VM, force=True)


def kill_and_leave(client):
    """Who kills it cancels what is under way; before its state says that it starts, there is nothing to
    kill but the client's wait."""
    quietly("vm.kill", vm=VM)
    client.leave()


def make():
    with rpc.Rpc(timeout=90) as client:
        create(client)


def make_image():
    with rpc.Rpc(timeout=90) as client:
        import_image(client)


def make_kernel():
    with rpc.Rpc(timeout=90) as client:
        import_kernel(client)


def make_stopped():
    make()
    rpc.call("vm.kill", {"vm": VM})


# ---- disks: made by a start ----

def state():
    return rpc.call("vm.show", {"vm": VM})["vm"]["state"]


def folder():
    return Path(suite.settings()["state_dir"]) / "vms" / rpc.call("vm.show", {"vm": VM})["vm"]["id"]


def started():
    """Whatever became of it, it starts; that may go on already."""
    if state() != "running":
        rpc.call("vm.start", {"vm": VM})
    assert not (folder() / "work.new").exists()


def make_for_work():
    make_stopped()
    rpc.call("vm.set", {"vm": VM, "disk_size": WORK})


def prove_work():
    started()
    with open(folder() / "work", "rb") as disk:
        assert os.fstat(disk.fileno()).st_size == WORK
        disk.seek(1024 + 56)
        assert disk.read(2) == b"\x53\xef", "the work disk has no file system"


def make_for_remake():
    make_stopped()
    rpc.call("vm.set", {"vm": VM, "image": "other"})


def disk():
    """What the VM that runs has: its file, or its device over its image."""
    ident = rpc.call("vm.show", {"vm": VM})["vm"]["id"]
    for path in Path("/sys/block").glob("dm-*/dm/name"):
        if path.read_text().strip() == f"banger-{ident}":
            return Path("/dev") / path.parts[3]
    return folder() / "disk.img"


def prove_remake():
    started()
    other = rpc.call("image.show", {"image": "other"})["image"]["id"]
    image = Path(suite.settings()["state_dir"]) / "images" / f"{other}.ext4"
    with open(image, "rb") as one, open(disk(), "rb") as two:
        while block := one.read(1 << 20):
            assert two.read(len(block)) == block, "its disk is not of the new image"


def again(before):
    """From nothing: what is made by a start is made once."""
    def do():
        force_delete()
        before()
    return do


def end_by_itself(client):
    """Its VMM dies, and nobody asked for that, or is told what fails; done once nobody has the VM's
    lock."""
    os.kill(rpc.call("vm.show", {"vm": VM})["vm"]["pid"], signal.SIGKILL)
    client.call("vm.await", {"vm": VM}, timeout=5 * suite.PATIENCE)
    quietly("vm.resume", vm=VM)


def undo_set_image():
    """The mark that it is to be remade goes with the next start."""
    rpc.call("vm.set", {"vm": VM, "image": "base"})
    rpc.call("vm.start", {"vm": VM})
    rpc.call("vm.kill", {"vm": VM})


JOB = ("bangerd/", "imaged/", "worker/")

OPERATIONS = {operation.name: operation for operation in (
    Operation("create", create, own_network, force_delete,
              leave_and_delete),
    Operation("create, not started", lambda client: create(client, no_start=True), own_network,
              force_delete, leave_and_delete, only=("vm.make/", "bangerd/")),
    Operation("start", call("vm.start", vm=VM), make_stopped,
              lambda: rpc.call("vm.kill", {"vm": VM}), kill_and_leave),
    Operation("stop", call("vm.stop", vm=VM, timeout_s=5), make,
              lambda: rpc.call("vm.start", {"vm": VM}), lambda client: quietly("vm.kill", vm=VM)),
    Operation("kill", call("vm.kill", vm=VM), make,
              lambda: rpc.call("vm.start", {"vm": VM}), lambda client: None),
    Operation("end", end_by_itself, make, lambda: rpc.call("vm.start", {"vm": VM}),
              lambda client: None),
    Operation("delete", call("vm.delete", vm=VM, force=True), make, make,
              lambda client: None),
    Operation("set", call("vm.set", vm=VM, nat=True), make,
              lambda: rpc.call("vm.set", {"vm": VM, "no_nat": True}), lambda client: client.leave()),
    Operation("import", import_image, nothing,
              lambda: rpc.call("image.delete", {"image": IMAGE}), lambda client: client.leave(),
              job=True),
    Operation("delete image", call("image.delete", image=IMAGE), make_image, make_image,
              lambda client: None),
    Operation("promote", call("image.promote", image="base", name=IMAGE), nothing,
              lambda: rpc.call("image.delete", {"image": IMAGE}), lambda client: None),
    Operation("import kernel", import_kernel, nothing,
              lambda: rpc.call("kernel.delete", {"kernel": KERNEL}),
              lambda client: client.leave(), job=True),
    Operation("delete kernel", call("kernel.delete", kernel=KERNEL), make_kernel, make_kernel,
              lambda client: None),
    Operation("create, work disk", create_with_work, own_network, force_delete, leave_and_delete,
              job=True, only=(*JOB, "vm.create/work", "vm.create/copy")),
    Operation("start, work disk", call("vm.start", vm=VM), make_for_work, again(make_for_work),
              kill_and_leave, job=True, only=(*JOB, "vm.start/work", "vm.start/copy",
                                              "vm.start/guest", "vm.start/ready"),
              between=("vms/<vm walk>/work",), prove=prove_work),
    Operation("set, image", call("vm.set", vm=VM, image="other"), make_stopped, undo_set_image,
              lambda client: client.leave()),
    Operation("start, image", call("vm.start", vm=VM), make_for_remake, again(make_for_remake),
              kill_and_leave, only=("bangerd/", "vm.start/check", "vm.start/disk", "vm.start/copy",
                                    "vm.start/guest", "vm.start/ready"),
              between=("vms/<vm walk>/disk.img", "vms/<vm walk>/disk.cow"), prove=prove_remake),
)}
