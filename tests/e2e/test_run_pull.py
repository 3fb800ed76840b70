# SPDX-License-Identifier: GPL-2.0-or-later
"""banger vm run with an image that a registry has: pulled on the way, or not, as --pull says; and
what of its configuration is honoured."""

import base64
import json
import subprocess

import guest_images
import oci
import pytest
import registry
import rpc
import suite
import vms

CONFIG = {"Entrypoint": ["/bin/echo", "entry"], "Cmd": ["point"], "Env": ["FROM_IMAGE=yes"],
          "User": "user", "WorkingDir": "/tmp"}


@pytest.fixture(scope="module")
def server(kernel, tmp_path_factory):
    """A private one; the user's login is where engines keep it."""
    folder = tmp_path_factory.mktemp("registry")
    user, password = "somebody", "a-pass-word"
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    with registry.Registry(folder, {user: password}) as r, pytest.MonkeyPatch.context() as patch:
        (folder / "auth.json").write_text(json.dumps({"auths": {r.host: {"auth": pair}}}))
        patch.setenv("REGISTRY_AUTH_FILE", str(folder / "auth.json"))
        yield r
    for row in suite.banger_json("image", "list"):
        if r.host in row["name"]:
            suite.banger("image", "delete", row["id"], check=True)


@pytest.fixture(scope="module")
def image(server):
    """A reference that begins with a registry that is there."""
    server.push("box:1", [guest_images.busybox_layer(), oci.tar([oci.entry("one", b"1\n")])], CONFIG)
    return f"{server.host}/box:1"


def run(image, *arguments):
    return suite.banger("vm", "run", "--rm", "--memory", vms.MEMORY, "--image", image, *arguments)


def test_pulled_on_the_way(image):
    never = run(image, "--pull", "never", "--", "true")
    assert never.status == 125 and "no image" in never.err, never
    done = run(image, "--entrypoint", "/bin/sh", "--", "-c", "cat /one; id -un; pwd; echo $FROM_IMAGE")
    assert (done.status, done.out) == (0, "1\nuser\n/tmp\nyes\n"), done
    assert done.err.count(" is here (") >= 2, f"progress of its layers: {done.err}"


def test_what_is_here_is_not_asked_for(image):
    """The entrypoint stands before the command; -u, -w and -e stand before what the image says."""
    done = run(image, "--pull", "never", "-q", "--", "a", "b")
    assert (done.status, done.out) == (0, "entry a b\n"), done
    done = run(image, "-q", "--entrypoint", "/bin/sh", "-u", "root", "-w", "/etc", "-e",
               "FROM_IMAGE=no", "--", "-c", "id -u; pwd; echo $FROM_IMAGE")
    assert (done.status, done.out) == (0, "0\n/etc\nno\n"), done


def test_dry_run(server):
    """No registry is asked; it says which one would be."""
    server.push("dry:1", [[oci.entry("one")]])
    reference = f"{server.host}/dry:1"
    words = ("vm", "run", "--dry-run", "--image")
    before = suite.banger_json("image", "list"), rpc.call("image.cache.prune", {"dry_run": True})
    dry = suite.banger(*words, reference, check=True)
    assert dry.out.splitlines()[-1] == f"would pull {reference} from {server.host}", dry
    absent = suite.banger(*words, "127.0.0.1:1/not/there:1", check=True)
    assert absent.out.endswith("from 127.0.0.1:1\n"), absent
    bad = suite.banger(*words, f"{server.host}/UPPER:1")
    assert bad.status == 1 and "would" not in bad.out, bad
    assert before == (suite.banger_json("image", "list"),
                      rpc.call("image.cache.prune", {"dry_run": True}))
    # Known by what it is, whatever its name.
    suite.banger("image", "pull", "-q", "--name", "dry", reference, check=True)
    for name in (reference, "dry"):
        assert "would pull" not in suite.banger(*words, name, check=True).out
    again = suite.banger(*words, reference, "--pull", "always", check=True)
    assert "would pull" in again.out, again
    suite.banger("image", "delete", "dry", check=True)


def test_who_uses_it(image):
    """Told by `image show`, and why it is not deleted."""
    suite.banger("vm", "create", "-q", "--no-start", "--name", "user-of-it", "--memory", vms.MEMORY,
                 "--image", image, check=True)
    try:
        assert suite.banger_json("image", "show", image)["used_by"] == ["user-of-it"]
        refused = suite.banger("image", "delete", image)
        assert refused.status == 1 and "used by VMs: user-of-it" in refused.err, refused
    finally:
        suite.banger("vm", "delete", "user-of-it", check=True)
    assert suite.banger_json("image", "show", image)["used_by"] == []


@pytest.fixture(scope="module")
def signalled(server):
    """One whose command says which signal it got, and ends."""
    script = "for s in TERM INT USR2; do trap \"echo it got $s; exit\" $s; done; echo ready; " \
             "while :; do sleep 0.1; done"
    server.push("box:signalled", [guest_images.busybox_layer()],
                {"Entrypoint": ["/bin/sh", "-c", script], "StopSignal": "SIGUSR2"})
    return f"{server.host}/box:signalled"


def test_stop_signal_at_stop(signalled):
    with vms.vm(signalled, name="signalled") as name:
        assert suite.wait_for(lambda: "ready" in suite.banger("vm", "logs", name).out)
        suite.banger("vm", "stop", name, check=True)
        assert "it got USR2" in suite.banger("vm", "logs", name).out


def test_stop_signal_at_the_end_of_a_run(signalled):
    """--rm: the image's own command is told before the VM goes."""
    with subprocess.Popen(["banger", "vm", "run", "--rm", "-q", "--name", "signalled", "--memory",
                           vms.MEMORY, "--image", signalled], stdin=subprocess.PIPE) as run_:
        assert suite.wait_for(lambda: "ready" in suite.banger("vm", "logs", "signalled").out)
        with subprocess.Popen(["banger", "vm", "logs", "--follow", "signalled"],
                              stdout=subprocess.PIPE, text=True) as follow:
            assert any("ready" in line for line in follow.stdout)
            run_.communicate(b"exit 3\n", timeout=60)
            assert "it got USR2" in follow.communicate(timeout=60)[0]
    assert run_.returncode == 3 and vms.row("signalled") is None


def test_without_a_login(image, monkeypatch):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/nonexistent")
    done = run(image, "--pull", "always", "--", "true")
    assert done.status == 125 and "wants credentials" in done.err, done


def test_what_no_registry_has(image):
    done = run(image.replace("box:1", "none:1"), "--", "true")
    assert done.status == 125 and "cannot be pulled" in done.err, done
