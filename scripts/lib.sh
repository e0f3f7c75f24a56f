# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# lib.sh - what scripts/run and scripts/test share. To be sourced; top is the source tree.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc)

say() { printf '== %s\n' "$*"; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n -- "$@"
    fi
}

# Ends the script when nothing can be installed from here.
need_root_or_sudo() {
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null || fail 'packages are missing: run this as root, or install sudo'
    sudo -n true 2>/dev/null || sudo -v || fail 'packages are missing, and sudo does not let us install them'
}

# The packages of the named lists that are not installed.
missing_packages() {
    local list name
    for list in "$@"; do
        sed -e 's/[[:space:]]*\(#.*\)\{0,1\}$//' -e '/^$/d' "$top/scripts/packages/$list"
    done | sort -u | while read -r name; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
    done
}

# Debian starts the services of a package that it installs, and again at each boot. What we install is wanted for its
# programs: while apt runs, a policy of ours says so, unless the machine has one of its own.
policy_rc_d=/usr/sbin/policy-rc.d
policy_mark='made by scripts/lib.sh of trelay while it installs packages'
# Packages that are for the tests alone, and whose service has the same name: not started at boot either.
services_for_tests=(kamailio knot)

hold_services() {
    [ ! -e "$policy_rc_d" ] || grep -q "$policy_mark" "$policy_rc_d" || return 0
    printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" | as_root tee "$policy_rc_d" >/dev/null
    as_root chmod 755 "$policy_rc_d"
}

let_services_go() {
    if grep -qs "$policy_mark" "$policy_rc_d"; then as_root rm -f "$policy_rc_d"; fi
}

# disable_services PACKAGE...: of those that were just installed.
disable_services() {
    local package service
    for package in "$@"; do
        for service in "${services_for_tests[@]}"; do
            [ "$package" = "$service" ] || continue
            # It serves the scripts of packages, and believes this.
            as_root env DPKG_MAINTSCRIPT_PACKAGE="$service" deb-systemd-helper disable "$service.service" >/dev/null
            as_root update-rc.d "$service" disable >/dev/null 2>&1 || true # it may have no script there
            say "$service: installed for the tests, not started, nor at boot (systemctl enable $service)"
        done
    done
}

# install_packages LIST...: scripts/packages/LIST; asks apt only when something is missing.
install_packages() {
    local missing
    command -v apt-get >/dev/null || fail 'this is no Debian: install what scripts/packages lists by other means'
    mapfile -t missing < <(missing_packages "$@")
    if [ "${#missing[@]}" -eq 0 ]; then
        say 'all packages are there'
        return
    fi
    say "installing ${missing[*]}"
    need_root_or_sudo
    as_root apt-get update -q -o Acquire::Retries=3 </dev/null
    (
        trap let_services_go EXIT
        trap 'exit 130' INT TERM HUP
        hold_services
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
            -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "${missing[@]}" </dev/null
    )
    disable_services "${missing[@]}"
}

# Sets wolfssl to what configure --with-wolfssl takes: the lean static library, else the system's.
# shellcheck disable=SC2034
prepare_wolfssl() {
    local status=0
    "$top/scripts/build-wolfssl" "$top/var/wolfssl" || status=$?
    case $status in
    0) wolfssl=$top/var/wolfssl ;;
    3)
        wolfssl=system
        say 'no source package of wolfSSL at hand: the system library is used'
        ;;
    *) fail "scripts/build-wolfssl failed (status $status)" ;;
    esac
}

# build_trelay DIRECTORY [CONFIGURE OPTION...]: configured when it is not yet so, and built (target: what, or all).
build_trelay() {
    local directory=$1 wanted
    shift
    wanted="$* $(cksum "$top/configure.ac" "$top/m4/trelay.m4")"
    [ ! -e "$top/config.status" ] || fail "the source tree itself is configured: make distclean there first"
    if [ ! -x "$top/configure" ] || [ -n "$(find "$top" -maxdepth 2 \( -name configure.ac -o -name Makefile.am \
        -o -name '*.m4' -path '*/m4/*' \) -newer "$top/configure")" ]; then
        (cd "$top" && ./autogen.sh) || return
    fi
    mkdir -p "$directory"
    if [ ! -f "$directory/Makefile" ] || [ "$(cat "$directory/configured-with" 2>/dev/null)" != "$wanted" ]; then
        (cd "$directory" && "$top/configure" -q "$@") || return
        printf '%s\n' "$wanted" >"$directory/configured-with"
    fi
    make -C "$directory" -s -j"$jobs" "${target:-all}"
}
