# SPDX-License-Identifier: GPL-2.0-or-later
"""All tables of images, by their subject. Run as a program it goes through them and prints how many
are as they should be: [--verbose] [good|hostile]."""

import argparse
import sys

import images
import images_hostile_oci
import images_hostile_tar
import images_layers
import images_oci
import images_tar

GOOD = {"layers": images_layers.ROWS, "tar": images_tar.ROWS, "oci": images_oci.ROWS}
HOSTILE = {"layers": images_hostile_tar.ROWS, "documents": images_hostile_oci.ROWS}


def main():
    parser = argparse.ArgumentParser(prog="image-tables")
    parser.add_argument("--verbose", action="store_true", help="a line for each image")
    parser.add_argument("which", nargs="?", choices=["good", "hostile"])
    told = parser.parse_args()
    bad = 0
    for which, tables, judge, word in (("good", GOOD, images.differences, "exact"),
                                       ("hostile", HOSTILE, images.outcome, "harmless")):
        if told.which not in (None, which):
            continue
        rows = [row for rows in tables.values() for row in rows]
        bad += len(images.report(rows, images.run(rows, judge), word, told.verbose))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
