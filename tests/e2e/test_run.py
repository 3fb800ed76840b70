# SPDX-License-Identifier: GPL-2.0-or-later
"""banger vm run and vm exec: streams apart, statuses exact, terminals, users, environments."""

import os
import signal
import subprocess
import termios
import time

import guest_images
import oci
import pytest
import suite
import vms


def test_debian_two_streams_and_status(debian, nothing_left):
    done = vms.run(debian, "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.status, done.out) == (42, "out\n")
    assert done.err == "err\n", "stages are told only without --quiet"


@pytest.mark.any_vmm
def test_debian_is_debian(debian, nothing_left):
    done = vms.run(debian, "cat", "/etc/os-release")
    assert done.status == 0 and 'VERSION_CODENAME=bookworm' in done.out
    done = vms.run(debian, "sh", "-c", "uname -sr; dpkg -l base-files | tail -n 1")
    assert done.status == 0 and "Linux" in done.out and "cloud" in done.out, done


@pytest.mark.any_vmm
def test_stages_go_to_stderr(busybox, nothing_left):
    """Without a terminal: plain lines on stderr; stdout is the command's alone."""
    done = suite.banger("vm", "run", "--rm", "--image", busybox, "--memory", vms.MEMORY, "--",
                        "echo", "out")
    assert (done.status, done.out) == (0, "out\n")
    assert len(done.err.splitlines()) >= 3 and "\r" not in done.err and "\033" not in done.err


STATUSES = [
    (("true",), 0), (("false",), 1), (("sh", "-c", "exit 255"), 255),
    (("sh", "-c", "kill -TERM $$"), 128 + 15), (("sh", "-c", "kill -KILL $$"), 128 + 9),
    (("no-such-program",), 127), (("/no/such/program",), 127), (("/etc/passwd",), 126),
    (("/etc",), 126),
]


@pytest.fixture(scope="module")
def box(busybox):
    """One VM for all that does not need one of its own."""
    with vms.vm(busybox, name="box") as name:
        yield name


@pytest.mark.parametrize("command, status", STATUSES, ids=[" ".join(row[0]) for row in STATUSES])
def test_exec_status(box, command, status):
    done = vms.execute(box, *command)
    assert done.status == status, done
    if status in (126, 127):
        assert command[0] in done.err, "says what could not be run"


@pytest.mark.any_vmm
@pytest.mark.parametrize("command, status", [STATUSES[3], STATUSES[5], STATUSES[7]],
                         ids=["signal", "not found", "not executable"])
def test_run_status(busybox, command, status, nothing_left):
    assert vms.run(busybox, *command).status == status


def test_125_when_banger_fails(box):
    assert suite.banger("vm", "exec", "no-such-vm", "--", "true").status == 125
    assert suite.banger("vm", "run", "--rm", "--image", "no-such-image", "--", "true").status == 125
    done = suite.banger("--socket", "/nonexistent/socket", "vm", "run", "--rm", "--image", "x",
                        "--", "true")
    assert done.status == 125 and "/nonexistent/socket" in done.err


@pytest.mark.any_vmm
def test_usage_is_2():
    for words in (("vm",), ("vm", "run"), ("vm", "nothing"), ("vm", "show"), ("nonsense",),
                  ("vm", "run", "--no-such-option", "x"), ("vm", "list", "-o", "yaml"),
                  ("vm", "run", "-d", "--rm", "--image", "x"),
                  ("vm", "run", "--memory", "-1", "--image", "x"),
                  ("vm", "run", "--memory", "0", "--image", "x"),
                  ("vm", "run", "--name", "Bad Name", "--image", "x")):
        done = suite.banger(*words)
        assert done.status == 2 and done.err, f"{words}: {done}"


def test_stdin_is_passed_on(box):
    done = vms.execute(box, "cat", input="some\ntext\n")
    assert (done.status, done.out, done.err) == (0, "some\ntext\n", "")


def test_stdin_end_of_file(box):
    done = vms.execute(box, "sh", "-c", "cat; echo ended", input="")
    assert done.out == "ended\n"


def test_megabytes_both_ways(box):
    """Flow control in both directions: nothing lost, nothing mixed."""
    data = os.urandom(8 << 20)
    done = suite.banger("vm", "exec", box, "--", "cat", input=data, text=False, timeout=120)
    assert done.status == 0 and done.out == data


def test_output_of_both_streams_is_whole(box):
    done = vms.execute(box, "sh", "-c", "for i in $(seq 2000); do echo o$i; echo e$i >&2; done")
    assert done.out == "".join(f"o{i}\n" for i in range(1, 2001))
    assert done.err == "".join(f"e{i}\n" for i in range(1, 2001))


def test_reader_that_goes_away(box):
    """`| head -1`: the command in the guest ends, the status is SIGPIPE's or the command's."""
    command = "banger vm exec box -- yes | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.stdout == "y\n"
    assert suite.wait_for(lambda: "yes" not in vms.output(box, "ps", "-o", "comm"), 15)


def test_environment_user_directory(box):
    assert vms.output(box, "sh", "-c", "echo $FROM_IMAGE") == "yes"
    done = suite.banger("vm", "exec", "-e", "A=1 2", "-u", "user", "-w", "/tmp", box, "--", "sh",
                        "-c", "echo $A; id; pwd; echo $HOME")
    lines = done.out.splitlines()
    assert lines[0] == "1 2"
    assert "uid=1000(user) gid=1000(user)" in lines[1] and "44(extra)" in lines[1]
    assert lines[2:] == ["/tmp", "/home/user"]
    done = suite.banger("vm", "exec", "-u", "1234:5678", box, "--", "id")
    assert "uid=1234" in done.out and "gid=5678" in done.out
    assert suite.banger("vm", "exec", "-u", "no-such-user", box, "--", "true").status in (125, 126)
    assert suite.banger("vm", "exec", "-w", "/no/such/dir", box, "--", "true").status in (125, 126)


def test_arguments_are_passed_as_they_are(box):
    words = ["a b", "", "$HOME", "'", '"', "\\", "*", "\n", "ä", "-x", "--"]
    done = vms.execute(box, "printf", "<%s>", *words)
    assert done.out == "".join(f"<{word}>" for word in words)


def test_signal_reaches_the_command(box):
    """Ctrl-C in the CLI is the command's SIGINT; its status comes back."""
    process = subprocess.Popen(
        ["banger", "vm", "exec", box, "--", "sh", "-c",
         "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"],
        stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("caught\n", 9)


def test_closed_cli_ends_the_command(box):
    """The CLI is killed: what it ran in the guest is ended, HUP first, then KILL."""
    process = subprocess.Popen(["banger", "vm", "exec", box, "--", "sh", "-c",
                                "trap '' HUP; echo up; exec sleep 4321"], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.kill()
    process.wait()
    assert suite.wait_for(lambda: "sleep 4321" not in vms.output(box, "ps", "-o", "args"), 20, 0.5)


def test_eight_execs_at_once(box):
    begin = time.monotonic()
    processes = [subprocess.Popen(["banger", "vm", "exec", box, "--", "sh", "-c",
                                   f"sleep 2; echo {n}"], stdout=subprocess.PIPE, text=True)
                 for n in range(8)]
    assert [process.communicate(timeout=60)[0] for process in processes] == \
        [f"{n}\n" for n in range(8)]
    assert time.monotonic() - begin < 12, "one after the other"


# ---- terminals ----

def test_shell_on_a_terminal(busybox, nothing_left):
    with vms.Terminal("vm", "run", "--rm", "--image", busybox, "--memory", vms.MEMORY, rows=30,
                      columns=100) as terminal:
        terminal.expect("# ", 60)
        terminal.type("stty size\n")
        terminal.expect("30 100")
        terminal.resize(41, 123)
        time.sleep(0.5)
        terminal.type("stty size\n")
        terminal.expect("41 123")
        terminal.type("tty; echo $TERM\n")
        terminal.expect("/dev/pts/")
        terminal.expect("xterm")
        terminal.type("sleep 1000\n")
        time.sleep(0.5)
        terminal.type("\003")
        terminal.expect("# ")
        terminal.type("exit 5\n")
        assert terminal.wait() == 5


def test_vm_shell(box):
    with vms.Terminal("vm", "shell", box) as terminal:
        terminal.expect("# ")
        terminal.type("echo from-$FROM_IMAGE\n")
        terminal.expect("from-yes")
        terminal.type("exit 3\n")
        assert terminal.wait() == 3


def test_terminal_is_restored(box):
    """Raw mode ends with the command: the settings are as they were."""
    with vms.Terminal("vm", "exec", "-t", box, "--", "true") as terminal:
        before = termios.tcgetattr(terminal.master)
        assert terminal.wait() == 0
        assert termios.tcgetattr(terminal.master) == before


@pytest.mark.any_vmm
def test_progress_on_a_terminal(busybox, nothing_left):
    with vms.Terminal("vm", "run", "--rm", "--image", busybox, "--memory", vms.MEMORY, "--",
                      "echo", "hello") as terminal:
        text = terminal.expect("hello", 60)
        assert "\r" in text, "a bar that is drawn over"
        assert terminal.wait() == 0


# ---- images with little in them ----

@pytest.mark.any_vmm
def test_one_static_program(kernel, tmp_path, nothing_left):
    """No shell, no libc, no directories: a program as the only file of an image."""
    suite.banger("image", "import", "hello", guest_images.hello(tmp_path), check=True)
    try:
        done = suite.banger("vm", "run", "--rm", "--quiet", "--image", "hello", "--memory",
                            vms.MEMORY, "--", "/hello")
        assert (done.status, done.out) == (7, "hello\n"), done
    finally:
        suite.banger("image", "delete", "hello", check=True)


@pytest.mark.any_vmm
def test_image_with_an_init(kernel, tmp_path, nothing_left):
    """The image's own init is process 1; commands run beside it."""
    script = "#!/bin/sh\necho I am $$ >/tmp/init\nwhile :; do sleep 1; done\n"
    suite.banger("image", "import", "init", guest_images.with_init(tmp_path, script), check=True)
    try:
        with vms.vm("init", name="init") as name:
            assert suite.wait_for(lambda: vms.execute(name, "cat", "/tmp/init").out == "I am 1\n",
                                  10, 0.3)
            health = suite.banger_json("vm", "health", name)
            assert health["main"] == "init"
    finally:
        suite.banger("image", "delete", "init", check=True)


@pytest.mark.any_vmm
def test_entrypoint_and_command(kernel, tmp_path, nothing_left):
    """`vm run -d`: entrypoint and command of the image, its user and directory."""
    layout = oci.Layout()
    layout.image([guest_images.busybox_layer()], config={
        "Entrypoint": ["/bin/sh", "-c"], "User": "user", "WorkingDir": "/home/user",
        "Env": guest_images.ENVIRONMENT + ["WORD=there"],
        "Cmd": ["id >id; pwd >where; echo $WORD >word; exec sleep 1000"]})
    suite.banger("image", "import", "entry", layout.archive(tmp_path / "e.tar"), check=True)
    try:
        with vms.vm("entry", name="entry") as name:
            suite.wait_for(lambda: vms.execute(name, "test", "-s", "/home/user/word").status == 0,
                           10, 0.3)
            assert "uid=1000" in vms.output(name, "cat", "/home/user/id")
            assert vms.output(name, "cat", "/home/user/where") == "/home/user"
            assert vms.output(name, "cat", "/home/user/word") == "there"
            assert suite.banger_json("vm", "health", name)["main"] == "running"
    finally:
        suite.banger("image", "delete", "entry", check=True)


@pytest.mark.any_vmm
def test_own_command_that_is_not_there(busybox, nothing_left):
    """The VM is made, and what is wrong with it told: by the CLI, and why in its log."""
    done = suite.banger("vm", "create", "-q", "--image", busybox, "--memory", vms.MEMORY, "--name",
                        "lame", "--", "/no/such")
    assert done.status == 1 and "'banger vm logs lame'" in done.err, done
    assert done.out.strip() == vms.row("lame")["id"]
    health = suite.banger_json("vm", "health", "lame")
    assert (health["healthy"], health["main"], health["main_status"]) == (True, "failed", 127)
    assert "no command '/no/such'" in suite.banger("vm", "logs", "lame", check=True).out
    suite.banger("vm", "delete", "--force", "lame", check=True)


@pytest.mark.any_vmm
def test_dry_run_makes_nothing(busybox, nothing_left):
    done = suite.banger("vm", "run", "--dry-run", "--image", busybox, "--name", "never")
    assert done.status == 0 and "never" in done.out + done.err
    assert vms.row("never") is None
