# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames of common/codec.h in Python, for stand-ins. Message numbers come from the tables."""
import pathlib
import re
import struct

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUEST, REPLY, ERROR, NOTICE = range(4)
HEADER = struct.Struct("<IHBBIIQ")


def messages(table):
    """name → number, of a .tbl.h"""
    text = (ROOT / "common/proto" / f"{table}.tbl.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    names = re.findall(r"^MSG\((\w+),", text, flags=re.M)
    return {name: number for number, name in enumerate(names)}


def enum(name):
    """value → number, of common/proto/enums.tbl.h"""
    text = (ROOT / "common/proto/enums.tbl.h").read_text()
    return {v: i for i, v in enumerate(re.findall(rf"^VAL\({name}, (\w+)\)", text, flags=re.M))}


AGENT = messages("agent")
SOURCE = messages("source")
EXIT = enum("exit_kind")


def frame(number, kind, body, seq=0, n_fds=0):
    return HEADER.pack(HEADER.size + len(body), number, kind, n_fds, seq, 0, 0) + body


def notice(name, body=b""):
    return frame(AGENT[name], NOTICE, body)


def data(name, payload):
    return notice(name, struct.pack("<I", len(payload)) + payload)


def exited(kind, status):
    return notice("exited", struct.pack("<BI", EXIT[kind], status))


class Reader:
    """Whole frames out of a stream socket: (name, body)."""

    def __init__(self, sock):
        self.sock = sock
        self.names = {number: name for name, number in AGENT.items()}

    def exactly(self, n):
        got = b""
        while len(got) < n:
            more = self.sock.recv(n - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def next(self):
        head = self.exactly(HEADER.size)
        length, number, kind, n_fds, _, zero, _ = HEADER.unpack(head)
        assert kind == NOTICE and n_fds == 0 and zero == 0, head
        return self.names[number], self.exactly(length - HEADER.size)
