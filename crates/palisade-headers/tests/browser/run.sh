#!/bin/sh
# The browser suite by itself: Chromium and the graders against the presets and the CORS matrix.
set -eu
cd "$(dirname "$0")/../.."
for tool in node npm; do
    command -v "$tool" >/dev/null || { echo "install Node.js 20 or later with npm: apt-get install nodejs npm" >&2; exit 1; }
done
PALISADE_BROWSER=1 exec cargo test --locked --package palisade-headers --all-features --test browser -- --nocapture
