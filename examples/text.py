"""A recurrent network learns to write documentation: a GRU over the letters of Python's own docstrings.

An epoch is one compiled loop: a scan over batches around the gradient of a scan over letters. What it has learned is said in
bits a letter on text that it has not seen, beside the best that is possible without memory (the frequencies of letters) and
with a memory of one letter (of pairs). At the end it writes: another scan, which feeds its own letters back.
"""

import argparse
import importlib
import inspect
import time
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import weft
import weft.numpy as wnp
from weft import lax, nn, random, tree

MODULES = (
    "argparse ast collections configparser contextlib csv datetime decimal difflib doctest email.message enum fractions "
    "functools heapq inspect io json logging optparse os pathlib pdb pickle random re shutil socket statistics string "
    "subprocess tarfile tempfile textwrap threading traceback unittest.case urllib.request warnings zipfile"
).split()


def read():
    """The docstrings of modules of the standard library, of their classes and functions, each once, shuffled."""
    found: dict[str, None] = {}
    for module in map(importlib.import_module, MODULES):
        own = [x for x in vars(module).values() if getattr(x, "__module__", None) == module.__name__]
        inside = [x for cls in filter(inspect.isclass, own) for x in vars(cls).values()]
        for documented in (module, *own, *filter(inspect.isroutine, inside)):
            text = inspect.getdoc(documented)
            if text and text.isascii() and len(text) > 60:
                found[text] = None
    if not found:
        raise SystemExit("Python has been told to forget docstrings (-OO).")
    return "\n\n".join(np.random.default_rng(0).permutation(list(found)))


def init(key, letters, units):
    names = {
        "embed": (letters, units),
        "w": (units, 3 * units),
        "u": (units, 3 * units),
        "out": (units, letters),
    }
    keys = random.split(key, len(names))
    params = {n: random.normal(k, s) * s[0] ** -0.5 for k, (n, s) in zip(keys, names.items(), strict=True)}
    params["embed"] = params["embed"] * letters**0.5
    return params | {"b": wnp.zeros(3 * units), "b_out": wnp.zeros(letters)}


def cell(params, h, x):
    """A gated recurrent unit: x has been multiplied by its weights already, for all letters at once."""
    z_x, r_x, n_x = wnp.split(x, 3, axis=-1)
    z_h, r_h, n_h = wnp.split(h @ params["u"], 3, axis=-1)
    z = nn.sigmoid(z_x + z_h)
    return z * h + (1 - z) * wnp.tanh(n_x + nn.sigmoid(r_x + r_h) * n_h)


def read_letters(params, h, letters):
    """States and the scores of what comes next, for letters of shape (time, batch)."""

    def step(h, x):
        h = cell(params, h, x)
        return h, h

    h, states = lax.scan(step, h, params["embed"][letters] @ params["w"] + params["b"])
    return h, states @ params["out"] + params["b_out"]


def loss(params, h, letters):
    """Nats a letter, and the state from which the next piece of the text goes on."""
    h, scores = read_letters(params, h, letters[:-1])
    chosen = wnp.take_along_axis(nn.log_softmax(scores), letters[1:, :, None], axis=-1)
    return -wnp.mean(chosen), h


@partial(weft.jit, donate_argnums=0)
def epoch(state, pieces, rate):
    """Adam over the pieces of the text, in order: the state of the network goes from one to the next."""

    def step(carry, letters):
        (params, mean, square, count), h = carry
        (value, h), slope = weft.value_and_grad(loss, has_aux=True)(params, h, letters)
        count = count + 1.0
        mean = tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
        square = tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, square, slope)
        now = rate * wnp.sqrt(1 - 0.99**count) / (1 - 0.9**count)
        params = tree.map(lambda p, m, s: p - now * m / (wnp.sqrt(s) + 1e-8), params, mean, square)
        return ((params, mean, square, count), h), value

    h = wnp.zeros((pieces.shape[2], state[0]["u"].shape[0]))
    (state, _), values = lax.scan(step, (state, h), pieces)
    return state, values


@weft.jit
def judge(params, letters):
    return loss(params, wnp.zeros((letters.shape[1], params["u"].shape[0])), letters)[0]


@partial(weft.jit, static_argnums=3)
def write(params, key, first, count):
    """Letters drawn one after the other, each from what the network expects after those before it."""

    def step(carry, key):
        h, letter = carry
        h = cell(params, h, params["embed"][letter] @ params["w"] + params["b"])
        letter = random.categorical(key, 1.3 * (h @ params["out"] + params["b_out"]))
        return (h, letter), letter

    h = wnp.zeros(params["u"].shape[0])
    return lax.scan(step, (h, first), random.split(key, count))[1]


def cut(letters, batch, length):
    """Letters -> (pieces, length + 1, batch); rows of the batch go on in the next piece, one letter is in both."""
    pieces = (len(letters) // batch - 1) // length
    rows = letters[: batch * (pieces * length + 1)].reshape(batch, -1)
    return np.stack([rows[:, i * length : (i + 1) * length + 1].T for i in range(pieces)])


def entropies(letters, count):
    """Bits a letter that the frequencies of letters leave open, and those of pairs."""
    pairs = np.zeros((count, count))
    np.add.at(pairs, (letters[:-1], letters[1:]), 1 / (len(letters) - 1))
    one, two = (-(p * np.log2(p, where=p > 0, out=np.zeros_like(p))).sum() for p in (pairs.sum(1), pairs))
    return one, two - one


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="less text and a smaller network, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)
    units, epochs, batch, length = (64, 4, 16, 32) if args.small else (128, 6, 32, 48)

    text = read()[: 60_000 if args.small else 150_000]
    alphabet = sorted(set(text))
    letters = np.array([alphabet.index(letter) for letter in text])
    seen = len(letters) * 9 // 10
    pieces = wnp.asarray(cut(letters[:seen], batch, length))
    unseen = wnp.asarray(cut(letters[seen:], 8, (len(letters) - seen) // 8 - 2)[0])
    one, two = entropies(letters, len(alphabet))
    print(
        f"{len(text)} letters, {len(alphabet)} different ones: {one:.2f} bits each, after another one {two:.2f}"
    )

    params = init(random.key(0), len(alphabet), units)
    state = (params, tree.map(wnp.zeros_like, params), tree.map(wnp.zeros_like, params), 0.0)
    losses, bits = [], [float(judge(params, unseen)) / np.log(2)]
    for number in range(1, epochs + 1):
        start = time.perf_counter()
        state, values = epoch(state, pieces, 1e-2 * (1 - (number - 1) / epochs))
        losses.extend(np.asarray(values) / np.log(2))
        bits.append(float(judge(state[0], unseen)) / np.log(2))
        print(f"epoch {number}: {bits[-1]:.2f} bits a letter unseen, {time.perf_counter() - start:.1f} s")
    first = alphabet.index("R")
    written = "".join(alphabet[i] for i in np.asarray(write(state[0], random.key(3), first, 400)))
    print(f"\nR{written}\n")

    axes = (figure := Figure(figsize=(6, 3.5), layout="constrained")).subplots()
    axes.plot(np.linspace(0, epochs, len(losses)), losses, linewidth=0.5, label="while it learns")
    axes.plot(range(epochs + 1), bits, marker="o", label="on unseen text")
    for bound, name in ((one, "letters"), (two, "pairs of letters")):
        axes.axhline(bound, color="grey", linewidth=0.7)
        axes.text(epochs, bound, name, ha="right", va="bottom", color="grey")
    axes.set(xlabel="epoch", ylabel="bits a letter")
    axes.legend()
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "text.png", dpi=120)
    print(f"curves: {args.out / 'text.png'}")
    return {"bits": bits, "one": one, "two": two, "text": text, "written": written}


if __name__ == "__main__":
    main()
