# SPDX-License-Identifier: GPL-2.0-or-later
"""How registries behave: each row names what is done and what must come of it. A row's function sets
a World (mock_registry.py) up; a hook in it answers a request in its own way, or says False for the
registry's usual answer."""

import json
import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Callable

import oci
from mock_registry import BASIC, DOCKER, DOCKER_LIST, NAME

CASES = []


@dataclass
class Case:
    name: str
    what: str
    code: str | None   # the error's; None: the image comes, exact
    message: str       # what the error, or a note, says (a pattern); ""
    set_up: Callable
    check: Callable | None = None  # of the world, afterwards


def case(what, code=None, message="", check=None):
    def add(function):
        CASES.append(Case(function.__name__.replace("_", "-"), what, code, message, function, check))
        return function
    return add


def blobs(handler):
    return "/blobs/" in handler.path


def manifests(handler):
    return "/manifests/" in handler.path


def layer(world, number=1):
    """A hook's condition: this layer, from the registry itself."""
    return lambda handler: handler.origin == world.at and handler.path == world.layer_path(number)


def once(world, condition, act):
    """The first time that condition holds, act."""
    def hook(handler):
        return condition(handler) and world.count("once") == 0 and act(handler)
    world.hook = hook


def always(world, condition, act):
    world.hook = lambda handler: condition(handler) and act(handler)


# ---- what well-meaning registries do ----

@case("an OCI manifest")
def plain(world):
    pass


@case("nobody said that it speaks no TLS: on loopback that is tried first")
def no_tls_on_loopback(world):
    world.options = []


@case("docker's schema 2")
def docker_schema_2(world):
    world.image(kind=DOCKER, change=lambda d: json.loads(
        json.dumps(d).replace(oci.CONFIG, "application/vnd.docker.container.image.v1+json")
        .replace(oci.LAYER, "application/vnd.docker.image.rootfs.diff.tar")))


@case("an index of several platforms and attestations; the host's is taken")
def index_by_platform(world):
    wanted = world.image(tag=None)
    others = [dict(world.manifest(b'{"never": "read"}', oci.MANIFEST), platform=platform)
              for platform in ({"os": "windows", "architecture": "amd64"},
                               {"os": "linux", "architecture": "riscv64"},
                               {"os": "unknown", "architecture": "unknown"})]
    world.index([*others, dict(wanted, platform=oci.PLATFORM)])


@case("128 layers, some of them the same")
def many_layers(world):
    world.image(layers=[b"layer %d " % (number % 120) * 500 for number in range(128)])


@case("four layers come at the same time: each waits for the other three")
def layers_at_once(world):
    world.image(layers=[b"layer %d " % number * 900 for number in range(4)])
    together = threading.Barrier(4, timeout=20)
    paths = {world.layer_path(number) for number in range(4)}

    def meet(handler):
        try:
            together.wait()
        except threading.BrokenBarrierError:
            return handler.reply(404)
        return False
    always(world, lambda handler: handler.path in paths, meet)


@case("a layer of no bytes")
def empty_layer(world):
    world.image(layers=[b"one", b"", b"three"])


@case("docker's manifest list")
def docker_list(world):
    world.index([dict(world.image(tag=None), platform=oci.PLATFORM)], kind=DOCKER_LIST)


@case("an index in an index in an index")
def nested_index(world):
    entry = dict(world.image(tag=None), platform=oci.PLATFORM)
    for _ in range(2):
        entry = world.index([entry], tag=None)
    world.index([entry])


@case("by digest, with the tag gone")
def by_digest(world):
    del world.manifests["v1"]
    world.reference = "@" + world.top["digest"]


@case("sha512 all over")
def sha512(world):
    world.image(algorithm="sha512")


@case("wants a name and password", check=lambda world: world.requests("registry", "blobs"))
def basic(world):
    world.auth = "basic"


@case("wants a token, which anybody gets")
def anonymous_token(world):
    world.auth, world.credentials = "bearer", False


@case("wants a token, for name and password", check=lambda world: any(
    seen.authorization == BASIC for seen in world.requests("token")))
def token_for_password(world):
    world.auth = "bearer"


@case("an identity token is shown to the token service, in a form", check=lambda world: all(
    seen.method == "POST" for seen in world.requests("token")))
def identity_token(world):
    world.auth, world.credentials = "bearer", "identity"


@case("each token lasts for three requests", check=lambda world: world.tokens > 1)
def tokens_run_out(world):
    world.auth = "bearer"

    def hook(handler):
        if handler.origin == "registry" and handler.authorized() and world.count("use") % 3 == 2:
            return handler.challenge()
        return False
    world.hook = hook


@case("asks for more than pulling: only that is asked for", check=lambda world: all(
    "push" not in seen.path and "pull" in seen.path for seen in world.requests("token")))
def greedy_scope(world):
    world.auth, world.scope = "bearer", f"repository:{NAME}:pull,push,delete"


@case("several challenges, quoted commas, the wrong case",
      check=lambda world: world.requests("token", r"service=a%2c\+%22b%22|service=a%2C\+%22b%22|service=a%2[cC]%20%22b%22"))
def challenges_in_one_line(world):
    world.auth = "bearer"
    always(world, lambda h: h.origin == "registry" and not h.authorized(), lambda h: h.challenge(
        f'Negotiate, Digest realm="x, y", nonce="=", bEaReR ReAlM = "{world.url("token", "/token")}"'
        f' ,service="a, \\"b\\"", Basic realm="z"'))


@case("sends to another origin for blobs: it sees no authorization",
      check=lambda world: world.requests("storage", "GET")
      and not any(seen.authorization for seen in world.requests("storage")))
def blobs_elsewhere(world):
    world.auth = "bearer"
    always(world, lambda h: h.origin == "registry" and blobs(h) and h.authorized(),
           lambda h: h.reply(307, Location=world.url("storage", "/storage" + h.path)))


@case("sends to another origin for manifests, name and password shown",
      check=lambda world: world.requests("storage", "GET"))
def manifests_elsewhere(world):
    world.auth = "basic"
    always(world, lambda h: h.origin == "registry" and manifests(h) and h.authorized(),
           lambda h: h.reply(302, Location=world.url("storage", "/storage" + h.path)))


@case("another origin wants an authorization: nobody answers it", "unauthorized")
def stranger_asks(world):
    world.auth = "bearer"

    def hook(handler):
        if handler.origin == "storage":
            return handler.challenge(f'Bearer realm="{world.url("storage", "/token")}"')
        return blobs(handler) and handler.authorized() and handler.reply(
            307, Location=world.url("storage", handler.path))
    world.hook = hook


@case("a redirect within the origin keeps the authorization",
      check=lambda world: world.requests("registry", "/mirrored/"))
def redirect_at_home(world):
    world.auth = "basic"
    always(world, lambda h: h.path.startswith("/v2/") and blobs(h) and h.authorized(),
           lambda h: h.reply(308, Location="/mirrored" + h.path))


@case("back from another origin: the authorization is shown at home alone")
def there_and_back(world):
    world.auth = "bearer"

    def hook(handler):
        if handler.origin == "storage":
            return handler.reply(302, Location=world.url("registry", "/mirrored" + handler.path))
        return handler.path.startswith("/v2/") and blobs(handler) and handler.authorized() \
            and handler.reply(302, Location=world.url("storage", handler.path))
    world.hook = hook


@case("knows no HEAD")
def no_head(world):
    always(world, lambda h: h.command == "HEAD", lambda h: h.reply(405))


@case("says no digest in its header")
def no_digest_header(world):
    def hook(handler):
        if not manifests(handler):
            return False
        kind, data = world.manifests[handler.path.split("/")[-1]]
        return handler.reply(200, data, Content_Type=kind)
    world.hook = hook


@case("says application/json of everything")
def plain_json(world):
    always(world, manifests, lambda h: h.send_manifest(h.path.split("/")[-1]) if h.command == "HEAD"
           else h.reply(200, world.manifests[h.path.split("/")[-1]][1],
                        Content_Type="application/json; charset=utf-8"))


@case("chunks, with trailers that repeat what a header says")
def chunks_and_trailers(world):
    always(world, layer(world), lambda h: h.chunks(
        [world.blobs[world.layers[1]["digest"]][i:i + 7000] for i in range(0, 78000, 7000)],
        b"Content-Length: 5\r\nLocation: http://127.0.0.1:1/\r\nX-Checksum: 1\r\n"))


# ---- what goes wrong and is got over ----

@case("cut off in the middle: the rest is asked for",
      check=lambda world: [seen.range for seen in world.requests("registry", world.layer_path())]
      == ["", "bytes=30000-"])
def cut_off(world):
    once(world, layer(world), lambda h: h.cut(200, world.blobs[world.layers[1]["digest"]][:30000],
                                              78000))


def cut_each(world, pieces, number=1):
    """Every answer with this layer is cut off: it takes so many answers to have all of it."""
    data = world.blobs[world.layers[number]["digest"]]
    step = -(-len(data) // pieces)

    def act(handler):
        begin = handler.start_of_range()
        length = len(data) - begin
        if begin:
            return handler.cut(206, data[begin:begin + step], length,
                               Content_Range=f"bytes {begin}-{len(data) - 1}/{len(data)}")
        return handler.cut(200, data[:step], length)
    always(world, layer(world, number), act)


@case("every answer is cut off: 200 restarts, each where the last ended",
      check=lambda world: [seen.range for seen in world.requests("registry", world.layer_path())]
      == [""] + [f"bytes={390 * n}-" for n in range(1, 201)])
def cut_off_200_times(world):
    world.image(layers=[b"first", b"\x00second\xff" * 9798 + b"123456", b"third"])
    assert world.layers[1]["size"] == 201 * 390
    cut_each(world, 201)


@case("every answer is cut off, and 200 restarts are not enough", "unavailable", "after 200 tries",
      check=lambda world: len(world.requests("registry", world.layer_path())) == 201)
def cut_off_too_often(world):
    world.image(layers=[b"first", b"x" * 202 * 390, b"third"])
    cut_each(world, 202)


@case("shorter parts than were asked for, each whole")
def small_parts(world):
    def act(handler):
        begin, data = handler.start_of_range(), world.blobs[world.layers[1]["digest"]]
        if not begin:
            return handler.cut(200, data[:20000], len(data))
        part = data[begin:begin + 20000]
        return handler.reply(206, part,
                             Content_Range=f"bytes {begin}-{begin + len(part) - 1}/{len(data)}")
    always(world, layer(world), act)


@case("chunks end early, with no error: the rest is asked for")
def chunks_end_early(world):
    once(world, layer(world), lambda h: h.chunks([world.blobs[world.layers[1]["digest"]][:5000]]))


@case("a range is ignored: what was there is thrown away")
def range_ignored(world):
    data = world.blobs[world.layers[1]["digest"]]
    always(world, layer(world), lambda h: h.cut(200, data[:30000], len(data))
           if world.count("get") == 0 else h.reply(200, data))


@case("a range is refused (416): from the start")
def range_refused(world):
    data = world.blobs[world.layers[1]["digest"]]
    always(world, layer(world), lambda h: h.reply(416) if h.headers.get("Range") else
           h.cut(200, data[:30000], len(data)) if world.count("get") == 0 else h.reply(200, data))


@case("hangs up without a word, twice")
def hangs_up(world):
    always(world, lambda h: blobs(h) and world.count("blob") < 2, lambda h: h.raw(b""))


@case("500, 502 and 504, then well")
def three_errors(world):
    def act(handler):
        n = world.count("manifest")
        return n < 3 and handler.reply((500, 502, 504)[n])
    always(world, lambda h: manifests(h) and h.command == "GET", act)


def waited_a_second(world):
    first, second = world.requests("registry", "GET .*manifests")[:2]
    return second.time - first.time >= 0.9


@case("429 with Retry-After: 1", check=waited_a_second)
def retry_after_seconds(world):
    once(world, lambda h: manifests(h) and h.command == "GET",
         lambda h: h.reply(429, Retry_After="1"))


@case("503 with Retry-After as a date", check=waited_a_second)
def retry_after_date(world):
    once(world, lambda h: manifests(h) and h.command == "GET",
         lambda h: h.reply(503, Retry_After=formatdate(time.time() + 2, usegmt=True)))


@case("stalls in the middle of a blob: asked again after a second")
def stalls_once(world):
    world.tool = ["--stall", "1"]

    def act(handler):
        handler.cut(200, world.blobs[world.layers[1]["digest"]][:30000], 78000)
        handler.wfile.flush()
        time.sleep(3)
        return True
    once(world, layer(world), act)


@case("a mirror that is not there", message="127.0.0.1:1")
def dead_mirror(world):
    world.mirrors = [["--endpoint", "127.0.0.1:1", "--plain"]]


@case("a mirror without the image, below a prefix", message="404|has no",
      check=lambda world: world.requests("mirror", "/v2/cache/"))
def empty_mirror(world):
    world.mirrors = [["--endpoint", world.host("mirror"), "--prefix", "cache", "--plain"]]
    always(world, lambda h: h.origin == "mirror", lambda h: h.reply(404))


@case("a mirror has all: the registry is not asked", check=lambda world: not world.requests("registry"))
def full_mirror(world):
    world.mirrors = [["--endpoint", world.host("mirror"), "--prefix", "cache", "--plain"]]


@case("a mirror's blobs are others: the registry's are taken", message="digest")
def lying_mirror(world):
    world.mirrors = [["--endpoint", world.host("mirror"), "--plain"]]
    always(world, lambda h: h.origin == "mirror" and blobs(h),
           lambda h: h.reply(200, b"x" * len(world.blobs[h.path.split("/")[-1]])))


@case("a mirror asks who we are: the registry's password is not for it", message="credentials|wants")
def curious_mirror(world):
    world.auth = "basic"
    world.mirrors = [["--endpoint", world.host("mirror"), "--plain"]]
    always(world, lambda h: h.origin == "mirror", lambda h: h.challenge('Basic realm="mirror"'))


@case("a mirror names the registry's token service: nobody's password is shown",
      message="strangers")
def mirror_with_realm(world):
    world.auth = "bearer"
    world.mirrors = [["--endpoint", world.host("mirror"), "--plain"]]
    always(world, lambda h: h.origin == "mirror", lambda h: h.challenge())


# ---- TLS ----

@case("its certificate is of the CA that was given")
def own_ca(world):
    world.at, world.options = "tls", ["--ca", world.origins["tls"].ca]


@case("its certificate is of nobody's CA, and not looked at")
def insecure(world):
    world.at, world.options = "tls", ["--insecure"]


@case("its certificate is of a CA that nobody trusts", "unavailable", "certificate")
def unknown_ca(world):
    world.at, world.options = "tls", []


@case("its certificate is another's", "unavailable", "certificate|name")
def wrong_name(world):
    world.at, world.options = "tls-other", ["--ca", world.origins["tls"].ca]


@case("speaks no TLS, on an address that is not loopback", "unavailable",
      check=lambda world: not world.requests("public"))
def no_tls(world):
    world.at, world.options = "public", []


@case("insecure is for the registry alone: a redirect's certificate counts", "unavailable",
      "certificate", check=lambda world: not world.requests("tls-storage"))
def insecure_elsewhere(world):
    world.at, world.options = "tls", ["--insecure"]
    always(world, lambda h: h.origin == "tls" and blobs(h),
           lambda h: h.reply(302, Location=world.url("tls-storage", h.path)))


# ---- places to which nobody may be sent ----

def realm(what, url, at="public", code="bad_input", message="address"):
    """A row whose token realm is url(world)."""
    def set_up(world):
        world.at, world.auth = at, "bearer"
        world.options = ["--ca", world.origins["tls"].ca] if at == "tls" else ["--plain"]
        world.realm = url(world)
    name = "realm-" + what.split(":")[0].replace(" ", "-")
    CASES.append(Case(name, "the token realm is " + what, code, message, set_up,
                      lambda world: not world.tokens))


realm("metadata: the cloud's 169.254.169.254", lambda w: "http://169.254.169.254/latest/token")
realm("private: 10.99.0.1", lambda w: f"http://{w.origins['trap-private'].host}/token")
realm("loopback: 127.0.0.1", lambda w: f"http://{w.origins['trap-loopback'].host}/token")
realm("localhost: by its name", lambda w: "http://localhost:" +
      w.origins["trap-loopback"].host.split(":")[1] + "/token")
realm("mapped: ::ffff:127.0.0.1", lambda w: "http://[::ffff:127.0.0.1]:" +
      w.origins["trap-loopback"].host.split(":")[1] + "/token")
realm("decimal: 127.0.0.1 as one number", lambda w: "http://2130706433:" +
      w.origins["trap-loopback"].host.split(":")[1] + "/token")
realm("nowhere: 0.0.0.0", lambda w: "http://0.0.0.0:" +
      w.origins["trap-loopback"].host.split(":")[1] + "/token")
realm("downgraded: http, of an https registry", lambda w: w.url("public-token", "/token"), at="tls",
      message="http")
realm("file: a file", lambda w: "file:///etc/passwd", message="neither https nor http")
realm("relative: no URL", lambda w: "/token", message="URL")
realm("named: a name and password in it", lambda w: w.url("public-token", "/token").replace(
    "://", "://evil:pw@"), message="name or password")
realm("absent: the empty text", lambda w: "", message="URL")


def realm_redirect(what, url, at, message):
    def set_up(world):
        world.at, world.auth = at, "bearer"
        world.options = ["--ca", world.origins["tls"].ca] if at == "tls" else ["--plain"]
        service = "tls-storage" if at == "tls" else "public-token"
        world.realm = world.url(service, "/token")
        world.trusted.add(service)
        always(world, lambda h: h.path.startswith("/token") and h.origin != "storage",
               lambda h: h.reply(302, Location=url(world)))
    CASES.append(Case("realm-sends-" + what.split(":")[0], "the realm redirects to " + what,
                      "bad_input", message, set_up, lambda world: not world.tokens))


realm_redirect("metadata: 169.254.169.254", lambda w: "http://169.254.169.254/", "public", "address")
realm_redirect("private: 10.99.0.1", lambda w: f"http://{w.origins['trap-private'].host}/", "public",
               "address")
realm_redirect("loopback: 127.0.0.1", lambda w: w.url("storage", "/token"), "public", "address")
realm_redirect("downgrade: http", lambda w: w.url("public-token", "/tokens"), "tls", "http")


@case("the realm redirects to another origin: it gets no password, and gives a token",
      check=lambda world: world.requests("storage", "token")
      and not any(seen.authorization for seen in world.requests("storage")))
def realm_elsewhere(world):
    world.auth = "bearer"
    always(world, lambda h: h.origin == "token",
           lambda h: h.reply(307, Location=world.url("storage", h.path)))


@case("the realm redirects a form with an identity token", "bad_input", "identity token",
      check=lambda world: not world.requests("storage"))
def realm_redirects_form(world):
    world.auth, world.credentials = "bearer", "identity"
    always(world, lambda h: h.origin == "token",
           lambda h: h.reply(307, Location=world.url("storage", h.path)))


@case("the realm redirects in a circle", "bad_input", "on and on",
      check=lambda world: len(world.requests("token")) <= 12)
def realm_circle(world):
    world.auth = "bearer"
    always(world, lambda h: h.origin == "token", lambda h: h.reply(302, Location=h.path))


def redirect(name, what, url, code="bad_input", message="", at="registry"):
    """A row whose blobs are elsewhere."""
    def set_up(world):
        world.at = at
        world.options = {"tls": ["--ca", world.origins["tls"].ca], "public": ["--plain"]}.get(at, [])
        always(world, lambda h: h.origin == at and blobs(h),
               lambda h: h.reply(302, Location=url(world, h)))
    CASES.append(Case("redirect-" + name, "blobs: " + what, code, message, set_up))


redirect("metadata", "a redirect to 169.254.169.254",
         lambda w, h: "http://169.254.169.254/latest/meta-data/", "bad_input", "link-local")
redirect("public-metadata", "the same, of a public registry",
         lambda w, h: "http://169.254.169.254/", "bad_input", "link-local", "public")
redirect("private", "a public registry's redirect to 10.99.0.1",
         lambda w, h: f"http://{w.origins['trap-private'].host}/", "bad_input", "private", "public")
redirect("loopback", "a public registry's redirect to 127.0.0.1",
         lambda w, h: f"http://{w.origins['trap-loopback'].host}/", "bad_input", "loopback", "public")
redirect("downgrade", "an https registry's redirect to http",
         lambda w, h: w.url("public", h.path), "bad_input", "https to http", "tls")
redirect("file", "a redirect to a file", lambda w, h: "file:///etc/passwd", "bad_input", "neither")
redirect("gopher", "a redirect to gopher", lambda w, h: "gopher://127.0.0.1:25/x", "bad_input",
         "neither|cannot be read")
redirect("password", "a redirect with a name and password in it",
         lambda w, h: w.url("storage", h.path).replace("://", "://a:b@"), "bad_input", "password")
redirect("circle", "a redirect to itself", lambda w, h: h.path, "bad_input", "redirects more than")
redirect("endless", "a redirect to a longer path each time", lambda w, h: h.path + "/x/blobs/y",
         "bad_input", "redirects more than")
redirect("twice", "two Location fields",
         lambda w, h: [w.url("storage", h.path), w.url("storage", h.path)], "bad_input", "Location")
redirect("long", "a Location of 9,000 bytes", lambda w, h: "/" + "a" * 9000, "bad_input", "Location")
redirect("garbage", "a Location that is no URL", lambda w, h: "http://[", "bad_input", "URL")
