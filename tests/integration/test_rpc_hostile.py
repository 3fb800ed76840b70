# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile or broken client sends: each row says what it is, which rule it breaks, and what
must come back. Whatever it is, the daemon lives, leaks nothing, and serves the next one."""

import contextlib
import json
import os
import signal
import socket
import struct
import threading
import time

import pytest
import repo
import rpc
import suite

LINE_MAX = 256 * 1024
NULL_FD = "/dev/null"


def message(method="ping", **more):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, **more}).encode() + b"\n"


def raw(text):
    return text.encode() + b"\n"


# what it is, rule, bytes, codes that are right
ROWS = [
    ("garbage", "JSON-RPC 5.1", b"\x00\xff\xfe garbage\n", {"parse_error"}),
    ("empty line", "JSON-RPC 5.1", b"\n", {"parse_error", "bad_request"}),
    ("a bare word", "RFC 8259 3", b"nonsense\n", {"parse_error"}),
    ("half an object", "RFC 8259 4", b'{"jsonrpc":"2.0","id":1,"method":"pi\n', {"parse_error"}),
    ("text behind the object", "RFC 8259 2", message()[:-1] + b" {}\n", {"parse_error"}),
    ("two objects on a line", "one message a line", message()[:-1] + message(), {"parse_error"}),
    ("a comment", "RFC 8259", raw('{"jsonrpc":"2.0",/**/"id":1,"method":"ping"}'), {"parse_error"}),
    ("single quotes", "RFC 8259 7", b"{'jsonrpc':'2.0','id':1,'method':'ping'}\n", {"parse_error"}),
    ("trailing comma", "RFC 8259 4", b'{"jsonrpc":"2.0","id":1,"method":"ping",}\n',
     {"parse_error"}),
    ("NaN", "RFC 8259 6", b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}\n', {"parse_error"}),
    ("Infinity", "RFC 8259 6", b'{"jsonrpc":"2.0","id":1,"method":"ping","v":Infinity}\n',
     {"parse_error"}),
    ("a NUL byte", "RFC 8259 7", b'{"jsonrpc":"2.0","id":1,"method":"pi\x00ng"}\n',
     {"parse_error"}),
    ("invalid UTF-8", "RFC 8259 8.1", b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}\n',
     {"parse_error", "unknown_method", "bad_request"}),
    ("a lone surrogate", "RFC 8259 8.2", b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}\n',
     {"parse_error", "unknown_method", "bad_request"}),
    ("nested 100,000 deep", "depth is bounded", b"[" * 100_000 + b"\n",
     {"parse_error", "bad_request"}),
    ("nested 100,000 deep in params", "depth is bounded",
     b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 40_000 + b"1"
     + b"}" * 40_000 + b"}\n", {"parse_error", "bad_request"}),
    ("duplicate method", "RFC 8259 4; CWE-436",
     raw('{"jsonrpc":"2.0","id":1,"method":"shutdown","method":"ping"}'),
     {"parse_error", "bad_request"}),
    ("duplicate parameter", "RFC 8259 4; CWE-436",
     raw('{"jsonrpc":"2.0","id":1,"method":"vm.show","params":{"vm":"a","vm":"b"}}'),
     {"parse_error", "bad_request"}),
    ("duplicate by escape", "RFC 8259 8.3",
     raw('{"jsonrpc":"2.0","id":1,"method":"vm.show","params":{"vm":"a","\\u0076m":"b"}}'),
     {"parse_error", "bad_request"}),
    ("an array", "no batches", raw("[]"), {"bad_request", "parse_error"}),
    ("a batch", "no batches", b"[" + message()[:-1] + b"]\n", {"bad_request", "parse_error"}),
    ("a number", "JSON-RPC 4", raw("1"), {"bad_request", "parse_error"}),
    ("no method", "JSON-RPC 4", raw('{"jsonrpc":"2.0","id":1}'), {"bad_request"}),
    ("no version", "JSON-RPC 4", raw('{"id":1,"method":"ping"}'), {"bad_request"}),
    ("version 1.0", "JSON-RPC 4", raw('{"jsonrpc":"1.0","id":1,"method":"ping"}'),
     {"bad_request", "bad_version"}),
    ("method is a number", "JSON-RPC 4", raw('{"jsonrpc":"2.0","id":1,"method":1}'),
     {"bad_request"}),
    ("id is an object", "JSON-RPC 4", raw('{"jsonrpc":"2.0","id":{},"method":"ping"}'),
     {"bad_request"}),
    ("id is a fraction", "JSON-RPC 4", raw('{"jsonrpc":"2.0","id":1.5,"method":"ping"}'),
     {"bad_request"}),
    ("id is 100,000 long", "bounded strings",
     raw('{"jsonrpc":"2.0","id":"' + "x" * 100_000 + '","method":"ping"}'), {"bad_request"}),
    ("params is an array", "by name only", message(params=[]), {"bad_request"}),
    ("params is a string", "by name only", message(params="x"), {"bad_request"}),
    ("params is null", "by name only", raw('{"jsonrpc":"2.0","id":1,"method":"ping","params":null}'),
     {"bad_request"}),
    ("unknown member", "strict", message(surprise=1), {"bad_request"}),
    ("unknown parameter", "strict", message(params={"surprise": 1}), {"bad_request"}),
    ("unknown method", "JSON-RPC 5.1", message("nothing.such"), {"unknown_method"}),
    ("empty method", "JSON-RPC 5.1", message(""), {"unknown_method", "bad_request"}),
    ("a method's beginning", "exact names", message("pin"), {"unknown_method"}),
    ("a method and more", "exact names", message("ping "), {"unknown_method"}),
    ("a method with NUL", "exact names", raw('{"jsonrpc":"2.0","id":1,"method":"ping\\u0000"}'),
     {"unknown_method", "parse_error", "bad_request"}),
    ("a method 200,000 long", "bounded strings", message("x" * 200_000),
     {"unknown_method", "bad_request"}),
    ("a newer protocol", "v is checked first", message("nothing.such", v=999), {"bad_version"}),
    ("v is a string", "v is a number", message(v="1"), {"bad_version", "bad_request"}),
    ("fds promised, none sent", "fds must match", message(fds=1), {"bad_request"}),
    ("fds negative", "fds must match", message(fds=-1), {"bad_request"}),
    ("fds a million", "fds must match", message(fds=1_000_000), {"bad_request"}),
    ("progress is a number", "typed members", message(progress=1), {"bad_request"}),
]


def code_of(answer):
    """banger's name of an error response's code."""
    assert answer["jsonrpc"] == "2.0" and "result" not in answer, answer
    assert answer["error"]["message"], "an error has a message"
    return rpc.RpcError(answer["error"]).code


@pytest.mark.parametrize("what, rule, data, codes", ROWS, ids=[row[0] for row in ROWS])
def test_row(what, rule, data, codes):
    with rpc.Rpc(timeout=10) as client:
        client.send_raw(data)
        assert code_of(client.read()) in codes, f"{what}: {rule}"
    assert suite.running()


def test_errors_keep_the_connection():
    """A message that was whole, but wrong, costs nobody the connection."""
    with rpc.Rpc(timeout=10) as client:
        for what, rule, data, _ in ROWS:
            if what in ("two objects on a line",):
                continue
            client.send_raw(data)
            assert "error" in client.read(), f"{what}: {rule}"
        assert client.call("ping")["version"]


@pytest.mark.parametrize("size", [LINE_MAX + 1, LINE_MAX * 2, 4 * 1024 * 1024])
def test_oversized(size):
    """A line above 256 KiB: an error or the end, never a buffer that grows."""
    with rpc.Rpc(timeout=10) as client:
        try:
            client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * size + b'"}\n')
            assert code_of(client.read()) in ("bad_request", "parse_error")
        except (BrokenPipeError, ConnectionResetError, rpc.Closed):
            pass
    assert suite.running()


def test_endless_line_is_not_kept():
    """Bytes without a newline: the daemon stops reading or closes; its memory stays."""
    before = resident()
    with rpc.Rpc(timeout=2) as client:
        try:
            for _ in range(256):
                client.send_raw(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        assert resident() - before < 4 * 1024, "KiB"
    assert suite.running()


def resident():
    """KiB of bangerd's resident memory."""
    (pid,) = suite.pids("bangerd")
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def fd_count():
    (pid,) = suite.pids("bangerd")
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_split_in_single_bytes():
    with rpc.Rpc(timeout=10) as client:
        for byte in message():
            client.send_raw(bytes([byte]))
            time.sleep(0.001)
        assert client.read()["result"]["version"]


def test_many_in_one_send():
    with rpc.Rpc(timeout=10) as client:
        client.send_raw(message() * 500)
        for _ in range(500):
            assert client.read()["result"]["version"]


def test_notification_is_not_answered():
    """JSON-RPC 4.1: without an id there is no response, not even for an error."""
    with rpc.Rpc(timeout=10) as client:
        client.send_raw(raw('{"jsonrpc":"2.0","method":"ping"}'))
        client.send_raw(message())
        answer = client.read()
        assert answer["id"] in (1, None)
        if answer["id"] is None:  # refused is right too: but then with an error
            assert "error" in answer
            assert client.read()["id"] == 1


# ---- parameters, of every method in the table ----

VALID = {
    "string": "x", "vm_ref": "no-such-vm", "vm_name": "hostile", "object_ref": "no-such-thing",
    "ref_name": "hostile", "operation": "0123456789abcdef", "boolean": False, "vcpus": 1,
    "mib": 128, "size": 1 << 30, "count": 1, "seconds": 0, "signo": 9, "argv": ["true"], "env": ["A=b"],
    "accel": "auto", "vmm_kind": "auto", "guest_mode": "auto", "image_kind": "auto",
    "pull_policy": "never",
}
TEXT = [1, True, {}, [], ["x"], "", "a\nb", "a\u0000b", "x" * 100_000, "\u202e" * 300]
NAME = TEXT + ["..", "../x", "/etc/passwd", "-x", "a b", "A" * 300, "\u00e4", "%s%n", "'; DROP--"]
NUMBER = ["1", "", {}, [], True, -1, 1.5, 1e300, 2 ** 63, 2 ** 64, -(2 ** 63)]
CHOICE = [1, True, {}, [], "", "AUTO", "auto ", "nonsense", "x" * 1000]
WRONG = {
    "string": TEXT[:-1], "vm_ref": [value for value in NAME if value != "-x"], "vm_name": NAME + ["-", "a-", "a" * 64, "A"],
    "object_ref": TEXT + ["a b", "x" * 256], "ref_name": NAME,
    "operation": NAME + ["0", "0123456789ABCDEF", "0123456789abcdef0", "g" * 16],
    "boolean": [0, 1, "true", "", {}, []],
    "vcpus": NUMBER + [0, 33, 256, 257], "mib": NUMBER + [0, 63, 1048577, 2 ** 32 + 128],
    "size": NUMBER + [0, 2 ** 46 + 1], "count": NUMBER + [1_000_001, 2 ** 32 + 1],
    "seconds": NUMBER + [1_000_001, 2 ** 32 + 1],
    "signo": NUMBER + [0, 65, 256 + 9],
    "argv": ["sh", 1, {}, [1], [None], [[]], [""], ["a\u0000"], ["x"] * 5000, ["x" * 70_000]],
    "env": ["A=b", 1, {}, [1], [""], ["A"], ["=b"], ["A=\u0000"], ["A=b"] * 5000,
            ["A=" + "x" * 70_000]],
    "accel": CHOICE + ["xen"], "vmm_kind": CHOICE + ["xen"], "guest_mode": CHOICE,
    "image_kind": CHOICE, "pull_policy": CHOICE,
}


def parameters(method):
    return [row for row in repo.rpc_methods()[method]["params"] if row[0] not in ("fd", "fd_opt")]


def fds_of(method):
    return [row for row in repo.rpc_methods()[method]["params"] if row[0] in ("fd", "fd_opt")]


def send(client, method, params, fds=None):
    """A request with as many fds as the method requires; the response."""
    count = len([row for row in fds_of(method) if row[2] == "required"]) if fds is None else fds
    opened = [os.open(NULL_FD, os.O_RDONLY | os.O_CLOEXEC) for _ in range(count)]
    try:
        client.request(method, params, opened)
    finally:
        for fd in opened:
            os.close(fd)
    return client.read()


def required(method):
    return {name: VALID[kind] for kind, name, need in parameters(method) if need == "required"}


METHODS = sorted(repo.rpc_methods())


def test_types_are_known():
    """A new parameter type needs its wrong values here."""
    kinds = {row[0] for method in METHODS for row in parameters(method)}
    assert kinds <= set(VALID) and kinds <= set(WRONG)


@pytest.mark.parametrize("method", METHODS)
def test_wrong_parameters(method):
    """Every parameter of every method with every value that is not its type's."""
    with rpc.Rpc(timeout=30) as client:
        for kind, name, _ in parameters(method):
            for value in WRONG[kind]:
                answer = send(client, method, {**required(method), name: value})
                shown = f"{method} {name}={str(value)[:40]!r}: {str(answer)[:200]}"
                assert "error" in answer, shown
                assert code_of(answer) in ("bad_request", "parse_error"), shown
                assert name in answer["error"]["message"] or code_of(answer) == "parse_error", \
                    f"{shown}: says which parameter"


@pytest.mark.parametrize("method", METHODS)
def test_missing_and_unknown_parameters(method):
    with rpc.Rpc(timeout=30) as client:
        for name in required(method):
            params = required(method)
            del params[name]
            assert code_of(send(client, method, params)) == "bad_request", f"{method} w/o {name}"
        answer = send(client, method, {**required(method), "surprise": 1})
        assert code_of(answer) == "bad_request", f"{method}: unknown parameter"
        assert "surprise" in answer["error"]["message"], "says which"
    assert suite.running()


@pytest.mark.parametrize("method", METHODS)
def test_fds_nobody_asked_for(method):
    """More fds than the method takes, or fewer than it needs: refused, and closed. More than any
    method takes cost the connection."""
    before = fd_count()
    most = len(fds_of(method))
    least = len([row for row in fds_of(method) if row[2] == "required"])
    for count in {most + 1, most + 8, least - 1} - {-1}:
        with rpc.Rpc(timeout=30) as client:
            try:
                answer = send(client, method, required(method), fds=count)
                assert code_of(answer) == "bad_request", f"{method} with {count} fds"
            except (rpc.Closed, BrokenPipeError):
                assert count > 8, f"{method} with {count} fds"
    assert suite.wait_for(lambda: fd_count() <= before, 5), "fds leaked"


def test_fds_without_the_member():
    """An fd that the message does not announce is closed, and the message refused."""
    before = fd_count()
    with rpc.Rpc(timeout=10) as client, open(NULL_FD, "rb") as null:
        client.send_raw(message(), [null.fileno()])
        try:
            assert "error" in client.read()
        except rpc.Closed:
            pass
    assert suite.wait_for(lambda: fd_count() <= before, 5), "fds leaked"


def test_fds_in_the_middle_of_a_line():
    before = fd_count()
    data = message(fds=1)
    with rpc.Rpc(timeout=10) as client, open(NULL_FD, "rb") as null:
        client.send_raw(data[:10])
        time.sleep(0.05)
        try:
            client.send_raw(data[10:], [null.fileno()])
            assert "error" in client.read()
        except (rpc.Closed, BrokenPipeError):
            pass
    assert suite.wait_for(lambda: fd_count() <= before, 5), "fds leaked"


class Lingering:
    """A socket whose close() waits for an hour when it is the last, since its peer takes nothing:
    SO_LINGER of socket(7). As good as a file system of the client's own, that does not answer."""

    def __init__(self, seconds=3600):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.sock = socket.create_connection(server.getsockname())
            self.peer, _ = server.accept()
        self.sock.setblocking(False)
        try:
            while True:
                self.sock.send(b"x" * 65536)
        except BlockingIOError:
            pass
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))

    def wrapped(self):
        """A socket of a kind that does not linger, with this one on its way in it."""
        outer, other = socket.socketpair()
        socket.send_fds(other, [b"x"], [self.sock.fileno()])
        other.close()
        return outer

    def end(self):
        """Let whoever closes it go on."""
        self.sock.close()
        self.peer.close()


@contextlib.contextmanager
def stopped():
    (pid,) = suite.pids("bangerd")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# what it is, what is sent, with how many of them
LINGERING = [
    ("with half a request", b'{"jsonrpc":', 1),
    ("with a request that takes none", message(), 1),
    ("with one that takes one", message("kernel.import", params={"name": "linger"}, fds=1), 1),
    ("in the middle of a line", None, 1),
    ("more than any request has", message(), 253),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["itself", "inside another"])
@pytest.mark.parametrize("what, data, count", LINGERING, ids=[row[0] for row in LINGERING])
def test_what_does_not_close_holds_up_nobody(what, data, count, wrapped):
    """close(2) of a client's file is as long as the client likes."""
    lingering = Lingering()
    before = fd_count()
    sent = lingering.wrapped() if wrapped else lingering.sock
    try:
        with rpc.Rpc(timeout=10) as client:
            if data is None:
                client.send_raw(b'{"jsonrpc":')
                rpc.call("ping")  # by now that was read
                data = b'"2.0"}\n'
            with stopped():  # so that the daemon's is the last
                client.send_raw(data, [sent.fileno()] * count)
                sent.close()
                lingering.sock.close()
        for _ in range(20):
            with rpc.Rpc(timeout=10) as other:
                other.call("ping")
    finally:
        lingering.end()
    assert suite.wait_for(lambda: fd_count() <= before, 10), what


def test_what_waits_unread_holds_up_nobody():
    """The same in a connection that is refused, or closed with it: nobody ever received it."""
    lingering, before = [Lingering() for _ in range(6)], fd_count()
    clients = [rpc.Rpc(timeout=10) for _ in range(6)]
    try:
        with stopped():
            for client, each in zip(clients, lingering):
                # The daemon reads no more of one that has so much to be done.
                client.sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.send_raw(message("vm.list") * 1000)
                client.sock.setblocking(True)
                socket.send_fds(client.sock, [message()], [each.sock.fileno()])
                each.sock.close()
                client.close()
        assert rpc.call("ping", timeout=10)
    finally:
        for each in lingering:
            each.end()
    assert suite.wait_for(lambda: fd_count() <= before, 10)


def test_hundreds_of_fds():
    """As many as the kernel lets pass in one message, again and again."""
    before = fd_count()
    with open(NULL_FD, "rb") as null:
        for _ in range(20):
            with rpc.Rpc(timeout=10) as client:
                try:
                    client.send_raw(message(fds=253), [null.fileno()] * 253)
                    assert "error" in client.read()
                except (rpc.Closed, BrokenPipeError, ConnectionResetError):
                    pass
    assert suite.wait_for(lambda: fd_count() <= before, 5), "fds leaked"


# ---- clients that are slow, vanish, or never read ----

def test_vanish_in_the_middle():
    before = fd_count()
    for cut in (1, 10, len(message()) - 1):
        for _ in range(20):
            with rpc.Rpc(timeout=10) as client:
                client.send_raw(message()[:cut])
    for _ in range(50):
        with rpc.Rpc(timeout=10) as client:
            client.send_raw(message() * 100)
    assert suite.running()
    assert suite.wait_for(lambda: fd_count() <= before, 5), "fds leaked"


def test_never_reads():
    """Requests without end and no reading: that client waits, memory stays, others are served."""
    before = resident()
    with rpc.Rpc(timeout=1) as client:
        try:
            for _ in range(2000):
                client.send_raw(message("daemon.status") * 50)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        begin = time.monotonic()
        assert suite.running()
        assert time.monotonic() - begin < 1.0, "others wait for it"
        assert resident() - before < 8 * 1024, "KiB"
    assert suite.running()


def test_half_closed():
    """A client that shuts its sending side still reads its answers."""
    with rpc.Rpc(timeout=10) as client:
        client.send_raw(message() * 3)
        client.sock.shutdown(socket.SHUT_WR)
        for _ in range(3):
            assert client.read()["result"]["version"]
        with pytest.raises(rpc.Closed):
            client.read()


def test_200_connections():
    """200 clients at once, most of them silent; each is answered or told that there are too many."""
    before = fd_count()
    clients, refused = [], 0
    try:
        for _ in range(200):
            try:
                client = rpc.Rpc(timeout=10)
                client.send_raw(message())
                answer = client.read()
                if "error" in answer:
                    assert code_of(answer) in ("quota_exceeded", "busy")
                    refused += 1
                clients.append(client)
            except (rpc.Closed, ConnectionRefusedError, BrokenPipeError):
                refused += 1
        assert refused < 200
        done = suite.banger("daemon", "status", uid=65534)
        assert done.status == 0, f"another user is locked out: {done}"
    finally:
        for client in clients:
            client.close()
    assert suite.wait_for(lambda: fd_count() <= before + 1, 5), "fds leaked"
    assert suite.running()


def test_clients_in_parallel():
    """20 threads, 50 requests each: every answer is the one to its own request."""
    wrong = []

    def work():
        with rpc.Rpc(timeout=30) as client:
            for number in range(50):
                client.send_raw(json.dumps({"jsonrpc": "2.0", "id": number,
                                            "method": "ping"}).encode() + b"\n")
                if client.read()["id"] != number:
                    wrong.append(number)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_ids_come_back_as_they_were():
    for ident in (0, -1, 2 ** 53, "text", ""):
        with rpc.Rpc(timeout=10) as client:
            client.send_raw(json.dumps({"jsonrpc": "2.0", "id": ident,
                                        "method": "ping"}).encode() + b"\n")
            assert client.read()["id"] == ident
