import torch
import torch.nn as nn
import torch.optim as optim


def conv_block(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.Sigmoid(),
    )


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            conv_block(1, 8), conv_block(8, 8), conv_block(8, 8), conv_block(8, 8), conv_block(8, 8), conv_block(8, 8)
        )
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Linear(8 * 4 * 4, 4)

    def forward(self, x):
        x = self.pool(self.features(x))
        return self.classifier(x.flatten(1))


def bars(count):
    """Images of one bright bar: in the upper or the lower half, lying or standing."""
    images, labels = 0.3 * torch.randn(count, 1, 8, 8), torch.randint(4, (count,))
    for image, label in zip(images, labels):
        at = int(torch.randint(4, ())) + 4 * int(label % 2)
        if label < 2:
            image[0, at] += 1
        else:
            image[0, :, at] += 1
    return images, labels


torch.manual_seed(0)
train_x, train_y = bars(400)
test_x, test_y = bars(200)
net = ConvNet()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for epoch in range(15):
    for rows in torch.randperm(400).split(32):
        optimizer.zero_grad()
        loss = criterion(net(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()

with torch.no_grad():
    out = net(test_x)
print(f"final: loss {criterion(out, test_y):.4f}, accuracy {(out.argmax(1) == test_y).float().mean():.3f}")
