"""Makes the golden files beside this script: what PyTorch computes in float64, from the papers' definitions.

    pip install torch safetensors numpy
    python tests/golden/make.py            # all families, a few seconds
    python tests/golden/make.py conv norm  # some of them

A file `FAMILY.safetensors` holds inputs (drawn, rounded to f32, stored as F32) and expected results (F64) under
`CASE/NAME`: `x`, `w`, `y`, then `dy`, the gradient that comes in, and `dx`, `dw`, ..., those that go out. What several
cases share stands under a name of its own. The metadata `golden` is JSON: `cases`, a list with the facts of every
case, and `made_by`, the versions. Streams of random numbers are seeded by names, so that a new case changes no other.

Images are `(n, h, w, c)` and weights `(k, k, c_in / groups, c_out)` or `(c_in, c_out)`, as the library has them; the
layers permute to PyTorch's layouts and back, so that autograd gives gradients in ours.

Nothing here is taken from the library. A is Masters et al. 2021 (arXiv 2106.03640) with the code published with it, B
is Labatie et al. 2021 (arXiv 2106.03743).
"""

import sys

import torch

from pytorch import convolutions, networks, norms, training

torch.set_num_threads(1)  # A fixed order of sums.
torch.set_default_dtype(torch.float64)

FAMILIES = {
    "conv": convolutions.make_conv,
    "norm": norms.make_norm,
    "proxy_norm": norms.make_proxy_norm,
    "squeeze_excite": norms.make_squeeze_excite,
    "swish": norms.make_swish,
    "mbconv": networks.make_mbconv,
    "network": networks.make_network,
    "optimizer": training.make_optimizer,
    "loss": training.make_loss,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or FAMILIES:
        FAMILIES[chosen]().save()
