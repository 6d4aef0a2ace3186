"""Code that draws weights stands ahead of whatever may load some; where it cannot, it is told and not written."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from headwater.records import Code
from tests.source.writing.builders import change, patched, place, refusal, written

FIRST = Code("start({model})")
LAST = Code(after="schedule({optimizer})")
HEAD = "import torch\nfrom torch import nn\nfrom torch.optim import SGD\n"
SITE = "opt = SGD(net.parameters())  # here\n"

LOADS = [
    "safetensors.torch.load_model(net, path)",
    "load_checkpoint(net)",
    "net.load_adapter(path)",
    "restore(net, path)",
    "accelerator.load_state(path)",
    "checkpointer.restore(path)",
    "if args.resume:\n    resume(net)",
    "state = torch.hub.load(repo, name)",
    "weights = Net.from_pretrained(path).state_dict()",
    "setup(net, checkpoint=args.checkpoint)",
    "torch.distributed.checkpoint.state_dict.set_model_state_dict(net, state)",
    "net.fc.weight.data = torch.load(path)['fc']",
    "torch._foreach_copy_(list(net.parameters()), values)",
]


@pytest.mark.parametrize("load", LOADS)
def test_what_says_that_it_loads_comes_behind_the_code(tmp_path: Path, load: str) -> None:
    path = written(tmp_path / "train.py", f"{HEAD}net = Net()\nnet.to(0)\n{load}\n{SITE}")
    new = patched(path, change(code=FIRST), optimizer=place(path, "# here"))
    assert new == f"{HEAD}net = Net()\nnet.to(0)\nstart(net)\n{load}\n{SITE}"
    assert "start(" not in patched(path, change(code=LAST), optimizer=place(path, "# here"))


DOUBTFUL = [
    "net.load(path)",
    "prepare_model(net)\nsetup(net)",
    "net.fc.weight.data.copy_(other)",
    "torch.nn.utils.vector_to_parameters(vector, net.parameters())",
    "transfer(source, net.fc)",
    "wire({'model': [net]})",
    "Trainer(net).fit(data)",
    "engine = Engine(model=net)",
    "init_from(net, path)",
    "def fill(it):\n    set_up(it)\n\n\nfill(net)",
    "class Engine:\n    def __init__(self, net):\n        net.warm(path)\n\n\nengine = Engine(net)",
    "net = wrapped(net)",
    "net.fc.weight.data = w",
    "net.fc.weight = nn.Parameter(torch.from_numpy(w))",
    "net.fc.weight.data[:10] = w",
    "for p, w in zip(net.parameters(), values):\n    p.data.copy_(w)",
    "for w, (name, p) in zip(values, net.named_parameters()):\n    p.data = w",
    "for name, p in net.state_dict().items():\n    p.copy_(values[name])",
    "for m in net.modules():\n    if name(m) in values:\n        m.weight.data.copy_(values[name(m)])",
    "class Net:\n    def fill(self, w):\n        self.fc.weight.data = w\n\n\nnet.fill(w)",
    "def fill(it):\n    for p in it.parameters():\n        p.data.copy_(w)\n\n\nfill(net)",
]


@pytest.mark.parametrize("call", DOUBTFUL)
def test_what_gets_the_model_and_is_not_known_leaves_a_snippet(tmp_path: Path, call: str) -> None:
    path = written(tmp_path / "train.py", f"{HEAD}net = Net()\n{call}\n{SITE}")
    made = refusal(change(code=FIRST), optimizer=place(path, "# here"))
    assert "may load weights, which code behind it would overwrite" in made.not_written[0]
    assert "start(model)" in made.snippet
    assert "schedule(opt)" in patched(path, change(code=LAST), optimizer=place(path, "# here"))


HARMLESS = [
    "net = net.to(device).train()",
    "net.cuda()",
    "net = nn.parallel.DistributedDataParallel(net, device_ids=[0])",
    "net = DDP(net)",
    "net = torch.compile(net)",
    "twin = copy.deepcopy(net)",
    "print(net, sum(p.numel() for p in net.parameters()))",
    "print(count_parameters(net))",
    "net.apply(draw)",
    "init_weights(net)",
    "nn.init.zeros_(net.fc.bias)",
    "net.fc.weight.data.normal_()",
    "wandb.watch(net)",
    "summary(net, (1, 28, 28))",
    "groups = get_param_groups(net, decay=0.1)",
    "other = torch.optim.Adam(net.parameters())",
    "loss = net(batch)",
    "loader = load_data(path)",
    "save_checkpoint(net, path)",
    "net.gradient_checkpointing_enable()",
    "build(pretrained=False)",
    "def show(it):\n    for p in it.parameters():\n        print(p.shape)\n\n\nshow(net)",
    "class Average:\n    def __init__(self, net):\n        self.net = copy.deepcopy(net)\n\n\naverage = Average(net)",
    "net.decoder.weight = net.embed.weight",
    "net.fc.weight.data = 0.1 * torch.randn(10, 4)",
    "net.fc = nn.Linear(net.fc.in_features, 10)",
    "net.device = device",
    "class Engine:\n    def use(self, net, data):\n        self.data = data\n\n\nEngine().use(net, 1)",
    "for p, q in zip(net.parameters(), twin.parameters()):\n    q.data.copy_(p.data)",
    "for p in net.parameters():\n    p.data = torch.randn_like(p)",
    "for p in net.body.parameters():\n    p.requires_grad = False",
    "def restart():\n    net.load_state_dict(torch.load(path))",
]


@pytest.mark.parametrize("call", HARMLESS)
def test_what_is_known_to_load_nothing_stays_ahead_of_the_code(tmp_path: Path, call: str) -> None:
    head = f"import copy\nimport wandb\n{HEAD}net = Net()\n{call}\n"
    path = written(tmp_path / "train.py", head + SITE)
    assert patched(path, change(code=FIRST), optimizer=place(path, "# here")) == f"{head}start(net)\n{SITE}"


MADE = [
    "net = Net.from_pretrained(path)\n" + SITE,
    "net = resnet18(pretrained=args.pretrained)\n" + SITE,
    "import torchvision\nnet = torchvision.models.resnet18(weights='DEFAULT')\n" + SITE,
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.body = resnet(pretrained=True)\n"
    "\n\nnet = Net()\n" + SITE,
    "class Base(nn.Module):\n    def __init__(self):\n        self.load_state_dict(torch.load(path))\n\n\n"
    "class Net(Base):\n    pass\n\n\nnet = Net()\n" + SITE,
    "def load():\n    return torch.load(path)\n\n\ndef build():\n    return Net(load())\n\n\nnet = build()\n" + SITE,
    "def train(net):\n    opt = SGD(net.parameters())  # here\n\n\nnet = Net()\nload_checkpoint(net)\ntrain(net)\n",
    "def train(data, *, net):\n    opt = SGD(net.parameters())  # here\n\n\ndef main():\n    model = Net()\n"
    "    tune(model)\n    train(1, net=model)\n",
    "def train(net):\n    opt = SGD(net.parameters())  # here\n\n\ntrain(Net.from_pretrained(path))\n",
    "def train(net):\n    opt = SGD(net.parameters())  # here\n\n\ndef outer(it):\n    train(it)\n\n\n"
    "def main():\n    net = Net()\n    restore(net)\n    outer(net)\n",
    "def main():\n    opt = SGD(net.parameters())  # here\n\n\nnet = Net()\n"
    "net.load_state_dict(torch.load(path))\nmain()\n",
    "net = Net()\nload_checkpoint(net)\nmodel = net\nopt = SGD(model.parameters())  # here\n",
    "class T:\n    def __init__(self, model):\n        self.model = model\n"
    "        self.opt = SGD(self.model.parameters())  # here\n"
    "\n\nnet = Net()\nload_checkpoint(net)\nT(net)\n",
    "class T:\n    def __init__(self, *, model):\n        self.net = model\n\n    def optimizers(self):\n"
    "        self.opt = SGD(self.net.parameters())  # here\n\n\nnet = Net()\nload_checkpoint(net)\nT(model=net)\n",
    "class T:\n    def __init__(self):\n        self.net = Net()\n"
    "        self.net.load_state_dict(torch.load(path))\n\n"
    "    def optimizers(self):\n        self.opt = SGD(self.net.parameters())  # here\n",
    "class T:\n    def __init__(self):\n        self.net = Net()\n\n"
    "    def fill(self, w):\n        self.net.fc.weight.data = w\n\n"
    "    def optimizers(self):\n        self.opt = SGD(self.net.parameters())  # here\n",
]


@pytest.mark.parametrize("source", MADE)
def test_a_model_that_may_come_with_its_weights_leaves_a_snippet(tmp_path: Path, source: str) -> None:
    path = written(tmp_path / "train.py", HEAD + source)
    made = refusal(change(code=FIRST), optimizer=place(path, "# here"))
    assert "may load weights, which code behind it would overwrite" in made.not_written[0]


def test_a_model_that_callers_only_build_and_move_is_written_to(tmp_path: Path) -> None:
    source = (
        "def train(net):\n    {}opt = SGD(net.parameters())  # here\n\n\nnet = Net().to(0)\nnet.train()\ntrain(net)\n"
    )
    path = written(tmp_path / "train.py", HEAD + source.format(""))
    new = patched(path, change(code=FIRST), optimizer=place(path, "# here"))
    assert new == HEAD + source.format("start(net)\n    ")


def test_a_factory_that_hands_its_model_to_what_is_not_known_is_left(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "def make():\n    net = Net()\n    setup(net)\n    return net\n")
    spec = importlib.util.spec_from_file_location("users", path)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "may load weights" in refusal(change(code=FIRST), factory=module.make).not_written[0]


LIGHTNING = """\
class Net(LightningModule):
    def __init__(self, depth):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(*map(layer, range(depth)))
{}
    def configure_optimizers(self):
        return SGD(self.parameters())  # here
"""
CALLED = LIGHTNING.replace(
    "        return SGD(self.parameters())  # here\n",
    "        optimizer = SGD(self.parameters())\n        schedule(optimizer)\n        return optimizer  # here\n",
)


@pytest.mark.parametrize("last", ["", "        if depth > 3:\n            self.deep = nn.Identity()\n"])
def test_lightning_restores_weights_ahead_of_its_optimizer_and_behind_the_constructor(
    tmp_path: Path, last: str
) -> None:
    path = written(tmp_path / "train.py", HEAD + LIGHTNING.format(last))
    new = patched(path, change(code=FIRST), change(code=LAST), optimizer=place(path, "# here"))
    assert new == HEAD + CALLED.format(f"{last}        start(self)\n")
    new = patched(path, change(code=FIRST), optimizer=place(path, "# here"))
    assert new == HEAD + LIGHTNING.format(f"{last}        start(self)\n")
    unchanged = patched(path, change(code=LAST), optimizer=place(path, "# here"))
    assert unchanged == HEAD + CALLED.format(last)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("        self.net.load_state_dict(torch.load(path))\n", "may load weights"),
        ("        adapt(self.net)\n", "may load weights"),
        ("        if depth < 2:\n            return\n", "has no __init__ that ends with the whole model"),
        ("\n    def configure_model(self):\n        self.head = nn.Linear(2, 2)\n", "has no __init__ that ends"),
    ],
)
def test_where_the_constructor_does_not_tell_lightning_gets_a_snippet(tmp_path: Path, more: str, why: str) -> None:
    path = written(tmp_path / "train.py", HEAD + LIGHTNING.format(more))
    made = refusal(change(code=FIRST), optimizer=place(path, "# here"))
    assert why in made.not_written[0] and "start(model)" in made.snippet


KEEPS = """\
class Lit({base}):
    def __init__(self, net=None, rate=0.1):
        super().__init__()
        self.rate, self.settings = rate, {{}}
        {keeps}

    def training_step(self, batch):
        return self.net({step})

    def configure_optimizers(self):
        return SGD(self.parameters(), self.rate)  # here


"""


def keeping(then: str, base: str = "LightningModule", keeps: str = "self.net = net", step: str = "batch") -> str:
    return HEAD + KEEPS.format(base=base, keeps=keeps, step=step) + then


HANDED = [
    keeping("net = Net()\nload_checkpoint(net)\nlit = Lit(net)\n"),
    keeping("net = Net()\nload_checkpoint(net)\nlit = Lit(rate=1.0, net=net)\n"),
    keeping("net = Net()\nload_checkpoint(net)\nlit = Lit(net)\n", keeps="self.net: nn.Module = net.to(0)"),
    keeping("net = Net()\nload_checkpoint(net)\nlit = Lit(net)\n").replace("self.net(batch)", "self.net.body(batch)"),
    keeping("net = Net()\ntune(net)\n\n\ndef main(it):\n    Lit(it)\n\n\nmain(net)\n"),
    keeping("lit = Lit(Net.from_pretrained(path))\n"),
    keeping("lit = Lit(nets['small'])\n"),
    keeping("lit = Lit(*parts)\n"),
    keeping(""),
    keeping("lit = Lit()\n", keeps="net = Net()\n        tune(net)\n        self.net = net"),
    "class Base(nn.Module):\n    def __init__(self):\n        self.load_state_dict(torch.load(path))\n\n\n"
    + keeping("lit = Lit()\n", base="Base", keeps="self.net = Net()"),
]
BUILT = [
    keeping("lit = Lit(Net(3))\n"),
    keeping("net = Net()\nnet.train()\nlit = Lit(net)\n"),
    keeping("lit = Lit(Net(3), 0.5)\n", step="self.rate.hex()", keeps="self.net = net\n        self.rate = rate"),
    keeping("lit = Lit()\n", keeps="net = Net()\n        self.net = net"),
    keeping("net = Net()\nlit = Lit(rate=0.3, net=net)\nload_checkpoint(lit)\n"),
    keeping("", keeps="self.net = Net()\n        self.settings = rate", step="self.settings.get('x')"),
]


@pytest.mark.parametrize("source", HANDED)
def test_a_network_that_lightning_is_handed_may_be_loaded(tmp_path: Path, source: str) -> None:
    path = written(tmp_path / "train.py", source)
    made = refusal(change(code=FIRST), optimizer=place(path, "# here"))
    assert "may load weights" in made.not_written[0] and "start(model)" in made.snippet


@pytest.mark.parametrize("source", BUILT)
def test_a_network_that_is_built_for_lightning_is_written_to(tmp_path: Path, source: str) -> None:
    path = written(tmp_path / "train.py", source)
    assert "        start(self)\n\n    def training_step" in patched(
        path, change(code=FIRST), optimizer=place(path, "# here")
    )


def test_a_lightning_module_without_a_constructor_gets_a_snippet(tmp_path: Path) -> None:
    source = "class Net(Base):\n    def configure_optimizers(self):\n        return SGD(self.parameters())  # here\n"
    path = written(tmp_path / "train.py", HEAD + source)
    assert "has no __init__" in refusal(change(code=FIRST), optimizer=place(path, "# here")).not_written[0]


def test_variables_that_both_parts_use_do_not_go_to_different_functions(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", HEAD + LIGHTNING.format(""))
    code = Code("rate = start({model})", "schedule({optimizer}, rate)")
    made = refusal(change(code=code), optimizer=place(path, "# here"))
    assert "in different functions" in made.not_written[0]
