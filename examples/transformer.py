"""A transformer learns to write documentation: attention over the letters of NumPy's docstrings, of layers from `weft.stax`.

What it has learned is said in bits a letter on text that it has not seen, beside what the frequencies of letters and of
pairs of letters leave open: 3.7 bits. It has 2.3 in less than half a minute, and then writes.
"""

import argparse
import inspect
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import weft
import weft.numpy as wnp
from weft import lax, nn, optim, random, stax, tree


def read(length):
    """Docstrings of NumPy's functions, each once, in random order: the alphabet, and the text as places in it."""
    texts = sorted({inspect.getdoc(getattr(np, name)) or "" for name in np.__all__})
    text = "\n\n".join(np.random.default_rng(0).permutation([t for t in texts if t.isascii()]))[:length]
    return np.unique(list(text), return_inverse=True)


def network(letters, dim, heads, depth):
    attention = stax.residual(stax.LayerNorm(), stax.MultiHeadAttention(heads, causal=True))
    dense = stax.residual(stax.LayerNorm(), stax.Dense(4 * dim), stax.Gelu, stax.Dense(dim))
    first = stax.Embedding(letters, dim, stax.randn(0.3)), stax.Positions(stax.randn(0.3))
    return stax.serial(*first, *(attention, dense) * depth, stax.LayerNorm(), stax.Dense(letters))


def entropy(counts):
    p = counts[counts > 0] / counts.sum()
    return -(p * np.log2(p)).sum()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="less text and a smaller network, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)
    length, batch, dim, depth, steps = (48, 16, 48, 2, 300) if args.small else (64, 24, 96, 2, 400)

    alphabet, text = read(400_000)
    train, rest = wnp.asarray(text[:360_000]), wnp.asarray(text[360_000:])
    test = rest[: 300 * (length + 1)].reshape(300, length + 1)
    one = entropy(np.bincount(text))
    two = entropy(np.bincount(text[:-1] * len(alphabet) + text[1:])) - one
    print(f"{len(text)} letters: {one:.2f} bits each, after another one {two:.2f}")

    init, apply = network(len(alphabet), dim, 4, depth)
    params = tree.map(lambda p: p.astype("float32"), init(random.key(0), (-1, length))[1])
    rates = optim.warmup_cosine_decay(1e-2, steps // 20, steps)
    optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(rates))

    @weft.jit
    def loss(params, rows):
        """Bits a letter, each foretold from those before it in its row."""
        scores = nn.log_softmax(apply(params, rows[:, :-1])) / np.log(2)
        return -wnp.mean(wnp.take_along_axis(scores, rows[:, 1:, None], axis=-1))

    @partial(weft.jit, donate_argnums=0)
    def learn(carry, keys):
        def step(carry, key):
            starts = random.randint(key, (batch, 1), 0, len(train) - length)
            value, slope = weft.value_and_grad(loss)(carry[0], train[starts + wnp.arange(length + 1)])
            return optimizer.step(carry[0], carry[1], slope), value

        return lax.scan(step, carry, keys)

    @weft.jit
    def write(params, row, keys):
        def step(row, key):
            letter = random.categorical(key, 1.3 * apply(params, row[None])[0, -1])
            return wnp.append(row[1:], letter), letter

        return lax.scan(step, row, keys)[1]

    losses, bits, carry = np.zeros(0), [float(loss(params, test))], (params, optimizer.init(params))
    for keys in random.split(random.key(1), (10, steps // 10)):
        carry, values = learn(carry, keys)
        losses = np.append(losses, values)
        bits.append(float(loss(carry[0], test)))
        print(f"step {len(losses)}: {bits[-1]:.2f} bits a letter on unseen text")
    written = "".join(alphabet[np.asarray(write(carry[0], test[0, 1:], random.split(random.key(2), 400)))])
    print(f"\n{written}\n")

    axes = (figure := Figure(figsize=(6, 3.5), layout="constrained")).subplots()
    axes.plot(losses, "-", np.linspace(0, steps, len(bits)), bits, "o-", linewidth=0.7)
    axes.axhline(two, color="grey", linewidth=0.7)
    axes.set(xlabel="step", ylabel="bits a letter", title="grey: what pairs of letters leave open")
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "transformer.png", dpi=120)
    return {"bits": bits, "one": one, "two": two, "alphabet": alphabet, "written": written}


if __name__ == "__main__":
    main()
