#!/usr/bin/env bash
# Builds the site of the documentation, with the pages of the API, into artifacts/site. Fails on a link that leads nowhere.
set -euo pipefail
cd "$(dirname "$0")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1
dotnet tool restore
# The pages stand in the site as they stand in the repository, so that their links fit; what belongs to the site alone is put beside them.
pages=artifacts/site-pages
rm -rf "$pages" artifacts/site
mkdir -p "$pages"
git ls-files -z --cached --others --exclude-standard '*.md' docs/images docs/json docs/telemetry samples ':!docs/site' ':!.github' | xargs -0 cp --parents -t "$pages"
cp -r docs/site/* eng/icon.png "$pages"
cp README.md "$pages/index.md"
dotnet tool run docfx metadata "$pages/docfx.json"
dotnet tool run docfx build "$pages/docfx.json" --warningsAsErrors
echo "artifacts/site/index.html"
