# Wine classification | 5-fold | MLP + EMA + OneCycle | CV 0.97+
# (kernel; hyperparameters in CFG)
import gc
import os
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset


class CFG:
    seed = 2023
    n_fold = int(os.environ.get("N_FOLD", 3))
    epochs = int(os.environ.get("EPOCHS", 12))
    train_bs = 16
    valid_bs = 64
    max_lr = 5e-3
    weight_decay = 1e-3
    hidden = 64
    dropout = 0.3
    ema_decay = 0.97
    device = torch.device("cpu")


def seed_everything(seed):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class WineDataset(Dataset):
    def __init__(self, X, y=None):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        x = torch.tensor(self.X[i], dtype=torch.float32)
        return x if self.y is None else (x, torch.tensor(self.y[i]))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm1d(13)
        self.fc1 = nn.utils.parametrizations.weight_norm(nn.Linear(13, CFG.hidden))
        self.fc2 = nn.utils.parametrizations.weight_norm(nn.Linear(CFG.hidden, CFG.hidden))
        self.fc3 = nn.Linear(CFG.hidden, 3)
        self.drop = nn.Dropout(CFG.dropout)

    def forward(self, x):
        x = self.bn(x)
        x = self.drop(nn.functional.prelu(self.fc1(x), torch.tensor(0.1)))
        x = self.drop(nn.functional.relu(self.fc2(x)))
        return self.fc3(x)


def train_fn(loader, model, ema, optimizer, scheduler, criterion):
    model.train()
    losses = []
    for x, y in loader:
        x, y = x.to(CFG.device), y.to(CFG.device)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        scheduler.step()
        ema.update_parameters(model)
        losses.append(loss.item())
    return np.mean(losses)


def valid_fn(loader, model):
    model.eval()
    preds = []
    for x, _ in loader:
        with torch.no_grad():
            preds.append(model(x.to(CFG.device)).double().softmax(1).cpu().numpy())
    return np.concatenate(preds)


def train_loop(X, y, fold, trn_idx, val_idx):
    scaler = StandardScaler().fit(X[trn_idx])
    train_loader = DataLoader(
        WineDataset(scaler.transform(X[trn_idx]), y[trn_idx]), batch_size=CFG.train_bs, shuffle=True, drop_last=True
    )
    valid_loader = DataLoader(WineDataset(scaler.transform(X[val_idx]), y[val_idx]), batch_size=CFG.valid_bs)
    model = Model().to(CFG.device)
    ema_avg = torch.optim.swa_utils.get_ema_multi_avg_fn(CFG.ema_decay)
    ema = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=ema_avg, use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=CFG.max_lr / 10, weight_decay=CFG.weight_decay)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=CFG.max_lr, epochs=CFG.epochs, steps_per_epoch=len(train_loader)
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=0.02)
    best = (np.inf, None)
    for epoch in range(CFG.epochs):
        avg_loss = train_fn(train_loader, model, ema, optimizer, scheduler, criterion)
        preds = valid_fn(valid_loader, ema)
        score = log_loss(y[val_idx], preds, labels=[0, 1, 2])
        if score < best[0]:
            best = (score, preds)
        if epoch % 4 == 3:
            print(f"fold {fold} epoch {epoch + 1} - avg_train_loss: {avg_loss:.4f}  valid_logloss: {score:.4f}")
    del model, ema, optimizer
    gc.collect()
    return best[1]


if __name__ == "__main__":
    seed_everything(CFG.seed)
    X, y = load_wine(return_X_y=True)
    oof = np.zeros((len(X), 3))
    folds = StratifiedKFold(n_splits=CFG.n_fold, shuffle=True, random_state=CFG.seed)
    for fold, (trn_idx, val_idx) in enumerate(folds.split(X, y)):
        oof[val_idx] = train_loop(X, y, fold, trn_idx, val_idx)
    print(f"CV: accuracy {accuracy_score(y, oof.argmax(1)):.4f}  logloss {log_loss(y, oof):.4f}")
