# SPDX-License-Identifier: GPL-2.0-or-later
"""A file of a file system that is a program of its user's, and answers what it likes, when it likes:
FUSE's protocol (linux/fuse.h) by hand."""

import contextlib
import ctypes
import os
import stat
import struct
import tempfile
import threading
from pathlib import Path

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, OPENDIR, RELEASEDIR = \
    1, 2, 3, 14, 15, 18, 25, 26, 27, 29
INTERRUPT, DESTROY, BATCH_FORGET = 36, 38, 42
NO_REPLY = (FORGET, INTERRUPT, BATCH_FORGET)
ENOSYS, ENOENT = 38, 2
LIBC = ctypes.CDLL(None, use_errno=True)
SIZE = 1 << 20


class FuseFile:
    """`path`: a file of zeros. What `hold` names (FLUSH: each close) of processes of this name waits
    until `answer_all()`; `held`: of which threads. Others' fds, closed by a fork of theirs, do not."""

    def __init__(self, name, hold=()):
        self.name = f"{name}\n"
        self.folder = tempfile.mkdtemp(prefix="banger-fuse-")
        self.path = f"{self.folder}/file"
        self.hold, self.waiting, self.lock = set(hold), [], threading.Lock()
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if LIBC.mount(b"file", self.folder.encode(), b"fuse", 0, options.encode()) < 0:
            raise OSError(ctypes.get_errno(), "mount of a FUSE")
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def held(self):
        with self.lock:
            return [pid for _, _, pid in self.waiting]

    def answer_all(self):
        with self.lock:
            waiting, self.waiting, self.hold = self.waiting, [], set()
        for code, unique, _ in waiting:
            self._answer(code, unique, 1 if code == LOOKUP else 2)

    def close(self):
        self.answer_all()
        LIBC.umount2(self.folder.encode(), 2)  # MNT_DETACH: who has the file open is being answered
        self.thread.join(10)
        os.close(self.device)
        os.rmdir(self.folder)

    def _serve(self):
        while True:
            try:
                request = os.read(self.device, 1 << 17)
            except OSError:  # ENODEV: it is unmounted
                return
            _, code, unique, node, _, _, pid, _ = struct.unpack_from("<IIQQIIII", request)
            with self.lock:
                held = code in self.hold and node != 1 and self._is_of(pid)
                if held:
                    self.waiting.append((code, unique, pid))
            if not held and code not in NO_REPLY:
                self._answer(code, unique, node, request[40:])

    def _answer(self, code, unique, node, body=b""):
        error, reply = 0, b""
        if code == INIT:
            reply = struct.pack("<IIIIHHII", 7, 31, 0, 0, 16, 12, 1 << 16, 1).ljust(64, b"\0")
        elif code == LOOKUP:
            known = body == b"file\0"
            error = 0 if known else -ENOENT
            reply = struct.pack("<QQQQII", 2, 1, 0, 0, 0, 0) + self._attributes(2) if known else b""
        elif code == GETATTR:
            reply = struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        elif code in (OPEN, OPENDIR):
            reply = struct.pack("<QII", 0, 0, 0)
        elif code == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            reply = bytes(max(0, min(size, SIZE - offset)))
        elif code not in (FLUSH, RELEASE, RELEASEDIR, DESTROY):
            error = -ENOSYS
        with contextlib.suppress(OSError):  # who asked is gone
            os.write(self.device, struct.pack("<IiQ", 16 + len(reply), error, unique) + reply)

    def _is_of(self, pid):
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/comm").read_text() == self.name
        return False

    @staticmethod
    def _attributes(node):
        mode = stat.S_IFDIR | 0o755 if node == 1 else stat.S_IFREG | 0o644
        size = 0 if node == 1 else SIZE
        return struct.pack("<QQQQQQ10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0,
                           4096, 0)
