import torch
from torch import nn

CONFIG = {
    "activation": "Sigmoid",
    "widths": [16, 32, 32, 32, 32, 32, 32, 32, 4],
    "optimizer": {"name": "SGD", "lr": 0.05, "momentum": 0.9},
    "steps": 200,
    "seed": 0,
}


def build(config):
    widths = config["widths"]
    layers = []
    for fan_in, fan_out in zip(widths[:-2], widths[1:-1]):
        layers.append(nn.Linear(fan_in, fan_out))
        layers.append(getattr(nn, config["activation"])())
    layers.append(nn.Linear(*widths[-2:]))
    return nn.Sequential(*layers)


def main(config):
    torch.manual_seed(config["seed"])
    x = torch.randn(1000, 16)
    y = (x @ torch.randn(16, 4)).argmax(1)
    model = build(config)
    settings = dict(config["optimizer"])
    optimizer = getattr(torch.optim, settings.pop("name"))(model.parameters(), **settings)
    for _ in range(config["steps"]):
        batch = torch.randint(800, (64,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        out = model(x[800:])
        loss = nn.functional.cross_entropy(out, y[800:])
    print(f"final: loss {loss:.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean():.3f}")


main(CONFIG)
