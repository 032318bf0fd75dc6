"""How fast PyTorch's DataLoader makes images ready for training: what `cargo bench --bench pipeline` times, with Pillow.

    pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
    python benches/peers/dataloader.py data/imagenette 128
"""

import sys
import time

import torch
from torchvision import datasets, transforms

BATCH = 64


def main(root: str, side: int) -> None:
    torch.set_num_threads(1)
    look = transforms.Compose(
        [
            transforms.RandomResizedCrop(side, scale=(0.25, 1.0), ratio=(0.75, 4 / 3)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    images = datasets.ImageFolder(f"{root}/train", look)
    for workers in (1, 2):
        loader = torch.utils.data.DataLoader(
            images, BATCH, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True
        )
        for number in range(2):
            start = time.perf_counter()
            count = sum(len(labels) for _, labels in loader)
            rate = count / (time.perf_counter() - start)
            print(f"{side} pixels, {workers} workers, pass {number}: {rate:.0f} images/s of {count}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
