#!/bin/sh
# Holds every dependency against the RustSec advisory database. A maintainer runs it before a release, and when news come: .ci/run does not,
# since the database is a git repository on the network, and its answer changes without a change of ours.
#
#   tests/advisories.sh            fetches the database
#   tests/advisories.sh CLONE      takes a clone of it, for a machine that cannot fetch; one older than 30 days is refused
#
# Where the database cannot be had, or does not find what it must find, this fails.
set -eu
cd "$(dirname "$0")/.."
most_days=30

deny=$(tests/cargo-deny.sh)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
offline=
if [ $# -gt 0 ]; then
    days=$((($(date +%s) - $(git -C "$1" log -1 --format=%ct)) / 86400))
    echo "the database is $days days old"
    [ "$days" -le "${ADVISORIES_MOST_DAYS:-$most_days}" ] || {
        echo "tests/advisories.sh: that is too old; fetch it anew (ADVISORIES_MOST_DAYS allows it)" >&2
        exit 1
    }
    # The name that cargo-deny gives to the database's place.
    git clone --quiet "$1" "$work/database/advisory-db-3157b0e258782691"
    offline=--offline
fi
sed "s#^\[advisories\]#[advisories]\ndb-path = \"$work/database\"#" deny.toml >"$work/deny.toml"

# First what it must find: a database that says nothing proves nothing.
mkdir -p "$work/old/src"
cat >"$work/old/Cargo.toml" <<'EOF'
[package]
name = "old"
version = "0.0.0"
edition = "2024"
[dependencies]
smallvec = "=1.6.0"
EOF
touch "$work/old/src/lib.rs"
if said=$("$deny" --manifest-path "$work/old/Cargo.toml" --config "$work/deny.toml" check advisories 2>&1); then
    echo "tests/advisories.sh: nothing is known against smallvec 1.6.0; this is no advisory database" >&2
    exit 1
fi
case $said in *RUSTSEC-2021-0003*) ;; *)
    echo "$said" >&2
    exit 1
    ;;
esac

# shellcheck disable=SC2086 # a flag or none
"$deny" $offline --config "$work/deny.toml" check advisories
