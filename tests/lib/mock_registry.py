# SPDX-License-Identifier: GPL-2.0-or-later
"""A registry that can be told to misbehave, and the other places that one may point to. Each origin
notes every request, and so which credentials it saw."""

import base64
import contextlib
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
import time

import oci

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
NAME = "team/app"

# What nobody but its own registry (and the token service that this one names) may ever see.
USER, PASSWORD, IDENTITY = "alice", "opensesame-4711", "refresh-me-0815"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
TOKEN = "token-of-the-registry-"
SECRETS = (PASSWORD, BASIC.split()[1], IDENTITY, TOKEN)


class Seen:
    """One request as an origin got it."""

    def __init__(self, origin, handler, body):
        self.origin, self.method, self.path = origin, handler.command, handler.path
        self.headers, self.body, self.time = str(handler.headers), body, time.monotonic()
        self.authorization = handler.headers.get("Authorization", "")
        self.range = handler.headers.get("Range", "")

    def secrets(self):
        text = self.path + self.headers + self.body
        return [secret for secret in SECRETS if secret in text]

    def __repr__(self):
        return f"{self.origin}: {self.method} {self.path}"


class World:
    """What one case is about: an image, who asks for what, and a hook that misbehaves."""

    def __init__(self, origins):
        self.origins = origins
        self.seen = []
        self.at = "registry"  # the origin that is pulled from
        self.auth = None      # None, "basic" or "bearer"
        self.realm = None     # where tokens are; the origin "token"
        self.scope = f"repository:{NAME}:pull"
        self.tokens, self.token = 0, None
        self.trusted = {"registry", "token", "public", "tls"}  # may see name and password
        self.hook = lambda handler: False
        self.credentials = True
        self.options, self.mirrors, self.tool = ["--plain"], [], []
        self.reference = "v1"
        self.blobs, self.manifests = {}, {}
        self.lock = threading.Lock()
        self.counts = {}
        self.image()

    # ---- what there is ----

    def blob(self, data, kind, algorithm="sha256"):
        name = oci.digest(data, algorithm)
        self.blobs[name] = data
        return {"mediaType": kind, "digest": name, "size": len(data)}

    def manifest(self, document, kind, tag=None, algorithm="sha256"):
        """Its descriptor; a bytes document is taken as it is."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        name = oci.digest(data, algorithm)
        self.manifests[name] = (kind, data)
        if tag:
            self.manifests[tag] = (kind, data)
        return {"mediaType": kind, "digest": name, "size": len(data)}

    def image(self, kind=oci.MANIFEST, change=None, layers=None, algorithm="sha256", tag="v1"):
        layers = layers or [b"first layer " * 3000, b"second layer " * 6000, b"third"]
        config = self.blob(json.dumps({"architecture": "amd64", "os": "linux",
                                       "rootfs": {"type": "layers", "diff_ids": []}}).encode(),
                           oci.CONFIG, algorithm)
        self.layers = [self.blob(layer, oci.LAYER, algorithm) for layer in layers]
        document = {"schemaVersion": 2, "mediaType": kind, "config": config,
                    "layers": [dict(layer) for layer in self.layers]}
        if change:
            changed = change(document)
            document = document if changed is None else changed
        self.top = self.manifest(document, kind, tag, algorithm)
        return self.top

    def index(self, entries, tag="v1", kind=oci.INDEX, **more):
        self.top = self.manifest({"schemaVersion": 2, "mediaType": kind, "manifests": entries, **more},
                                 kind, tag)
        return self.top

    def take(self, layout, tag="v1"):
        """What a Layout (oci.py) has, in the place of the image that was here: its one image, or an
        index of all."""
        manifests = {entry["digest"] for entry in layout.manifests}
        self.blobs, self.manifests, found = {}, {}, {}
        for name, data in layout.files.items():
            if name.startswith("blobs/"):
                found[name.removeprefix("blobs/").replace("/", ":")] = data
        self.blobs = {name: data for name, data in found.items() if name not in manifests}
        self.manifests = {name: (oci.MANIFEST, found[name]) for name in manifests}
        if len(layout.manifests) > 1:
            return self.index(layout.manifests, tag)
        self.top = layout.manifests[0]
        self.manifests[tag] = self.manifests[self.top["digest"]]
        self.layers = json.loads(found[self.top["digest"]])["layers"]
        return self.top

    # ---- how it is spoken of ----

    def url(self, origin, path=""):
        return self.origins[origin].url + path

    def host(self, origin=None):
        return self.origins[origin or self.at].host

    def count(self, what):
        """How often this was called with `what` before."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            return self.counts[what] - 1

    def requests(self, origin=None, pattern=""):
        return [seen for seen in self.seen if origin in (None, seen.origin)
                and re.search(pattern, f"{seen.method} {seen.path}")]

    def layer_path(self, number=1):
        return f"/v2/{NAME}/blobs/{self.layers[number]['digest']}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mock", ""
    timeout = 20

    def log_message(self, *_):
        pass

    def do_GET(self):
        world, length = self.server.world, int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        if world is None:
            self.server.strays.append(f"{self.command} {self.path}")
            self.close_connection = True
            return
        self.body = body
        world.seen.append(Seen(self.server.name, self, body))
        with contextlib.suppress(ConnectionError):
            if not world.hook(self):
                self.answer()

    do_HEAD = do_POST = do_GET

    # ---- as a good registry does ----

    @property
    def world(self):
        return self.server.world

    @property
    def origin(self):
        return self.server.name

    def reply(self, status, body=b"", length=None, **headers):
        """Underscores in names are hyphens. length: what is said, in place of the truth; "" none."""
        self.send_response(status)
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name.replace("_", "-"), one)
        if length is None:
            length = len(body)
        if length != "":
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def cut(self, status, body, length, **headers):
        """Less than was said, and the end."""
        self.close_connection = True
        return self.reply(status, body, length=length, **headers)

    def raw(self, data):
        self.close_connection = True
        self.wfile.write(data)
        return True

    def chunks(self, parts, trailer=b"", status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return True
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n" + trailer + b"\r\n")
        return True

    def challenge(self, value=None):
        world = self.world
        if value is None:
            realm = world.url("token", "/token") if world.realm is None else world.realm
            value = 'Basic realm="mock"' if world.auth == "basic" else \
                f'Bearer realm="{realm}",service="mock.example",scope="{world.scope}"'
        return self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}',
                          Content_Type="application/json", WWW_Authenticate=value)

    def authorized(self):
        shown, world = self.headers.get("Authorization", ""), self.world
        if self.origin != world.at or world.auth is None:
            return True
        return shown == (BASIC if world.auth == "basic" else f"Bearer {world.token}")

    def token(self):
        world = self.world
        world.tokens += 1
        if self.command == "POST" and f"refresh_token={IDENTITY}" not in self.body:
            return self.reply(401)
        known = self.command == "POST" or self.headers.get("Authorization") == BASIC
        world.token = f"{TOKEN if known else 'for-anybody-'}{world.tokens}"
        return self.reply(200, json.dumps({"token": world.token}).encode(),
                          Content_Type="application/json")

    def answer(self):
        if self.path.startswith("/token"):
            return self.token()
        if not self.authorized():
            return self.challenge()
        match = re.fullmatch(r"(?:/mirrored|/storage)?/v2/(?:cache/)?" + NAME
                             + r"/(manifests|blobs)/([^/?]+)", self.path)
        if not match:
            return self.reply(404)
        kind, name = match.groups()
        return self.send_manifest(name) if kind == "manifests" else self.send_blob(name)

    def send_manifest(self, name, **headers):
        if name not in self.world.manifests:
            return self.reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}')
        kind, data = self.world.manifests[name]
        algorithm = name.split(":")[0] if ":" in name else self.world.top["digest"].split(":")[0]
        return self.reply(200, data, Content_Type=kind, **{
            "Docker_Content_Digest": oci.digest(data, algorithm), **headers})

    def start_of_range(self):
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match.group(1)) if match else 0

    def send_blob(self, name, **headers):
        data = self.world.blobs.get(name)
        if data is None:
            return self.reply(404)
        begin = self.start_of_range()
        if begin >= len(data) > 0:
            return self.reply(416, Content_Range=f"bytes */{len(data)}")
        if begin:
            return self.reply(206, data[begin:],
                              Content_Range=f"bytes {begin}-{len(data) - 1}/{len(data)}", **headers)
        return self.reply(200, data, **headers)


class Origin(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, name, address, tls=None, port=0):
        super().__init__((address, port), Handler)
        self.name, self.world, self.strays = name, None, []
        self.host = f"{address}:{self.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def handle_error(self, *_):
        """Clients that hang up are what this is about."""


class Trap(threading.Thread):
    """A port to which nobody may ever connect."""

    def __init__(self, address, port=0):
        super().__init__(daemon=True)
        self.socket = socket.create_server((address, port))
        self.host = f"{address}:{self.socket.getsockname()[1]}"
        self.connections = 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.socket.accept()[0].close()
                self.connections += 1


def certificates(folder, addresses):
    """A CA and a server's certificate for the addresses: (CA file, (certificate, key)) in folder."""
    names = ",".join(f"IP:{address}" for address in addresses)
    (folder / "ext").write_text(f"subjectAltName={names}\n")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for command in (
            [*new, "-x509", "-days", "2", "-subj", "/CN=mock CA", "-keyout", "ca.key", "-out", "ca.pem"],
            [*new, "-subj", "/CN=mock", "-keyout", "key.pem", "-out", "csr.pem"],
            ["openssl", "x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "cert.pem"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem", (folder / "cert.pem", folder / "key.pem")
