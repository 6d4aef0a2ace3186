# -*- coding: latin-1 -*-
# Écrit à la maison; fichier enregistré sous Windows.
import torch
from torch import nn, optim

torch.manual_seed(4)
entrées = torch.randn(1000, 16)
cibles = (entrées @ torch.randn(16, 4)).argmax(1)

couches = []
for i in range(8):
    couches += [nn.Linear(16 if i == 0 else 32, 32), nn.Sigmoid()]  # à revoir
réseau = nn.Sequential(*couches, nn.Linear(32, 4))
critère = nn.CrossEntropyLoss()
opt = optim.SGD(réseau.parameters(), lr=0.05, momentum=0.9)

for étape in range(200):
    lot = torch.randint(800, (64,))
    opt.zero_grad()
    critère(réseau(entrées[lot]), cibles[lot]).backward()
    opt.step()

sortie = réseau(entrées[800:])
précision = (sortie.argmax(1) == cibles[800:]).float().mean()
print(f"final: loss {critère(sortie, cibles[800:]).item():.4f}, accuracy {précision.item():.3f}")
