"""Physics-informed network for a damped oscillator, trained with Adam first and L-BFGS after.

    u'' + 2 d u' + w^2 u = 0,   u(0) = 1, u'(0) = 0,   d = 0.5, w = 4

L-BFGS evaluates the loss many times in one step, through a closure; the loss contains second derivatives of the
network by its input.
"""

import sys

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(123)

d, w = 0.5, 4.0
n_lbfgs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
n_adam = 10 * n_lbfgs


def exact(t):
    omega = np.sqrt(w**2 - d**2)
    return np.exp(-d * t) * (np.cos(omega * t) + d / omega * np.sin(omega * t))


class FCN(torch.nn.Module):
    def __init__(self, n_hidden=32, n_layers=3):
        super().__init__()
        activation = torch.nn.Tanh
        self.fcs = torch.nn.Sequential(torch.nn.Linear(1, n_hidden), activation())
        self.fch = torch.nn.Sequential(
            *[torch.nn.Sequential(torch.nn.Linear(n_hidden, n_hidden), activation()) for _ in range(n_layers - 1)]
        )
        self.fce = torch.nn.Linear(n_hidden, 1)
        for p in self.modules():
            if isinstance(p, torch.nn.Linear):
                torch.nn.init.xavier_normal_(p.weight)

    def forward(self, t):
        return self.fce(self.fch(self.fcs(t)))


pinn = FCN()
t_boundary = torch.zeros(1, 1, requires_grad=True)
t_physics = torch.linspace(0, 2, 40).view(-1, 1).requires_grad_(True)
t_test = torch.linspace(0, 2, 200).view(-1, 1)


def residual_loss():
    u = pinn(t_boundary)
    dudt = torch.autograd.grad(u, t_boundary, torch.ones_like(u), create_graph=True)[0]
    loss1 = (u.squeeze() - 1) ** 2 + 0.1 * dudt.squeeze() ** 2
    u = pinn(t_physics)
    dudt = torch.autograd.grad(u, t_physics, torch.ones_like(u), create_graph=True)[0]
    d2udt2 = torch.autograd.grad(dudt, t_physics, torch.ones_like(dudt), create_graph=True)[0]
    loss2 = torch.mean((d2udt2 + 2 * d * dudt + w**2 * u) ** 2)
    return loss1 + 1e-2 * loss2


adam = torch.optim.Adam(pinn.parameters(), lr=2e-3)
for i in range(n_adam):
    adam.zero_grad()
    loss = residual_loss()
    loss.backward()
    adam.step()
print(f"Adam    {n_adam:4d} steps  loss {loss.item():.3e}")

lbfgs = torch.optim.LBFGS(pinn.parameters(), lr=1, max_iter=20, history_size=50, line_search_fn="strong_wolfe")
evaluations = 0


def closure():
    global evaluations
    lbfgs.zero_grad()
    loss = residual_loss()
    loss.backward()
    evaluations += 1
    return loss


for i in range(n_lbfgs):
    loss = lbfgs.step(closure)
    if (i + 1) % 5 == 0:
        print(f"L-BFGS  {i + 1:4d} steps  loss {loss.item():.3e}  ({evaluations} evaluations)")

with torch.no_grad():
    error = np.abs(pinn(t_test).numpy() - exact(t_test.numpy())).max()
print(f"largest error on [0, 2]: {error:.2e}")
