import torch as t
import torch.nn as n
import torch.nn.functional as f
t.manual_seed(0)
X=t.randn(1000,16); Y=(X@t.randn(16,4)).argmax(1)
class M(n.Module):
  def __init__(s):
    super().__init__()
    s.a=n.Linear(16,32); s.b=n.ModuleList(n.Linear(32,32) for _ in range(7)); s.c=n.Linear(32,4)
  def forward(s,x):
    x=f.sigmoid(s.a(x))
    for l in s.b: x=f.sigmoid(l(x))
    return s.c(x)
m=M()
o=t.optim.SGD(m.parameters(),.05,.9)
for _ in range(200):
  i=t.randint(800,(64,))
  o.zero_grad()
  L=f.cross_entropy(m(X[i]),Y[i])
  L.backward()
  o.step()
P=m(X[800:])
print(f"final: loss {f.cross_entropy(P,Y[800:]).item():.4f}, accuracy {(P.argmax(1)==Y[800:]).float().mean().item():.3f}")
