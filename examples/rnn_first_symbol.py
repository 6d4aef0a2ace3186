"""Remember the first symbol of a sequence until its end, with a plain RNN or an LSTM.

python rnn_first_symbol.py               # tanh RNN over 100 steps: stays at chance
python rnn_first_symbol.py --length 5    # the same RNN: learns
"""

import argparse

import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--cell", default="RNN", choices=["RNN", "LSTM", "GRU"])
parser.add_argument("--length", default=100, type=int)
parser.add_argument("--steps", default=250, type=int)
parser.add_argument("--hidden", default=64, type=int)
parser.add_argument("--symbols", default=8, type=int)


class Reader(nn.Module):
    def __init__(self, cell, symbols, hidden):
        super().__init__()
        self.embedding = nn.Embedding(symbols, 16)
        self.rnn = getattr(nn, cell)(16, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, symbols)

    def forward(self, x):
        output, _ = self.rnn(self.embedding(x))
        return self.fc(output[:, -1])


def batches(args, n=32):
    while True:
        x = torch.randint(0, args.symbols, (n, args.length))
        yield x, x[:, 0]


if __name__ == "__main__":
    args = parser.parse_args()
    torch.manual_seed(5)
    model = Reader(args.cell, args.symbols, args.hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    running_loss = 0.0
    for step, (x, y) in zip(range(1, args.steps + 1), batches(args)):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running_loss += loss.item()
        if step % 50 == 0:
            print("[%5d] loss: %.3f" % (step, running_loss / 50))
            running_loss = 0.0
    model.eval()
    with torch.no_grad():
        x, y = next(batches(args, n=512))
        accuracy = (model(x).argmax(1) == y).float().mean()
    print("accuracy: %.3f (chance: %.3f)" % (accuracy, 1 / args.symbols))
