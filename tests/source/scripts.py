"""The broken trainings of tests/source/fix_scripts: scripts as people write them, which know nothing of Headwater.

Each takes seconds and ends with a line ``final: loss 1.3863, accuracy 0.250`` on data that it held out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "fix_scripts"


@dataclass(frozen=True)
class Script:
    """One of them.

    Attributes:
        path: below the folder.
        fault: what is wrong with it.
        accuracy: what its healthy twin passes, and it does not.
    """

    path: str
    fault: str
    accuracy: float = 0.7


SCRIPTS = (
    *(
        Script(f"{name}.py", "sigmoid")
        for name in """
        sequential subclass functional_call functional_alias tensor_method config_string module_list_loop annotated tabs
        crlf_latin1 long_lines dataclass_argparse lightning_like lightning_return helper_module/train star_import
        ordered_dict module_dict act_class default_argument partial_block list_multiply notebook_export main_guard
        single_letters semicolons walrus cnn
        """.split()
    ),
    Script("rnn_tanh.py", "time"),
    Script("lstm_forgets.py", "time"),
    Script("wrong_rate.py", "rate too small"),
    Script("rate_too_large.py", "rate too large"),
    Script("double_softmax.py", "softmax twice"),
    Script("broadcast_loss.py", "broadcast"),
    Script("dead_relu.py", "dead"),
)


def final(output: str) -> tuple[float, float]:
    """Loss and accuracy in the last line that a script prints."""
    found = re.findall(r"^final: loss (\S+), accuracy (\S+)$", output, re.MULTILINE)
    loss, accuracy = found[-1]
    return float(loss), float(accuracy)
