# SPDX-License-Identifier: GPL-2.0-or-later
"""The operations that are walked: how each is asked for, ended in the middle, and taken back."""

import contextlib
import os
import threading

import rpc
import suite

VM = "walk"
IMAGE = "walked"


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


def create(client):
    begun = client.call("vm.create.begin", parameters())
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


def call(method, **params):
    return lambda client: client.call(method, params)


def force_delete():
    rpc.call("vm.delete", {"vm": VM, "force": True})


def quietly(method, **params):
    with contextlib.suppress(rpc.RpcError):
        rpc.call(method, params)


class Operation:
    """`ask` does it; `before` makes the world that it begins in, from none of it; `back` makes that
    again from the one that it ends in; `stop` ends one that hangs."""

    def __init__(self, name, ask, before, back, stop):
        self.name, self.ask, self.before, self.back, self.stop = name, ask, before, back, stop


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


def make_stopped():
    make()
    rpc.call("vm.kill", {"vm": VM})


OPERATIONS = {operation.name: operation for operation in (
    Operation("create", create, own_network, force_delete,
              leave_and_delete),
    Operation("start", call("vm.start", vm=VM), make_stopped,
              lambda: rpc.call("vm.kill", {"vm": VM}), kill_and_leave),
    Operation("stop", call("vm.stop", vm=VM, timeout_s=5), make,
              lambda: rpc.call("vm.start", {"vm": VM}), lambda client: quietly("vm.kill", vm=VM)),
    Operation("kill", call("vm.kill", vm=VM), make,
              lambda: rpc.call("vm.start", {"vm": VM}), lambda client: None),
    Operation("delete", call("vm.delete", vm=VM, force=True), make, make,
              lambda client: None),
    Operation("set", call("vm.set", vm=VM, nat=True), make,
              lambda: rpc.call("vm.set", {"vm": VM, "no_nat": True}), lambda client: client.leave()),
    Operation("import", import_image, nothing,
              lambda: rpc.call("image.delete", {"image": IMAGE}), lambda client: client.leave()),
)}
