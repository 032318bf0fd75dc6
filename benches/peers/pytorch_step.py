#!/usr/bin/env python3
"""Images a second of a training step, or of inference, in PyTorch: the network of benches/step.rs, cell by cell.

  python benches/peers/pytorch_step.py train ln+pn 16 4 64 32 --form compile

Forms: eager (NCHW), channels_last, compile (torch.compile of whichever layout). One line of JSON.
"""

import argparse
import json
import math
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn

STAGES = [(1, 3, 1, 16, 1), (2, 3, 2, 24, 0), (2, 5, 2, 40, 0), (3, 3, 2, 80, 0), (3, 5, 1, 112, 0), (4, 5, 2, 192, 0), (1, 3, 1, 320, 0)]
QUANTILES = 200


class ProxyMoments(nn.Module):
    """Mean and inverse deviation of a channel's activation of its Gaussian proxy."""

    def __init__(self, channels):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.scale = nn.Parameter(torch.zeros(channels))
        u = 2 * (torch.arange(QUANTILES) + 0.5) / QUANTILES - 1
        self.register_buffer("z", (math.sqrt(2) * torch.erfinv(u.double())).float()[:, None])

    def forward(self, gamma, beta):
        values = F.silu(gamma * ((1 + self.scale) * self.z + self.shift) + beta)
        return values.mean(0), (values.var(0, unbiased=False) + 0.03).rsqrt()


class Norm(nn.Module):
    """A norm, swish if it is activated, and proxy norm; returns what is left to scale."""

    def __init__(self, kind, channels, activated, delayed):
        super().__init__()
        self.activated, self.delayed = activated, delayed
        if kind == "bn":
            self.norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03)
        else:
            self.norm = nn.GroupNorm(4 if kind.startswith("gn") else 1, channels, eps=1e-3)
        self.proxy = ProxyMoments(channels) if kind.endswith("+pn") and activated else None

    def forward(self, x):
        x = self.norm(x)
        if not self.activated:
            return x, None
        x = F.silu(x, inplace=not self.training)
        if self.proxy is None:
            return x, None
        mean, rstd = self.proxy(self.norm.weight, self.norm.bias)
        mean, rstd = mean[None, :, None, None], rstd[None, :, None, None]
        return (x - mean, rstd) if self.delayed else ((x - mean) * rstd, None)


class MBConv(nn.Module):
    def __init__(self, kind, c_in, c_out, kernel, stride, expansion, group_size):
        super().__init__()
        c_mid = int(round(c_in * expansion))
        if expansion != 1 and group_size == 64:
            c_mid = max(1, round(c_mid / 64)) * 64
        self.residual = stride == 1 and c_in == c_out
        self.expand = None
        if expansion != 1:
            self.expand = nn.Conv2d(c_in, c_mid, 1, bias=False)
            self.norm1 = Norm(kind, c_mid, True, False)
        groups = max(c_mid // group_size, 1)
        while c_mid % groups:
            groups -= 1
        self.spatial = nn.Conv2d(c_mid, c_mid, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm2 = Norm(kind, c_mid, True, True)
        self.reduce = nn.Conv2d(c_mid, max(1, c_in // 4), 1)
        self.widen = nn.Conv2d(max(1, c_in // 4), c_mid, 1)
        self.project = nn.Conv2d(c_mid, c_out, 1, bias=False)
        self.norm3 = Norm(kind, c_out, False, False)

    def forward(self, x):
        y = x
        if self.expand is not None:
            y, _ = self.norm1(self.expand(y))
        y, scale = self.norm2(self.spatial(y))
        gate = torch.sigmoid(self.widen(F.silu(self.reduce(y.mean((2, 3), keepdim=True)))))
        y = y * (gate if scale is None else gate * scale)
        y, _ = self.norm3(self.project(y))
        return x + y if self.residual else y


class EfficientNetB0(nn.Module):
    def __init__(self, kind, group_size, expansion, side, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 1 if side < 64 else 2, 1, bias=False)
        self.stem_norm = Norm(kind, 32, True, False)
        blocks, c_in = [], 32
        for layers, kernel, stride, c_out, first in STAGES:
            for layer in range(layers):
                ratio = 1 if first else expansion
                blocks.append(MBConv(kind, c_in, c_out, kernel, stride if layer == 0 else 1, ratio, group_size))
                c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.top = nn.Conv2d(320, 1280, 1, bias=False)
        self.top_norm = Norm(kind, 1280, True, True)
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x):
        x, _ = self.stem_norm(self.stem(x))
        x, _ = self.top_norm(self.top(self.blocks(x)))
        return self.classifier(x.mean((2, 3)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["train", "inference"])
    parser.add_argument("norm")
    parser.add_argument("group_size", type=int)
    parser.add_argument("expansion", type=float)
    parser.add_argument("batch", type=int)
    parser.add_argument("side", type=int)
    parser.add_argument("--form", default="channels_last", choices=["eager", "channels_last", "compile", "compile_channels_last"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3)
    cell = parser.parse_args()
    torch.set_num_threads(cell.threads)
    torch.manual_seed(0)
    model = EfficientNetB0(cell.norm, cell.group_size, cell.expansion, cell.side)
    images = torch.randn(cell.batch, 3, cell.side, cell.side)
    labels = torch.arange(cell.batch) % 10
    if "channels_last" in cell.form:
        model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    run = torch.compile(model) if "compile" in cell.form else model
    if cell.kind == "train":
        model.train()
        optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-6, alpha=0.95, momentum=0.9, eps=1e-3, foreach=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(run(images), labels, label_smoothing=0.1).backward()
            optimizer.step()

    else:
        model.eval()

        def step():
            with torch.inference_mode():
                run(images)

    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < cell.seconds:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    rate = cell.batch / sorted(times)[len(times) // 2]
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"images_per_s": round(rate, 2), "peak_mib": round(peak_mib, 1)}))


if __name__ == "__main__":
    main()
