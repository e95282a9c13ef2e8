#!/bin/sh
# The independent software the tests talk to. Installs what is missing as root, else says what is missing.
set -eu
wanted="postfix swaks opendkim opendkim-tools dovecot-imapd dovecot-lmtpd clamav-daemon chromium unbound iproute2"
# Some packagings of nodejs bring npm along and conflict with a package of that name.
command -v node > /dev/null || wanted="$wanted nodejs"
command -v npm > /dev/null || wanted="$wanted npm"
missing=""
for package in $wanted; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "The tests need these packages; as root run: apt-get install$missing" >&2
    exit 1
fi
# Nothing installed here may start by itself: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086 # one word per package
apt-get -qq install --no-install-recommends $missing > /dev/null
