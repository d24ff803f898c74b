#!/bin/sh
# Installs the load generators that `duet load` is compared with, from where they are published:
# Debian has wrk, hey, h2load and ab; crates.io has oha. What cannot be installed is named.
set -u

skip() {
    echo "$1 is skipped: $2"
}

for pair in wrk:wrk hey:hey h2load:nghttp2-client ab:apache2-utils; do
    program=${pair%%:*} package=${pair##*:}
    if command -v "$program" >/dev/null; then
        echo "$program is installed"
    elif ! command -v apt-get >/dev/null; then
        skip "$program" "there is no apt-get"
    elif [ "$(id -u)" != 0 ]; then
        skip "$program" "only root may do: apt-get install $package"
    elif ! apt-get install -y --no-install-recommends "$package" >/dev/null 2>&1; then
        skip "$program" "apt-get install $package failed; perhaps apt-get update helps"
    else
        echo "$program was installed"
    fi
done

if [ -x target/tools/bin/oha ] || command -v oha >/dev/null; then
    echo "oha is installed"
elif ! command -v cargo >/dev/null; then
    skip oha "there is no cargo"
elif ! cargo install oha --locked --quiet --root target/tools; then
    skip oha "cargo install oha failed"
else
    echo "oha was installed"
fi
