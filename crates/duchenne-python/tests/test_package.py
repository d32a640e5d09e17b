"""The package itself: types, documentation, the program."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import duchenne
from duchenne import _duchenne

PACKAGE = Path(duchenne.__file__).parent
PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def test_everything_public_is_documented():
    for name in duchenne.__all__:
        if name.startswith("__"):
            continue
        thing = getattr(duchenne, name)
        assert inspect.getdoc(thing), name
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for member, value in vars(thing).items():
                if inspect.isfunction(value) and not member.startswith("_"):
                    assert inspect.getdoc(value), f"{name}.{member}"


def test_the_stubs_name_what_the_module_holds():
    stubs = (PACKAGE / "_duchenne.pyi").read_text()
    named = set(re.findall(r"^(?:def|class) (\w+)", stubs, re.MULTILINE)) | {"__version__"}
    held = {name for name in dir(_duchenne) if not name.startswith("__")} | {"__version__"}
    assert named == held
    methods = set(re.findall(r"^    def (\w+)", stubs.partition("class Recognizer")[2].partition("\ndef ")[0], re.MULTILINE))
    assert methods - {"__new__"} == {name for name in dir(_duchenne.Recognizer) if not name.startswith("_")}


def test_types_are_sound(tmp_path):
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", PROJECT, "-p", "duchenne"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_brings_numpy_alone():
    names = "sklearn pandas pyarrow PIL scipy torch"
    program = f"import sys, duchenne; print([name for name in {names.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done


def test_versions_agree(program):
    assert duchenne.__version__ == importlib.metadata.version("duchenne")
    assert program("--version").strip() == f"duchenne {duchenne.__version__}"


def test_the_program_has_its_exit_codes(program, example, tmp_path):
    assert "facial-expression recognition" in program("--help")
    program("predict", tmp_path / "missing.jpg", code=1)
    program("no-such-command", code=2)
    command = Path(sys.executable).with_name("duchenne")
    if command.exists():
        done = subprocess.run([command, "predict", "--csv", example], capture_output=True, text=True)
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 7
