from torch import nn


def block(fan_in, fan_out):
    return nn.Sequential(nn.Linear(fan_in, fan_out), nn.Sigmoid())


def make_network(inputs, width, depth, classes):
    blocks = [block(inputs if i == 0 else width, width) for i in range(depth)]
    return nn.Sequential(*blocks, nn.Linear(width, classes))
