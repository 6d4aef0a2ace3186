import torch
from torch import nn


class Net(nn.Module):
	def __init__(self, width=32, depth=8):
		super().__init__()
		layers = [nn.Linear(16, width), nn.Sigmoid()]
		for i in range(depth - 1):
			layers += [
				nn.Linear(width, width),
				nn.Sigmoid(),
			]
		layers += [nn.Linear(width, 4)]
		self.net = nn.Sequential(*layers)

	def forward(self, x):
		return self.net(x)


class Trainer:
	def __init__(self, model, lr):
		self.model = model
		self.criterion = nn.CrossEntropyLoss()
		# plain gradient descent with momentum
		self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=0.9)

	def fit(self, x, y, steps=200):
		for _ in range(steps):
			batch = torch.randint(len(x), (64,))
			self.optimizer.zero_grad()
			loss = self.criterion(self.model(x[batch]), y[batch])
			loss.backward()
			self.optimizer.step()
		return self

	@torch.no_grad()
	def score(self, x, y):
		out = self.model(x)
		return self.criterion(out, y).item(), (out.argmax(1) == y).float().mean().item()


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
trainer = Trainer(Net(), lr=0.05).fit(x[:800], y[:800])
print("final: loss %.4f, accuracy %.3f" % trainer.score(x[800:], y[800:]))
