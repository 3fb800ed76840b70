# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite of one's own, with other settings than the one the tests run beside."""

import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def with_suite(script, tmp_path, settings="", state_size=None, before="true", timeout=240):
    """Run a bash script beside a fresh suite; (status, stdout, stderr). `before` runs in a mount
    namespace of its own, ahead of the suite: to hide a device, say."""
    config = tmp_path / "nested.conf"
    config.write_text(settings)
    command = [str(TOP / "scripts/with-suite"), "--build",
               os.environ.get("BANGER_BUILD", str(TOP / "build")), "--config", str(config)]
    if state_size:
        command += ["--state-size", state_size]
    command += ["--", "bash", "-c", f"set -u; cache={cache()}\n{script}"]
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c",
                           f'{before} && exec "$@"', "bash", *command],
                          capture_output=True, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr


def cache():
    return os.environ.get("BANGER_CACHE", str(TOP / "build-cache"))


IMPORT = """
banger kernel import --quiet --name cloud $cache/linux-image-*-cloud-amd64_*.deb >/dev/null || exit 99
banger image import --quiet busybox $cache/busybox.oci.tar >/dev/null || exit 99
"""
