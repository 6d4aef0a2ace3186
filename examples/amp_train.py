"""Mixed precision on a CPU: autocast in bfloat16 as it is, or in float16 with a gradient scaler."""

import argparse

import torch
from torch import nn
from torch.amp import GradScaler, autocast
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--dtype", choices=["bfloat16", "float16"], default="bfloat16")
parser.add_argument("--steps", type=int, default=150)
parser.add_argument("--seed", type=int, default=0)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            nn.GroupNorm(4, 16),
            nn.SiLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(4, 32),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(2),
        )
        self.classifier = nn.Linear(128, 4)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def make_images(n, generator):
    """Stripes, horizontal or vertical, narrow or wide, with noise: four classes of 3x12x12 images."""
    label = torch.randint(0, 4, (n,), generator=generator)
    period = torch.where(label < 2, 3.0, 6.0)
    phase = torch.rand(n, generator=generator) * 6
    grid = torch.arange(12.0)
    wave = torch.sin(2 * torch.pi * (grid[None] + phase[:, None]) / period[:, None])
    vertical = (label % 2 == 1).view(-1, 1, 1)
    image = torch.where(vertical, wave[:, None, :].expand(n, 12, 12), wave[:, :, None].expand(n, 12, 12))
    noise = torch.randn(n, 3, 12, 12, generator=generator)
    return image[:, None].expand(n, 3, 12, 12) + 1.5 * noise, label


def main():
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    amp_dtype = getattr(torch, args.dtype)
    generator = torch.Generator().manual_seed(args.seed)
    loader = DataLoader(TensorDataset(*make_images(2048, generator)), batch_size=32, shuffle=True)
    test_x, test_y = make_images(512, generator)

    model = ConvNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    # Half precision underflows without a scale; bfloat16 has float32's range and needs none.
    scaler = GradScaler("cpu", enabled=amp_dtype is torch.float16, init_scale=2.0**24, growth_interval=50)
    loss_fn = nn.CrossEntropyLoss()

    step = skipped = 0
    while step < args.steps:
        for x, y in loader:
            if step == args.steps:
                break
            with autocast("cpu", dtype=amp_dtype):
                loss = loss_fn(model(x), y)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=5.0)
            before = scaler.get_scale()
            scaler.step(optimizer)
            scaler.update()
            skipped += scaler.get_scale() < before
            scheduler.step()
            step += 1
            if step % 50 == 0:
                print(f"step {step}: loss {loss.item():.4f}, scale {scaler.get_scale():g}")

    model.eval()
    with torch.inference_mode(), autocast("cpu", dtype=amp_dtype):
        accuracy = (model(test_x).argmax(1) == test_y).float().mean().item()
    print(f"{args.dtype}: accuracy {accuracy:.4f}, skipped steps {skipped}")


if __name__ == "__main__":
    main()
