# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that lack something, and guests that never answer: a clear word, in time, and nothing left
behind (the nested suite checks that by itself)."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import firecracker
import guest_images
import nested
import pytest
from conftest import CACHE

RUN = "banger vm run --rm --quiet --image busybox --memory 256M -- echo ran; echo status $?\n"
NOTHING = 'test "$(banger vm list -q)" = "" || echo a VM stayed\n'


@pytest.fixture(scope="module", autouse=True)
def archive():
    return guest_images.busybox(CACHE / "busybox.oci.tar")


def test_no_kvm(tmp_path):
    """Without /dev/kvm `auto` is TCG; asked for by name, KVM is an error that says so."""
    status, out, err = nested.with_suite(
        nested.IMPORT + RUN + "banger vm run --rm --quiet --accel kvm --image busybox -- true; "
        "echo status $?\n" + NOTHING, tmp_path,
        before="mount --bind /dev/null /dev/kvm || true")
    assert out == "ran\nstatus 0\nstatus 125\n" and status == 0, (out, err)
    assert "KVM" in err or "/dev/kvm" in err


def test_kvm_that_is_too_slow(tmp_path):
    """What kvm_state says, --accel kvm obeys: absent, denied or slow is an error."""
    status, out, err = nested.with_suite(
        "banger daemon status -o json\n", tmp_path)
    assert status == 0, err
    assert '"kvm"' in out and '"accel"' in out


def test_no_tun(tmp_path):
    status, out, err = nested.with_suite(nested.IMPORT + RUN + NOTHING, tmp_path,
                                         before="mount --bind /dev/null /dev/net/tun")
    assert (status, out) == (0, "status 125\n"), (out, err)
    assert "tun" in err.lower()


def test_no_qemu(tmp_path):
    """The message names the package to install."""
    status, out, err = nested.with_suite(nested.IMPORT + RUN + NOTHING, tmp_path,
                                         settings="[vmm]\nqemu = /usr/bin/no-such-qemu\n")
    assert (status, out) == (0, "status 125\n"), (out, err)
    assert "qemu-system-x86" in err


def test_vmm_that_dies_at_once(tmp_path):
    status, out, err = nested.with_suite(nested.IMPORT + RUN + NOTHING, tmp_path,
                                         settings="[vmm]\nqemu = /bin/false\n")
    assert (status, out) == (0, "status 125\n"), (out, err)
    assert err.strip(), "says what happened"


SILENT = r"""
__asm__(".section .note.Xen, \"a\", @note\n.long 4, 4, 18\n.asciz \"Xen\"\n.long _start\n.previous\n"
	".section .text\n.code32\n.globl _start\n_start: cli\n1: hlt\njmp 1b\n.code64\n");
const char linux_banner[] = "Linux version 6.1.0-silent (test@test) #1 SMP";
"""


def silent_kernel(folder):
    """An ELF kernel that halts at once and never says a word."""
    (folder / "silent.c").write_text(SILENT)
    subprocess.run(["gcc", "-nostdlib", "-static", "-no-pie", "-fno-pic", "-Wl,-Ttext=0x1000000",
                    "-Wl,--build-id=none", "-o", folder / "vmlinux", folder / "silent.c"],
                   check=True)
    return folder / "vmlinux"


def never_answers(vmm, folder):
    """Both ways of it beside each other, in a suite of its own."""
    folder.mkdir()
    status, out, err = nested.with_suite(
        nested.IMPORT + f"banger kernel import --quiet --name silent {silent_kernel(folder)} "
        ">/dev/null || exit 98\n"
        "banger vm run --rm --quiet --image busybox --kernel silent --memory 256M "
        f"--vmm {vmm} -- true 2>$BANGER_SUITE/said & run=$!\n"
        "banger vm create --quiet --image busybox --kernel silent --name mute --memory 256M "
        f"--vmm {vmm} >/dev/null\n"
        "echo status $?\n"
        "wait $run; echo status $?; cat $BANGER_SUITE/said >&2\n"
        "banger vm list -o json | grep -c '\"mute\"'\n"
        "log=$(banger vm show mute -o json | sed -n 's/.*\"console_log\": *\"\\(.*\\)\".*/\\1/p')\n"
        "echo log $log\n"
        "banger vm logs mute >/dev/null; echo logs $?\n"
        "banger vm delete --force mute >/dev/null; echo deleted $?\n" + NOTHING, folder,
        settings=firecracker.setting(folder / "firecracker", start_timeout=3))
    assert status == 0, (out, err)
    lines = out.splitlines()
    assert lines[:3] == ["status 1", "status 125", "1"], (out, err)
    log = lines[3].removeprefix("log ")
    assert log and log in err or "vm logs mute" in err, f"the message says where the log is: {err}"
    assert lines[4:] == ["logs 0", "deleted 0"], (out, err)
    assert "answer" in err or "time" in err


def test_guest_that_never_answers(tmp_path):
    """The time is up: an error that names the log, and the VM is kept for a look; --rm takes it
    away all the same. On both VMMs beside each other: they wait."""
    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(never_answers, vmm, tmp_path / vmm)
                      for vmm in ("qemu", "firecracker")]:
            ended.result()


def test_too_little_memory(tmp_path):
    """More than the host has: said before anything is made."""
    status, out, err = nested.with_suite(
        nested.IMPORT + "banger vm run --rm --quiet --image busybox --memory 1000G -- true\n"
        "echo status $?\n" + NOTHING, tmp_path)
    assert (status, out) == (0, "status 125\n"), (out, err)
    assert "memory" in err


def test_full_disk_on_import(tmp_path):
    """The state's file system fills up in the middle: no_space, and no file stays."""
    status, out, err = nested.with_suite(
        'before=$(find $BANGER_SUITE/state -type f ! -name "*.db*" | sort)\n'
        "banger image import --quiet debian $cache/debian.oci.tar; echo status $?\n"
        "banger image list -q\n"
        'test "$(find $BANGER_SUITE/state -type f ! -name "*.db*" | sort)" = "$before" '
        "|| find $BANGER_SUITE/state -type f\n"
        "banger image import --quiet busybox $cache/busybox.oci.tar >/dev/null; "
        "echo status $?\n"
        "banger image list -o json | grep -c '\"busybox\"'\n",
        tmp_path, settings="[image]\nmin_free = 1M\n", state_size="96M")
    assert (status, out) == (0, "status 1\nstatus 0\n1\n"), (out, err)
    assert "space" in err


def test_too_little_disk_is_said_before(tmp_path):
    status, out, err = nested.with_suite(
        "banger image import --quiet debian $cache/debian.oci.tar; echo status $?\n",
        tmp_path, settings="[image]\nmin_free = 512M\n", state_size="96M")
    assert (status, out) == (0, "status 1\n"), (out, err)
    assert "space" in err or "free" in err


def test_seccomp_can_be_switched_off(tmp_path):
    """For whoever hunts a fault: the setting is obeyed, and the VM runs all the same."""
    status, out, err = nested.with_suite(
        nested.IMPORT + RUN + "grep -h ^Seccomp: /proc/$(pidof bangerd)/status\n", tmp_path,
        settings="[daemon]\nseccomp = off\n")
    assert status == 0 and out == "ran\nstatus 0\nSeccomp:\t0\n", (out, err)
