# SPDX-License-Identifier: GPL-2.0-or-later
"""banger-netd beside a bangerd that sends frames that are none, and disks that are not."""

import hostile_disks
import pytest
from netd import Gone, Refused, frame
from test_netd import VM, host, netd  # noqa: F401, fixtures


def test_wrong_disks_are_refused(host, netd):  # noqa: F811
    """The files of a copy-on-write disk; with device-mapper in the lab, dm-hostile."""
    netd("reserve", VM, 1000)
    files = hostile_disks.Files(host.dir)
    try:
        before = host.state()
        for what, words in files.wrong().items():
            with pytest.raises(Refused) as refused:
                netd("disk", VM, *words)
            assert refused.value.code == "bad_request", (what, refused.value)
            assert host.state() == before, what
    finally:
        files.close()
    netd("release", VM)


def of_vm(message, rest, **more):
    return frame(message, VM.encode() + rest, **more)


MALFORMED = {
    "nothing of a header": ("00",),
    "garbage": ("ff" * 64,),
    "a length too long": (frame("host_status", length=25),),
    "a length too short": (frame("host_status", b"x", length=24),),
    "bytes behind the fields": (frame("host_status", b"x"),),
    "a message unknown": (frame(200),),
    "an answer nobody asked for": (frame("host_status", kind=1),),
    "a notice": (frame("host_status", kind=3),),
    "an unknown kind": (frame("host_status", kind=9),),
    "bytes that must be zero": (frame("host_status", zero=1),),
    "a file that is not said": (frame("host_status"), "ro:/dev/null"),
    "a file that is missing": (frame("host_status", fds=1),),
    "a file that the message has not": (frame("host_status", fds=1), "ro:/dev/null"),
    "an id that is none": (frame("vm_reserve", b"0123456789aX" + bytes(4)),),
    "an id that is a path": (frame("vm_reserve", b"../../../etc" + bytes(4)),),
    "an owner that is -1": (frame("vm_reserve", VM.encode() + b"\xff" * 4),),
    "a signal beyond": (of_vm("vm_signal", b"\x41"),),
    "a host octet of the bridge": (of_vm("tap_create", b"\0\0\1\x52\x54\0\0\0\1\0\2"),),
    "a multicast MAC": (of_vm("tap_create", b"\0\0\2\x53\x54\0\0\0\1\0\2"),),
    "a boolean that is 2": (of_vm("tap_create", b"\0\0\2\x52\x54\0\0\0\1\2\2"),),
    "a VMM unknown": (of_vm("tap_create", b"\0\0\2\x52\x54\0\0\0\1\0\3"),),
    "a disk's id that is a path": (frame("disk_attach", b"../../../etc" + bytes(8), fds=2),
                                   "ro:/dev/null", "ro:/dev/null"),
    "a disk of one file": (of_vm("disk_attach", bytes(8), fds=1), "ro:/dev/null"),
    "a disk of three files": (of_vm("disk_attach", bytes(8), fds=3), "ro:/dev/null",
                              "ro:/dev/null", "ro:/dev/null"),
    "a disk whose size is cut": (of_vm("disk_attach", bytes(7), fds=2),
                                 "ro:/dev/null", "ro:/dev/null"),
    "no vcpus": (of_vm("qemu_launch", b"\0\0\1\0\0\0", fds=3),
                 "ro:/dev/null", "ro:/dev/null", "ro:/dev/null"),
    "files too few": (of_vm("qemu_launch", b"\1\0\1\0\0\0", fds=2),
                      "ro:/dev/null", "ro:/dev/null"),
}


@pytest.mark.parametrize("words", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_frames_end_netd(netd, words):  # noqa: F811
    netd("status")
    netd("raw", *words)
    with pytest.raises(Gone):
        netd("status")
    assert netd.wait() == 256
