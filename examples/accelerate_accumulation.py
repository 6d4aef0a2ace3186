# Accelerate with gradient accumulation: breast cancer data, tiny batches, gradients gathered over four of them.
import argparse

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def get_dataloaders(batch_size: int):
    x, y = load_breast_cancer(return_X_y=True)
    x = torch.tensor(StandardScaler().fit_transform(x), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:456], order[456:]
    return (
        DataLoader(TensorDataset(x[train], y[train]), shuffle=True, batch_size=batch_size),
        DataLoader(TensorDataset(x[test], y[test]), shuffle=False, batch_size=64),
    )


def training_function(args):
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=args.accumulation)
    set_seed(args.seed)
    train_dataloader, eval_dataloader = get_dataloaders(batch_size=8)
    model = nn.Sequential(
        nn.Linear(30, 64),
        nn.SiLU(),
        nn.LayerNorm(64),
        nn.Linear(64, 64),
        nn.SiLU(),
        nn.LayerNorm(64),
        nn.Linear(64, 1),
    )
    optimizer = torch.optim.Adam(params=model.parameters(), lr=args.lr)
    lr_scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=args.epochs * 15)
    model, optimizer, train_dataloader, eval_dataloader, lr_scheduler = accelerator.prepare(
        model, optimizer, train_dataloader, eval_dataloader, lr_scheduler
    )
    criterion = nn.BCEWithLogitsLoss()

    updates = 0
    for epoch in range(args.epochs):
        model.train()
        for inputs, labels in train_dataloader:
            with accelerator.accumulate(model):
                loss = criterion(model(inputs).squeeze(-1), labels)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    updates += 1
                optimizer.step()
                lr_scheduler.step()
                optimizer.zero_grad()

        model.eval()
        hits, losses = [], []
        for inputs, labels in eval_dataloader:
            with torch.no_grad():
                outputs = model(inputs).squeeze(-1)
            outputs, labels = accelerator.gather_for_metrics((outputs, labels))
            hits.append((outputs > 0) == labels.bool())
            losses.append(nn.functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none"))
        accelerator.print(
            f"epoch {epoch}: train loss {loss.item():.4f}, eval loss {torch.cat(losses).mean().item():.4f}, "
            f"accuracy {torch.cat(hits).float().mean().item():.4f}"
        )
    accelerator.print(f"{updates} updates")


def main():
    parser = argparse.ArgumentParser(description="Simple example of a training script.")
    parser.add_argument("--accumulation", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=42)
    training_function(parser.parse_args())


if __name__ == "__main__":
    main()
