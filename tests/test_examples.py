"""The examples run, in small form, and what they claim about their results is true."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *argv: str) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main(["--small", *argv])


def softmax(scores: np.ndarray) -> np.ndarray:
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def test_digits_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run("digits", "--out", str(tmp_path))
    assert result["accuracy"] >= 0.965
    assert result["losses"][-1] < 0.2 * result["losses"][0]
    assert "test accuracy" in capsys.readouterr().out
    assert (tmp_path / "digits.png").stat().st_size > 5000


def test_newton_converges_quadratically() -> None:
    result = run("newton")
    norms, weights, x, y = (result[key] for key in ("norms", "weights", "x", "y"))
    assert norms[-1] < 1e-14
    near = [norm for norm in norms if 1e-6 < norm < 1e-2]
    assert len(near) >= 2 and near[-1] < 0.1 * near[-2]
    gradient = -x.T @ (y / (1 + np.exp(y * (x @ weights)))) / len(y) + 0.01 * weights
    np.testing.assert_allclose(gradient, 0, atol=1e-13)
    assert result["accuracy"] > 0.92


def test_waves_keep_their_energy_and_pass_the_slits(tmp_path: Path) -> None:
    result = run("wave", "--out", str(tmp_path))
    u, is_open = result["u"], result["is_open"]
    assert result["drift"] < 1e-12
    assert not u[is_open == 0].any()
    behind = u[:, u.shape[1] // 2 + 1 :]
    assert 0.01 < np.abs(behind).max() < np.abs(u).max()
    assert (tmp_path / "wave.png").stat().st_size > 5000


def test_large_gradients_betray_wrong_labels(tmp_path: Path) -> None:
    result = run("per_example_gradients", "--out", str(tmp_path))
    assert result["found"] >= 0.8
    w, b = (np.asarray(result["params"][name]) for name in "wb")
    images, labels = result["images"], result["labels"]
    # The gradient is the outer product of (image, 1) and (probabilities - one-hot label).
    residual = softmax(images @ w + b) - np.eye(10)[labels]
    lengths = np.sqrt((images**2).sum(axis=1) + 1) * np.linalg.norm(residual, axis=1)
    np.testing.assert_allclose(result["norms"], lengths, rtol=1e-10)
    assert (tmp_path / "per_example_gradients.png").stat().st_size > 5000


def test_gaussian_process_finds_its_hyper_parameters(tmp_path: Path) -> None:
    result = run("gaussian_process", "--out", str(tmp_path))
    assert result["after"] < result["before"] - 2
    assert np.abs(result["gradient"]).max() < 0.1
    assert result["r2"] > 0.2
    assert 0.8 < result["coverage"] <= 1
    assert (tmp_path / "gaussian_process.png").stat().st_size > 5000


def test_lorenz_parameters_are_found_and_chaos_is_seen(tmp_path: Path) -> None:
    result = run("lorenz", "--out", str(tmp_path))
    true = {"sigma": 10, "rho": 28, "beta": 8 / 3}
    for name, value in result["found"].items():
        assert abs(value / true[name] - 1) < 0.01, name
    # What is left is the noise, less what the starts and the parameters take up of it: 3 of 27 numbers in a window.
    assert 0.8 < result["misfits"][-1] / (result["noise"] ** 2 * (1 - 3 / 27)) < 1.1
    assert 0.7 < result["growth"] < 1.2
    np.testing.assert_allclose(result["gradient"], result["slope"], rtol=1e-9)  # reverse and forward mode
    assert (tmp_path / "lorenz.png").stat().st_size > 5000


def test_text_is_learned(tmp_path: Path) -> None:
    result = run("text", "--out", str(tmp_path))
    bits = result["bits"]
    assert bits[0] > result["one"] > result["two"] > bits[-1] + 0.3
    assert len(result["written"]) == 400 and set(result["written"]) <= set(result["text"])
    common = sorted(set(result["text"]), key=result["text"].count)[-3:]
    assert " " in common and result["written"].count(" ") > 20
    assert (tmp_path / "text.png").stat().st_size > 5000


def test_the_flow_in_a_cavity_is_the_published_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run("cavity", "--out", str(tmp_path))
    bar = capsys.readouterr().err
    assert "flow in a cavity" in bar and "100%" in bar
    centre, published = result["centre"], result["published"]
    assert abs(centre["psi"] / published["psi"] - 1) < 0.03
    assert abs(centre["x"] - published["x"]) < 0.026 and abs(centre["y"] - published["y"]) < 0.026
    assert result["change"] < 1e-3  # it is at rest, so to say
    psi, w, n = result["psi"], result["w"], len(result["psi"]) - 1
    around = psi[1:-1, 2:] + psi[1:-1, :-2] + psi[2:, 1:-1] + psi[:-2, 1:-1] - 4 * psi[1:-1, 1:-1]
    np.testing.assert_allclose(n**2 * around, -w[1:-1, 1:-1], atol=1e-3)
    assert (tmp_path / "cavity.png").stat().st_size > 5000


def test_a_transformer_foretells_letters(tmp_path: Path) -> None:
    result = run("transformer", "--out", str(tmp_path))
    bits = result["bits"]
    assert bits[0] > result["one"] > result["two"] > bits[-1] + 0.1
    assert len(result["written"]) == 400 and set(result["written"]) <= set(result["alphabet"])
    assert result["written"].count(" ") > 20
    assert (tmp_path / "transformer.png").stat().st_size > 5000


def test_a_residual_network_reads_digits(tmp_path: Path) -> None:
    result = run("resnet", "--out", str(tmp_path))
    assert result["accuracy"] > 0.95
    assert result["losses"][-1] < 0.2 * result["losses"][0]
    np.testing.assert_allclose(np.exp(result["scores"]).sum(1), 1, rtol=1e-4)
    assert (result["scores"].argmax(1) == result["labels"]).mean() == pytest.approx(result["accuracy"])
    assert (tmp_path / "resnet.png").stat().st_size > 5000
