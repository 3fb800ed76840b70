# SPDX-License-Identifier: GPL-2.0-or-later
"""The generated parts of the manual are what the tables say now."""

import subprocess

import repo


def test_generated_parts():
    done = subprocess.run([repo.TOP / "scripts/update-man", "--check", repo.BUILD],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, "\n" + done.stderr
