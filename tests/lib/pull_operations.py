# SPDX-License-Identifier: GPL-2.0-or-later
"""The operations that are walked, further: what takes a fetcher, and an image that is a file. What
they take from is here: a registry, a server of files, and a file."""

import functools
import os
import subprocess
from pathlib import Path

import files_server
import mock_registry
import oci
import rpc
import suite
import whole_pull
from operations import IMAGE, KERNEL, Operation

FILES = {name: os.urandom(100_000) for name in ("one", "two")}
CACHE = ("cache/",)


class Sources:
    """Servers in this process, and what the suite is to know of them before it starts."""

    def __init__(self):
        folder = suite.DIR / "sources"
        folder.mkdir()
        ca, pair = mock_registry.certificates(folder, ("127.0.0.1",))
        self.registry = mock_registry.Origin("registry", "127.0.0.1")
        self.files = mock_registry.Origin("files", "127.0.0.1", pair)
        self.image, self.kernel = self.make_image(), files_server.vmlinux()
        self.rootfs = Path(suite.settings()["run_dir"]) / "rootfs.ext4"  # on a tmpfs for sure
        self.rootfs.write_bytes(b"")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", self.rootfs, "1M"], check=True)
        self.write_settings(ca.read_bytes())

    def make_image(self):
        world = self.registry.world = mock_registry.World({"registry": self.registry})
        layout = oci.Layout()
        layout.image([oci.tar([oci.entry(*file)]) for file in FILES.items()])
        world.take(layout)
        return world

    def write_settings(self, authority):
        catalog, registries = Path(suite.settings()["catalog_dir"]), suite.DIR / "registries.conf"
        files = self.files.world = files_server.Files()
        files.origins = {"127.0.0.1": self.files}
        (catalog / "ca.pem").write_bytes(authority)
        (catalog / "walk.conf").write_text(files_server.entry(files, KERNEL, self.kernel))
        for name in ("ca.pem", "walk.conf"):
            (catalog / name).chmod(0o644)
        registries.write_text(f"[{self.files.host}]\nca = {catalog}/ca.pem\n")
        with open(suite.DIR / "banger.conf", "a", encoding="utf-8") as file:
            file.write(f"[image]\nregistries = {registries}\n")

    def close(self):
        self.rootfs.unlink()
        for origin in (self.registry, self.files):
            origin.shutdown()
            origin.server_close()


def clear_cache():
    rpc.call("image.cache.prune", {})


def pull_image(sources, client):
    params = {"reference": f"{sources.registry.host}/{mock_registry.NAME}:v1", "name": IMAGE}
    client.call("image.pull", params)


def forget_image():
    rpc.call("image.delete", {"image": IMAGE})
    clear_cache()


def pull_kernel(client):
    client.call("kernel.pull", {"kernel": KERNEL})


def forget_kernel():
    rpc.call("kernel.delete", {"kernel": KERNEL})
    clear_cache()


def register_image(sources, client):
    with open(sources.rootfs, "rb") as file:
        client.call("image.register", {"name": IMAGE, "path": str(sources.rootfs)},
                    fds=[file.fileno()])


def once(ask, back):
    """What the first of all makes, and keeps, was made before: the cache's directories."""
    def do():
        with rpc.Rpc(timeout=90) as client:
            ask(client)
        back()
    return do


def prove_image(sources, ask):
    """Whatever became of it, the next pull makes the whole image of what is there."""
    def do():
        with rpc.Rpc(timeout=90) as client:
            ask(client)
        image = rpc.call("image.show", {"image": IMAGE})["image"]
        whole_pull.exact(sources.image, image["id"], FILES)
    return do


def prove_kernel(sources):
    def do():
        rpc.call("kernel.pull", {"kernel": KERNEL})
        ident = rpc.call("kernel.show", {"kernel": KERNEL})["kernel"]["id"]
        made = Path(suite.settings()["state_dir"]) / "kernels" / f"{ident}.vmlinux"
        assert made.read_bytes() == sources.kernel, "it is another kernel"
    return do


def operations_of(sources):
    """{name: Operation}."""
    image = functools.partial(pull_image, sources)
    register = functools.partial(register_image, sources)
    only = ("fetch/", "fetcher/", "worker/")
    return {operation.name: operation for operation in (
        Operation("pull image", image, once(image, forget_image), forget_image,
                  lambda client: client.leave(), job=True, only=only, between=CACHE,
                  prove=prove_image(sources, image)),
        Operation("pull kernel", pull_kernel, once(pull_kernel, forget_kernel), forget_kernel,
                  lambda client: client.leave(), job=True, only=only, between=CACHE,
                  prove=prove_kernel(sources)),
        Operation("register image", register, lambda: None,
                  lambda: rpc.call("image.delete", {"image": IMAGE}),
                  lambda client: client.leave(), job=True),
    )}
