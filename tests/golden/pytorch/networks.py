"""Whole MBConv blocks and networks."""

import torch
import torch.nn.functional as F

from .files import Draw, Family, rounded
from .layers import BATCH_NORM_DECAY, smoothed
from .network import (
    Block,
    Network,
    Recipe,
    block_shapes,
    drawn_parameters,
    is_trained,
    leaves_of,
    mbconv,
    parameters_of,
)
from .training import RmsProp

MAIN_RECIPES = [Recipe("bn"), Recipe("ln", proxy=True, published=True)]
OTHER_RECIPES = [Recipe("bn", training=False), Recipe("gn"), Recipe("ln"), Recipe("in"), Recipe("ln", proxy=True)]
OTHER_RECIPES += [Recipe("gn", proxy=True, published=published) for published in (True, False)]


def make_mbconv():
    """Every structure under the main recipes. Under the others half of the structures, in which each two of stride,
    group size and expansion still meet in every combination."""
    family = Family("mbconv")
    for stride in (1, 2):
        for group_size in (1, 4):
            for expands in (False, True):
                c_in, c_mid = (4, 8) if expands else (8, 8)
                block = Block(c_in, c_mid, c_in, 3, stride, c_mid // group_size, 2)
                structure = f"s{stride}_g{group_size}_{'expand' if expands else 'keep'}"
                parameters = drawn_parameters(structure, block_shapes(block))
                x = Draw(f"{structure}/x").normal(2, 4, 3, c_in)
                family.given(f"{structure}/x", x)
                for name, value in parameters.items():
                    family.given(f"{structure}/{name}", value)
                in_half = (stride == 1) ^ (group_size == 1) ^ expands
                for recipe in MAIN_RECIPES + OTHER_RECIPES * in_half:
                    add_block(family, structure, block, recipe, x, parameters)
    for rate in (None, 0.25):
        # The skip with stochastic depth: what survives is scaled by 1 / p.
        name = "residual" if rate is None else "residual_stochastic"
        draw = Draw(name)
        inputs = {"x": draw.normal(4, 3, 2, 5), "skip": draw.normal(4, 3, 2, 5)}
        survival = torch.ones(4) if rate is None else rounded(torch.tensor([0, 1, 0, 1]) / (1 - rate))
        family.op(name, inputs, lambda x, skip: skip + survival[:, None, None, None] * x, op="residual")
        family.given(f"{name}/survival", survival)
    return family


def add_block(family, structure, block, recipe, x, parameters):
    case = f"{structure}/{recipe.name}"
    p = leaves_of(parameters_of(parameters, recipe))
    leaf = x.clone().requires_grad_()
    y = mbconv(leaf, p, block, recipe)
    dy = Draw(f"{structure}/dy").normal(*y.shape)
    y.backward(dy)
    family.given(f"{structure}/dy", dy)
    family.expected(f"{case}/y", y)
    family.expected(f"{case}/dx", leaf.grad)
    for name, parameter in p.items():
        if is_trained(name):
            family.expected(f"{case}/d.{name}", parameter.grad)
    family.case(case, op="block", structure=structure, block=block.facts, **recipe.facts)


def make_network():
    """Logits, loss and every gradient; then some steps of training."""
    family = Family("network")
    blocks = (Block(8, 8, 8, 3, 1, 2, 2), Block(8, 12, 8, 3, 2, 3, 2), Block(8, 16, 8, 5, 1, 16, 3))
    network = Network(8, 2, blocks, 12, 5)
    parameters = network.parameters("network")
    images = Draw("network/images").normal(4, 13, 11, 3)
    labels, smoothing = [3, 0, 4, 3], 0.1
    targets = smoothed(labels, network.classes, smoothing)
    family.given("network/images", images)
    for name, value in parameters.items():
        family.given(f"network/{name}", value)

    shared = {"network": network.facts, "labels": labels, "smoothing": smoothing}
    for recipe in [Recipe("bn"), Recipe("ln", proxy=True, published=True), Recipe("gn")]:
        p = leaves_of(parameters_of(parameters, recipe))
        logits = network.logits(images, p, recipe)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        family.expected(f"{recipe.name}/logits", logits)
        family.expected(f"{recipe.name}/loss", loss)
        for name, parameter in p.items():
            if is_trained(name):
                family.expected(f"{recipe.name}/d.{name}", parameter.grad)
        family.case(recipe.name, op="gradients", **recipe.facts, **shared)

    # Training: losses before each step, then the parameters and running statistics.
    recipe, steps, lr = Recipe("bn"), 5, 2**-7
    rule = {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-3, "weight_decay": 2**-10}
    p = leaves_of(parameters_of(parameters, recipe))
    trained = [name for name in p if is_trained(name)]
    optimizer = RmsProp(p, **rule)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(network.logits(images, p, recipe), targets)
        gradients = torch.autograd.grad(loss, [p[name] for name in trained])
        optimizer.step(dict(zip(trained, gradients)), lr)
        losses.append(loss.detach())
    family.expected("training/losses", torch.stack(losses))
    for name, parameter in p.items():
        family.expected(f"training/after.{name}", parameter)
    rule |= {"lr": lr, "batch_norm_decay": BATCH_NORM_DECAY}
    family.case("training", op="training", steps=steps, rule=rule, **recipe.facts, **shared)
    return family
