import torch; from torch import nn; torch.manual_seed(0)
x = torch.randn(1000, 16); y = (x @ torch.randn(16, 4)).argmax(1)
act = nn.Sigmoid(); layers = [nn.Linear(16, 32), act]
for _ in range(7): layers.append(nn.Linear(32, 32)); layers.append(nn.Sigmoid())
net = nn.Sequential(*layers, nn.Linear(32, 4)); opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9); ce = nn.CrossEntropyLoss()
for _ in range(200):
    b = torch.randint(800, (64,)); opt.zero_grad(); ce(net(x[b]), y[b]).backward(); opt.step()
out = net(x[800:]); print("final: loss %.4f, accuracy %.3f" % (ce(out, y[800:]).item(), (out.argmax(1) == y[800:]).float().mean()))
