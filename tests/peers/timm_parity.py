#!/usr/bin/env python3
"""Holds effsweep against timm and Pillow: the same weights, the same photos, the same logits.

Run it through timm.sh, which makes the Python it needs. It prints a table for each part and exits with 1 if one is off:

  models   timm's own models with made-up weights and running statistics, imported here; logits at 224 and 96 pixels
  trials   networks trained here, loaded by timm with strict=True
  pixels   what the network sees of photos, against Pillow (where --photos names a folder of them)

Made-up numbers are hashes of a tensor's name and of the place in it, so that tests/timm needs no weights to repeat the
first part; --goldens writes the logits that it compares with.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from timm.layers import BatchNormAct2d, GroupNormAct
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.efficientnet import EfficientNet

MODELS = ["efficientnet_b0", "efficientnet_b0_gn", "efficientnet_b0_g8_gn", "efficientnet_b3_gn"]
SIDES = [224, 96]
IMAGES = 2
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
TOLERANCE = 1e-4


def uniform(name, count):
    """`count` numbers in [0, 1) that hang on `name` alone: FNV-1a of it, and SplitMix64 from there."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def made_up(name, shape):
    """Values of a tensor of that name: of convolutions, variance 2 / fan-in; gains and variances around 1."""
    u = uniform(name, int(np.prod(shape)))
    if len(shape) > 1:
        values = (u - 0.5) * np.sqrt(24.0 / np.prod(shape[1:]))
    elif name.endswith(".running_var"):
        values = 0.5 + u
    elif name.endswith(".weight"):
        values = 0.75 + 0.5 * u
    else:
        values = (u - 0.5) * 0.5
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def made_up_pixels(side):
    """Bytes (n, side, side, 3) of made-up images."""
    return (uniform(f"images at {side}", IMAGES * side * side * 3) * 256).astype(np.uint8).reshape(IMAGES, side, side, 3)


def normalized(pixels):
    return torch.from_numpy((pixels / 255.0 - MEAN) / STD).permute(0, 3, 1, 2)


def relative(ours, theirs):
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def logits_of(model, pixels):
    with torch.no_grad():
        return model.double().eval()(normalized(pixels)).numpy()


class Effsweep:
    def __init__(self, binary, folder):
        self.binary, self.folder = str(Path(binary).resolve()), Path(folder)

    def __call__(self, *arguments):
        command = [self.binary, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        return done.stdout

    def logits(self, weights, images, *more):
        self("predict", "--weights", weights, "--images", images, "--logits", "logits.csv", *more)
        with open(self.folder / "logits.csv", newline="") as file:
            rows = list(csv.reader(file))[1:]
        return np.array([[float(value) for value in row[1:]] for row in rows])


def write_pngs(folder, pixels):
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:05}.png")


def told(values):
    return " ".join(f"{value:+9.5f}" for value in values[:4])


def models(effsweep, goldens):
    """timm's models with made-up weights, here and there."""
    worst, kept = 0.0, {}
    print(f"{'model':<22} {'side':>4}  {'first four logits of the first image: timm, effsweep':<85} {'error':>8}")
    for name in MODELS:
        model = timm.create_model(name, num_classes=1000)
        state = {key: made_up(key, tuple(value.shape)) if value.ndim else value for key, value in model.state_dict().items()}
        model.load_state_dict(state)
        save_file(state, effsweep.folder / "timm.safetensors")
        effsweep("weights", "import", "timm.safetensors", "--model", name, "--crop-ratio", 1, "--output", "ours.safetensors")
        for side in SIDES:
            pixels = made_up_pixels(side)
            write_pngs(effsweep.folder / f"images-{side}", pixels)
            ours = effsweep.logits("ours.safetensors", f"images-{side}", "--resolution", side)
            theirs = logits_of(model, pixels)
            error = relative(ours, theirs)
            worst = max(worst, error)
            # How much of the logits the images decide: without it, wrong features would go unseen.
            seen = relative(theirs[1], theirs[0])
            kept[f"{name}/{side}"] = torch.from_numpy(theirs)
            print(f"{name:<22} {side:>4}  {told(theirs[0])}  |  {told(ours[0])}  {error:8.1e}  (image to image {seen:.2f})")
    if goldens:
        save_file(kept, goldens)
        print(f"wrote {goldens}")
    return worst


def timm_model(description):
    """timm's network of a description that effsweep wrote."""
    model = description["model"]
    width = model.get("width", 1.0)
    strides = model.get("stage_strides", [1, 2, 2, 2, 1, 2, 1])
    table = [("ds", 1, 3, 16), ("ir", 2, 3, 24), ("ir", 2, 5, 40), ("ir", 3, 3, 80), ("ir", 3, 5, 112), ("ir", 4, 5, 192), ("ir", 1, 3, 320)]
    stages = [
        [f"{kind}_r{layers}_k{kernel}_s{stride}_e{1 if kind == 'ds' else model['expand']:g}_c{channels}_se0.25"]
        for (kind, layers, kernel, channels), stride in zip(table, strides)
    ]
    norm, eps = model["norm"], model["norm_epsilon"]
    if norm == "bn":
        norm_layer = partial(BatchNormAct2d, eps=eps)
    elif norm in ("gn", "ln"):
        norm_layer = partial(GroupNormAct, num_groups=4 if norm == "gn" else 1, eps=eps)
    else:
        norm_layer = partial(GroupNormAct, group_size=norm["group_size"], eps=eps)
    rounded = partial(round_channels, multiplier=width, divisor=model["channel_divisor"])
    network = EfficientNet(
        block_args=decode_arch_def(stages, model.get("depth", 1.0), group_size=model["group_size"]),
        num_classes=len(description["classes"]),
        num_features=rounded(1280),
        stem_size=32,
        round_chs_fn=rounded,
        norm_layer=norm_layer,
        act_layer=torch.nn.SiLU,
        pad_type="same" if model["padding"] == "same" else "",
    )
    stride = model.get("stem_stride", 2)
    network.conv_stem.stride = (stride, stride)
    return network


SWEEP = """
[data]
train_images = 256
test_images = 64

[model]
preset = "b0"
width = 0.25
depth = 0.5
expand = 6
PADDING

[train]
epochs = 2
batch_size = 32
optimizer = "sgd"
lr = 0.02
resolution = 64

[measure]
enabled = false

[grid]
"model.norm" = ["bn", "gn", "ln", { kind = "gn", group_size = 8 }]
"model.group_size" = [1, 8]
"""


def trials(effsweep):
    """Networks trained here, in timm."""
    worst = 0.0
    print(f"\n{'trained here':<34} {'first four logits: timm, effsweep':<85} {'error':>8}")
    for padding in ["same", "symmetric"]:
        sweep, database = effsweep.folder / f"{padding}.toml", f"{padding}.db"
        sweep.write_text(SWEEP.replace("PADDING", f'padding = "{padding}"'))
        effsweep("run", sweep, "--db", database, "--quiet")
        keys = json.loads(effsweep("sql", "SELECT key FROM trials ORDER BY id", "--format", "json", "--db", database))
        for key in (row["key"] for row in keys):
            effsweep("weights", "export", key, "--output", "trial.safetensors", "--db", database)
            with safe_open(effsweep.folder / "trial.safetensors", "pt") as file:
                description = json.loads(file.metadata()["effsweep"])
            model = timm_model(description)
            model.load_state_dict(load_file(effsweep.folder / "trial.safetensors"), strict=True)
            pixels = made_up_pixels(64)
            write_pngs(effsweep.folder / "images-64", pixels)
            ours = effsweep.logits("trial.safetensors", "images-64", "--resolution", 64, "--crop-ratio", 1)
            theirs = logits_of(model, pixels)
            error = relative(ours, theirs)
            worst = max(worst, error)
            norm = description["model"]["norm"]
            norm = norm if isinstance(norm, str) else f"gn of {norm['group_size']}"
            name = f"{norm}, G {description['model']['group_size']}, {padding}"
            print(f"{name:<34} {told(theirs[0])}  |  {told(ours[0])}  {error:8.1e}")
    return worst


def pixels(effsweep, photos):
    """What a network sees of photos, against Pillow."""
    found = sorted(path for path in Path(photos).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    # Evenly over all there are.
    found = found[:: max(1, len(found) // 200)]
    print(f"\n{'photos against Pillow':<34} {'largest difference':>18} {'mean difference':>16} {'beyond 1 of 255':>16}")
    worst = 0.0
    for side, ratio in [(96, 0.875), (128, 1.0), (224, 0.875), (288, 1.0)]:
        folder = effsweep.folder / f"pixels-{side}"
        effsweep("predict", "--weights", "ours.safetensors", "--images", *found, "--resolution", side,
                 "--crop-ratio", ratio, "--pixels", folder, "--format", "csv")
        largest, total, beyond, count = 0, 0, 0, 0
        for path, seen in zip(found, sorted(folder.glob("*.png"))):
            with Image.open(path) as opened:
                from PIL import ImageOps

                photo = ImageOps.exif_transpose(opened).convert("RGB")
            length = min(photo.size) * ratio
            left, top = (photo.size[0] - length) / 2, (photo.size[1] - length) / 2
            box = (left, top, left + length, top + length)
            theirs = np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR, box=box)).astype(int)
            difference = np.abs(theirs - np.asarray(Image.open(seen)).astype(int))
            largest, total = max(largest, difference.max()), total + difference.sum()
            beyond, count = beyond + (difference > 1).sum(), count + difference.size
        worst = max(worst, largest)
        name = f"{len(found)} at {side}, crop {ratio}"
        print(f"{name:<34} {largest:>18} {total / count:>16.4f} {beyond / count:>15.4%}")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effsweep", default="target/release/effsweep", help="the program")
    parser.add_argument("--photos", help="a folder of JPEG or PNG files")
    parser.add_argument("--goldens", help="write timm's logits of made-up models to this file")
    arguments = parser.parse_args()
    print(f"timm {timm.__version__}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        effsweep = Effsweep(arguments.effsweep, folder)
        off = [models(effsweep, arguments.goldens) > TOLERANCE, trials(effsweep) > TOLERANCE]
        if arguments.photos:
            off.append(pixels(effsweep, Path(arguments.photos).resolve()) > 1)
    sys.exit(1 if any(off) else 0)


if __name__ == "__main__":
    main()
