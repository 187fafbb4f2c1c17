"""What commands load: nothing that they do not use. Modules are counted, not seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from test_architecture import fresh_python

UNUSED = {"IPython", "faiss", "polars", "sklearn", "skimage", "sqlalchemy", "sympy", "timm", "torchvision", "ray"}
PAGES = {"jinja2"}
COMPUTING = {"matplotlib", "openvino", "pandas", "scipy"}
STUDIES = {"seewhy.metrics", "seewhy.study"}
RUN = """
import sys
from seewhy.cli import main
sys.argv = ["seewhy", *{words!r}]
try:
    main()
except SystemExit as ended:
    print("code", ended.code)
rooms = {{name for name in sys.modules if name.count(".") == 1}}
print("loaded", *sorted(rooms | {{name.partition(".")[0] for name in sys.modules}}))
"""


@pytest.mark.parametrize(
    ("words", "ends", "unused"),
    [
        (["list", "methods"], 0, UNUSED | COMPUTING),
        (["predict", "sample:cat"], 0, UNUSED | COMPUTING | PAGES | STUDIES),
        (["explain", "sample:cat", "--out"], 0, UNUSED | COMPUTING | STUDIES),
        # The folder is empty, which is found out when all but the page's own modules are loaded.
        (["network", "explain", "sample:cat", "--concepts"], 2, UNUSED | COMPUTING | STUDIES),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_command_loads_nothing_that_it_does_not_use(words: list[str], ends: int, unused: set[str], tmp_path: Path):
    words = [*words, str(tmp_path)] if words[-1].startswith("--") else words
    *_, code, loaded = fresh_python(RUN.format(words=words)).strip().splitlines()
    assert code == f"code {ends}"
    assert not unused & set(loaded.split()), sorted(unused & set(loaded.split()))
