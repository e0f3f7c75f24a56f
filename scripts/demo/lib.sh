# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# lib.sh - the parts of the demonstration of scripts/run. To be sourced after scripts/lib.sh.
# Addresses: atlanta's relay 127.0.0.10, its phone 127.0.0.11; biloxi's relay 127.0.0.20, its phone 127.0.0.21;
# the impostor 127.0.0.40.

demo=${TRELAY_DEMO:-$top/var/demo}
build=${TRELAY_BUILD:-$top/build}
declare -a demo_pids=()
demo_failures=0

demo_prepare() {
    demo_stop_postgres
    rm -rf "$demo"
    mkdir -p "$demo/pki" "$demo/log"
    # PostgreSQL refuses to run as root; its own user must reach its directory wherever the tree lies.
    cluster=$(mktemp -d /tmp/trelay-demo.XXXXXX)
    ln -s "$cluster" "$demo/postgres"
    [ "$(id -u)" -ne 0 ] || chown postgres "$cluster"
}

as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

postgres_bin() {
    local directory
    directory=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$directory" ] || fail 'no PostgreSQL server under /usr/lib/postgresql'
    echo "$directory"
}

demo_postgres() {
    local bin
    bin=$(postgres_bin)
    say 'a private PostgreSQL'
    as_postgres "$bin/initdb" -D "$cluster/data" -U postgres -A trust -E UTF8 --no-locale >"$demo/log/initdb.log"
    as_postgres "$bin/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w -s \
        -o "-c listen_addresses= -c unix_socket_directories=$cluster -c fsync=off" start
    export PGHOST=$cluster PGUSER=postgres
    psql -X -q -c 'CREATE ROLE trelayd LOGIN' postgres
}

demo_stop_postgres() {
    local old
    old=$(readlink -f "$demo/postgres" 2>/dev/null) || return 0
    [ -d "$old/data" ] || return 0
    as_postgres "$(postgres_bin)/pg_ctl" -D "$old/data" -m immediate -s stop || true
    rm -rf "$old"
}

demo_stop() {
    local pid
    trap - EXIT
    for pid in "${demo_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${demo_pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    demo_stop_postgres
}

# pki_authority NAME
pki_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj "/O=demonstration/CN=$1" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$demo/pki/$1.key" -out "$demo/pki/$1.pem" 2>/dev/null
}

# pki_leaf NAME AUTHORITY SAN
pki_leaf() {
    local base=$demo/pki/$1
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/O=demonstration/CN=$1" \
        -keyout "$base.key" -out "$base.csr" 2>/dev/null
    printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "$3" >"$base.ext"
    openssl x509 -req -in "$base.csr" -CA "$demo/pki/$2.pem" -CAkey "$demo/pki/$2.key" -CAcreateserial -days 90 \
        -extfile "$base.ext" -out "$base.pem" 2>/dev/null
    rm -f "$base.csr" "$base.ext"
}

demo_pki() {
    say 'a demonstration PKI'
    pki_authority federation-a-ca
    pki_authority federation-b-ca
    pki_leaf atlanta federation-a-ca URI:sip:atlanta.example
    pki_leaf atlanta-b federation-b-ca URI:sip:atlanta.example
    # One address, two domains: biloxi's certificate is good for both.
    pki_leaf biloxi federation-a-ca URI:sip:biloxi.example,URI:sip:chicago.example
    pki_leaf impostor federation-a-ca URI:sip:impostor.example
}

demo_database() {
    say "schema and rows of $1"
    psql -X -q -c "CREATE DATABASE $1" postgres
    "$top/scripts/trelay-schema" install -d "$1" >"$demo/log/schema-$1.log" 2>&1 || {
        cat "$demo/log/schema-$1.log"
        fail "the schema could not be installed"
    }
    psql -X -q -d "$1" -c 'GRANT trelay_daemon TO trelayd'
    psql -X -q -v ON_ERROR_STOP=1 -d "$1" -v pki="$demo/pki" -f "$top/scripts/demo/$1.sql" >"$demo/log/rows-$1.log"
}

demo_daemon() {
    local conf=$demo/$1.conf tries
    sed -e "s|@DEMO@|$demo|g" -e "s|@CLUSTER@|$cluster|g" "$top/scripts/demo/$1.conf" >"$conf"
    say "trelayd of $1"
    "$build/trelayd" -c "$conf" 2>"$demo/log/$1.log" &
    demo_pids+=($!)
    for tries in $(seq 100); do
        grep -q 'event=started' "$demo/log/$1.log" && return
        kill -0 "${demo_pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$demo/log/$1.log"
    fail "trelayd of $1 did not start ($tries)"
}

# SIPp as biloxi's phone, and the impostor: openssl s_server writes whatever it is sent into its log.
demo_neighbours() {
    sipp -sf "$top/scripts/demo/uas.xml" -i 127.0.0.21 -p 5060 -nostdin -aa >"$demo/log/uas.log" 2>&1 &
    demo_pids+=($!)
    openssl s_server -accept 127.0.0.40:5061 -cert "$demo/pki/impostor.pem" -key "$demo/pki/impostor.key" -quiet \
        -no_ign_eof <"$demo/pki/impostor.pem" >"$demo/log/impostor-received" 2>"$demo/log/impostor.log" &
    demo_pids+=($!)
}

# sipp_call NAME URI FLAGS: one call; its exit status is SIPp's.
sipp_call() {
    local flags=${3:-}
    sed -e "s|@URI@|$2|g" "$top/scripts/demo/uac.xml" >"$demo/uac-$1.xml"
    if [ -n "$flags" ]; then
        sed -i "s|@FLAGS@|X-Trelay-Flags: $flags|" "$demo/uac-$1.xml"
    else
        sed -i '/@FLAGS@/d' "$demo/uac-$1.xml"
    fi
    sipp 127.0.0.10:5060 -sf "$demo/uac-$1.xml" -i 127.0.0.11 -p 5060 -m 1 -l 1 -nostdin -timeout 15 \
        -cid_str "$1-%u@%s" >"$demo/log/uac-$1.log" 2>&1
}

demo_call() {
    if sipp_call "$2" "$3" "$4"; then
        printf '   %-60s answered\n' "$1"
    else
        printf '   %-60s FAILED (see %s)\n' "$1" "$demo/log/uac-$2.log"
        demo_failures=$((demo_failures + 1))
    fi
}

demo_impostor() {
    local received
    if sipp_call impostor bob@denver.example ''; then
        echo '   the impostor was called: THIS MUST NOT BE'
        demo_failures=$((demo_failures + 1))
    else
        printf '   %-60s refused\n' 'an impostor at the address of denver.example'
    fi
    # s_server gets the end of the connection before this: the call was answered behind it.
    received=$(wc -c <"$demo/log/impostor-received")
    printf '   SIP bytes that reached the impostor: %s\n' "$received"
    [ "$received" -eq 0 ] || demo_failures=$((demo_failures + 1))
}

demo_records="SELECT split_part(call_id, '-', 1) || CASE WHEN call_id LIKE 'other-%' THEN '-' || split_part(call_id, '-', 2) ELSE '' END AS call,
    status, outbound_decision AS decision, outbound_connection_id AS connection, outbound_level AS level,
    outbound_expected_domain AS expected, outbound_verified_domain AS proven, outbound_own_certificate AS certificate,
    outbound_tls_version AS tls, nullif(reason, 'none') AS reason
  FROM trelay.transaction_record WHERE method = 'INVITE' ORDER BY recorded_at"

# Records are written in batches: waits until all six are there.
demo_report() {
    local tries
    for tries in $(seq 50); do
        [ "$(psql -X -A -t -d atlanta -c "SELECT count(*) FROM trelay.transaction_record WHERE method = 'INVITE'")" -lt 6 ] || break
        sleep 0.1
    done
    say "what atlanta's accounting says (${tries})"
    psql -X -P pager=off -d atlanta -c "$demo_records"
}

# What the table must say, in SQL; each line that is false is printed.
demo_judge() {
    local wrong
    wrong=$(psql -X -A -t -d atlanta -f "$top/scripts/demo/judge.sql")
    if [ -n "$wrong" ]; then
        printf '   not as it should be: %s\n' "$wrong"
        demo_failures=$((demo_failures + 1))
    fi
    if [ "$demo_failures" -eq 0 ]; then
        say 'every call did what it should'
    else
        say "$demo_failures things are not as they should be; logs are in $demo/log"
    fi
    [ "$demo_failures" -eq 0 ]
}

demo_hints() {
    cat <<HINTS

The two relays go on serving; Ctrl-C ends them. To look around:

  export PGHOST=$cluster PGUSER=postgres
  psql atlanta -c 'SELECT id, remote_address, class, level, verified_domain, certificate FROM trelay.connection'
  psql atlanta -c "SELECT * FROM trelay.explain('biloxi.example')"
  psql atlanta -c "UPDATE trelay.outbound_policy SET weaken = 'refused' WHERE name = 'biloxi'"
  psql atlanta -c 'SELECT * FROM trelay.problem'
  psql atlanta -c 'SELECT trelay.tls_reload()'
  $build/trelayctl -s $demo/atlanta.control connections
  $build/trelayctl -s $demo/atlanta.control explain biloxi.example flags=no-verify
HINTS
}
