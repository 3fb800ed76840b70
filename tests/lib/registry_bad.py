# SPDX-License-Identifier: GPL-2.0-or-later
"""More rows for registry_cases.py: answers that must be refused, each by a message that names why."""

import gzip
import hashlib
import json
import time

import oci
from mock_registry import DOCKER, NAME
from registry_cases import CASES, Case, always, case, layer, manifests


# ---- who are you ----

@case("401 whatever is shown", "unauthorized", "credentials",
      check=lambda world: len(world.requests("registry", "GET .*manifests")) <= 4)
def unauthorized_for_ever(world):
    world.auth = "basic"
    always(world, lambda h: h.origin == "registry", lambda h: h.challenge())


@case("a token that is not taken, and another, and another", "unauthorized", "credentials",
      check=lambda world: world.tokens <= 6)
def token_never_taken(world):
    world.auth = "bearer"
    always(world, lambda h: h.origin == "registry", lambda h: h.challenge())


def bearer_answer(name, what, code, message, answer, pattern=None):
    """A row whose token service answers so."""
    def set_up(world):
        world.auth = "bearer"
        always(world, lambda h: h.origin == "token", answer)
    CASES.append(Case(name, "the token service: " + what, code, message, set_up))


bearer_answer("token-refused", "403", "unauthorized", "refuses the credentials",
              lambda h: h.reply(403))
bearer_answer("token-broken", "500", "unavailable", "status 500", lambda h: h.reply(500))
bearer_answer("token-not-json", "no JSON", "bad_input", "JSON", lambda h: h.reply(200, b"{"))
bearer_answer("token-absent", "JSON without a token", "bad_input", "no token",
              lambda h: h.reply(200, b'{"tokens": "x"}'))
bearer_answer("token-injects", "a token with a header behind it", "bad_input", "no token",
              lambda h: h.reply(200, b'{"token": "x\\r\\nX-Evil: 1"}'))
bearer_answer("token-huge", "a token of 100,000 bytes", "bad_input", "no token",
              lambda h: h.reply(200, b'{"token": "' + b"x" * 100000 + b'"}'))
bearer_answer("token-endless", "an answer of 2 MB", "bad_input", "KiB",
              lambda h: h.reply(200, b" " * 2000000))
bearer_answer("token-number", "a number for a token", "bad_input", "no token",
              lambda h: h.reply(200, b'{"token": 7}'))


def challenge(name, what, value, code, message):
    def set_up(world):
        world.auth = "basic"
        always(world, lambda h: h.origin == "registry", lambda h: h.challenge(value)
               if value is not None else h.reply(401))
    CASES.append(Case("challenge-" + name, "401 with " + what, code, message, set_up))


challenge("absent", "no WWW-Authenticate", None, "unauthorized", "does not know who we are")
challenge("unknown", "a scheme of its own", "Negotiate abcd==", "unauthorized",
          "does not know who we are")
challenge("garbage", "an unclosed quote", 'Bearer realm="http', "bad_input", "WWW-Authenticate")
challenge("doubled", "two realms in one", 'Bearer realm="http://127.0.0.1:1/",realm="http://a/"',
          "bad_input", "WWW-Authenticate")


# ---- what the answers are ----

def status(number, code, message, body=b"", **headers):
    def set_up(world):
        always(world, manifests, lambda h: h.reply(number, body, **headers))
    CASES.append(Case(f"status-{number}" + ("-later" if headers else ""),
                                f"{number} for the manifest", code, message, set_up))


status(404, "not_found", r"NAME_UNKNOWN: no such thing",
       b'{"errors":[{"code":"NAME_UNKNOWN","message":"no such thing"}]}')
status(403, "unauthorized", "does not let")
status(429, "unavailable", "too many requests", Retry_After="3600")
status(500, "unavailable", "status 500")
status(418, "bad_input", "status 418", b"<html>\x1b[2Jteapot")
status(204, "bad_input", "status 204")
status(206, "bad_input", "status 206", b"{}", Content_Range="bytes 0-1/2")


def raw(name, what, data, code, message, **options):
    def set_up(world):
        world.tool = options.get("tool", [])
        always(world, lambda h: manifests(h), lambda h: h.raw(data() if callable(data) else data))
    CASES.append(Case("raw-" + name, what, code, message, set_up))


raw("http-0.9", "an answer without a header (HTTP/0.9)", b"hello\n", "bad_input", "HTTP")
raw("garbage-status", "a status line that is none", b"HTTP/1.1 two hundred\r\n\r\n", "bad_input", "")
raw("header-flood", "300 header fields", lambda: b"HTTP/1.1 200 OK\r\n" + b"".join(
    b"X-%d: y\r\n" % i for i in range(300)) + b"Content-Length: 0\r\n\r\n", "bad_input", "header")
raw("header-bytes", "a header of 120 KB", lambda: b"HTTP/1.1 200 OK\r\n" + b"".join(
    b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(120)) + b"\r\n", "bad_input", "header")
raw("header-line", "a header field of 200 KB", lambda: b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200000
    + b"\r\n\r\n", "bad_input", "header")
raw("continue-flood", "400 interim answers", lambda: b"HTTP/1.1 100 Continue\r\n\r\n" * 400,
    "bad_input", "header")
raw("two-lengths", "two different Content-Length fields",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello", "bad_input", "Content-Length")
raw("negative-length", "a negative Content-Length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "bad_input", "")
raw("chunk-size", "a chunk of a size that is none",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx", "unavailable", "hexadecimal")


@case("a manifest that comes byte by byte", "timeout", "", check=lambda world: world.took < 25)
def drip(world):
    world.tool = ["--stall", "1"]

    def act(handler):
        handler.reply(200, length=400)
        for _ in range(20):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.2)
        return True
    always(world, lambda h: manifests(h) and h.command == "GET", act)


@case("says nothing at all", "timeout", "", check=lambda world: world.took < 25)
def silent(world):
    world.tool = ["--stall", "1"]
    always(world, lambda h: manifests(h) and h.command == "GET",
           lambda h: time.sleep(3) or h.raw(b""))


# ---- manifests ----

def manifest(name, what, message, change, code="bad_input", kind=oci.MANIFEST):
    """A row whose manifest is spoilt; change(world, document) may give bytes in its place."""
    def set_up(world):
        world.image(kind=kind, change=lambda document: change(world, document))
    CASES.append(Case("manifest-" + name, what, code, message, set_up))


def layers_of(**more):
    return lambda world, document: document["layers"][1].update(more)


manifest("foreign", "a layer whose bytes are elsewhere", "foreign", layers_of(
    mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    urls=["http://169.254.169.254/"]))
manifest("nondistributable", "a layer that may not be distributed", "foreign", layers_of(
    mediaType="application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"))
manifest("both", "a manifest that is an index, too (CVE-2021-41190)", "both an index and a manifest",
         lambda world, document: document.update(manifests=[]))
manifest("neither", "a manifest without layers", "layers|neither",
         lambda world, document: {"schemaVersion": 2, "mediaType": oci.MANIFEST})
manifest("lying-type", "an index's media type on a manifest", "says to be",
         lambda world, document: document.update(mediaType=oci.INDEX))
manifest("many-layers", "129 layers", "129 layers",
         lambda world, document: document.update(layers=document["layers"][:1] * 129))
manifest("two-sizes", "one blob with two sizes", "two sizes", lambda world, document:
         document["layers"].append(dict(document["layers"][0], size=5)))
manifest("huge-layer", "a layer of a TiB", "GiB", layers_of(size=1 << 40))
manifest("negative-size", "a layer of -1 bytes", "size", layers_of(size=-1))
manifest("huge-config", "a configuration of 5 MiB", "configuration",
         lambda world, document: document["config"].update(size=5 << 20))
manifest("artifact", "no image but an artifact", "artifact",
         lambda world, document: document["config"].update(mediaType="application/vnd.cncf.helm"))
manifest("unknown-layer", "a layer of a kind of its own", "cannot read",
         layers_of(mediaType="application/x-shockwave-flash"))
manifest("bad-digest", "a digest of a path", "digest", layers_of(digest="sha256:../../../etc/passwd"))
manifest("md5", "a digest by md5", "digest",
         layers_of(digest="md5:" + hashlib.md5(b"").hexdigest()))
manifest("twice", "a member that stands twice", "JSON", lambda world, document: json.dumps(
    document).replace('"layers"', '"layers": [], "layers"').encode())
manifest("not-json", "no JSON", "JSON", lambda world, document: b"<html>")
manifest("not-utf8", "not UTF-8", "JSON", lambda world, document: b'{"a": "\xff"}')
manifest("deep", "nested 1,000 deep", "JSON",
         lambda world, document: b'{"a":' * 1000 + b"1" + b"}" * 1000)
manifest("empty", "an empty manifest", "empty", lambda world, document: b"")
manifest("array", "a list", "no JSON object|no object", lambda world, document: b"[]")
manifest("version-3", "schema version 3", "schema version",
         lambda world, document: document.update(schemaVersion=3))
manifest("schema-1-inside", "docker's schema 1 with another media type", "schema 1",
         lambda world, document: {"schemaVersion": 1, "name": NAME, "fsLayers": [], "history": []})
manifest("schema-1", "docker's schema 1", "schema 1",
         lambda world, document: {"schemaVersion": 1, "fsLayers": []},
         kind="application/vnd.docker.distribution.manifest.v1+prettyjws")
manifest("strange-type", "a manifest that comes as text/html", "text/html",
         lambda world, document: None, kind="text/html")


def said(name, what, message, **headers):
    """A row whose manifest's header lies."""
    def set_up(world):
        always(world, lambda h: manifests(h) and h.command == "GET",
               lambda h: h.send_manifest(h.path.split("/")[-1], **headers))
    CASES.append(Case("header-" + name, what, "bad_input", message, set_up))


said("digest", "another Docker-Content-Digest", "as the answer's header says",
     Docker_Content_Digest="sha256:" + "0" * 64)
said("digest-garbage", "a Docker-Content-Digest that is none", "Docker-Content-Digest",
     Docker_Content_Digest="sha256:x")
said("digest-twice", "two Docker-Content-Digest fields", "Docker-Content-Digest",
     Docker_Content_Digest=["sha256:" + "0" * 64] * 2)
said("encoding", "a content encoding", "content encoding", Content_Encoding="gzip")


@case("a digest whose manifest is another", "bad_input", "digest is")
def other_manifest(world):
    world.reference = "@" + world.top["digest"]
    always(world, manifests, lambda h: h.reply(200, b'{"schemaVersion":2}' + b" " * 40,
                                               Content_Type=oci.MANIFEST))


@case("a manifest of 5 MiB, announced", "bad_input", "5242880 bytes")
def huge_manifest(world):
    always(world, manifests, lambda h: h.reply(200, length=5 << 20, Content_Type=oci.MANIFEST))


@case("a manifest without end, in chunks", "bad_input", "more than 4 MiB")
def endless_manifest(world):
    always(world, manifests, lambda h: h.chunks([b" " * 65536] * 200, Content_Type=oci.MANIFEST))


@case("an index in which an index is, six deep", "bad_input", "nested deeper")
def deep_index(world):
    entry = dict(world.image(tag=None), platform=oci.PLATFORM)
    for _ in range(6):
        entry = world.index([entry], tag=None)
    world.index([entry])


@case("an index that names itself: a digest cannot be right then", "bad_input", "digest is|bytes, not")
def index_cycle(world):
    fake = {"mediaType": oci.INDEX, "digest": "sha256:" + "1" * 64, "size": 300,
            "platform": oci.PLATFORM}
    world.index([fake])
    world.manifests[fake["digest"]] = world.manifests["v1"]


@case("an index for others alone", "not_found", "riscv64")
def no_platform(world):
    world.index([dict(world.image(tag=None), platform={"os": "linux", "architecture": "riscv64"})])


@case("an index with two different images for this host", "bad_input", "nothing tells apart")
def two_candidates(world):
    one = dict(world.image(tag=None), platform=oci.PLATFORM)
    world.index([one, dict(world.image(tag=None, layers=[b"other"]), platform=oci.PLATFORM)])


@case("an index gives its manifest another size", "bad_input", "bytes, not")
def index_size(world):
    world.index([dict(world.image(tag=None), platform=oci.PLATFORM, size=77)])


@case("an index calls its manifest docker's, and it comes as OCI's", "bad_input", "its index says|says to be")
def index_type(world):
    world.index([dict(world.image(tag=None), platform=oci.PLATFORM, mediaType=DOCKER)])


# ---- blobs ----

def blob(name, what, message, answer, code="bad_input"):
    """A row whose second layer comes so: answer(handler, data)."""
    def set_up(world):
        always(world, layer(world),
               lambda h: answer(h, world.blobs[world.layers[1]["digest"]]))
    CASES.append(Case("blob-" + name, "a layer: " + what, code, message, set_up))


def cut_then(act):
    """The first half, then act(handler, data) for the rest."""
    def answer(handler, data):
        if handler.start_of_range() == 0:
            return handler.cut(200, data[:len(data) // 2], len(data))
        return act(handler, data, handler.start_of_range())
    return answer


blob("digest", "other bytes", "digest|not what", lambda h, data: h.reply(200, data[::-1]))
blob("one-bit", "one bit is another", "digest|not what",
     lambda h, data: h.reply(200, data[:-1] + bytes([data[-1] ^ 1])))
blob("length", "another length, announced", "bytes, not", lambda h, data: h.reply(200, data + b"x"))
blob("short", "too short, for ever", "ends after",
     lambda h, data: h.reply(200, data[:100], length=""), code="unavailable")
blob("endless", "without end", "larger", lambda h, data: h.chunks([data] * 50))
blob("absent", "404", "has no", lambda h, data: h.reply(404), code="not_found")
blob("gzip", "gzip as a content encoding", "content encoding",
     lambda h, data: h.reply(200, gzip.compress(data), Content_Encoding="gzip"))
blob("part", "a part that nobody asked for", "part",
     lambda h, data: h.reply(206, data[:10], Content_Range=f"bytes 0-9/{len(data)}"))
blob("range-from", "a part from elsewhere", "sends bytes", cut_then(
    lambda h, data, at: h.reply(206, data[at + 1:],
                                Content_Range=f"bytes {at + 1}-{len(data) - 1}/{len(data)}")))
blob("range-total", "a part of something larger", "sends bytes", cut_then(
    lambda h, data, at: h.reply(206, data[at:], Content_Range=f"bytes {at}-{len(data) - 1}/999999")))
blob("range-beyond", "a part that reaches too far", "sends bytes", cut_then(
    lambda h, data, at: h.reply(206, data[at:] + b"x", Content_Range=f"bytes {at}-{len(data)}/*")))
blob("range-length", "a part with a length of its own", "contradict", cut_then(
    lambda h, data, at: h.reply(206, data[at:at + 9],
                                Content_Range=f"bytes {at}-{len(data) - 1}/{len(data)}")))
blob("range-bytes", "a part with other bytes", "digest|not what", cut_then(
    lambda h, data, at: h.reply(206, b"x" * (len(data) - at),
                                Content_Range=f"bytes {at}-{len(data) - 1}/{len(data)}")))
blob("range-absent", "a part that says nothing of itself", "does not say which", cut_then(
    lambda h, data, at: h.reply(206, data[at:])))
blob("range-garbage", "a Content-Range that is none", "Content-Range", cut_then(
    lambda h, data, at: h.reply(206, data[at:], Content_Range="bytes all")))
blob("range-multipart", "several parts at once", "does not say which", cut_then(
    lambda h, data, at: h.reply(206, b"--x\r\n", Content_Type="multipart/byteranges; boundary=x")))


@case("a layer stalls each time, with nothing new", "timeout", "", check=lambda world: world.took < 25)
def stalls_for_ever(world):
    world.tool = ["--stall", "1"]
    always(world, layer(world), lambda h: h.reply(200, length=78000) and time.sleep(2.2) or True)
