"""The flight code on other cores, of 64 and 32 bits, little- and big-endian, as programs of Linux.

What they leave of a session, and what networks give on them, are the bytes of this computer.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from framekeep_models.compile import compile_model
from framekeep_onboard.network import write_job
from framekeep_sim.cli import main

from tests.models import random_net
from tests.models.oracles import portable
from tests.models.single_op import OPERATORS
from tests.models.single_op import make as single_operator

ROOT = Path(__file__).resolve().parents[2]
CORES = {
    "x86_64": (8, "little"),
    "aarch64": (8, "little"),
    "riscv64": (8, "little"),
    "s390x": (8, "big"),
    "mips": (4, "big"),
}
SEEDS = range(200, 206)
NETWORKS = range(3000, 3020)


@dataclass(frozen=True)
class Programs:
    """The images of one core, and what runs them."""

    core: str
    folder: Path

    def run(self, name: str, where: Path) -> None:
        command = [f"qemu-{self.core}", str(self.folder / "onboard" / "boards" / "linux" / name)]
        done = subprocess.run(command, check=False, cwd=where, capture_output=True, text=True)
        assert done.returncode == 0, f"{self.core}: {name} ended with {done.returncode}: {done.stderr}"


def cross_build(core: str, folder: Path) -> Programs:
    """By the commands that docs/PORTING.md names."""
    options = ["-DFK_BOARD=linux", "-DFK_STRICT=ON", f"-DCMAKE_C_COMPILER={core}-linux-gnu-gcc"]
    for command in (["-S", str(ROOT), "-B", str(folder), *options], ["--build", str(folder), "-j2"]):
        done = subprocess.run(["cmake", *command], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return Programs(core, folder)


@pytest.fixture(scope="module", params=[pytest.param(core, marks=pytest.mark.cores) for core in CORES])
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return cross_build(request.param, tmp_path_factory.mktemp(request.param))


def elf_header(path: Path) -> tuple[int, str]:
    """Bytes of a pointer, and the order of bytes, as the ELF header says."""
    header = path.read_bytes()[:6]
    assert header[:4] == b"\x7fELF"
    return {1: 4, 2: 8}[header[4]], {1: "little", 2: "big"}[header[5]]


def test_the_program_is_for_its_core(programs: Programs) -> None:
    assert elf_header(programs.folder / "onboard/boards/linux/flight") == CORES[programs.core]


@pytest.mark.parametrize(
    ("mission", "frames"), [("security", 40), ("satellite", 24), ("shelf", 24), ("stock", 4), ("ships", 1)]
)
def test_a_session_leaves_the_same_bytes(
    programs: Programs, mission: str, frames: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = str(ROOT / "missions" / f"{mission}.toml"), str(tmp_path / "S")
    assert main(["session", "demo", "--mission", file, "--limit", str(frames), "--out", folder]) == 0
    assert main(["compare", folder]) == 1, "nothing was played yet"
    programs.run("flight", tmp_path / "S")
    assert main(["compare", folder]) == 0, capsys.readouterr().out


def same(programs: Programs, blob: bytes, seed: int, folder: Path) -> bool:
    """False where the model has several inputs or more outputs than the image returns."""
    image = compile_model(blob).image
    wanted = portable(image, seed)
    if wanted is None:
        return False
    x, outputs = wanted
    folder.mkdir()
    write_job(folder, image, [x])
    programs.run("network", folder)
    got = (folder / "output.bin").read_bytes()
    shutil.rmtree(folder)
    assert got == b"".join(part.tobytes() for part in outputs), f"{programs.core}, seed {seed}"
    return True


def test_every_operator_gives_the_same(programs: Programs, tmp_path: Path) -> None:
    ran = {
        operator: [
            s for s in SEEDS if same(programs, single_operator(operator, s).model, s, tmp_path / "job")
        ]
        for operator in OPERATORS
    }
    assert not [operator for operator, seeds in ran.items() if not seeds]


def test_small_networks_give_the_same(programs: Programs, tmp_path: Path) -> None:
    ran = [s for s in NETWORKS if same(programs, random_net.make(s).model, s, tmp_path / "job")]
    assert len(ran) > len(NETWORKS) // 2
