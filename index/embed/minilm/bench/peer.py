"""Prints how fast onnxruntime runs the float32 model on the texts of the Go benchmarks. See ../doc.go for how to run."""

import argparse
import pathlib
import statistics
import sys
import time

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "convert"))
import convert  # noqa: E402

SENTENCE = "Glaciers carve valleys in the shape of a U, while rivers tend to cut them into the shape of a V. "
CHUNKS = [f"{i:04d} {SENTENCE * 11}"[:1000] for i in range(64)]
QUERIES = [f"how do I rotate signing key {i:04d} without logging everybody out" for i in range(400)]


def export(folder, path):
    """The model with the mean and the norm in the graph, as a float32 ONNX file."""
    import torch
    from transformers import BertModel

    class Sentence(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()

        def forward(self, input_ids, attention_mask):
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            return mean / mean.norm(dim=1, keepdim=True)

    ones = torch.ones(2, 8, dtype=torch.long)
    axes = {0: "texts", 1: "tokens"}
    torch.onnx.export(Sentence(), (ones, ones), str(path), dynamo=False, opset_version=17, output_names=["vector"],
                      input_names=["input_ids", "attention_mask"], dynamic_axes={"input_ids": axes, "attention_mask": axes})


def session(path, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def embed(net, tokenizer, texts):
    encoded = tokenizer.encode_batch(texts)
    ids = np.array([e.ids for e in encoded], dtype=np.int64)
    mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
    return net.run(None, {"input_ids": ids, "attention_mask": mask})[0]


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--model", type=pathlib.Path, required=True, help="the ONNX file; made if missing")
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    args = flags.parse_args()
    folder = convert.model_dir()
    if not args.model.exists():
        export(folder, args.model)
    net = session(args.model, args.threads)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    embed(net, tokenizer, CHUNKS[:4])
    for size in args.batches:
        cpu, start = time.process_time(), time.perf_counter()
        for i in range(0, len(CHUNKS), size):
            embed(net, tokenizer, CHUNKS[i:i + size])
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(f"onnxruntime {args.threads} threads, batch {size}: {len(CHUNKS) / wall:.1f} chunks/s, {1000 * cpu / len(CHUNKS):.1f} CPU ms a chunk")

    times = []
    cpu = time.process_time()
    for text in QUERIES:
        start = time.perf_counter()
        embed(net, tokenizer, [text])
        times.append(1000 * (time.perf_counter() - start))
    cpu = time.process_time() - cpu
    p50, p90 = statistics.median(times), statistics.quantiles(times, n=10)[8]
    print(f"onnxruntime {args.threads} threads, query: p50 {p50:.2f} ms, p90 {p90:.2f} ms, {1000 * cpu / len(QUERIES):.2f} CPU ms each")


if __name__ == "__main__":
    main()
