# SPDX-License-Identifier: GPL-2.0-or-later
"""Which programs banger-netd takes for Firecracker, and what it says of the others."""

import os

import pytest

import fake_firecracker as fake
from jail_probe import STATIC, VM, install, network
from netd import Host, Refused


def told(path, text=None, extra=""):
    """netd's status when firecracker is `path`: (fit, version, problem)."""
    host = Host(extra=f"[vmm]\nfirecracker = {path}\n" + extra)
    try:
        status = host.netd()("status")
        problem = bytes.fromhex(status["fc_problem"]).decode()
        if text is not None:
            host_netd = host.started[-1]
            network(host_netd)
            with pytest.raises(Refused) as refused:
                host.firecracker(host_netd, VM)
            assert (refused.value.code, refused.value.message) == ("unavailable", problem)
            assert os.listdir(host.run_dir / "vm") == []
            host_netd("release", VM)
            assert "firecracker" in problem or str(path) in problem, problem
            assert text in problem, problem
        return status["firecracker"] == "1", status["fc"], problem
    finally:
        host.close()


@pytest.fixture
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("programs")
    path.chmod(0o755)
    for parent in path.parents:
        if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    return path


def patched(folder, **changes):
    """A copy with bytes of its ELF header changed."""
    path = install(STATIC, folder / "firecracker")
    data = bytearray(path.read_bytes())
    for at, value in changes.values():
        data[at:at + len(value)] = value
    path.write_bytes(data)
    return path


def unfit_missing(folder):
    return folder / "nothing", "there is no"


def unfit_writable(folder):
    path = install(STATIC, folder / "firecracker")
    path.chmod(0o757)
    return path, "chmod go-w"


def unfit_group_writable(folder):
    path = install(STATIC, folder / "firecracker")
    path.chmod(0o775)
    return path, "chmod go-w"


def unfit_foreign(folder):
    path = install(STATIC, folder / "firecracker")
    os.chown(path, 4242, 4242)
    return path, "chown root"


def unfit_private(folder):
    path = install(STATIC, folder / "firecracker")
    path.chmod(0o700)
    return path, "chmod a+rx"


def unfit_directory(folder):
    return folder, "no regular file"


def unfit_fifo(folder):
    os.mkfifo(folder / "firecracker", 0o755)
    return folder / "firecracker", "no regular file"


def unfit_script(folder):
    (folder / "firecracker").write_text("#!/bin/sh\necho Firecracker v1.16.1\n")
    (folder / "firecracker").chmod(0o755)
    return folder / "firecracker", "no ELF program"


def unfit_empty(folder):
    (folder / "firecracker").touch(0o755)
    return folder / "firecracker", "no ELF program"


def unfit_machine(folder):
    return patched(folder, machine=(18, b"\xb7\0" if os.uname().machine == "x86_64" else b"\x3e\0")), \
        "for another machine"


def unfit_class(folder):
    return patched(folder, elfclass=(4, b"\1")), "for another machine"


def unfit_headers(folder):
    return patched(folder, phnum=(56, b"\xff\xff")), "damaged"


def unfit_cut_off(folder):
    path = install(STATIC, folder / "firecracker")
    os.truncate(path, 64)
    return path, "cut off"


def unfit_link_loop(folder):
    (folder / "firecracker").symlink_to("firecracker")
    return folder / "firecracker", "too many links"


def unfit_link_of_others(folder):
    """In a directory like /tmp, where anybody may put one."""
    folder.chmod(0o1777)
    install(STATIC, folder / "real")
    (folder / "firecracker").symlink_to("real")
    os.lchown(folder / "firecracker", 4242, 4242)
    return folder / "firecracker", "not root's"


def unfit_link_through_others(folder):
    (folder / "theirs").mkdir()
    install(STATIC, folder / "theirs" / "real")
    os.chown(folder / "theirs", 4242, 4242)
    (folder / "firecracker").symlink_to("theirs/real")
    return folder / "firecracker", "of user 4242"


def unfit_folder_of_others(folder):
    os.chown(folder, 4242, 4242)
    return install(STATIC, folder / "firecracker"), "of user 4242"


def unfit_folder_writable(folder):
    folder.chmod(0o777)
    return install(STATIC, folder / "firecracker"), "chmod go-w"


def unfit_too_old(folder):
    return fake.install(folder, "version=1.4.0"), "too old"


def unfit_ancient(folder):
    return fake.install(folder, "version=0.25.2"), "too old"


def unfit_another_program(folder):
    return install("/usr/bin/env", folder / "firecracker"), "does not say its version"


UNFIT = {name.removeprefix("unfit_"): make for name, make in list(globals().items())
         if name.startswith("unfit_")}


@pytest.mark.parametrize("make", UNFIT.values(), ids=UNFIT.keys())
def test_an_unfit_program_is_not_run(folder, make):
    path, text = make(folder)
    fit, version, problem = told(path, text)
    assert not fit and text in problem
    assert version == {"too_old": "1.4.0", "ancient": "0.25.2"}.get(
        next(name for name, other in UNFIT.items() if other is make), "")


@pytest.mark.parametrize("version", ["1.5.0", "1.16.1", "2.0.0"])
def test_a_fit_program(folder, version):
    path = fake.install(folder, f"version={version}")
    assert told(path) == (True, version, "")


def test_links_of_root_are_followed(folder):
    """How a release is installed: a link without the version in its name."""
    (folder / "release").mkdir(mode=0o755)
    install(STATIC, folder / "release" / "firecracker-v1.16.1")
    (folder / "latest").symlink_to(folder / "release")
    (folder / "firecracker").symlink_to("latest/firecracker-v1.16.1")
    assert told(folder / "firecracker") == (True, "1.16.1", "")
    folder.chmod(0o1777)  # nobody else can take root's link away there
    assert told(folder / "firecracker")[0]


def test_where_it_is_looked_for():
    """/usr/bin, then /usr/local/bin, when the configuration does not say."""
    if os.path.exists("/usr/bin/firecracker"):
        pytest.skip("there is a /usr/bin/firecracker")
    host = Host(wrap=("unshare", "-m", "sh", "-c",
                      "mount -t tmpfs -o mode=755 none /usr/local/bin && "
                      f"install -m 755 {STATIC} /usr/local/bin/firecracker && exec \"$0\" \"$@\""))
    try:
        assert host.netd()("status")["firecracker"] == "1"
    finally:
        host.close()
