"""Which symbol stood at the start, before nothing but blanks? A plain recurrent network forgets it."""

import torch
from torch import nn

LENGTH = 30
BLANK = 4


class Recall(nn.Module):
    def __init__(self, symbols=4, hidden=32):
        super().__init__()
        self.embed = nn.Embedding(symbols + 1, 8)
        self.rnn = nn.RNN(8, hidden, batch_first=True)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, x):
        states, _ = self.rnn(self.embed(x))
        return self.out(states[:, -1])


def batch(size):
    x = torch.full((size, LENGTH), BLANK)
    x[:, 0] = torch.randint(4, (size,))
    return x, x[:, 0]


torch.manual_seed(0)
model = Recall()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(200):
    x, y = batch(64)
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()

with torch.no_grad():
    x, y = batch(500)
    out = model(x)
print(f"final: loss {criterion(out, y):.4f}, accuracy {(out.argmax(1) == y).float().mean():.3f}")
