"""The habits of PyTorch Lightning, with a trainer of a few lines."""

import torch
from torch import nn
from torch.nn import functional as F


class LightningModule(nn.Module):
    def training_step(self, batch, batch_idx):
        raise NotImplementedError

    def configure_optimizers(self):
        raise NotImplementedError


class Trainer:
    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def fit(self, module, loader):
        optimizers, schedulers = module.configure_optimizers()
        module.train()
        for _ in range(self.max_epochs):
            for index, batch in enumerate(loader):
                for optimizer in optimizers:
                    optimizer.zero_grad()
                    module.training_step(batch, index).backward()
                    optimizer.step()
            for scheduler in schedulers:
                scheduler.step()
        module.eval()


class LitClassifier(LightningModule):
    def __init__(self, width=32, depth=8, lr=0.05):
        super().__init__()
        self.lr = lr
        layers = [nn.Linear(16, width), nn.Sigmoid()]
        for _ in range(depth - 1):
            layers.extend([nn.Linear(width, width), nn.Sigmoid()])
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        return self.head(self.body(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)]


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x[:800], y[:800]), batch_size=64, shuffle=True)
model = LitClassifier()
Trainer(max_epochs=15).fit(model, loader)
with torch.no_grad():
    out = model(x[800:])
print(f"final: loss {F.cross_entropy(out, y[800:]):.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean():.3f}")
