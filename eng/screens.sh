#!/usr/bin/env bash
# Runs the commands that docs/command.md shows, and writes what they print into it and into docs/command.zh-CN.md.
set -euo pipefail
cd "$(dirname "$0")/.."
CAIRN_UPDATE_GOLDEN=1 dotnet test --project tests/Cairn.Cli.Tests -c Release --no-progress --filter-class '*ReadmeScreensTests'
