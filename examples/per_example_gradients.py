"""Find mislabelled digits by the size of each example's own gradient: `vmap(grad(loss))`.

One label in twenty is replaced by a wrong one. A model trained on all of them disagrees most loudly with the
wrong labels: their gradients are the largest, and one vectorised call computes all of them.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import weft
import weft.numpy as wnp
from weft import nn, tree


def loss(params, image, label):
    """Cross-entropy of ONE example: image of shape (64,), label a number."""
    return -nn.log_softmax(image @ params["w"] + params["b"])[label]


def mean_loss(params, images, labels):
    losses = weft.vmap(loss, in_axes=(None, 0, 0))(params, images, labels)
    return wnp.mean(losses) + 2e-3 * wnp.sum(params["w"] ** 2)


@weft.jit
def descend(params, images, labels, rate=1.0):
    grads = weft.grad(mean_loss)(params, images, labels)
    return tree.map(lambda p, g: p - rate * g, params, grads)


@weft.jit
def gradient_norms(params, images, labels):
    """The length of every example's gradient, over all parameters: shape (examples,)."""
    grads = weft.vmap(weft.grad(loss), in_axes=(None, 0, 0))(params, images, labels)
    squares = [wnp.sum(g.reshape(g.shape[0], -1) ** 2, axis=1) for g in tree.leaves(grads)]
    return wnp.sqrt(sum(squares))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a third of the digits, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)

    images, labels = load_digits(return_X_y=True)
    if args.small:
        images, labels = images[:600], labels[:600]
    images = images / 16
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(labels), size=len(labels) // 20, replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + rng.integers(1, 10, size=len(wrong))) % 10

    params = {"w": wnp.zeros((64, 10)), "b": wnp.zeros(10)}
    for _ in range(200):
        params = descend(params, images, given)
    norms = np.asarray(gradient_norms(params, images, given))
    suspects = np.argsort(norms)[::-1][: len(wrong)]
    found = float(np.isin(suspects, wrong).mean())
    print(f"{len(wrong)} of {len(labels)} labels are wrong")
    print(f"{found:.0%} of the {len(wrong)} largest gradients belong to them")

    figure = Figure(figsize=(8, 4.4), layout="constrained")
    for axes, i in zip(figure.subplots(3, 8).flat, suspects, strict=False):
        axes.imshow(images[i].reshape(8, 8), cmap="gray_r")
        colour = "tab:red" if i in wrong else "black"
        axes.set_title(f"called {given[i]}\n|gradient| {norms[i]:.1f}", fontsize=7, color=colour)
        axes.set_axis_off()
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "per_example_gradients.png", dpi=120)
    print(f"picture, red where the label is wrong: {args.out / 'per_example_gradients.png'}")
    return {"found": found, "norms": norms, "params": params, "images": images, "labels": given}


if __name__ == "__main__":
    main()
