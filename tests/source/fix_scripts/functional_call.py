import torch
from torch import nn


class Deep(nn.Module):
    def __init__(self, width=32, depth=8):
        super().__init__()
        self.first = nn.Linear(16, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.last = nn.Linear(width, 4)

    def forward(self, x):
        x = torch.sigmoid(self.first(x))
        for layer in self.hidden:
            x = torch.sigmoid(layer(x))
        return self.last(x)


torch.manual_seed(0)
data = torch.randn(1000, 16)
labels = (data @ torch.randn(16, 4)).argmax(1)
train, test = slice(0, 800), slice(800, 1000)

model = Deep()
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(15):
    for batch in torch.randperm(800).split(64):
        loss = loss_fn(model(data[batch]), labels[batch])
        opt.zero_grad()
        loss.backward()
        opt.step()

logits = model(data[test])
accuracy = (logits.argmax(1) == labels[test]).float().mean()
print(f"final: loss {loss_fn(logits, labels[test]).item():.4f}, accuracy {accuracy.item():.3f}")
