"""Convolutions, fully connected layers, pooling, dropout."""

import torch.nn.functional as F

from .files import Draw, Family, rounded
from .layers import channels_first, conv, pointwise


def make_conv():
    """Group sizes, kernels, strides and both paddings over odd, even and one-pixel images; the stem; linear layers."""
    family = Family("conv")

    def add(label, c_in, c_out, groups, kernel, stride, h, w, n, padding="same"):
        name = f"{label}_k{kernel}_s{stride}_{h}x{w}_b{n}_{padding}"
        draw = Draw(name)
        fan_in = kernel * kernel * c_in // groups
        weight = draw.around(0, fan_in**-0.5, kernel, kernel, c_in // groups, c_out)
        inputs = {"x": draw.normal(n, h, w, c_in), "w": weight}
        facts = dict(kernel=kernel, stride=stride, groups=groups, c_out=c_out, padding=padding)
        family.op(name, inputs, lambda x, w: conv(x, w, stride, groups, padding), op="conv", **facts)

    # Depthwise, groups of 3 and of 4 channels, one group.
    for label, c_in, c_out, groups in [("g1", 10, 10, 10), ("g3", 6, 6, 2), ("g4", 8, 8, 2), ("dense", 3, 5, 1)]:
        for kernel in (3, 5):
            add(label, c_in, c_out, groups, kernel, 1, 5, 4, 1)
            add(label, c_in, c_out, groups, kernel, 2, 5, 3, 2)
            # An even side at stride 2 is where the paddings differ.
            for padding in ("same", "symmetric"):
                add(label, c_in, c_out, groups, kernel, 2, 6, 4, 1, padding)
        add(label, c_in, c_out, groups, 3, 1, 3, 4, 1, "symmetric")
        add(label, c_in, c_out, groups, 3, 2, 1, 1, 1, "symmetric")
        add(label, c_in, c_out, groups, 3, 1, 1, 1, 3)
        add(label, c_in, c_out, groups, 5, 1, 1, 1, 1)
    # Weights of large groups are what takes space here.
    add("g16", 32, 32, 2, 3, 1, 4, 3, 1)
    add("g16_to_4", 32, 8, 2, 3, 2, 3, 4, 2, "symmetric")
    add("g16_to_4", 32, 8, 2, 5, 2, 4, 3, 1)
    # Vectors of all lengths with a rest, and groups that widen.
    add("g1_c41", 41, 41, 41, 3, 1, 3, 3, 1)
    add("g3_to_5", 6, 10, 2, 3, 2, 5, 4, 2)

    for stride, padding in [(1, "same"), (2, "same"), (2, "symmetric")]:
        # Images get no gradient, so none is kept.
        name = f"stem_s{stride}_6x7_b2_{padding}"
        draw = Draw(name)
        x, w = draw.normal(2, 6, 7, 3), draw.around(0, 27**-0.5, 3, 3, 3, 8).requires_grad_()
        y = conv(x, w, stride, 1, padding)
        dy = draw.normal(*y.shape)
        y.backward(dy)
        for key, tensor in {"x": x, "w": w, "dy": dy}.items():
            family.given(f"{name}/{key}", tensor)
        for key, tensor in {"y": y, "dw": w.grad}.items():
            family.expected(f"{name}/{key}", tensor)
        family.case(name, op="image_conv", kernel=3, stride=stride, groups=1, c_out=8, padding=padding)

    for n, h, w, c_in, c_out in [(2, 5, 3, 7, 12), (3, 1, 1, 9, 1), (1, 4, 3, 1, 17), (1, 17, 16, 2, 3)]:
        name = f"pointwise_{c_in}_to_{c_out}_{h}x{w}_b{n}"
        draw = Draw(name)
        inputs = {"x": draw.normal(n, h, w, c_in), "w": draw.around(0, c_in**-0.5, c_in, c_out)}
        family.op(name, inputs, pointwise, op="pointwise")

    for n, c_in, c_out in [(1, 13, 5), (4, 8, 10), (3, 1, 2)]:
        name = f"linear_{c_in}_to_{c_out}_b{n}"
        draw = Draw(name)
        weight = draw.around(0, c_in**-0.5, c_in, c_out)
        inputs = {"x": draw.normal(n, c_in), "w": weight, "b": draw.normal(c_out)}
        family.op(name, inputs, lambda x, w, b: F.linear(x, w.T, b), op="linear")

    for n, h, w, c in [(2, 7, 5, 9), (1, 1, 1, 3)]:
        name = f"pool_{h}x{w}_c{c}_b{n}"
        inputs = {"x": Draw(name).around(0.5, 1, n, h, w, c)}
        family.op(name, inputs, lambda x: F.adaptive_avg_pool2d(channels_first(x), 1).flatten(1), op="pool")

    # Dropout with given factors: 0, or 1 / (1 - rate).
    name = "mask_c13_b2"
    draw = Draw(name)
    factors = rounded((draw.normal(2, 13) > 0) / 0.75)
    family.op(name, {"x": draw.normal(2, 13)}, lambda x: factors * x, op="mask")
    family.given(f"{name}/factors", factors)
    return family
