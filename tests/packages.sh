#!/bin/sh
# Debian's packages that tests and builds need, as root:
#
#   tests/packages.sh install COMMAND:PACKAGE /FILE:PACKAGE ...    those whose command, or file, is not there
#   tests/packages.sh update                                       the lists of what there is
#
# One at a time, since tests that run beside each other ask for packages, and apt-get refuses the second one. Nothing that is installed is
# started as a service. What is said goes to standard error.
set -eu
exec >&2

wanted=${1:?install or update}
shift
missing=
for part in "$@"; do
    case $part in
    /*) [ -e "${part%:*}" ] || missing="$missing ${part##*:}" ;;
    *) command -v "${part%:*}" >/dev/null || missing="$missing ${part##*:}" ;;
    esac
done
[ "$wanted" = update ] || [ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || {
    echo "packages.sh: these packages are missing:$missing; install them, or run this as root"
    exit 1
}

exec 9<"$0"
flock 9
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
# Alone, so that an index that fails to load is told as that.
apt-get -qq update || {
    echo "packages.sh: apt-get update failed: is a Debian mirror reachable?"
    exit 1
}
[ "$wanted" = install ] || exit 0
echo "packages.sh: installing$missing"
# The names are words of their own.
# shellcheck disable=SC2086
apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends $missing || {
    echo "packages.sh: apt-get could not install:$missing"
    exit 1
}
