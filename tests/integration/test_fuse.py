# SPDX-License-Identifier: GPL-2.0-or-later
"""A file that a user passed, of a file system of his own that never answers: what the daemon closes is
closed by others than those who serve, and who starts the next suite need not wait for it."""

import os
import signal

import fuse_file
import pytest
import rpc
import suite


@pytest.fixture(params=[(fuse_file.FLUSH, '".."'), (fuse_file.GETATTR, '"fuse"')],
                ids=["when it is closed", "when it is looked at"])
def silent(request):
    """A file of which bangerd gets no answer, the name of an image to import of it, and whether
    somebody who serves waits for it."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("the host has no /dev/fuse")
    code, name = request.param
    file = fuse_file.FuseFile("bangerd", {fuse_file.FLUSH, code})
    yield file, name, code != fuse_file.FLUSH
    file.close()


def threads(pid):
    """Of a process; one that has ended, and that nobody asked after yet, has one."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        return 0


def test_a_file_that_never_answers_keeps_nobody_from_starting(silent):
    """The process itself cannot go: the kernel waits in it for the file system, and for that alone."""
    file, name, is_served = silent
    main, = suite.pids("bangerd")
    with rpc.Rpc() as client:
        fd = os.open(file.path, os.O_RDONLY)
        client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"image.import","params":{"name":%s},'
                        b'"fds":1}\n' % name.encode(), [fd])
        os.close(fd)
        assert suite.wait_for(lambda: file.held)
        with rpc.Rpc() as other:
            assert other.call("ping") is not None, "others are served"
    size = (suite.DIR / "log").stat().st_size
    os.kill(main, signal.SIGTERM)
    if is_served:  # who waits for the request for so long may be told not to
        assert suite.wait_for(lambda: b"ending: signal" in (suite.DIR / "log").read_bytes()[size:])
        os.kill(main, signal.SIGTERM)
    assert suite.wait_for(lambda: not os.path.exists(os.environ["BANGER_SOCKET"]))
    assert suite.wait_for(lambda: not suite.pids("banger-netd")), "its helpers end"
    assert file.held, "nobody let go of it"
    suite.start()
    assert suite.pids("bangerd") not in ([], [main])
    assert threads(main) > 1
    file.answer_all()
    assert suite.wait_for(lambda: threads(main) < 2), "then it goes"
