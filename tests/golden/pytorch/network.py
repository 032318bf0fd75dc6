"""Blocks and networks of layers, and their parameters by name."""

import math
from dataclasses import dataclass

import torch.nn.functional as F

from .files import Draw
from .layers import (
    BATCH_NORM_DECAY,
    NORM_EPSILON,
    channels_first,
    channels_last,
    conv,
    normalize,
    pointwise,
    proxy_moments,
    squeeze_excite,
)


@dataclass(frozen=True)
class Recipe:
    """A norm, and where proxy norm's scale goes: `published` leaves it to squeeze-excite's gate, and leaves it out at
    the top, as A's code does."""

    norm: str
    proxy: bool = False
    published: bool = False
    training: bool = True

    @property
    def name(self):
        placement = ("_published" if self.published else "_plain") if self.proxy else ""
        return f"{self.norm}{'+pn' if self.proxy else ''}{placement}{'' if self.training else '_evaluation'}"

    @property
    def facts(self):
        norm = f"{self.norm}{'+pn' if self.proxy else ''}"
        return {"norm": norm, "published": self.published, "training": self.training}


def norm_layer(x, p, name, recipe, after):
    """Norm, affine, and what stands `after`: `swish`, which a proxy recipe centres and scales; `swish_delayed`, which
    it only centres; `nothing`. Returns with it the scale that is still to be applied."""
    gamma, beta = p[f"{name}.gamma"], p.get(f"{name}.beta")
    if recipe.norm == "bn":
        # In training PyTorch updates the two in place; its momentum is what the new value weighs.
        mean, variance = p[f"{name}.running_mean"], p[f"{name}.running_var"]
        options = {"training": recipe.training, "momentum": 1 - BATCH_NORM_DECAY, "eps": NORM_EPSILON}
        x = channels_last(F.batch_norm(channels_first(x), mean, variance, **options))
    else:
        x = normalize(x, recipe.norm)
    z = gamma * x + (0 if beta is None else beta)
    if after == "nothing":
        return z, None
    z = F.silu(z)
    if not recipe.proxy:
        return z, None
    mean, _, scale = proxy_moments(gamma, beta, p[f"{name}.proxy_shift"], p[f"{name}.proxy_scale"])
    return (z - mean, scale) if after == "swish_delayed" else ((z - mean) * scale, None)


@dataclass(frozen=True)
class Block:
    """An MBConv block; `expands` where `c_mid` is not `c_in`."""

    c_in: int
    c_mid: int
    c_out: int
    kernel: int
    stride: int
    groups: int
    c_hidden: int

    @property
    def expands(self):
        return self.c_mid != self.c_in

    @property
    def facts(self):
        return {key: getattr(self, key) for key in self.__dataclass_fields__}


def mbconv(x, p, block, recipe, prefix=""):
    skip = x
    after = "swish_delayed" if recipe.published else "swish"
    if block.expands:
        x = pointwise(x, p[f"{prefix}expand.weight"])
        x, _ = norm_layer(x, p, f"{prefix}expand.norm", recipe, "swish")
    x = conv(x, p[f"{prefix}spatial.weight"], block.stride, block.groups)
    x, delayed_scale = norm_layer(x, p, f"{prefix}spatial.norm", recipe, after)
    gate = [p[f"{prefix}se.{layer}.{part}"] for layer in ("reduce", "expand") for part in ("weight", "bias")]
    x = squeeze_excite(x, *gate, delayed_scale)
    x = pointwise(x, p[f"{prefix}project.weight"])
    x, _ = norm_layer(x, p, f"{prefix}project.norm", recipe, "nothing")
    return x + skip if block.stride == 1 and block.c_in == block.c_out else x


# Centre and spread of what is drawn for a norm.
NORM_PARTS = {
    "gamma": (1.0, 0.3),
    "beta": (0.0, 0.3),
    "proxy_shift": (0.0, 0.3),
    "proxy_scale": (0.0, 0.2),
    "running_mean": (0.0, 0.3),
    "running_var": (1.5, 0.1),
}


def norm_shapes(name, channels, activated=True):
    parts = [part for part in NORM_PARTS if activated or not part.startswith("proxy")]
    return {f"{name}.{part}": (channels,) for part in parts}


def block_shapes(block, prefix=""):
    shapes = {}
    if block.expands:
        shapes |= {f"{prefix}expand.weight": (block.c_in, block.c_mid)}
        shapes |= norm_shapes(f"{prefix}expand.norm", block.c_mid)
    shapes[f"{prefix}spatial.weight"] = (block.kernel, block.kernel, block.c_mid // block.groups, block.c_mid)
    shapes |= norm_shapes(f"{prefix}spatial.norm", block.c_mid)
    shapes |= {
        f"{prefix}se.reduce.weight": (block.c_mid, block.c_hidden),
        f"{prefix}se.reduce.bias": (block.c_hidden,),
        f"{prefix}se.expand.weight": (block.c_hidden, block.c_mid),
        f"{prefix}se.expand.bias": (block.c_mid,),
        f"{prefix}project.weight": (block.c_mid, block.c_out),
    }
    return shapes | norm_shapes(f"{prefix}project.norm", block.c_out, activated=False)


def drawn_parameters(name, shapes):
    """Those of every recipe, drawn so that activations keep their size."""
    values = {}
    for parameter, shape in shapes.items():
        part = parameter.rsplit(".", 1)[-1]
        fan_in = math.prod(shape[:-1])
        centre, spread = NORM_PARTS.get(part, (0.0, 0.3 if part == "bias" else fan_in**-0.5))
        values[parameter] = Draw(f"{name}/{parameter}").around(centre, spread, *shape)
    return values


def parameters_of(parameters, recipe):
    """Those that a network of `recipe` has. Projections, which no activation follows, have no shift in a
    proxy-normalized one (A's code)."""

    def has(parameter):
        part = parameter.rsplit(".", 1)[-1]
        if part.startswith("running"):
            return recipe.norm == "bn"
        if part.startswith("proxy"):
            return recipe.proxy
        return not (recipe.proxy and parameter.endswith("project.norm.beta"))

    return {name: value for name, value in parameters.items() if has(name)}


def is_trained(parameter):
    return not parameter.rsplit(".", 1)[-1].startswith("running")


def leaves_of(parameters):
    """Copies that autograd, or a batch norm's update, may change."""
    return {name: value.clone().requires_grad_(is_trained(name)) for name, value in parameters.items()}


@dataclass(frozen=True)
class Network:
    """Stem, blocks, top and classifier."""

    c_stem: int
    stem_stride: int
    blocks: tuple
    c_top: int
    classes: int

    @property
    def facts(self):
        facts = {key: getattr(self, key) for key in ("c_stem", "stem_stride", "c_top", "classes")}
        return facts | {"blocks": [block.facts for block in self.blocks]}

    def parameters(self, name):
        shapes = {"stem.weight": (3, 3, 3, self.c_stem)} | norm_shapes("stem.norm", self.c_stem)
        for index, block in enumerate(self.blocks):
            shapes |= block_shapes(block, f"blocks.{index}.")
        c_last = self.blocks[-1].c_out if self.blocks else self.c_stem
        shapes |= {"top.weight": (c_last, self.c_top)} | norm_shapes("top.norm", self.c_top)
        shapes |= {"classifier.weight": (self.c_top, self.classes), "classifier.bias": (self.classes,)}
        return drawn_parameters(name, shapes)

    def logits(self, images, p, recipe):
        x = conv(images, p["stem.weight"], self.stem_stride)
        x, _ = norm_layer(x, p, "stem.norm", recipe, "swish")
        for index, block in enumerate(self.blocks):
            x = mbconv(x, p, block, recipe, f"blocks.{index}.")
        x = pointwise(x, p["top.weight"])
        # In A's code the scale of the last activations is left out: the classifier absorbs it.
        x, _ = norm_layer(x, p, "top.norm", recipe, "swish_delayed" if recipe.published else "swish")
        return x.mean((1, 2)) @ p["classifier.weight"] + p["classifier.bias"]
