"""PyTorch Lightning: a residual MLP on the digits, with a data module, a validation phase and early stopping."""

import os
import tempfile
import warnings

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

warnings.filterwarnings("ignore", ".*does not have many workers.*")


class DigitsDataModule(L.LightningDataModule):
    def __init__(self, batch_size: int = 64):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage: str) -> None:
        x, y = load_digits(return_X_y=True)
        x = torch.from_numpy((x - x.mean()) / x.std()).float()
        dataset = TensorDataset(x, torch.from_numpy(y))
        generator = torch.Generator().manual_seed(42)
        self.train, self.val = random_split(dataset, [0.8, 0.2], generator=generator)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=self.hparams.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=256)


class Block(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 2 * dim)
        self.down = nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(self.down(F.gelu(self.up(self.norm(x)))))


class LitClassifier(L.LightningModule):
    def __init__(self, dim: int = 64, depth: int = 3, lr: float = 3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(64, dim), *[Block(dim) for _ in range(depth)], nn.Linear(dim, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y, label_smoothing=0.05)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_acc", (logits.argmax(-1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.hparams.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def cli_main() -> None:
    L.seed_everything(7)
    epochs = int(os.environ.get("EPOCHS", "6"))
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            devices=1,
            gradient_clip_val=1.0,
            log_every_n_steps=5,
            callbacks=[EarlyStopping("val_loss", patience=3), LearningRateMonitor()],
            logger=CSVLogger(folder),
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
        trainer.fit(LitClassifier(), datamodule=DigitsDataModule())
        metrics = {name: round(value.item(), 4) for name, value in sorted(trainer.callback_metrics.items())}
        print(f"{trainer.global_step} steps: {metrics}")


if __name__ == "__main__":
    cli_main()
