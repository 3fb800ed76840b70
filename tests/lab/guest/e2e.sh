# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Tests of tests/e2e on the Firecracker that LAB_FIRECRACKER gave: what firecracker.txt has in every
# second line, from the first or the second (`. /lab/guest/e2e.sh 1`). Each half takes as long as the
# other, in a machine of its own. Sourced by scenarios, behind lab.sh.

half=$1

# For the tests: what scripts/with-suite makes, with the service manager in the place of it.
suite=/run/lab-suite cache=/run/lab-cache drop_in=/run/systemd/system/bangerd.service.d
mkdir -p "$suite" "$cache" "$drop_in"
ln -s "$LAB/files/kernel.deb" "$cache/linux-image-0-cloud-amd64_0.deb"
ln -s "$LAB/files/busybox.oci.tar" "$LAB/files/debian.oci.tar" "$cache"
printf '%s\n' run_dir=/run/banger state_dir=/var/lib/banger uid_base=1900000000 uid_count=65536 \
	>"$suite/banger.conf"
for verb in start stop; do
	printf '#!/bin/sh\nexec systemctl %s bangerd\n' "$verb" >"$suite/$verb"
	chmod +x "$suite/$verb"
done
# Tests kill it, and say when it is to come back.
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=no\n' >"$drop_in/tests.conf"
systemctl daemon-reload
as_before()
{
	rm -r "$suite" "$cache" "$drop_in"
	systemctl daemon-reload
	systemctl restart bangerd
}
trap as_before EXIT
systemctl restart bangerd

mapfile -t tests < <(sed -n "$half~2s,^,$LAB/tests/e2e/,p" "$LAB/tests/e2e/firecracker.txt")
begin=$EPOCHREALTIME
export BANGER_SUITE=$suite BANGER_CACHE=$cache BANGER_SOCKET=/run/banger/bangerd.sock
BANGER_VMM=firecracker BANGER_VMM_REAL=yes BANGER_PATIENCE=$((4 * LAB_PATIENCE)) \
	PYTHONDONTWRITEBYTECODE=1 python3 -m pytest -v --tb=short --maxfail=3 -p no:cacheprovider \
	--rootdir "$LAB/tests" "${tests[@]}" | tee "$suite/said"
said=$(tail -n 1 "$suite/said")
[[ $said != *skipped* ]] || fail "some were left out: $said"
say "figure: $(/usr/local/bin/firecracker --version | head -n 1) in $(seconds_since "$begin") s: ${said//=/}"
