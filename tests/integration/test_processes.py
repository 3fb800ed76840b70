# SPDX-License-Identifier: GPL-2.0-or-later
"""The real processes after their start: who they are, what they gave up, and how they end."""

import os
import pwd
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
import rpc
import suite

NETD_CAPABILITIES = {"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill",
                     "net_admin", "sys_admin", "sys_chroot", "sys_ptrace", "setuid", "setgid",
                     "sys_resource", "mknod", "setpcap"}
NAMES = ["chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid",
         "setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin",
         "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace",
         "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time",
         "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
         "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
         "perfmon", "bpf", "checkpoint_restore"]


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def capabilities(pid, which="CapEff"):
    mask = int(status(pid)[which], 16)
    return {name for bit, name in enumerate(NAMES) if mask >> bit & 1}


def launch_and_netd():
    """(launch, netd): launch is forked by netd, so it is netd's child."""
    pids = suite.pids("banger-netd")
    assert len(pids) == 2, f"netd and its launch half: {suite.processes()}"
    parents = {pid: int(status(pid)["PPid"]) for pid in pids}
    (launch,) = [pid for pid in pids if parents[pid] in pids]
    return launch, parents[launch]


def seccomp_on():
    return suite.settings().get("seccomp", "kill") != "off"


@pytest.mark.parametrize("program, user", [("bangerd", "banger"), ("banger-imaged", "banger-image")])
def test_unprivileged(program, user):
    """bangerd and imaged: a user of their own for good, no groups, no capability anywhere."""
    for pid in suite.pids(program):
        facts, entry = status(pid), pwd.getpwnam(user)
        assert set(facts["Uid"].split()) == {str(entry.pw_uid)}
        assert set(facts["Gid"].split()) == {str(entry.pw_gid)}
        assert facts["Groups"].split() in ([], [str(entry.pw_gid)])
        for which in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert not capabilities(pid, which), f"{program} {which}"


def test_netd_capabilities():
    _, netd = launch_and_netd()
    assert capabilities(netd) <= {"net_admin", "chown", "fowner", "dac_override", "kill", "setuid",
                                  "setgid", "dac_read_search"}, \
        f"netd itself keeps few: {capabilities(netd)}"
    assert "sys_admin" not in capabilities(netd), "mounts are launch's"


def test_launch_capabilities():
    launch, _ = launch_and_netd()
    assert capabilities(launch) <= NETD_CAPABILITIES, capabilities(launch)
    assert not capabilities(launch) & {"sys_module", "sys_rawio", "sys_boot", "sys_time", "bpf"}


@pytest.mark.parametrize("program", suite.ROLES)
def test_confined(program):
    for pid in suite.pids(program):
        for task in Path(f"/proc/{pid}/task").iterdir():
            facts = status(f"{pid}/task/{task.name}")
            assert facts["NoNewPrivs"] == "1" or program == "banger-netd", program
            assert facts["Seccomp"] == "2", f"{program} {facts['Name']}: no filter"


@pytest.mark.parametrize("program", suite.ROLES)
def test_no_memory_is_writable_and_executable(program):
    for pid in suite.pids(program):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            assert "wx" not in line.split()[1], f"{program}: {line}"


def test_imaged_has_no_network():
    """No socket but Unix ones: nothing to reach a network with."""
    for pid in suite.pids("banger-imaged"):
        inodes = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        table = Path(f"/proc/{pid}/net/tcp").read_text() + Path(f"/proc/{pid}/net/udp").read_text()
        for line in table.splitlines():
            words = line.split()
            if len(words) > 9:
                assert f"socket:[{words[9]}]" not in inodes


def socket_peers():
    """{inode of a socket: pids that hold it} over the suite's processes."""
    held = {}
    for program in suite.ROLES:
        for pid in suite.pids(program):
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    target = os.readlink(fd)
                except FileNotFoundError:
                    continue
                if target.startswith("socket:"):
                    held.setdefault(target, set()).add(pid)
    return held


def test_nobody_holds_anothers_end():
    """Death is learnt by end-of-file, so each end of a socketpair has one holder."""
    shared = {inode: pids for inode, pids in socket_peers().items() if len(pids) > 1}
    names = {pid: suite.processes().get(pid) for pids in shared.values() for pid in pids}
    assert not shared, f"{shared} {names}"


def test_socket_rights():
    """Everybody may connect; nobody but root and banger may put a file beside the socket."""
    path = Path(os.environ["BANGER_SOCKET"])
    assert path.stat().st_mode & 0o777 == 0o666
    parent = path.parent.stat()
    assert parent.st_uid == 0 and parent.st_mode & 0o002 == 0
    # banger makes and removes its socket there, and cannot touch what is netd's.
    assert parent.st_gid == pwd.getpwnam("banger").pw_gid and parent.st_mode & stat.S_ISVTX
    assert suite.banger("daemon", "status", uid=65534).status == 0


def test_state_is_private():
    """Nobody else gets into any of its directories. (Kernels are readable files in one of them: a
    VMM, with a uid of its own, opens what it is handed again.)"""
    state = Path(suite.settings()["state_dir"])
    folders = [path for path in state.rglob("*") if path.is_dir()]
    assert folders
    for path in folders:
        assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"
    for path in state.iterdir():
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0, f"{path} is open to others"
    assert suite.banger("vm", "list", uid=65534).status == 0


# ---- ends ----

@pytest.mark.parametrize("victim", ["bangerd", "banger-imaged", "netd", "launch"])
def test_one_dies_all_end(victim, nothing_left):
    """Whichever process is killed, the others end by themselves and a start brings all back."""
    launch, netd = launch_and_netd()
    pid = {"netd": netd, "launch": launch}.get(victim) or suite.pids(victim)[0]
    os.kill(pid, signal.SIGKILL)
    suite.restart()
    assert rpc.call("ping")["version"]


def test_second_daemon_is_refused():
    """Two daemons on one state would be the end of it."""
    done = subprocess.run([suite.DIR / "bangerd", "--config", suite.DIR / "banger.conf"],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert "another bangerd" in done.stderr, done.stderr
    assert suite.running()


def test_stop_is_quick_and_start_again():
    begin = time.monotonic()
    suite.stop()
    assert not any(suite.pids(role) for role in suite.ROLES) or suite.wait_gone(2)
    assert time.monotonic() - begin < 5
    assert not Path(os.environ["BANGER_SOCKET"]).exists(), "the socket is taken away"
    suite.start()


def test_shutdown_by_rpc():
    """root ends the daemon; others may not."""
    done = suite.banger("daemon", "status", uid=65534)
    assert done.status == 0
    rpc.call("shutdown")
    assert suite.wait_gone()
    suite.start()


def test_shutdown_is_roots():
    assert suite.python_as(65534, "try:\n rpc.call('shutdown')\n print('done')\n"
                           "except rpc.RpcError as error:\n print(error.code)\n") == "unauthorized"
    assert suite.running()


def test_a_log_that_is_a_long_file():
    """netd is not to die of a line in it: as long as it was, with what netd mends at its start."""
    stale = Path(suite.settings()["run_dir"]) / "vm/0123456789ab"
    suite.stop()
    stale.mkdir()
    with open(suite.DIR / "log", "ab") as log:
        log.write(b"what was said before\n" * (2 << 20 >> 4))
        end = log.tell()
    suite.start()
    with open(suite.DIR / "log", "rb") as log:
        log.seek(end)
        assert b"removing the run directory of VM 0123456789ab" in log.read()
    assert not stale.exists()
    assert suite.running()


# ---- settings ----

BAD_SETTINGS = [
    ("no = such\n", "no setting there"),
    ("[daemon]\nsurprise = 1\n", "surprise"),
    ("[nowhere]\nx = 1\n", "nowhere"),
    ("[daemon]\nlog_level = loud\n", "log_level"),
    ("[daemon]\nseccomp = perhaps\n", "seccomp"),
    ("[daemon]\nworkers = many\n", "workers"),
    ("[daemon]\nuser = nobody-of-that-name\n", "nobody-of-that-name"),
    ("[net]\npool = 300.0.0.0/8\n", "pool"),
    ("[paths]\nrun_dir = relative/path\n", "run_dir"),
    ("[vmm]\naccel = xen\n", "accel"),
]


@pytest.mark.parametrize("text, word", BAD_SETTINGS, ids=[row[0].strip() for row in BAD_SETTINGS])
def test_bad_settings(text, word, tmp_path):
    """A wrong setting is named, and nothing starts."""
    path = tmp_path / "banger.conf"
    path.write_text(text)
    done = subprocess.run([suite.DIR / "bangerd", "--config", path], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode != 0
    assert word.split()[-1] in done.stderr or str(path) in done.stderr, done.stderr
    assert suite.running()


def test_settings_that_others_may_write(tmp_path):
    """netd takes orders from a file: it must be root's alone."""
    path = tmp_path / "banger.conf"
    path.write_text("")
    path.chmod(0o666)
    done = subprocess.run([suite.DIR / "bangerd", "--config", path], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode != 0 and str(path) in done.stderr, done
