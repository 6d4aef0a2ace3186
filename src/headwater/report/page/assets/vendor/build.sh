#!/usr/bin/env bash
# Makes echarts.js anew: bash build.sh. Needs Node; nothing of it is needed to install or to run Headwater.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent echarts@6.1.0 esbuild@0.28.2
cp "$here/echarts.entry.js" entry.js
npx esbuild entry.js --bundle --minify --format=iife --global-name=echarts --target=es2020 --legal-comments=none \
    --define:process.env.NODE_ENV='"production"' --outfile=bundle.js
{
    echo "/* Apache ECharts 6.1.0, Apache-2.0, with zrender 6.1.0, BSD-3-Clause: see LICENSE and LICENSE-zrender. */"
    cat bundle.js
} >"$here/echarts.js"
cp node_modules/echarts/LICENSE "$here/LICENSE"
cp node_modules/echarts/NOTICE "$here/NOTICE"
cp node_modules/zrender/LICENSE "$here/LICENSE-zrender"
cat node_modules/echarts/licenses/LICENSE-d3 >"$here/LICENSE-d3"
