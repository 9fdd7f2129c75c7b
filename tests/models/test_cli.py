"""fk-models compile, verify and info as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from framekeep_models.cli import main
from framekeep_models.tflite_writer import Writer
from PIL import Image

from tests.models.small_nets import mobile_net


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(mobile_net(middle=4))
    return path


def test_compile_writes_an_image_and_one_json_object(tflite: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "net.fkm"
    assert main(["compile", str(tflite), "-o", str(out), "--labels", "none,person", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["image_bytes"] == out.stat().st_size
    assert report["macs"] < report["before"]["macs"]
    assert report["weight_bytes"] < report["before"]["weight_bytes"]
    assert report["arena_lower_bound"] <= report["arena_bytes"]
    assert report["classes"] == ["none", "person"]


def test_info_counts_a_transposed_convolution(tmp_path: Path, capsys) -> None:
    """ship_grid ends in one of 2x2 weights, stride 2, that makes 48x48x1 of 24x24x48."""
    out = tmp_path / "ship_grid.fkm"
    model = Path(__file__).resolve().parents[2] / "models/trained/ship_grid.tflite"
    assert main(["compile", str(model), "-o", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert main(["info", str(out), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    last = info["layers"][-1]
    assert (last["kind"], last["weight_bytes"], last["macs"]) == (
        "TRANSPOSE_CONV",
        2 * 2 * 48,
        24 * 24 * 2 * 2 * 48,
    )
    assert (info["weight_bytes"], info["macs"]) == (report["weight_bytes"], report["macs"])


def test_info_tells_the_layers_and_draws_the_arena(tflite: Path, tmp_path: Path, capsys) -> None:
    out, plot = tmp_path / "net.fkm", tmp_path / "arena.png"
    assert main(["compile", str(tflite), "-o", str(out), "--keep-dead"]) == 0
    capsys.readouterr()
    assert main(["info", str(out), "--json", "--plot", str(plot)]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["input"]["shape"] == [1, 16, 16, 3]
    assert info["layers"][0]["macs"] == 8 * 8 * 8 * 27
    assert [layer["kind"] for layer in info["layers"]][:3] == ["CONV", "DEPTHWISE", "CONV"]
    assert (
        max(layer["live_bytes"] for layer in info["layers"])
        <= info["arena_bytes"]
        <= info["host_arena_bytes"]
    )
    with Image.open(plot) as picture:
        assert np.asarray(picture).std() > 10
    assert main(["info", str(out)]) == 0
    assert "depthwise 3x3" in capsys.readouterr().out


def test_verify_counts_what_it_compared(tflite: Path, capsys) -> None:
    assert main(["verify", str(tflite), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"]
    assert result["inputs"] == 32
    assert result["tensors_compared"] == result["tensors"] == 10
    assert result["surviving_compared"] == result["surviving"]


def test_verify_takes_pictures(tflite: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        noise = np.random.default_rng(i).integers(0, 256, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    assert main(["verify", str(tflite), "--images", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"] == 3


def test_verify_fails_on_a_golden_file_that_differs(tflite: Path, tmp_path: Path, capsys) -> None:
    golden = tmp_path / "golden.npz"
    inputs = np.zeros((2, 1, 16, 16, 3), np.int8)
    np.savez(golden, inputs=inputs, outputs=np.full((2, 2), 3, np.int8))
    assert main(["verify", str(tflite), "--golden", str(golden), "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["passed"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive"])
def test_a_golden_file_that_is_none_is_refused_in_one_line(
    tflite: Path, tmp_path: Path, content: bytes, capsys
) -> None:
    golden = tmp_path / "golden.npz"
    golden.write_bytes(content)
    assert main(["verify", str(tflite), "--golden", str(golden)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"fk-models: {golden}: not a golden file")
    assert error.count("\n") == 1


@pytest.mark.parametrize(("shape", "dtype"), [((1, 20, 20, 3), np.int8), ((1, 16, 16, 3), np.float32)])
def test_the_golden_file_of_another_model_is_refused_in_one_line(
    tflite: Path, tmp_path: Path, shape: tuple[int, ...], dtype: type, capsys
) -> None:
    golden = tmp_path / "golden.npz"
    np.savez(golden, inputs=np.zeros((2, *shape), dtype), outputs=np.zeros((2, 2), np.int8))
    assert main(["verify", str(tflite), "--golden", str(golden)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"fk-models: {golden}: ")
    assert "another model" in error and "model takes int8 1x16x16x3" in error
    assert error.count("\n") == 1


def test_compile_and_info_agree_on_the_arena(tflite: Path, tmp_path: Path, capsys) -> None:
    image = str(tmp_path / "net.fkm")
    assert main(["compile", str(tflite), "-o", image, "--json"]) == 0
    compiled = json.loads(capsys.readouterr().out)
    assert main(["info", image, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arena_bytes"] == compiled["arena_bytes"]


@pytest.mark.parametrize(
    "words",
    [
        ["compile"],
        ["compile", "x", "-o", "y", "--arena", "many"],
        ["compile", "x", "-o", "y", "--mean", "a"],
        ["fly"],
        [],
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_help(words: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("fk-models: ")
    assert error.endswith("--help\n")
    assert "_numbers" not in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threshold", "50"], "a threshold of 50; allowed are 0..1"),
        (["--threshold", "nan"], "a threshold of nan; allowed are 0..1"),
        (["--range", "1", "1"], "a range from 1 to 1"),
        (["--range", "0", "nan"], "a range from 0 to nan"),
        (["--mean", "nan"], "mean and std of nan"),
        (["--mean", "0", "--std", "inf"], "mean and std of 0, inf"),
        (["--mean", "0", "--std", "0"], "mean and std of 0, 0"),
        (["--mean", "0", "--range", "0", "1"], "--range beside --mean"),
        (["--labels", "x" * 5000], "1 labels for 2 classes"),
    ],
)
def test_a_wish_that_means_nothing_is_refused(
    tflite: Path, tmp_path: Path, words: list[str], said: str, capsys
) -> None:
    assert main(["compile", str(tflite), "-o", str(tmp_path / "o.fkm"), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "o.fkm").exists()


def test_an_unsupported_operator_is_named_with_its_node(tmp_path: Path, capsys) -> None:
    net = Writer()
    x = net.tensor((1, 4, 4, 2), scale=0.1)
    y = net.tensor((1, 4, 4, 2), scale=0.1)
    z = net.tensor((1, 4, 4, 2), np.int16, scale=0.1)
    net.add("RELU", [x], [y])
    net.add("QUANTIZE", [y], [z])
    path = net.save(tmp_path / "x.tflite", [x], [z])
    assert main(["compile", str(path), "-o", str(tmp_path / "x.fkm")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "node 1 QUANTIZE" in error
    assert "int16" in error
    assert not (tmp_path / "x.fkm").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"\0\0\0\0TFL3", mobile_net()[:1500], None])
def test_bad_files_give_one_line_and_status_2(content: bytes | None, tmp_path: Path, capsys) -> None:
    path = tmp_path / "bad.tflite"
    if content is not None:
        path.write_bytes(content)
    for command in (["compile", str(path), "-o", str(tmp_path / "o.fkm")], ["verify", str(path)]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.startswith("fk-models: ")
        assert "bad.tflite" in error
        assert error.count("\n") == 1
    assert main(["info", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_number_of_labels_is_refused(tflite: Path, tmp_path: Path, capsys) -> None:
    command = ["compile", str(tflite), "-o", str(tmp_path / "o.fkm"), "--labels", "a,b,c"]
    assert main(command) == 2
    assert "3 labels for 2 classes" in capsys.readouterr().err


def test_a_file_of_labels_that_is_no_text_is_refused(tflite: Path, tmp_path: Path, capsys) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_bytes(b"none\n\xff\n")
    assert main(["compile", str(tflite), "-o", str(tmp_path / "o.fkm"), "--labels", str(labels)]) == 2
    error = capsys.readouterr().err
    assert f"{labels}: not a text in UTF-8" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("place", [".", "net.tflite/arena.png"])
def test_a_picture_of_the_arena_that_cannot_be_written_is_one_line(
    place: str, tflite: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "net.fkm"
    assert main(["compile", str(tflite), "-o", str(out)]) == 0
    before = sorted(tmp_path.iterdir())
    assert main(["info", str(out), "--plot", str(tmp_path / place)]) == 2
    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_leaves_no_half_image(tflite: Path, tmp_path: Path) -> None:
    """In a process of its own: a limit on file sizes stands in for the full disk."""
    out = tmp_path / "net.fkm"
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024));"
        "from framekeep_models.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "compile", str(tflite), "-o", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{out}: cannot be written" in done.stderr
    assert sorted(tmp_path.iterdir()) == [tflite]


@pytest.mark.parametrize("damage", [lambda d: d[:3000], lambda d: d[:200] + b"\x55" + d[201:]])
def test_info_on_a_damaged_image_says_what_to_do(tflite: Path, tmp_path: Path, capsys, damage) -> None:
    out = tmp_path / "net.fkm"
    assert main(["compile", str(tflite), "-o", str(out)]) == 0
    out.write_bytes(damage(out.read_bytes()))
    capsys.readouterr()
    assert main(["info", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"fk-models: {out}: ") and error.count("\n") == 1
    assert error.endswith("copy it again, or make it anew with fk-models compile\n")
