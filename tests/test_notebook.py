"""The example notebook runs, and its outputs are what a notebook shows."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "examples/seewhy.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook after it was run in a kernel of this very Python and this very source."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    before = os.environ.copy()
    os.environ.update(
        PYTHONPATH=os.pathsep.join([str(ROOT / "src"), before.get("PYTHONPATH", "")]),
        IPYTHONDIR=str(folder),
        JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
        JUPYTER_PREFER_ENV_PATH="1",
    )
    try:
        NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    if kept := os.environ.get("SEEWHY_KEEP_NOTEBOOK"):
        nbformat.write(notebook, kept)
    return {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def outputs_of(executed, words):
    (found,) = [outputs for source, outputs in executed.items() if words in source]
    return found


def html_of(outputs):
    return "".join(output.data.get("text/html", "") for output in outputs if "data" in output)


def test_the_notebook_is_kept_without_outputs():
    code = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_nothing_is_said_on_stderr(executed):
    streams = [output for outputs in executed.values() for output in outputs if output.output_type == "stream"]
    assert [output.text for output in streams if output.name == "stderr"] == []


def test_one_explanation_is_a_picture(executed):
    html = html_of(outputs_of(executed, 'method="grad-cam"'))
    assert html.count("<img ") == 1
    assert "why 'tiger cat'" in html.replace("&#x27;", "'")


def test_methods_and_classes_are_a_grid_under_a_bar_that_goes(executed):
    bar, grid = outputs_of(executed, "progress_bar")
    assert bar.data["text/html"] == "", "the bar is gone"
    html = grid.data["text/html"]
    assert html.count("<tr>") == 1 + 3
    assert html.count("<img ") == 3 * 4
    assert all(title in html for title in ("Grad-CAM", "LRP", "LIME"))


def test_the_table_has_a_row_for_each(executed):
    html = html_of(outputs_of(executed, "to_frame()"))
    assert "shape: (9, " in html
    assert all(column in html for column in ("picture", "method", "probability", "seconds"))


def test_show_draws_in_the_notebook(executed):
    assert html_of(outputs_of(executed, "both.show()")).count("<img ") == 2 * 2


def test_an_error_names_the_cure_and_a_saved_one_is_read_back(executed):
    (said,) = outputs_of(executed, "except")
    assert "methd → method" in said.text
    listed, again = outputs_of(executed, "TemporaryDirectory")
    assert "report.html" in listed.text
    assert "<img " in again.data["text/html"]
