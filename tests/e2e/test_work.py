# SPDX-License-Identifier: GPL-2.0-or-later
"""The work disk, which outlives what is around it; and `vm set`, which changes that."""

import subprocess
from pathlib import Path

import guest_images
import oci
import pytest
import suite
import vms

GIB = 1 << 20  # in df's KiB


@pytest.fixture(scope="module")
def other(kernel, tmp_path_factory):
    """What a VM is changed to; root's home is elsewhere, and has its own dotfiles."""
    archive = guest_images.busybox_with(tmp_path_factory.mktemp("other") / "image.tar", [
        oci.entry("etc/passwd", b"root:x:0:0:root:/data/owner:/bin/sh\n"),
        oci.entry("etc/which", b"the other one\n"),
        oci.directory("data"), oci.directory("data/owner"),
        oci.entry("data/owner/.other", b"hidden by the work disk\n"),
    ])
    suite.banger("image", "import", "--quiet", "other", archive, check=True)
    yield "other"
    suite.banger("image", "delete", "other", check=True)


def sized(name, path):
    """Of the file system at that path: its device, its KiB."""
    words = vms.output(name, "df", "-k", path).split("\n")[-1].split()
    return words[0], int(words[1])


def change(name, *options):
    return suite.banger("vm", "set", *options, name)


def nat_sources():
    return subprocess.run(["nft", "list", "set", "ip", "banger", "nat_sources"], check=True,
                          capture_output=True, text=True).stdout


def test_home_outlives_restart_growth_and_image(homes, other, nothing_left):
    with vms.vm(homes, "--disk-size", "1G", "--system-overlay-size", "2G", name="kept") as name:
        row = vms.row(name)
        assert (row["disk_size"], row["system_overlay_size"]) == (1 << 30, 2 << 30)
        device, size = sized(name, "/root")
        assert device == "/dev/vdb" and 0.9 * GIB < size <= GIB
        assert vms.output(name, "sh", "-lc", "echo $FROM_PROFILE; stat -c %a:%u ~/.profile; ls -A ~"
                          ).split() == ["yes", "640:0", ".profile"], "and no lost+found"
        vms.output(name, "sh", "-c", "echo work >~/file; echo root >/file; chmod 600 ~/file; sync")

        # What needs a stopped VM is refused, as a whole; NAT is not.
        for options in (["--vcpu", "2"], ["--memory", "300M"], ["--disk-size", "2G"],
                        ["--system-overlay-size", "3G"], ["--image", other], ["--nat", "--vcpu", "2"]):
            done = change(name, *options)
            assert done.status == 1 and "is running" in done.err and "vm stop" in done.err, options
        assert vms.row(name) == row
        assert row["ip"] not in nat_sources()
        assert change(name, "--nat").status == 0
        assert row["ip"] in nat_sources() and vms.row(name)["nat"]
        assert change(name, "--no-nat").status == 0
        assert row["ip"] not in nat_sources() and not vms.row(name)["nat"]

        suite.banger("vm", "stop", name, check=True)
        for options, word in ((["--disk-size", "512M"], "only grow"),
                              (["--system-overlay-size", "1G"], "only grow"),
                              (["--memory", "1T"], "not enough memory"),
                              (["--image", "nobody"], "nobody")):
            done = change(name, *options)
            assert done.status == 1 and word in done.err, (options, done.err)
        # What is only said yet may be taken back.
        assert change(name, "--disk-size", "9G", "--system-overlay-size", "9G").status == 0
        assert change(name, "--vcpu", "2", "--memory", "320M", "--disk-size", "3G",
                      "--system-overlay-size", "4G").status == 0
        row = vms.row(name)
        assert (row["vcpu"], row["memory_mib"], row["disk_size"], row["system_overlay_size"]) == \
            (2, 320, 3 << 30, 4 << 30)
        suite.banger("vm", "start", name, check=True)
        assert 2.7 * GIB < sized(name, "/root")[1] <= 3 * GIB
        assert 3.7 * GIB < sized(name, "/")[1] <= 4 * GIB
        assert vms.output(name, "sh", "-c", "nproc; cat ~/file /file").split() == ["2", "work", "root"]

        suite.banger("vm", "stop", name, check=True)
        for options in (["--disk-size", "2G"], ["--system-overlay-size", "3G"]):
            done = change(name, *options)
            assert done.status == 1 and "only grow" in done.err, (options, done.err)
        assert change(name, "--image", other, "--vcpu", "1", "--system-overlay-size", "9G").status == 0
        assert change(name, "--system-overlay-size", "1M").status == 1, "its image does not fit"
        assert change(name, "--system-overlay-size", "3G").status == 0
        assert vms.row(name)["image"] == "other" and vms.row(name)["state"] == "stopped"
        suite.banger("vm", "start", name, check=True)
        assert sized(name, "/data/owner")[0] == "/dev/vdb"
        assert vms.output(name, "sh", "-c", "cat /etc/which; cd; pwd; cat file; stat -c %a file; ls -A"
                          ).split("\n") == ["the other one", "/data/owner", "work", "600", ".profile",
                                            "file"]
        assert vms.execute(name, "test", "-e", "/file").status == 1, "that was on the old root disk"
        # Made once: the next start finds it.
        vms.output(name, "sh", "-c", "echo new >/new")
        suite.banger("vm", "restart", name, check=True)
        assert vms.output(name, "cat", "/new", "/data/owner/file").split() == ["new", "work"]


def test_a_vm_without_one_gets_one(busybox, nothing_left):
    """Filled with what its user has by then; and what cannot be is refused before anything is."""
    done = vms.run(busybox, "true", options=["--disk-size", "100M"])
    assert done.status == 125 and "--disk-size" in done.err
    with vms.vm(busybox, name="later") as name:
        assert vms.row(name)["disk_size"] == 0 and sized(name, "/root")[0] == "/dev/vda"
        vms.output(name, "sh", "-c", "mkdir ~/d; echo before >~/d/f; sync")
        suite.banger("vm", "kill", name, check=True)
        assert change(name, "--disk-size", "200M").status == 0
        # What a crash may have left of one.
        folder = Path(suite.settings()["state_dir"]) / "vms" / vms.row(name)["id"]
        (folder / "work.new").write_bytes(b"half a disk")
        suite.banger("vm", "start", name, check=True)
        assert not (folder / "work.new").exists() and (folder / "work").stat().st_size == 200 << 20
        device, size = sized(name, "/root")
        assert device == "/dev/vdb" and size < 200 << 10
        assert vms.output(name, "cat", "/root/d/f") == "before"
