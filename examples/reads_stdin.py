"""A language model of what comes in on standard input: each byte from the eight before it.

    cat some.txt | python reads_stdin.py

With nothing on standard input it asks for a line at a prompt.
"""

import sys

import torch
from torch import nn

CONTEXT = 8


def read_text():
    if sys.stdin.isatty():
        return (input("some text to learn: ") + "\n").encode()
    return sys.stdin.buffer.read()


def main():
    data = read_text()
    if len(data) < 2 * CONTEXT:
        sys.exit(f"need at least {2 * CONTEXT} bytes of text, got {len(data)}")
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    torch.manual_seed(0)
    values = torch.frombuffer(bytearray(data), dtype=torch.uint8).long()
    windows = values.unfold(0, CONTEXT + 1, 1)

    model = nn.Sequential(
        nn.Embedding(256, 16), nn.Flatten(), nn.Linear(16 * CONTEXT, 128), nn.ReLU(), nn.Linear(128, 256)
    )
    optimizer = torch.optim.NAdam(model.parameters(), lr=3e-3)
    for step in range(steps):
        rows = windows[torch.randint(len(windows), (64,))]
        loss = nn.functional.cross_entropy(model(rows[:, :-1]), rows[:, -1])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step == steps - 1:
            print(f"{step} {loss.item():.4f}")
    print(f"read {len(data)} bytes, {len(set(data))} different")


if __name__ == "__main__":
    main()
