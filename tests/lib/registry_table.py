# SPDX-License-Identifier: GPL-2.0-or-later
"""Print how registries behave in the tests, and what must come of it: a line for each behaviour."""

import registry_bad  # noqa: F401  (adds rows)
from registry_cases import CASES

for case in CASES:
    must = f"refused: {case.code}" if case.code else "exact"
    print(f"{must:24} {case.name}: {case.what}")
