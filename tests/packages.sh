#!/bin/sh
# The independent software the tests talk to. Installs what is missing as root, else says what is missing.
set -eu
wanted="postfix swaks libnet-ssleay-perl opendkim opendkim-tools dovecot-imapd dovecot-lmtpd clamav-daemon chromium unbound iproute2"
# Some packagings of nodejs bring npm along and conflict with a package of that name.
command -v node > /dev/null || wanted="$wanted nodejs"
command -v npm > /dev/null || wanted="$wanted npm"
missing=""
for package in $wanted; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || missing="$missing $package"
done
# Exim cannot be installed beside Postfix, so it is unpacked, with its libraries and the account it runs as.
exim=/var/cache/posthouse-tests/exim
has_exim() { [ -x "$exim/usr/sbin/exim4" ] && id Debian-exim > /dev/null 2>&1; }
[ -z "$missing" ] && has_exim && exit 0
if [ "$(id -u)" != 0 ]; then
    [ -z "$missing" ] && exit 0
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
apt-get -qq update || [ -z "$missing" ]
# shellcheck disable=SC2086 # one word per package
[ -z "$missing" ] || apt-get -qq install --no-install-recommends $missing > /dev/null
unpack_exim() {
    libraries=$(apt-cache depends exim4-daemon-light | sed -n 's/^ *|*Depends: \(lib[^<]*\)$/\1/p')
    # shellcheck disable=SC2086 # one word per package
    apt-get -qq install --no-install-recommends --no-upgrade $libraries > /dev/null &&
        rm -rf "$exim" && mkdir -p "$exim" && cd "$exim" &&
        apt-get -qq -o APT::Sandbox::User=root download exim4-daemon-light && dpkg -x exim4-daemon-light_*.deb . &&
        chmod u-s usr/sbin/exim4 && rm exim4-daemon-light_*.deb || return 1
    id Debian-exim > /dev/null 2>&1 || useradd --system --user-group --home-dir "$exim" --shell /usr/sbin/nologin Debian-exim
}
has_exim || unpack_exim || echo "Exim could not be downloaded: its tests are skipped." >&2
