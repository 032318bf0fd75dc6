"""Norms, proxy norm, swish and squeeze-excite."""

import torch
import torch.nn.functional as F

from .files import Draw, Family, rounded
from .layers import (
    ACTIVATIONS,
    BATCH_NORM_DECAY,
    GROUP_NORM_GROUPS,
    NORM_EPSILON,
    assert_known_proxy_moments,
    channels_first,
    channels_last,
    conv,
    normalize,
    proxy_moments,
    squeeze_excite,
)

SHAPES = [(2, 3, 3, 12), (3, 1, 1, 8), (1, 2, 2, 40)]  # (n, h, w, c)


def norm_inputs(name, n, h, w, c):
    draw = Draw(name)
    # Off centre and wide, as activations are.
    x = draw.around(0.7, 2.0, n, h, w, c)
    return {"x": x, "gamma": draw.around(1, 0.3, c), "beta": draw.around(0, 0.5, c)}


def make_norm():
    """Statistics of a batch, of groups of channels and from outside, with affine and activation; running statistics."""
    family = Family("norm")

    def add(norm, groups, activation, n, h, w, c, shifted=True):
        label = f"gn{groups}" if norm == "gn" else norm
        shift = "" if shifted else "_unshifted"
        name = f"{label}_{activation}{shift}_{h}x{w}_c{c}_b{n}"
        inputs = norm_inputs(name, n, h, w, c)
        if not shifted:
            del inputs["beta"]

        def function(x, gamma, beta=None):
            z = gamma * normalize(x, norm, groups) + (0 if beta is None else beta)
            return ACTIVATIONS[activation](z)

        # Groups of the library's group norm; batch norm has none.
        count = {"bn": None, "gn": groups, "ln": 1, "in": c}[norm]
        family.op(name, inputs, function, op="norm", groups=count, activation=activation, shifted=shifted)
        if norm == "bn":
            variance, mean = torch.var_mean(inputs["x"], (0, 1, 2), correction=0)
            family.expected(f"{name}/mean", mean)
            family.expected(f"{name}/var", variance)

    for norm, groups in [("bn", None), ("gn", 4), ("gn", 2), ("ln", None), ("in", None)]:
        for n, h, w, c in SHAPES:
            add(norm, groups, "swish", n, h, w, c)
        for shifted in (True, False):
            add(norm, groups, "identity", 2, 3, 2, 8, shifted)
        if norm != "gn":
            add(norm, groups, "swish", 2, 5, 13, 1)

    for activation in ("identity", "swish"):
        name = f"frozen_{activation}_3x3_c12_b2"
        inputs = norm_inputs(name, 2, 3, 3, 12)
        draw = Draw(f"{name}/moments")
        mean, variance = draw.around(0.5, 1, 12), rounded(draw.normal(12) ** 2)

        def frozen(x, gamma, beta, mean=mean, variance=variance, activation=activation):
            y = F.batch_norm(channels_first(x), mean, variance, gamma, beta, False, 0, NORM_EPSILON)
            return ACTIVATIONS[activation](channels_last(y))

        family.op(name, inputs, frozen, op="frozen", activation=activation)
        family.given(f"{name}/mean", mean)
        family.given(f"{name}/var", variance)

    # A stem's convolution and batch norm over several steps, then in evaluation.
    steps, channels = 6, 8
    for n, side in [(3, 5), (2, 1)]:
        name = f"running_{side}x{side}_b{n}"
        draw = Draw(name)
        images = draw.around(0.3, 1.5, steps, n, side, side, 3)
        weight = draw.around(0, 27**-0.5, 3, 3, 3, channels)
        gamma, beta = draw.around(1, 0.3, channels), draw.normal(channels)
        mean, variance = torch.zeros(channels), torch.ones(channels)
        history = []
        for batch in images:
            x = channels_first(conv(batch, weight))
            # PyTorch blends in the unbiased variance; its momentum is what the new value weighs.
            F.batch_norm(x, mean, variance, None, None, True, 1 - BATCH_NORM_DECAY, NORM_EPSILON)
            history.append((mean.clone(), variance.clone()))
        x = channels_first(conv(images[0], weight))
        y = F.silu(F.batch_norm(x, mean, variance, gamma, beta, False, 0, NORM_EPSILON))
        for key, tensor in {"images": images, "w": weight, "gamma": gamma, "beta": beta}.items():
            family.given(f"{name}/{key}", tensor)
        family.expected(f"{name}/means", torch.stack([mean for mean, _ in history]))
        family.expected(f"{name}/vars", torch.stack([variance for _, variance in history]))
        family.expected(f"{name}/y", channels_last(y))
        family.case(name, op="running", decay=BATCH_NORM_DECAY)
    return family


def proxy_inputs(name, c):
    draw = Draw(f"{name}/proxy")
    return {"shift": draw.around(0, 0.5, c), "scale": draw.around(0, 0.3, c)}


def make_proxy_norm():
    """The proxies' moments, then layer and group norm with activations that they centre and scale."""
    assert_known_proxy_moments()
    family = Family("proxy_norm")

    # The moments alone: gamma, beta, shift and scale as training starts, those of the known figures, of a dead channel
    # and of a proxy without spread, then drawn ones.
    name = "moments"
    draw = Draw(name)
    special = torch.tensor([[1, 0, 0, 0], [1.2, 0.5, 0.1, -0.2], [0, 0.3, 0, 0], [1, 0, 0, -1]])
    drawn = torch.tensor([1.0, 0, 0, 0]) + torch.tensor([0.5, 1, 1, 0.4]) * draw.normal(40, 4)
    columns = rounded(torch.cat([special, drawn])).unbind(1)
    vectors = dict(zip(("gamma", "beta", "shift", "scale"), (column.clone().requires_grad_() for column in columns)))
    mean, _, rstd = proxy_moments(**vectors)
    cotangents = {"dmean": draw.normal(*mean.shape), "drstd": draw.normal(*mean.shape)}
    torch.autograd.backward([mean, rstd], list(cotangents.values()))
    for key, tensor in {**vectors, **cotangents}.items():
        family.given(f"{name}/{key}", tensor)
    for key, vector in vectors.items():
        family.expected(f"{name}/d{key}", vector.grad)
    family.expected(f"{name}/mean", mean)
    family.expected(f"{name}/rstd", rstd)
    family.case(name, op="moments")

    def add(norm, delayed, n, h, w, c):
        name = f"{norm}+pn_{'delayed' if delayed else 'applied'}_{h}x{w}_c{c}_b{n}"
        inputs = norm_inputs(name, n, h, w, c) | proxy_inputs(name, c)

        def function(x, gamma, beta, shift, scale):
            mean, _, rstd = proxy_moments(gamma, beta, shift, scale)
            z = F.silu(gamma * normalize(x, norm) + beta) - mean
            # The scale gets a gradient only from where it is applied.
            return z if delayed else z * rstd

        groups = {"ln": 1, "gn": GROUP_NORM_GROUPS}[norm]
        family.op(name, inputs, function, op="norm", groups=groups, delayed=delayed)

    for norm in ("ln", "gn"):
        for delayed in (False, True):
            for n, h, w, c in SHAPES:
                add(norm, delayed, n, h, w, c)
    add("ln", False, 2, 5, 13, 1)
    return family


def make_swish():
    """Swish over the ranges in which single precision behaves differently."""
    family = Family("swish")
    for label, low, high in [("near_zero", -1e-3, 1e-3), ("middle", -8, 8), ("left", -95, -8), ("right", 8, 95)]:
        x = rounded(torch.linspace(low, high, 133)).reshape(1, 7, 19, 1)
        family.op(label, {"x": x}, lambda x: F.silu(x))
    return family


def gate_inputs(name, c, c_hidden):
    draw = Draw(f"{name}/gate")
    return {
        "reduce_weight": draw.around(0, c**-0.5, c, c_hidden),
        "reduce_bias": draw.around(0, 0.5, c_hidden),
        "expand_weight": draw.around(0, c_hidden**-0.5, c_hidden, c),
        "expand_bias": draw.around(0, 0.5, c),
    }


def make_squeeze_excite():
    """Gates, without and with a proxy scale on them."""
    family = Family("squeeze_excite")
    for scaled in (False, True):
        for n, h, w, c, c_hidden in [(2, 3, 3, 12, 3), (1, 1, 1, 1, 1), (3, 1, 1, 40, 2), (1, 5, 7, 5, 4)]:
            name = f"{'scaled_' if scaled else ''}{h}x{w}_c{c}_h{c_hidden}_b{n}"
            draw = Draw(name)
            inputs = {"x": draw.around(0.5, 1.5, n, h, w, c)} | gate_inputs(name, c, c_hidden)
            if scaled:
                inputs["channel_scale"] = draw.around(1.5, 0.4, c)
            family.op(name, inputs, squeeze_excite, c_hidden=c_hidden, scaled=scaled)
    return family
