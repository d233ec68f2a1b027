#!/usr/bin/env bash
# The tests of the compiled parts, against a build that watches every read and write. Run by `make fuzz`; needs gcc or clang.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git ls-files -z | xargs -0 cp -P --parents -t "$folder"
cd "$folder"
watched="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
CFLAGS="-O1 -g $watched" LDFLAGS="$watched" "$python" -c "import setuptools; setuptools.setup()" -q build_ext --inplace
runtime=$(${CC:-gcc} -print-file-name=libasan.so):$(${CC:-gcc} -print-file-name=libubsan.so)
LD_PRELOAD=$runtime ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=$folder INSTAR_FUZZ=${INSTAR_FUZZ:-300} \
    "$python" -m pytest -q -p no:cacheprovider "$@"
