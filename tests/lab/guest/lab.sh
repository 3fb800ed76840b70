# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What scenarios share. Sourced inside the lab: . /lab/guest/lab.sh
set -euo pipefail

export LAB=/lab
SYSTEMD_PAGER=''
export SYSTEMD_PAGER

say()
{
	printf '%s\n' "$*"
}

fail()
{
	printf 'FAILED: %s\n' "$*"
	exit 1
}

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for()
{
	local end=$((SECONDS + $1 * LAB_PATIENCE))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "in vain waited for: $*"
		sleep 0.2
	done
}

# same WHAT EXPECTED FOUND
same()
{
	[ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
	say "ok: $1: $3"
}

# refuse WHAT TEXT COMMAND…: it must fail, and say a line with the text.
refuse()
{
	local what=$1 text=$2 out
	shift 2
	if out=$("$@" 2>&1); then
		fail "$what: went through: $out"
	fi
	[[ $out == *"$text"* ]] || fail "$what: says '$out' rather than '$text'"
	say "ok: $what: refused"
}

daemon_up()
{
	systemctl start bangerd || {
		systemctl status bangerd || true
		fail "systemctl start bangerd"
	}
}

# The kernel and the image busybox, imported by root once in a lab, for all users.
guest_things()
{
	daemon_up
	banger kernel list -o json | grep -q '"cloud"' ||
		banger kernel import --quiet --name cloud "$LAB/files/kernel.deb" >/dev/null
	banger image list -o json | grep -q '"busybox"' ||
		banger image import --quiet busybox "$LAB/files/busybox.oci.tar" >/dev/null
}

# pid_of ROLE: of bangerd, netd, launch, imaged, fetch.
pid_of()
{
	local main netd
	main=$(systemctl show -p MainPID --value bangerd)
	case $1 in
	bangerd) printf '%s\n' "$main" ;;
	imaged) pgrep -P "$main" -f 'banger-imaged --config [^ ]*$' ;;
	fetch) pgrep -P "$main" -f 'banger-imaged .*--fetch' ;;
	netd) pgrep -P "$main" -f banger-netd ;;
	launch)
		netd=$(pgrep -P "$main" -f banger-netd)
		pgrep -P "$netd" -f banger-netd
		;;
	esac
}

# The id of the guest's boot: another one after it was started again.
boot_id()
{
	banger vm exec "$1" -- cat /proc/sys/kernel/random/boot_id
}

# json PATH: what stands there in the JSON that banger prints, a line for each; * is each of a list.
# (A Python to parse it takes a second to start, here.)
json()
{
	awk -v want="$1" '
	{
		match($0, /^ */)
		depth = RLENGTH / 2
		line = substr($0, RLENGTH + 1)
		sub(/,$/, "", line)
		if (line ~ /^[]}]/)
			next
		key[depth] = "*"
		if (match(line, /^"[^"]*": /)) {
			key[depth] = substr(line, 2, RLENGTH - 4)
			line = substr(line, RLENGTH + 1)
		}
		path = key[1]
		for (i = 2; i <= depth; i++)
			path = path "." key[i]
		if (path != want)
			next
		if (line ~ /^"/) {
			line = substr(line, 2, length(line) - 2)
			gsub(/\\"/, "\"", line)
		}
		print line
		found = 1
	}
	END { exit !found && want !~ /\*/ }'
}

seconds_since()
{
	awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

# Pids, or uids, of what runs in a jail.
jailed_pids()
{
	ps -eo uid=,pid= | awk '$1 >= 1900000000 && $1 < 1900065536 { print $2 }' | xargs
}

jailed_uids()
{
	ps -eo uid= | awk '$1 >= 1900000000 && $1 < 1900065536 { print $1 }'
}

# An upgrade: new files in the place of the old ones, as a package manager puts them, settings kept.
install_again()
{
	local path
	(cd "$LAB/system" && find usr -type f) | while read -r path; do
		cp -a "$LAB/system/$path" "/$path.new"
		mv "/$path.new" "/$path"
	done
	systemctl daemon-reload
}

# MiB that a VM's VMM may take because it translates the guest's code.
tcg_mib()
{
	[ "$(banger vm show "$1" -o json | json accel)" = kvm ] && echo 0 || echo 1152
}

# stand_in PATH: a Firecracker without a guest; the scenario's `files` has tests/fake/firecracker. (A
# guest of its own takes minutes to boot here, emulated twice over.)
stand_in()
{
	mkdir -p "${1%/*}"
	python3 - "$1" <<-'END'
		import os, sys
		import fake_copy
		fake_copy.install("/lab/files/firecracker", os.path.dirname(sys.argv[1]), "engine=none",
		                  os.path.basename(sys.argv[1]))
	END
}

# eat CGROUP MIB: a process of that cgroup that takes more and more memory; fails when it is killed.
eat()
{
	python3 - "$@" <<-'END'
		import os, sys
		with open(sys.argv[1] + "/cgroup.procs", "w") as procs:
		    procs.write(str(os.getpid()))
		with open("/proc/self/oom_score_adj", "w") as adjust:
		    adjust.write("1000")
		kept = [bytearray(b"x") * (16 << 20) for _ in range(int(sys.argv[2]) // 16)]
	END
}

# reboot_lab clean|power: end this call of the scenario; after a reboot of the machine it is called
# again with LAB_STEP one more.
reboot_lab()
{
	echo "$1" >/run/lab-reboot
	exit 0
}
