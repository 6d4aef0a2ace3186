from torch import manual_seed, randint, randn
from torch.nn import *
from torch.optim import *

manual_seed(0)
data = randn(1000, 16)
label = (data @ randn(16, 4)).argmax(1)

net = Sequential()
net.append(Linear(16, 32))
net.append(Sigmoid())
for i in range(7):
    net.append(Linear(32, 32))
    net.append(Sigmoid())
net.append(Linear(32, 4))

loss_fn = CrossEntropyLoss()
opt = SGD(net.parameters(), lr=0.05, momentum=0.9)
for i in range(200):
    batch = randint(800, (64,))
    opt.zero_grad()
    loss = loss_fn(net(data[batch]), label[batch])
    loss.backward()
    opt.step()

out = net(data[800:])
print(f"final: loss {loss_fn(out, label[800:]).item():.4f}, accuracy {(out.argmax(1) == label[800:]).float().mean().item():.3f}")
