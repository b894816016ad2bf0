#!/usr/bin/env bash
# Packs the native command that ./publish.sh has made as a Debian package, for the architecture of this machine.
#   eng/deb.sh [FILE]     the default is artifacts/cairn; the package is put beside it
set -euo pipefail
cd "$(dirname "$0")/.."
file=${1:-artifacts/cairn}
if [ ! -x "$file" ]; then
    echo "$file is not there: make it with ./publish.sh." >&2
    exit 1
fi
# 0.1.0-preview.0.7+commit: a preview sorts before its release, which Debian writes with ~.
version=$("$file" --version) && version=${version%%+*} && version=${version/-/\~}
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

install -D -m 755 "$file" "$root/usr/bin/cairn"
install -d "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" "$root/usr/share/doc/cairn" "$root/DEBIAN"
"$file" completion bash > "$root/usr/share/bash-completion/completions/cairn"
"$file" completion zsh > "$root/usr/share/zsh/vendor-completions/_cairn"
cat > "$root/usr/share/doc/cairn/copyright" <<'COPYRIGHT'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
Copyright: The Cairn authors
License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.
COPYRIGHT

# The newest version of the C library that the file asks for.
libc=$(grep -aoE 'GLIBC_2\.[0-9]+' "$file" | sort -Vu | tail -n 1)
cat > "$root/DEBIAN/control" <<CONTROL
Package: cairn
Version: $version
Architecture: $architecture
Maintainer: The Cairn authors <cairn@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: libc6 (>= ${libc#GLIBC_})
Recommends: ca-certificates, libssl3 | libssl3t64
Section: science
Priority: optional
Description: checkpoints of training runs: list, verify, compare, convert, prune
 Shows what a training run has saved and what a restart would take, verifies it,
 compares and converts copies, copies runs between folders and object stores, and
 says what a run really did. Reads checkpoints of Cairn, InternLM, PyTorch and
 Hugging Face.
CONTROL
find "$root" -newermt '1970-01-02' -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}" {} +
package=$(dirname "$file")/cairn_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package"
