#!/usr/bin/env python
# coding: utf-8

# # My first network
# Exported from a notebook.

# In[1]:


import torch
import torch.nn as nn
import torch.nn.functional as F


# In[2]:


torch.manual_seed(0)
x = torch.randn(1000, 16)
y = (x @ torch.randn(16, 4)).argmax(1)
x.shape, y.shape


# In[3]:


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16, 32)])
        for _ in range(7):
            self.layers.append(nn.Linear(32, 32))
        self.out = nn.Linear(32, 4)

    def forward(self, x):
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return self.out(x)

net = Net()
net


# In[4]:


optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
history = []


# In[5]:


for step in range(200):
    i = torch.randint(800, (64,))
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x[i]), y[i])
    loss.backward()
    optimizer.step()
    history.append(loss.item())


# In[6]:


out = net(x[800:])
print(f"final: loss {F.cross_entropy(out, y[800:]).item():.4f}, accuracy {(out.argmax(1) == y[800:]).float().mean().item():.3f}")


# In[ ]:




