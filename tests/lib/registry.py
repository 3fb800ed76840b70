# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's docker-registry on loopback, with or without users, and images put into it."""

import base64
import http.client
import json
import socket
import subprocess
import time

import oci


class Registry:
    """One that runs for a `with`; `host` is what references begin with."""

    def __init__(self, where, users=None):
        self.where, self.users, self.process = where, users or {}, None
        where.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"

    def __enter__(self):
        lines = ["version: 0.1", "log:", "  level: error", "  accesslog:", "    disabled: true",
                 "storage:", "  filesystem:", f"    rootdirectory: {self.where}/data",
                 "http:", f"  addr: {self.host}"]
        if self.users:
            table = subprocess.run(
                ["htpasswd", "-nbB", *next(iter(self.users.items()))], check=True,
                capture_output=True, text=True).stdout
            (self.where / "htpasswd").write_text(table)
            lines += ["auth:", "  htpasswd:", "    realm: test", f"    path: {self.where}/htpasswd"]
        (self.where / "config.yml").write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(
            ["docker-registry", "serve", self.where / "config.yml"],
            stdout=subprocess.DEVNULL, stderr=(self.where / "log").open("w"))
        self.wait()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def wait(self):
        end = time.monotonic() + 20
        while True:
            try:
                self.ask("GET", "/v2/")
                return
            except OSError:
                assert self.process.poll() is None, (self.where / "log").read_text()
                assert time.monotonic() < end, "the registry does not answer"
                time.sleep(0.02)

    def headers(self):
        if not self.users:
            return {}
        pair = ":".join(next(iter(self.users.items())))
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def ask(self, method, path, body=None, kind=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = self.headers()
        if kind:
            headers["Content-Type"] = kind
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), data

    def manifest(self, path, digest):
        """What it has, as it would give it to anybody."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", f"/v2/{path}/manifests/{digest}", None,
                           {**self.headers(), "Accept": oci.MANIFEST})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def put_blob(self, repository, data):
        status, headers, _ = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, status
        where = headers["Location"].split(self.host, 1)[1]
        joint = "&" if "?" in where else "?"
        status, _, text = self.ask("PUT", f"{where}{joint}digest={oci.digest(data)}", data,
                                   "application/octet-stream")
        assert status == 201, text

    def push(self, reference, layers, config=None, how="gzip"):
        """Put an image of `layers` (tars, or lists of entries) there as PATH:TAG; its manifest's digest."""
        path, tag = reference.rsplit(":", 1)
        layout = oci.Layout()
        tars = [layer if isinstance(layer, bytes) else oci.tar(layer) for layer in layers]
        descriptor = layout.image(tars, config, how)
        manifest = layout.files["blobs/" + descriptor["digest"].replace(":", "/")]
        for name, data in layout.files.items():
            if name.startswith("blobs/") and data != manifest:
                self.put_blob(path, data)
        status, _, text = self.ask("PUT", f"/v2/{path}/manifests/{tag}", manifest,
                                   json.loads(manifest).get("mediaType", oci.MANIFEST))
        assert status == 201, text
        return descriptor["digest"]
