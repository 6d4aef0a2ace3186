"""REINFORCE with a baseline on a cart-pole written here (Barto, Sutton and Anderson 1983)."""

import argparse
import math
import random
from collections import deque

import torch
from torch import nn, optim
from torch.distributions import Categorical


class CartPole:
    """State: position, velocity, angle, angular velocity. Reward 1 a step until the pole falls or 200 steps."""

    def __init__(self, rng):
        self.rng = rng

    def reset(self):
        self.state = [self.rng.uniform(-0.05, 0.05) for _ in range(4)]
        self.t = 0
        return list(self.state)

    def step(self, action):
        x, v, theta, omega = self.state
        force = 10.0 if action == 1 else -10.0
        sin, cos = math.sin(theta), math.cos(theta)
        temp = (force + 0.05 * omega * omega * sin) / 1.1
        alpha = (9.8 * sin - cos * temp) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1))
        acc = temp - 0.05 * alpha * cos / 1.1
        self.state = [x + 0.02 * v, v + 0.02 * acc, theta + 0.02 * omega, omega + 0.02 * alpha]
        self.t += 1
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 12 * math.pi / 180
        return list(self.state), 1.0, fallen or self.t >= 200


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 64)
        self.action_head = nn.Linear(64, 2)
        self.value_head = nn.Linear(64, 1)
        self.saved = []
        self.rewards = []

    def forward(self, x):
        x = torch.tanh(self.affine1(x))
        return Categorical(logits=self.action_head(x)), self.value_head(x)


def select_action(policy, state):
    dist, value = policy(torch.tensor(state, dtype=torch.float32) * torch.tensor([1.0, 1.0, 5.0, 1.0]))
    action = dist.sample()
    policy.saved.append((dist.log_prob(action), value.squeeze(), dist.entropy()))
    return action.item()


def finish_episode(policy, optimizer, gamma):
    R, returns = 0.0, deque()
    for r in policy.rewards[::-1]:
        R = r + gamma * R
        returns.appendleft(R)
    returns = torch.tensor(returns) / 50.0
    log_probs, values, entropies = map(torch.stack, zip(*policy.saved))
    advantage = returns - values.detach()
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
    loss = -(log_probs * advantage).mean() + 0.5 * (values - returns).pow(2).mean() - 0.01 * entropies.mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
    optimizer.step()
    del policy.rewards[:]
    del policy.saved[:]
    return loss.item()


def main():
    parser = argparse.ArgumentParser(description="PyTorch REINFORCE example")
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=543)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--log-interval", type=int, default=25)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    env = CartPole(random.Random(args.seed))
    policy = Policy()
    optimizer = optim.Adam(policy.parameters(), lr=1e-2)
    running = 10.0
    for episode in range(1, args.episodes + 1):
        state, done, total = env.reset(), False, 0.0
        while not done:
            state, reward, done = env.step(select_action(policy, state))
            policy.rewards.append(reward)
            total += reward
        running += 0.05 * (total - running)
        loss = finish_episode(policy, optimizer, args.gamma)
        if episode % args.log_interval == 0 or episode == args.episodes:
            print(f"Episode {episode}\tLast reward: {total:.0f}\tAverage reward: {running:.1f}\tloss {loss:.3f}")
        if running > 175:
            print(f"Solved! Average reward is {running:.1f} after {episode} episodes")
            break


if __name__ == "__main__":
    main()
