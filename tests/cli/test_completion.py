# SPDX-License-Identifier: GPL-2.0-or-later
"""What shells offer: by what the CLI tells them, and the shells themselves with its scripts."""
import os
import subprocess

import pytest
from support import CLI, WEB


def complete(bench, *typed):
    return bench.run("__complete", *typed).stdout.decode().split()


def described(bench, *typed):
    return dict(line.split("\t") for line
                in bench.run("__describe", *typed).stdout.decode().splitlines())


def test_words_behind_the_command(bench):
    """A guest's words are its own: no option of ours is offered there."""
    assert "--env" in complete(bench, "vm", "exec", "web", "-")
    for typed in (("vm", "exec", "web", "ls", "-"), ("vm", "exec", "web", "--", "-"),
                  ("vm", "run", "--image", "debian", "--", "-"), ("vm", "exec", "web", "ls", "")):
        assert complete(bench, *typed) == [], typed


def test_topics_of_help(bench):
    assert {"vm", "image", "doctor", "completion"} <= set(complete(bench, "help", ""))
    assert complete(bench, "help", "vm", "he") == ["health"]
    assert complete(bench, "help", "doctor", "") == complete(bench, "help", "vm", "run", "") == []


def test_descriptions(bench):
    assert described(bench, "vm", "hea") == {
        "health": "Ask a VM's guest how it is; the exit status is 1 when it is not well"}
    assert described(bench, "i") == {"image": "images that VMs are made of"}
    assert described(bench, "vm", "list", "--q") == {"--quiet": "print ids only"}
    assert described(bench, "vm", "stop", "w") == {"web": ""}
    # Whole words, where bash takes the value alone.
    assert described(bench, "vm", "run", "--accel=k") == {"--accel=kvm": ""}
    assert complete(bench, "vm", "run", "--accel=k") == ["kvm"]


def test_completion_of_shells(bench):
    assert complete(bench, "completion", "") == ["bash", "zsh", "fish"]
    for shell in ("bash", "zsh", "fish"):
        script = bench.run("completion", shell)
        assert script.returncode == 0
        subprocess.run([shell, "-n"], input=script.stdout, check=True, timeout=60)


def environment(bench, folder):
    """`banger` is found, and a shell has a home of its own."""
    (folder / "bin").mkdir()
    (folder / "bin" / "banger").symlink_to(CLI)
    (folder / "a file.tar").write_bytes(b"")
    return {**bench.env, "PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder),
            "ZDOTDIR": str(folder), "LC_ALL": "C.UTF-8"}


FISH = [
    ("banger vm hea", ["health\tAsk a VM's guest how it is; the exit status is 1 when it is not well"]),
    ("banger vm stop w", ["web"]),
    ("banger vm run --accel=k", ["--accel=kvm"]),
    ("banger vm run --accel k", ["kvm"]),
    ("banger vm exec web -- l", []),
    ("banger image import x a", ["a file.tar"]),
    ("banger kernel import --modules=bi", ["--modules=bin/"]),
]


@pytest.mark.parametrize("line, offered", FISH)
def test_fish(bench, tmp_path, line, offered):
    env = {**environment(bench, tmp_path), "LINE": line}
    done = subprocess.run(
        ["fish", "--no-config", "-c", "banger completion fish | source; complete -C $LINE"],
        env=env, cwd=tmp_path, capture_output=True, timeout=60, check=True, text=True)
    assert [each.rstrip("\t") for each in done.stdout.splitlines()] == offered and not done.stderr


@pytest.fixture
def zsh(bench, tmp_path):
    """An interactive one, with its completion switched on as the manual of zsh says."""
    bench.env = environment(bench, tmp_path)
    with bench.terminal(columns=200, program=["zsh", "-f", "-i"], cwd=tmp_path) as t:
        t.type(b"PS1='<%?>'; autoload -U compinit && compinit -u -D; "
               b"source <(banger completion zsh); setopt no_beep; echo rea''dy\r")
        t.expect(b"ready", 60)
        yield t


@pytest.mark.parametrize("typed, becomes", [
    (b"vm hea\t", b"vm health"), (b"vm stop w\t", b"vm stop web"),
    (b"vm run --accel=k\t", b"vm run --accel=kvm"), (b"image import x a\t", rb"image import x a\ file.tar"),
    (b"kernel import --modules=bi\t", b"kernel import --modules=bin")])
def test_zsh(zsh, typed, becomes):
    """What stands there then is asked of the shell, which prints it."""
    zsh.type(b"banger " + typed)
    zsh.type(b"\x01print -r 'is: \x05'\r")
    zsh.expect(b"\nis: banger " + becomes, 30)


def test_zsh_describes(zsh):
    zsh.type(b"banger vm s\t\t")
    for text in (b"Stop VMs: sync and power off", b"Show everything about a VM"):
        zsh.expect(text, 30)


def test_bash(bench, tmp_path):
    env = environment(bench, tmp_path)
    script = ('source <(banger completion bash); COMP_WORDS=(banger vm stop w) COMP_CWORD=3; '
              '_banger; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=60,
                          check=True, text=True)
    assert done.stdout.split() == ["web"], WEB
