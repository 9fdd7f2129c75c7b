"""The library in a build of somebody else's: what docs/PORTING.md says of it, tried."""

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.qemu  # needs the cross compiler, as the firmware does

ROOT = Path(__file__).parents[2]
BOARD = """cmake_minimum_required(VERSION 3.21)
project(board LANGUAGES C CXX)
add_subdirectory({root} framekeep)
add_executable(firmware start.c main.cpp)
target_link_libraries(firmware PRIVATE framekeep)
target_link_options(firmware PRIVATE -nostartfiles)
set_target_properties(firmware PROPERTIES LINKER_LANGUAGE C)
"""
TOOLCHAIN = """set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m0plus -mthumb")
set(CMAKE_CXX_FLAGS_INIT "-mcpu=cortex-m0plus -mthumb -fno-exceptions -fno-rtti")
"""
# one function of each public header that declares some
CALLED = re.findall(
    r"\w+",
    "err_text reason_text crc32 frame_check camera_crop screen_judge trigger_judge jpeg_encode flash_segment "
    "store_mount downlink_init command_parse policy_parse model_load pipeline_init",
)


def cmake(*arguments: object) -> None:
    done = subprocess.run(["cmake", *map(str, arguments)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in C++ for a core that none of our images is for, with its own CMakeLists.txt."""
    folder = tmp_path_factory.mktemp("board")
    headers = sorted(path.name for path in (ROOT / "onboard/include/fk").glob("*.h"))
    includes = "".join(f'#include "fk/{name}"\n' for name in headers)
    calls = ", ".join(f"(void (*)())fk_{name}" for name in CALLED)
    (folder / "CMakeLists.txt").write_text(BOARD.format(root=ROOT))
    (folder / "toolchain.cmake").write_text(TOOLCHAIN)
    (folder / "start.c").write_text("int main(void);\nvoid _start(void);\nvoid _start(void) { main(); }\n")
    (folder / "main.cpp").write_text(
        f"{includes}static void (*const calls[])() = {{{calls}}};\n"
        "int main(int n, char **) { calls[n](); return 0; }\n"
    )
    cmake("-S", folder, "-B", folder / "build", f"-DCMAKE_TOOLCHAIN_FILE={folder / 'toolchain.cmake'}")
    cmake("--build", folder / "build", "-j2")
    return folder / "build"


def symbols(path: Path, *options: str) -> set[str]:
    nm = ["arm-none-eabi-nm", *options, str(path)]
    lines = subprocess.run(nm, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[-1] for line in lines if line and not line.endswith(":")}


def test_a_build_of_its_own_gets_the_library_and_nothing_of_our_boards(built: Path) -> None:
    assert [path.name for path in built.rglob("*.a")] == ["libframekeep.a"]


def test_headers_declare_their_functions_as_c_in_a_program_in_cpp(built: Path) -> None:
    assert {f"fk_{name}" for name in CALLED} <= symbols(built / "firmware")


def test_what_is_wanted_of_a_c_library_is_what_porting_says(built: Path) -> None:
    """Beside the compiler's own routines, whose names begin with two underscores."""
    library = built / "framekeep" / "libframekeep.a"
    wanted = symbols(library, "-u") - symbols(library, "--defined-only")
    porting = (ROOT / "docs/PORTING.md").read_text()
    said = re.search(r"Of a C library it\s+wants (.*?)[;.]", porting, re.DOTALL)
    assert said is not None
    assert {name for name in wanted if not name.startswith("__")} == set(re.findall(r"`(\w+)`", said[1]))
