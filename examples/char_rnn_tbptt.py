# Character-level GRU, truncated backpropagation through time: the hidden state is carried from chunk to chunk and
# detached, so that each step differentiates through 32 characters only. After Karpathy's char-rnn.
import pydoc_data.topics
import sys

import torch
import torch.nn as nn

CHUNK, BATCH, HIDDEN = 32, 16, 96
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 250


class CharRNN(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.embed = nn.Embedding(vocab, 32)
        self.rnn = nn.GRU(32, HIDDEN, num_layers=2, batch_first=True)
        self.out = nn.Linear(HIDDEN, vocab)

    def forward(self, x, hidden):
        y, hidden = self.rnn(self.embed(x), hidden)
        return self.out(y), hidden


def repackage_hidden(h):
    """Wraps hidden states in new tensors, to detach them from their history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def sample(model, chars, index, n=60):
    model.eval()
    text, hidden = "T", None
    with torch.no_grad():
        for _ in range(n):
            logits, hidden = model(torch.tensor([[index[text[-1]]]]), hidden)
            text += chars[torch.multinomial(logits[0, -1].softmax(0), 1).item()]
    model.train()
    return text


if __name__ == "__main__":
    torch.manual_seed(1111)
    text = "".join(v for _, v in sorted(pydoc_data.topics.topics.items()))[:150000]
    chars = sorted(set(text))
    index = {c: i for i, c in enumerate(chars)}
    data = torch.tensor([index[c] for c in text])
    data = data[: len(data) // BATCH * BATCH].view(BATCH, -1)

    model = CharRNN(len(chars))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3, factor=0.5)
    hidden, position, smooth = None, 0, None
    for step in range(1, STEPS + 1):
        if position + CHUNK + 1 > data.size(1):
            hidden, position = None, 0
        x = data[:, position : position + CHUNK]
        y = data[:, position + 1 : position + CHUNK + 1]
        position += CHUNK
        if hidden is not None:
            hidden = repackage_hidden(hidden)
        model.zero_grad()
        logits, hidden = model(x, hidden)
        loss = nn.functional.cross_entropy(logits.reshape(-1, len(chars)), y.reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
        if step % 50 == 0 or step == STEPS:
            scheduler.step(smooth)
            print("| step {:4d} | loss {:.3f} | bits per character {:.3f}".format(step, smooth, smooth / 0.6931))
    print(repr(sample(model, chars, index)))
