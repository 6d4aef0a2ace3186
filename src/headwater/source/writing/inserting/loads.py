"""Which calls may load weights into a model: those whose name says so, and those that get it and are not known."""

from __future__ import annotations

import builtins
import re

import libcst as cst
import torch

from headwater.source.writing.calls import last_part
from headwater.source.writing.document import Document
from headwater.source.writing.inserting.writes import HANDED, WRITING, is_of, writes

_LOADS = re.compile(
    r"checkpoint|ckpt|pretrained|(^|_)(resume|restore)|^_foreach_copy_$|(^|_)set_(\w+_)?state_dict$|"
    r"(^|_)load_(\w+_)?(state|states|weights?|model|params?|parameters|net|network|module|adapter|snapshot)(_|$)"
)
_OTHERWISE = re.compile(r"save|gradient|exists")
"""Names with these are of something else: ``save_checkpoint``, ``gradient_checkpointing_enable``."""
_KEYWORDS = frozenset("pretrained checkpoint checkpoint_path ckpt ckpt_path resume resume_from_checkpoint".split())

METHODS = frozenset(
    """
    to cuda cpu xpu float double half bfloat16 type train eval requires_grad_ zero_grad share_memory parameters
    named_parameters buffers named_buffers modules named_modules children named_children get_submodule get_parameter
    state_dict apply forward add_module append extend insert items keys values size numel dim save_hyperparameters
    gradient_checkpointing_enable enable_input_require_grads
    """.split()
)
"""Methods of a module, of its parts and of its parameters that load nothing."""
_LIBRARIES = ("torch.", "torchinfo.", "torchsummary.", "copy.", "wandb.")
_LEAVES = re.compile(
    r"^(print|log|info|debug|warning|count|num|show|describe|summar\w+|watch|init|initiali[sz]e|reset|freeze|unfreeze|"
    r"compile|prepare|save|register|is|has|plot|draw|profile|measure|inspect)(_|$)|"
    r"^(ddp|fsdp|deepcopy|copy|clone)$|parallel|summary|graph|optim|param_group|parameter_group|decay"
)
"""Names of what looks at a model, draws its weights, wraps it, or sorts its parameters for an optimizer."""


def says_load(document: Document, call: cst.Call) -> bool:
    """Whether a call loads weights by its name, or by an argument such as ``pretrained=True``."""
    name = _words(last_part(call.func))
    of_torch = name == "load" and document.full_name(call.func).startswith("torch.")
    if of_torch or (_LOADS.search(name) and not _OTHERWISE.search(name)):
        return True
    given = [arg for arg in call.args if arg.keyword is not None and not _is_off(arg.value)]
    keywords = {arg.keyword.value for arg in given if arg.keyword is not None}
    from_zoo = "weights" in keywords and document.full_name(call.func).startswith("torchvision.models.")
    return from_zoo or not keywords.isdisjoint(_KEYWORDS)


def loading_names(document: Document) -> set[str]:
    """Names of the functions and classes of a file that load weights, or call what does."""
    calls = [(call, _names_around(document, call)) for call in document.of(cst.Call)]
    known: set[str] = set()
    found = {name for call, names in calls if says_load(document, call) for name in names}
    while not found <= known:
        known |= found
        found = {name for call, names in calls if calls_one_of(call, known) for name in names}
        found |= {each.name.value for each in document.of(cst.ClassDef) if known & _bases(each)}
    return known


def calls_one_of(call: cst.Call, names: set[str]) -> bool:
    """Whether a call is of a function or class with one of the names; ``net.train()`` is of none."""
    name = last_part(call.func)
    return name in names and not (isinstance(call.func, cst.Attribute) and name in METHODS)


def is_doubtful(document: Document, call: cst.Call, model: str, seen: tuple[cst.FunctionDef, ...] = ()) -> bool:
    """Whether a call gets a model, or is a method of it, and is not known to leave its weights alone.

    Args:
        document: the file.
        call: of it.
        model: how the model is written there.
        seen: functions of the file that are being looked at.
    """
    func, name = call.func, last_part(call.func)
    method = isinstance(func, cst.Attribute) and is_of(document, func.value, model)
    if not (method or any(_holds(document, arg.value, model) for arg in call.args)) or document.source(func) == model:
        return False
    if method and (name in METHODS or (name.endswith("_") and name not in WRITING)):
        return False
    full = document.full_name(func)
    if full.startswith(_LIBRARIES):
        return last_part(func) == "vector_to_parameters"
    if isinstance(func, cst.Name) and not full and any(hasattr(each, name) for each in (builtins, torch.optim)):
        return False
    own = _defined(document, name)
    if own:
        return not all(each in seen or _is_clean(document, each, (*seen, each)) for each in own)
    words = _words(name)
    return _LEAVES.search(words) is None or "from" in words.split("_")


def _is_clean(document: Document, function: cst.FunctionDef, seen: tuple[cst.FunctionDef, ...]) -> bool:
    """Whether a function does nothing doubtful with what it is given."""
    given = [each.name.value for each in (*function.params.params, *function.params.kwonly_params)]
    calls = [call for call in document.of(cst.Call) if function in document.parents(call)]
    filled = [each for each in given if each != "self" or function.name.value != "__init__"]
    if any(writes(document, function, each) for each in filled):
        return False
    return not any(
        says_load(document, call) or any(is_doubtful(document, call, each, seen) for each in given if each != "self")
        for call in calls
    )


def _defined(document: Document, name: str) -> list[cst.FunctionDef]:
    """The functions of a file that a call of a name may run."""
    functions = document.of(cst.FunctionDef)
    classes = [each for each in document.of(cst.ClassDef) if each.name.value == name]
    made = [
        each for each in functions if each.name.value == "__init__" and document.within(each, cst.ClassDef) in classes
    ]
    return [each for each in functions if each.name.value == name] + made


def _names_around(document: Document, call: cst.Call) -> list[str]:
    """Names by which the function around a call is called: that of its class, where it is the constructor."""
    function = document.within(call, cst.FunctionDef)
    owner = document.within(function, cst.ClassDef) if function is not None else None
    if function is None:
        return []
    return [owner.name.value if owner is not None and function.name.value == "__init__" else function.name.value]


def _bases(owner: cst.ClassDef) -> set[str]:
    return {last_part(base.value) for base in owner.bases}


def _holds(document: Document, node: cst.CSTNode, model: str) -> bool:
    """Whether an argument hands the model on, or a part of it; what another call makes of it is another thing."""
    if isinstance(node, cst.Name | cst.Attribute | cst.Subscript):
        return is_of(document, node, model)
    if isinstance(node, cst.Call):
        func = node.func
        handed = isinstance(func, cst.Attribute) and func.attr.value in HANDED
        return handed and isinstance(func, cst.Attribute) and is_of(document, func.value, model)
    return any(_holds(document, child, model) for child in node.children)


def _is_off(value: cst.BaseExpression) -> bool:
    return (isinstance(value, cst.Name) and value.value in ("None", "False")) or (
        isinstance(value, cst.SimpleString) and not value.evaluated_value
    )


def _words(name: str) -> str:
    """``"DistributedDataParallel"`` as ``"distributed_data_parallel"``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
