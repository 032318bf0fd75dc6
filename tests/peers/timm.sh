#!/usr/bin/env bash
# Holds effsweep against timm: bash tests/peers/timm.sh [--photos FOLDER]
#
# Makes a Python with timm under target/ (PyTorch is large: a few minutes and gigabytes the first time), builds the
# program and compares. Not part of `cargo test`; tests/timm repeats the first part from timm's own logits.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=target/peers/bin/python
if [ ! -x "$python" ]; then
    python3 -m venv target/peers
    "$python" -m pip install --quiet torch timm pillow safetensors numpy
fi
cargo build --locked --release
exec "$python" tests/peers/timm_parity.py --effsweep target/release/effsweep "$@"
