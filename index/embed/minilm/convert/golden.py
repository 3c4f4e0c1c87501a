"""Writes ../testdata/golden.jsonl.gz: texts, their token ids and their vectors by the original float32 model. See doc.go."""

import base64
import gzip
import json

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertModel

import convert
import texts

LIMIT = 256  # tokens, with [CLS] and [SEP]
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def reference_tokenizer(folder):
    """The model's tokenizer without its added tokens: a special token's name in a text stays text."""
    vocab = models.WordPiece.read_file(str(folder / "vocab.txt"))
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    tokenizer.enable_truncation(LIMIT)
    return tokenizer


def check_against_shipped(folder, tokenizer, samples):
    """The model's own tokenizer.json agrees wherever no special token's name is in the text."""
    shipped = Tokenizer.from_file(str(folder / "tokenizer.json"))
    shipped.no_padding()
    shipped.enable_truncation(LIMIT)
    for text in samples:
        if not any(name in text for name in SPECIALS):
            assert shipped.encode(text).ids == tokenizer.encode(text).ids, text


def main():
    folder = convert.model_dir()
    tokenizer = reference_tokenizer(folder)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32).eval()
    with_vector, tokens_only = texts.vector_texts(), texts.token_texts()
    check_against_shipped(folder, tokenizer, with_vector + tokens_only)

    rows = []
    for text in with_vector:
        ids = tokenizer.encode(text).ids
        with torch.inference_mode():
            mean = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0)
        unit = (mean / mean.norm()).numpy().astype("<f2")
        rows.append({"text": text, "ids": ids, "vector": base64.b64encode(unit.tobytes()).decode()})
    rows += [{"text": text, "ids": tokenizer.encode(text).ids} for text in tokens_only]

    path = convert.OUT / "testdata" / "golden.jsonl.gz"
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as f:
        for row in rows:
            f.write((json.dumps(row, separators=(",", ":")) + "\n").encode())
    print(f"{len(rows)} texts, {len(with_vector)} with a vector, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
