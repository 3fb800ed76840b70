# SPDX-License-Identifier: GPL-2.0-or-later
"""OCI layouts and archives, docker archives and layers, right ones and wrong ones, by hand."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import subprocess
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PLATFORM = {"architecture": "amd64", "os": "linux"}


def entry(name, data=b"", kind=tarfile.REGTYPE, mode=0o644, link="", uid=0, gid=0, mtime=1_000_000,
          pax=None, device=(0, 0)):
    """One entry of a layer: (TarInfo, bytes)."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    info.uid, info.gid, info.mtime = uid, gid, mtime
    info.devmajor, info.devminor = device
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    info.pax_headers = pax or {}
    return info, data


def directory(name, mode=0o755, **more):
    return entry(name, kind=tarfile.DIRTYPE, mode=mode, **more)


def symlink(name, target, **more):
    return entry(name, kind=tarfile.SYMTYPE, link=target, mode=0o777, **more)


def hardlink(name, target, **more):
    return entry(name, kind=tarfile.LNKTYPE, link=target, **more)


def tar(entries, form=tarfile.PAX_FORMAT, end=True):
    """The bytes of a tar; without its two zero blocks when end is false."""
    data = b"".join(info.tobuf(form, "utf-8", "surrogateescape") + content
                    + b"\0" * (-len(content) % 512) for info, content in entries)
    return data + (b"\0" * 1024 if end else b"")


def compress(data, how):
    if how == "":
        return data
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, check=True,
                              capture_output=True).stdout
    return {"bzip2": bz2.compress, "xz": lzma.compress}[how](data)


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Layout:
    """An OCI layout in memory: files[path] = bytes. Everything may be changed before it is
    written; a method says what it made."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        self.manifests = []

    def blob(self, data, kind, algorithm="sha256"):
        """Add a blob; its descriptor."""
        name = digest(data, algorithm)
        self.files["blobs/" + name.replace(":", "/")] = data
        return {"mediaType": kind, "digest": name, "size": len(data)}

    def image(self, layers, config=None, how="gzip", reference=None, change=None, config_change=None,
              platform=None):
        """An image of layers (tars); change(manifest) and config_change(config) may spoil it."""
        settings = {"architecture": "amd64", "os": "linux", "config": config or {},
                    "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}
        if config_change:
            config_change(settings)
        suffix = {"": "", "gzip": "+gzip", "zstd": "+zstd"}[how]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                    "config": self.blob(json.dumps(settings).encode(), CONFIG),
                    "layers": [self.blob(compress(layer, how), LAYER + suffix) for layer in layers]}
        if change:
            change(manifest)
        descriptor = self.blob(json.dumps(manifest).encode(), MANIFEST)
        if platform:
            descriptor["platform"] = platform
        if reference:
            descriptor["annotations"] = {"org.opencontainers.image.ref.name": reference}
        self.manifests.append(descriptor)
        return descriptor

    def index(self):
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests}

    def finish(self):
        self.files.setdefault("index.json", json.dumps(self.index()).encode())
        return self.files

    def write(self, folder):
        """As a directory."""
        for name, data in self.finish().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    def archive(self, path, how=""):
        """As an OCI archive."""
        path.write_bytes(compress(tar([entry(name, data) for name, data
                                       in sorted(self.finish().items())]), how))
        return path


def docker_archive(path, layers, config=None, tags=("test:latest",), change=None, how=""):
    """What `docker save` writes: manifest.json, a configuration, layers as plain tars."""
    settings = json.dumps({"architecture": "amd64", "os": "linux", "config": config or {},
                           "rootfs": {"type": "layers",
                                      "diff_ids": [digest(layer) for layer in layers]}}).encode()
    name = hashlib.sha256(settings).hexdigest() + ".json"
    files = {name: settings}
    names = []
    for layer in layers:
        names.append(hashlib.sha256(layer).hexdigest() + "/layer.tar")
        files[names[-1]] = layer
    manifest = [{"Config": name, "RepoTags": list(tags), "Layers": names}]
    if change:
        change(manifest, files)
    files["manifest.json"] = json.dumps(manifest).encode()
    path.write_bytes(compress(tar([entry(n, d) for n, d in files.items()]), how))
    return path


def read_tar(data):
    """TarFile of bytes."""
    return tarfile.open(fileobj=io.BytesIO(data), mode="r:")
