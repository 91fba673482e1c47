#!/bin/bash
# Times `make vch` on a new machine: a Debian 12 root with nothing but make and this machine's Rust toolchain in it, once
# for an older revision (v0.1.0) and once for this tree as it is committed, each with nothing downloaded or built before.
# It fails where this one takes more than MOST_PERCENT of the older one's time, or MOST_AGAIN seconds for a second
# `make vch`. As root, on a quiet machine, with no VCH up.
set -euo pipefail
cd "$(dirname "$0")/.."

MOST_PERCENT=70
MOST_AGAIN=15
# A clone without tags has the commit.
old=${1:-$(git rev-parse --quiet --verify v0.1.0 || echo cb7009b)}
toolchain=$(rustc --print sysroot)
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

# From where this machine's own packages come; elsewhere mmdebstrap knows Debian's archive by itself.
sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | grep ' bookworm' || true)
mmdebstrap --quiet --variant=minbase --include=make,ca-certificates bookworm "$work/base.tar" ${sources:+-} <<<"$sources"

# in_root ROOT COMMAND: in namespaces of its own, with this machine's network; all that it started ends with it.
in_root() {
	unshare --mount --pid --fork --kill-child bash -euc '
		root=$1 toolchain=$2
		mount --make-rprivate /
		mount --bind "$root" "$root"
		mkdir -p "$root/opt/rust"
		mount --bind "$toolchain" "$root/opt/rust"
		mount -o remount,bind,ro "$root/opt/rust"
		mount -t proc proc "$root/proc"
		mount -t sysfs sysfs "$root/sys"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/run"
		mkdir -p "$root/etc/ssl/certs"
		cp /etc/resolv.conf /etc/hosts "$root/etc/"
		if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
			cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
		fi
		exec chroot "$root" env HOME=/root CARGO_HOME=/root/.cargo PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			bash -euc "cd /vch; $3"
	' bash "$1" "$toolchain" "$2"
}

# The commands whose times are wanted; each writes its seconds to a file.
timed='took() { local began=$EPOCHREALTIME name=$1; shift; "$@"; local ended=$EPOCHREALTIME
	echo $(( (${ended/./} - ${began/./}) / 1000 )) >"/$name"; }'

measure() {
	local name=$1 revision=$2 root=$work/$1
	echo "=== $name: $revision"
	mkdir "$root"
	tar -C "$root" -xf "$work/base.tar"
	mkdir -p "$root/vch"
	git archive "$revision" | tar -C "$root/vch" -x
	in_root "$root" "$timed; took first make vch; make vch-down; took again make vch; took up make vch; make vch-down"
}

measure old "$old"
measure new HEAD

read -r was <"$work/old/first"
read -r is <"$work/new/first"
read -r again <"$work/new/again"
read -r up <"$work/new/up"
echo "make vch, in milliseconds: $old $was, now $is ($((is * 100 / was)) %); again $again; while it is up $up"
[ $((is * 100)) -le $((was * MOST_PERCENT)) ] && [ "$again" -le $((MOST_AGAIN * 1000)) ]
