"""A llama of 1 MB with random weights: it speaks nonsense, and all that a server does with a model is real."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

CONTEXT = 8192
WIDTH, HIDDEN, LAYERS, HEADS = 64, 128, 2, 4
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = ("the", "and", "ing", "answer", "yes", "no", "score", " the", " a", " of")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

Weights = npt.NDArray[np.float32]


def write_model(file: Path) -> Path:
    """The model as GGUF; the same bytes every time."""
    tokens, merges = _vocabulary()
    writer = gguf.GGUFWriter(file, "llama")
    _describe(writer, len(tokens) + len(SPECIAL))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*tokens, *SPECIAL])
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens) + [gguf.TokenType.CONTROL] * len(SPECIAL))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens))
    writer.add_pad_token_id(len(tokens))
    writer.add_eos_token_id(len(tokens) + 2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    for name, weights in _weights(tokens).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _describe(writer: gguf.GGUFWriter, tokens: int) -> None:
    writer.add_name("tiny-random-llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(tokens)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _vocabulary() -> tuple[list[str], list[str]]:
    """The 256 bytes as the tokenizer of GPT-2 writes them, and a few words with their merges."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    tokens, merges = [letters[byte] for byte in range(256)], []
    for word in WORDS:
        whole, *rest = (letters[byte] for byte in word.encode())
        for letter in rest:
            merges.append(f"{whole} {letter}")
            whole += letter
            if whole not in tokens:
                tokens.append(whole)
    return tokens, list(dict.fromkeys(merges))


def _weights(tokens: list[str]) -> dict[str, Weights]:
    random = np.random.default_rng(0)

    def some(*shape: int) -> Weights:
        return (random.standard_normal(shape) * 0.08).astype(np.float32)

    def without_first(*shape: int) -> Weights:
        weights = some(*shape)
        weights[0] = 0.0
        return weights

    # The first channel is the same for every token, so that an output row can carry a bias: bytes that are no text of
    # their own never come, and the end of the turn has a fair chance.
    embedded, output = some(len(tokens) + len(SPECIAL), WIDTH), some(len(tokens) + len(SPECIAL), WIDTH)
    embedded[:, 0] = 3.0
    output[:, 0] = [0.0 if _is_text(token) else -20.0 for token in tokens] + [-20.0, -20.0, 0.15]
    ones = np.ones(WIDTH, np.float32)
    weights = {"token_embd.weight": embedded, "output_norm.weight": ones, "output.weight": output}
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        weights |= {f"{block}attn_{part}.weight": some(WIDTH, WIDTH) for part in "qkv"}
        weights[f"{block}attn_output.weight"] = without_first(WIDTH, WIDTH)
        weights[f"{block}ffn_gate.weight"] = some(HIDDEN, WIDTH)
        weights[f"{block}ffn_up.weight"] = some(HIDDEN, WIDTH)
        weights[f"{block}ffn_down.weight"] = without_first(WIDTH, HIDDEN)
        weights |= {f"{block}{norm}_norm.weight": ones for norm in ("attn", "ffn")}
    return weights


def _is_text(token: str) -> bool:
    return all(letter == "\u0120" or "!" <= letter <= "~" for letter in token)
