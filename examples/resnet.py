"""A residual network reads handwritten digits: convolutions with shortcuts, from layers of `weft.stax`, trained by AdamW.

An epoch is one compiled loop over batches; images are shifted at random on the way. 99 % of unseen digits in ten seconds.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import weft
import weft.numpy as wnp
from weft import lax, optim, random, stax, tree


def block(channels, stride=1):
    """Two convolutions and what goes past them: the image itself, or where its shape changes, some of its points."""
    first = stax.Conv(channels, (3, 3), (stride, stride), "SAME"), stax.BatchNorm(), stax.Relu
    second = stax.Conv(channels, (3, 3), padding="SAME"), stax.BatchNorm()
    past = stax.Conv(channels, (1, 1), (stride, stride), "SAME") if stride > 1 else stax.Identity
    return stax.serial(stax.residual(*first, *second, shortcut=past), stax.Relu)


def network(channels):
    """Images of 8 x 8 points become 4 x 4, then 2 x 2, with more features each time."""
    first = stax.Conv(channels, (3, 3), padding="SAME"), stax.BatchNorm(), stax.Relu
    blocks = block(channels), block(2 * channels, stride=2), block(4 * channels, stride=2)
    return stax.serial(*first, *blocks, stax.AvgPool((2, 2)), stax.Flatten, stax.Dense(10), stax.LogSoftmax)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a smaller network and fewer epochs, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)
    channels, epochs, batch = (8, 8, 64) if args.small else (16, 20, 64)

    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16 - 0.3).astype("float32")
    x, x_test, y, y_test = train_test_split(images, labels, test_size=0.25, random_state=0, stratify=labels)
    steps = len(x) // batch

    init, apply = network(channels)
    params = tree.map(lambda p: p.astype("float32"), init(random.key(0), (-1, 8, 8, 1))[1])
    optimizer = optim.adamw(optim.warmup_cosine_decay(1e-2, steps, steps * epochs), weight_decay=0.05)
    state = optimizer.init(params)

    def loss(params, x, y):
        return -wnp.mean(wnp.take_along_axis(apply(params, x), y[:, None], axis=1))

    @partial(weft.jit, donate_argnums=(0, 1))
    def epoch(params, state, key, x, y):
        """All images once, in random order, a batch a step."""

        def step(carry, chosen):
            rows, shift = chosen
            padded = wnp.pad(x[rows], ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-0.3)
            shifted = lax.dynamic_slice(padded, (0, *shift, 0), (batch, 8, 8, 1))
            params, state = carry
            value, slope = weft.value_and_grad(loss)(params, shifted, y[rows])
            return optimizer.step(params, state, slope), value

        order, where = random.split(key)
        rows = random.permutation(order, len(x))[: steps * batch].reshape(steps, batch)
        shifts = random.randint(where, (steps, 2), 0, 3)
        (params, state), values = lax.scan(step, (params, state), (rows, shifts))
        return params, state, wnp.mean(values)

    losses, right, scores = [], [], wnp.zeros((0, 10))
    for number, key in enumerate(random.split(random.key(1), epochs), 1):
        start = time.perf_counter()
        params, state, value = epoch(params, state, key, x, y)
        scores = weft.jit(apply)(params, x_test)
        losses.append(float(value))
        right.append(float(wnp.mean(wnp.argmax(scores, axis=1) == y_test)))
        print(
            f"epoch {number:2}: loss {value:.4f}, test accuracy {right[-1]:.1%}, {time.perf_counter() - start:.1f} s"
        )

    left, *others = (figure := Figure(figsize=(8, 3), layout="constrained")).subplots(1, 4)
    left.plot(1 - np.array(right), marker="o", label="unseen digits it gets wrong")
    left.plot(losses, label="loss while it learns")
    left.set(xlabel="epoch", yscale="log")
    left.legend()
    sure = np.take_along_axis(np.asarray(scores), y_test[:, None], axis=1)[:, 0]
    for axes, i in zip(others, np.argsort(sure)[:3], strict=True):
        axes.imshow(x_test[i, :, :, 0], cmap="gray_r")
        axes.set(title=f"{y_test[i]}, read as {np.argmax(scores[i])}", xticks=[], yticks=[])
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "resnet.png", dpi=120)
    return {"losses": losses, "accuracy": right[-1], "scores": np.asarray(scores), "labels": y_test}


if __name__ == "__main__":
    main()
