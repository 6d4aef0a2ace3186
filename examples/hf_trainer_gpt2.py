#!/usr/bin/env python
# Train a small GPT-2 from scratch on bytes, with the Hugging Face Trainer.
# The text is Python's own language reference (pydoc_data), so nothing is downloaded.
import tempfile
from dataclasses import dataclass, field
from pydoc_data.topics import topics

import torch
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)


@dataclass
class ScriptArguments:
    block_size: int = field(default=64, metadata={"help": "Length of a training sequence in bytes."})
    n_layer: int = field(default=3)
    n_embd: int = field(default=64)
    max_steps: int = field(default=120)
    seed: int = field(default=42)


class ByteBlocks(Dataset):
    def __init__(self, data: bytes, block_size: int):
        usable = len(data) // block_size * block_size
        self.blocks = torch.tensor(list(data[:usable])).view(-1, block_size)

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, i):
        return {"input_ids": self.blocks[i], "labels": self.blocks[i]}


def main():
    (args,) = HfArgumentParser(ScriptArguments).parse_args_into_dataclasses()
    set_seed(args.seed)
    text = "\n".join(topics[name] for name in sorted(topics))[:200_000].encode("ascii", "replace")
    cut = int(len(text) * 0.95)
    train_dataset = ByteBlocks(text[:cut], args.block_size)
    eval_dataset = ByteBlocks(text[cut:], args.block_size)

    config = GPT2Config(
        vocab_size=256,
        n_positions=args.block_size,
        n_layer=args.n_layer,
        n_embd=args.n_embd,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    print(f"{model.num_parameters():,} parameters")

    with tempfile.TemporaryDirectory() as output_dir:
        training_args = TrainingArguments(
            output_dir=output_dir,
            max_steps=args.max_steps,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            learning_rate=2e-3,
            lr_scheduler_type="cosine",
            warmup_steps=10,
            weight_decay=0.1,
            max_grad_norm=1.0,
            logging_steps=20,
            eval_strategy="steps",
            eval_steps=60,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=args.seed,
        )
        trainer = Trainer(
            model=model,
            args=training_args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            data_collator=default_data_collator,
        )
        trainer.train()
        metrics = trainer.evaluate()
    print(f"final eval loss {metrics['eval_loss']:.4f}")


if __name__ == "__main__":
    main()
