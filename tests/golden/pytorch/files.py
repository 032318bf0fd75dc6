"""Golden files, and the stream that their inputs are drawn from."""

import json
import zlib
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent.parent


class Family:
    """The tensors and cases of one file."""

    def __init__(self, name):
        self.name, self.tensors, self.cases = name, {}, []

    def given(self, name, tensor):
        assert torch.equal(tensor.float().double(), tensor), f"{name} is not exact in f32"
        self.tensors[name] = tensor.detach().float().contiguous()

    def expected(self, name, tensor):
        self.tensors[name] = tensor.detach().double().contiguous().clone()

    def case(self, name, **facts):
        assert all(case["name"] != name for case in self.cases), f"two cases {name}"
        self.cases.append({"name": name, **facts})

    def op(self, name, inputs, function, **facts):
        """A case of one op: `function(**inputs)`, and the gradient that a drawn `dy` gives every input."""
        leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
        y = function(**leaves)
        dy = Draw(f"{name}/dy").normal(*y.shape)
        y.backward(dy)
        for key, leaf in leaves.items():
            self.given(f"{name}/{key}", leaf)
            self.expected(f"{name}/d{key}", leaf.grad)
        self.given(f"{name}/dy", dy)
        self.expected(f"{name}/y", y)
        self.case(name, **facts)

    def save(self):
        made_by = {"torch": torch.__version__, "safetensors": safetensors.__version__}
        path = FOLDER / f"{self.name}.safetensors"
        # One entry: safetensors writes several in any order, and a file made again should be the same file.
        save_file(self.tensors, path, {"golden": json.dumps({"cases": self.cases, "made_by": made_by})})
        print(f"{path.name:28} {len(self.cases):4} cases {path.stat().st_size / 1000:8.1f} kB")


class Draw:
    """Random values that f32 holds exactly, from a stream seeded by a name."""

    def __init__(self, name):
        self.stream = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def normal(self, *shape):
        return torch.randn(*shape, generator=self.stream).float().double()

    def around(self, centre, spread, *shape):
        return rounded(centre + spread * self.normal(*shape))


def rounded(tensor):
    return tensor.float().double()
