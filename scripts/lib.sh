# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the scripts share. Sourced, with `set -euo pipefail` on.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Things made once and kept: kernels, images. Below the checkout, ignored by git.
# shellcheck disable=SC2034
cache=$top/build-cache
# Debian's own interpreter: the one that Debian's pytest is for.
PYTHON=${PYTHON:-/usr/bin/python3}

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

need_root()
{
	[ "$(id -u)" = 0 ] || die "must be run as root: sudo $0"
}

# The packages of the given sections of packages.txt, one a line.
packages_of()
{
	local section
	for section in "$@"; do
		grep -qx "\[$section\]" "$top/scripts/packages.txt" ||
			die "packages.txt has no section [$section]"
		awk -v s="[$section]" '/^\[/ { on = ($0 == s); next } on && NF && !/^#/ { print $1 }' \
			"$top/scripts/packages.txt"
	done | sort -u
}

# Configure and compile a build directory: build_into DIR [meson options…]
build_into()
{
	local dir=$1
	shift
	local again=()
	# Again even when it is there: libraries may have come since.
	[ ! -f "$dir/build.ninja" ] || again=(--reconfigure)
	meson setup "${again[@]}" "$dir" "$top" "$@" >/dev/null || {
		tail -n 20 "$dir/meson-logs/meson-log.txt" >&2
		die "meson setup $dir failed"
	}
	ninja -C "$dir" >"$dir/ninja.log" 2>&1 || {
		grep -E -A 5 'FAILED|error:' "$dir/ninja.log" | head -n 60 >&2
		die "the build failed; all of it: $dir/ninja.log"
	}
}

# timed WHAT CMD…: run it, say how long it took, and remember it for timed_report.
timed_lines=()
timed()
{
	local what=$1 begin end status=0
	shift
	say "== $what"
	begin=$(date +%s%N)
	"$@" || status=$?
	end=$(date +%s%N)
	timed_lines+=("$(awk -v n="$what" -v t=$((end - begin)) \
		'BEGIN { printf "%7.1f s  %s", t / 1e9, n }')")
	return "$status"
}

timed_report()
{
	[ "${#timed_lines[@]}" = 0 ] || printf '%s\n' "${timed_lines[@]}"
}

# The users of data/banger.sysusers, made the way there is on this machine.
make_users()
{
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers "$top/data/banger.sysusers"
		return
	fi
	local type name rest
	while read -r type name rest; do
		[ "$type" = u ] || continue
		getent passwd "$name" >/dev/null ||
			useradd --system --user-group --no-create-home --home-dir / \
				--shell /usr/sbin/nologin "$name"
	done <"$top/data/banger.sysusers"
}
