"""An operator's machine: no compiler, no flight code, no simulator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ground.downlinks import sent

ROOT = Path(__file__).resolve().parents[2]

ALONE = """
import importlib, pkgutil, sys
for name in ("framekeep_onboard", "framekeep_models", "framekeep_sim", "cffi", "cv2", "tflite"):
    sys.modules[name] = None  # importing it fails
import framekeep_ground
for module in pkgutil.iter_modules(framekeep_ground.__path__):
    importlib.import_module(f"framekeep_ground.{module.name}")
from framekeep_ground.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_ground_needs_no_other_package_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"".join(sent().packets))
    command = [sys.executable, "-c", ALONE, "decode", str(tmp_path / "x.bin"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out/frames").iterdir())) == 3


@pytest.mark.parametrize("asked", [{"FRAMEKEEP_GROUND_ONLY": "1"}, {}], ids=["asked for", "no compiler"])
def test_it_installs_without_a_compiler(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, asked: dict[str, str]
) -> None:
    env = os.environ | {"CC": "/bin/false", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | asked
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    fresh = f"build-dir={tmp_path_factory.mktemp('build')}"  # where no compiler was found before
    done = subprocess.run(
        [*pip, "-C", fresh, "--target", str(tmp_path), str(ROOT)],
        capture_output=True, text=True, env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "framekeep_ground/cli.py").exists()
    assert not (tmp_path / "framekeep_onboard").exists()
    for name in ("fk-sim", "fk-models"):
        command = [sys.executable, "-S", str(tmp_path / "bin" / name), "--help"]
        alone = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
        told = subprocess.run(command, capture_output=True, text=True, env=alone, check=False)
        assert told.returncode == 2
        assert told.stderr.startswith(f"{name}: only the ground part of framekeep is installed; ")
        assert told.stderr.count("\n") == 1
