# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What a suite may leave on a host, looked at before and after. Sourced by with-suite, inside its
# namespaces.

# suite_look DIR: one line for each thing that could be left, other than processes.
suite_look()
{
	local dir=$1
	ip -o link show | awk -F': ' '{ print "link " $2 }'
	ip -o addr show | awk '{ print "address " $2 " " $4 }'
	ip route show table all | grep -v ' table local ' | sed 's/^/route /' || true
	nft list tables 2>/dev/null | sed 's/^/nft /' || true
	awk '{ print "mount " $5 }' /proc/self/mountinfo
	find /run/banger /run/netns -mindepth 1 2>/dev/null | sed 's/^/file /' || true
	find /sys/fs/cgroup -type d -name 'banger*' 2>/dev/null | sed 's/^/cgroup /' || true
	losetup -n -O NAME,BACK-FILE 2>/dev/null | awk -v d="$dir/" 'index($2, d) == 1 && $2 != d "state.img" \
		{ print "loop " $1 " " $2 }' || true
	# What is known of a slow KVM, and of the pool, stays, for who starts next.
	find "$dir/run" -mindepth 1 ! -type d ! -path '*/ledger/kvm' ! -path '*/ledger/pool' \
		2>/dev/null | sed 's/^/file /' || true
	find "$dir/run" -mindepth 2 -type d 2>/dev/null | sed 's/^/directory /' || true
	# Staging is for what is being made: nothing, once nobody makes anything.
	find "$dir/state" -path '*/staging/*' 2>/dev/null | sed 's/^/staged /' || true
}

# Processes in this namespace other than process 1, which calls this, and no subshell of it.
suite_processes()
{
	local stat pid
	for stat in /proc/[0-9]*; do
		pid=${stat#/proc/}
		if [ "$pid" = 1 ] || grep -q '^State:.Z' "$stat/status" 2>/dev/null; then
			continue # a zombie is bash's to reap
		fi
		[ -r "$stat/cmdline" ] || continue
		printf 'process %s uid %s: %s\n' "$pid" \
			"$(awk '/^Uid:/ { print $2 }' "$stat/status" 2>/dev/null)" \
			"$( (tr '\0' ' ' <"$stat/cmdline") 2>/dev/null | cut -c 1-150)"
	done
}

# suite_check DIR BEFORE: name what is there that was not before; 1 if there is any.
suite_check()
{
	local dir=$1 before=$2 _
	for _ in $(seq 50); do
		suite_processes >"$dir/left"
		[ -s "$dir/left" ] || break
		sleep 0.1
	done
	suite_look "$dir" | grep -vxF -f "$before" >>"$dir/left" || true
	[ -s "$dir/left" ] || return 0
	say "with-suite: left behind:"
	sed 's/^/  /' "$dir/left" >&2
	return 1
}
