# Lecture 3: backpropagation "by hand". No torch.optim, no nn.Module: just tensors and .backward()
import sys

import torch

g = torch.Generator().manual_seed(2147483647)
n_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1500

# build a toy dataset: the next letter of Python's keywords from the three before it
import keyword

words = [w.lower() for w in keyword.kwlist if len(w) > 2]
stoi = {s: i + 1 for i, s in enumerate(sorted(set("".join(words))))}
stoi["."] = 0
itos = {i: s for s, i in stoi.items()}
xs, ys = [], []
for w in words:
    context = [0, 0, 0]
    for ch in w + ".":
        xs.append(context)
        ys.append(stoi[ch])
        context = context[1:] + [stoi[ch]]
X, Y = torch.tensor(xs), torch.tensor(ys)
print(X.shape, Y.shape)

# initialise the MLP
n_embd, n_hidden, vocab = 8, 64, len(stoi)
C = torch.randn((vocab, n_embd), generator=g)
W1 = torch.randn((n_embd * 3, n_hidden), generator=g) * (5 / 3) / ((n_embd * 3) ** 0.5)
b1 = torch.zeros(n_hidden)
W2 = torch.randn((n_hidden, vocab), generator=g) * 0.01
b2 = torch.zeros(vocab)
parameters = [C, W1, b1, W2, b2]
print(sum(p.nelement() for p in parameters), "parameters")
for p in parameters:
    p.requires_grad = True

for i in range(n_steps):
    ix = torch.randint(0, X.shape[0], (32,), generator=g)
    emb = C[X[ix]]
    h = torch.tanh(emb.view(emb.shape[0], -1) @ W1 + b1)
    logits = h @ W2 + b2
    loss = torch.nn.functional.cross_entropy(logits, Y[ix])

    for p in parameters:
        p.grad = None
    loss.backward()

    lr = 0.1 if i < 0.7 * n_steps else 0.01
    for p in parameters:
        p.data += -lr * p.grad

    if i % 300 == 0:
        print(f"{i:7d}/{n_steps:7d}: {loss.item():.4f}")


@torch.no_grad()
def full_loss():
    h = torch.tanh(C[X].view(X.shape[0], -1) @ W1 + b1)
    return torch.nn.functional.cross_entropy(h @ W2 + b2, Y).item()


print(f"loss over all: {full_loss():.4f}")
