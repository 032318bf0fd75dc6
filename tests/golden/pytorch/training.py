"""Optimizers and losses."""

import torch
import torch.nn.functional as F

from .files import Draw, Family, rounded
from .layers import smoothed
from .network import Network, Recipe, is_trained, leaves_of, parameters_of


def is_decayed(parameter):
    """A's code decays all but gains, shifts and running statistics; the proxies' two vectors are decayed."""
    return parameter.rsplit(".", 1)[-1] not in ("gamma", "beta", "running_mean", "running_var")


class RmsProp:
    """TensorFlow 1's (A's code): epsilon inside the root, the rate inside the momentum, the mean square starting at
    1."""

    def __init__(self, p, rho, momentum, epsilon, weight_decay):
        self.p, self.rho, self.momentum, self.epsilon, self.decay = p, rho, momentum, epsilon, weight_decay
        self.mean_square = {name: torch.ones_like(value) for name, value in p.items()}
        self.moment = {name: torch.zeros_like(value) for name, value in p.items()}

    @torch.no_grad()
    def step(self, gradients, lr):
        for name, g in gradients.items():
            p, ms, mom = self.p[name], self.mean_square[name], self.moment[name]
            g = g + self.decay * p if is_decayed(name) else g
            ms += (g * g - ms) * (1 - self.rho)
            mom.copy_(self.momentum * mom + lr * g / torch.sqrt(ms + self.epsilon))
            p -= mom


class TorchOptimizer:
    """One of PyTorch's own; its `weight_decay`, L2 in the gradient, for what is decayed."""

    def __init__(self, kind, p, decay, **options):
        self.p = {name: value for name, value in p.items() if is_trained(name)}
        groups = [[value for name, value in self.p.items() if is_decayed(name) == decays] for decays in (True, False)]
        decayed, others = ({"params": group} for group in groups)
        self.optimizer = kind([decayed | {"weight_decay": decay}, others], lr=0.0, weight_decay=0.0, **options)

    def step(self, gradients, lr):
        for name, g in gradients.items():
            self.p[name].grad = g.clone()
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()


def make_optimizer():
    """Ten steps with drawn gradients and a rate that moves, over parameters of every role."""
    family = Family("optimizer")
    network = Network(4, 1, (), 4, 3)  # Without blocks: small, and all roles are there.
    steps, batch_size, momentum, epsilon, decay = 10, 768, 0.9, 1e-3, 2**-6
    rho = 1 - batch_size * 2**-14
    assert rho == 0.953125  # A's, for its batch of 768.
    rates = [2.0**-8 * step for step in range(1, steps + 1)]
    rules = {
        "rmsprop": lambda p: RmsProp(p, rho, momentum, epsilon, decay),
        "sgd": lambda p: TorchOptimizer(torch.optim.SGD, p, decay, momentum=momentum),
        "adam": lambda p: TorchOptimizer(torch.optim.Adam, p, decay, betas=(momentum, 0.999), eps=epsilon),
    }
    for recipe in [Recipe("ln", proxy=True, published=True), Recipe("bn")]:
        structure = recipe.name
        parameters = parameters_of(network.parameters(structure), recipe)
        gradients = {}
        for name, value in parameters.items():
            family.given(f"{structure}/{name}", value)
            if is_trained(name):
                gradients[name] = Draw(f"{structure}/{name}/g").normal(steps, *value.shape)
                family.given(f"{structure}/g.{name}", gradients[name])
        for rule_name, make in rules.items() if recipe.proxy else [("rmsprop", rules["rmsprop"])]:
            p = leaves_of(parameters)
            rule = make(p)
            for step in range(steps):
                rule.step({name: value[step] for name, value in gradients.items()}, rates[step])
                if step in (0, steps - 1):
                    for name, value in p.items():
                        family.expected(f"{structure}/{rule_name}/after_{step + 1}.{name}", value)
            options = dict(batch_size=batch_size, momentum=momentum, epsilon=epsilon, weight_decay=decay)
            facts = dict(structure=structure, optimizer=rule_name, rates=rates, kept=[1, steps], options=options)
            family.case(f"{structure}/{rule_name}", network=network.facts, **recipe.facts, **facts)
    return family


def mixed(rows, lambdas):
    """Mixup with a lambda an image and the batch rolled by one as partners (A's code)."""
    lambdas = lambdas.reshape(-1, *[1] * (rows.dim() - 1))
    return lambdas * rows + (1 - lambdas) * torch.roll(rows, 1, 0)


def make_loss():
    """Cross-entropy with smoothed labels, without and with Mixup."""
    family = Family("loss")
    cases = [(1, 2, 0.1, 1), (4, 5, 0.0, 1), (5, 10, 0.1, 1), (3, 7, 0.2, 60), (3, 100, 0.1, 2)]
    for n, classes, smoothing, spread in cases:
        for mixes in (False, True):
            name = f"{'mixup_' if mixes else ''}n{n}_k{classes}_s{smoothing}_spread{spread}"
            draw = Draw(name)
            labels = torch.randint(classes, (n,), generator=draw.stream).tolist()
            targets = smoothed(labels, classes, smoothing)
            images = draw.normal(n, 2, 2, 3)
            if mixes:
                u = draw.normal(n).sigmoid()
                lambdas = rounded(torch.maximum(u, 1 - u))
                targets = mixed(targets, lambdas)
                family.given(f"{name}/lambdas", lambdas)
                family.given(f"{name}/images", images)
                family.expected(f"{name}/mixed_images", mixed(images, lambdas))
            logits = draw.around(0, spread, n, classes).requires_grad_()
            loss = F.cross_entropy(logits, targets)
            loss.backward()
            family.given(f"{name}/logits", logits)
            for key, tensor in {"targets": targets, "loss": loss, "dlogits": logits.grad}.items():
                family.expected(f"{name}/{key}", tensor)
            family.case(name, labels=labels, classes=classes, smoothing=smoothing, mixup=mixes)
    return family
