#!/usr/bin/env bash
# Runs the Hamming tests on a kernel built with the address and undefined-behaviour sanitizers.
# The first argument is the Python to use; further ones go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${1:-python3}"
shift || true
compiler="${CC:-gcc}"
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT

cp -r src "$build/src"
rm -f "$build"/src/crossbit/hamming/_kernel*.so
flags="-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
CC="$compiler" CFLAGS="$flags" LDFLAGS="-fsanitize=address,undefined" "$python" setup.py -q \
  build_ext --build-temp "$build/objects" --build-lib "$build/src"

# Leaks are not looked for: the interpreter itself keeps memory at its end.
export LD_PRELOAD ASAN_OPTIONS=detect_leaks=0
LD_PRELOAD="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libubsan.so)"
export PYTHONPATH="$build/src" OMP_NUM_THREADS=1
"$python" -c 'import os; from crossbit.hamming import _kernel; assert _kernel.__file__.startswith(os.environ["PYTHONPATH"]), _kernel.__file__; print("kernels under the sanitizers:", ", ".join(_kernel.names()))'
"$python" -m pytest -q -s -p no:cacheprovider tests/hamming "$@"
