"""Layers by the papers' definitions. Images come and go channels last."""

import math

import torch
import torch.nn.functional as F

NORM_EPSILON = 1e-3  # Of every norm (A).
PROXY_EPSILON = 0.03  # Of proxy norm's scale (A).
QUANTILES = 200  # Of proxy norm's expectation (A).
GROUP_NORM_GROUPS = 4  # Groups, not channels per group (A).
BATCH_NORM_DECAY = 0.97  # A step (A).


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1)


def same_padding(size, kernel, stride):
    """TensorFlow's SAME: ceil(size / stride) outputs, the odd pixel of padding at the end."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv(x, w, stride=1, groups=1, padding="same"):
    x, w = channels_first(x), w.permute(3, 2, 0, 1)
    kernel = w.shape[-1]
    if padding == "same":
        (top, bottom), (left, right) = (same_padding(size, kernel, stride) for size in x.shape[2:])
        y = F.conv2d(F.pad(x, (left, right, top, bottom)), w, stride=stride, groups=groups)
    else:
        y = F.conv2d(x, w, stride=stride, padding=(kernel - 1) // 2, groups=groups)
    return channels_last(y)


def pointwise(x, w):
    return conv(x, w[None, None])


def normalize(x, norm, groups=GROUP_NORM_GROUPS):
    """Without affine. `bn` is with the statistics of this batch."""
    x = channels_first(x)
    if norm == "bn":
        y = F.batch_norm(x, None, None, training=True, eps=NORM_EPSILON)
    elif norm == "gn":
        y = F.group_norm(x, groups, eps=NORM_EPSILON)
    elif norm == "ln":
        y = F.group_norm(x, 1, eps=NORM_EPSILON)
    elif norm == "in":
        y = F.group_norm(x, x.shape[1], eps=NORM_EPSILON)
    return channels_last(y)


ACTIVATIONS = {"identity": lambda z: z, "swish": F.silu, "relu": F.relu}


def standard_normal_quantiles(count):
    u = 2 * (torch.arange(count) + 0.5) / count - 1
    return math.sqrt(2) * torch.erfinv(u)


def proxy_moments(gamma, beta, shift, scale, activation="swish", quantiles=QUANTILES):
    """Of phi(gamma y + beta) with y ~ N(shift, (1 + scale)^2): mean, variance, 1 / sqrt(variance + epsilon) (B; A's
    code)."""
    y = (1 + scale) * standard_normal_quantiles(quantiles)[:, None] + shift
    z = ACTIVATIONS[activation](gamma * y + beta)
    mean = z.mean(0)
    variance = ((z - mean) ** 2).mean(0)
    return mean, variance, 1 / torch.sqrt(variance + PROXY_EPSILON)


def assert_known_proxy_moments():
    """Figures computed before from the same definition, by other code."""
    known = [
        ((1.0, 0.0, 0.0, 0.0), "swish", 200, (0.2060484, 0.3100036, 1.7149767)),
        ((1.0, 0.0, 0.0, 0.0), "swish", 256, (0.2061837, 0.3106645, 1.7133124)),
        ((1.0, 0.0, 0.0, 0.0), "relu", 200, (0.3984512, 0.3380348, 1.6483733)),
        ((1.0, 0.0, 0.0, 0.0), "relu", 256, (0.3985652, 0.3386372, 1.6470259)),
        ((1.2, 0.5, 0.1, -0.2), "swish", 200, (0.569856, 0.514099, 1.355692)),
        ((1.2, 0.5, 0.1, -0.2), "relu", 200, (0.769720, 0.564239, 1.297237)),
    ]
    for parameters, activation, quantiles, expected in known:
        vectors = (torch.tensor([value]) for value in parameters)
        got = [moment.item() for moment in proxy_moments(*vectors, activation, quantiles)]
        assert all(abs(a - b) < 1e-6 for a, b in zip(got, expected)), (parameters, activation, quantiles, got)


def smoothed(labels, classes, smoothing):
    """Targets with 1 - s at the label and s / (K - 1) elsewhere (A's code)."""
    off = smoothing / (classes - 1)
    return off + (1 - smoothing - off) * F.one_hot(torch.tensor(labels), classes)


def squeeze_excite(x, reduce_weight, reduce_bias, expand_weight, expand_bias, channel_scale=None):
    hidden = F.silu(x.mean((1, 2)) @ reduce_weight + reduce_bias)
    gate = torch.sigmoid(hidden @ expand_weight + expand_bias)
    if channel_scale is not None:
        gate = gate * channel_scale
    return x * gate[:, None, None, :]
